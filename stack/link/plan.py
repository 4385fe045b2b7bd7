"""On which frequencies to look for a phone's group, and in which order: the likely ones first, the first hit ends it.

What the phone told comes first, then where groups were found before, then the social channels of Wi-Fi P2P and the
5 GHz channels without radar, then the rest. Only frequencies on which this radio may send are asked; on others a
phone can be heard, but not asked, and that takes a beacon's time each.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

SOCIAL_MHZ: Final = (2437, 2412, 2462)
FREE_5GHZ_MHZ: Final = (5180, 5200, 5220, 5240, 5745, 5765, 5785, 5805, 5825)
_REMEMBERED: Final = 4
_BATCH: Final = 4


class Memory:
    """Where groups were found, the last one first. Lives as long as the process."""

    def __init__(self) -> None:
        """Start without experience."""
        self.frequencies_mhz: list[int] = []

    def found(self, frequency_mhz: int) -> None:
        """A group was found here."""
        others = [each for each in self.frequencies_mhz if each != frequency_mhz]
        self.frequencies_mhz = [frequency_mhz, *others][:_REMEMBERED]


def scans(
    offered_mhz: int | None, memory: Memory, may_send_mhz: Sequence[int], may_listen_mhz: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """Yield the frequencies of each scan of one round: likely ones alone, the others some at a time."""
    usable = {*may_send_mhz, *may_listen_mhz}
    likely = [*([offered_mhz] if offered_mhz else []), *memory.frequencies_mhz, *SOCIAL_MHZ]
    done: set[int] = set()
    for frequency_mhz in _new(likely, usable, done):
        yield (frequency_mhz,)
    yield from _batches(list(_new(FREE_5GHZ_MHZ, set(may_send_mhz), done)))
    yield from _batches(list(_new(may_send_mhz, usable, done)))
    yield from _batches(list(_new(may_listen_mhz, usable, done)))


def _new(frequencies_mhz: Iterable[int], usable: set[int], done: set[int]) -> Iterator[int]:
    for frequency_mhz in frequencies_mhz:
        if frequency_mhz in usable and frequency_mhz not in done:
            done.add(frequency_mhz)
            yield frequency_mhz


def _batches(frequencies_mhz: Sequence[int]) -> Iterator[tuple[int, ...]]:
    for start in range(0, len(frequencies_mhz), _BATCH):
        yield tuple(frequencies_mhz[start : start + _BATCH])
