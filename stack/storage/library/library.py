"""The path of a file in the user's archive, and the date that leads there. Pure: clock and zone are passed in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from stack.storage.library.dates import RANK, CaptureDate, DateSource, first_plausible, from_unix_seconds
from stack.storage.library.kinds import kind_of
from stack.storage.library.metadata import FileMetadata
from stack.storage.library.name_dates import from_name
from stack.storage.library.rules import Rules


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """What is known of a spooled file. `name` is the phone's name for it made safe, `seq` counts from 1 in the task.

    In seconds since the epoch: `archived_s`, the date in the ZIP entry, and `arrived_s`, when the file was stored,
    None if the wall clock was not good then.
    """

    name: str
    sha256: bytes
    device: str
    brand: str
    task: str
    seq: int
    archived_s: float | None
    arrived_s: float | None
    metadata: FileMetadata


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a file belongs: a relative POSIX path. What may lie there already is for `collisions.free_paths`."""

    path: str
    date: CaptureDate


class Library:
    """The rules of one archive. `zone` is the station's: it shows what was written down in UTC."""

    def __init__(self, rules: Rules, zone: tzinfo) -> None:
        self._rules = rules
        self._zone = zone

    def place(self, group: Sequence[LibraryEntry], now: datetime | None) -> list[Placement] | None:
        """Place the files of one group (`grouping.grouped`), its leader first. `now` is UTC, None if it is not known.

        None means not yet: nothing but the arrival can date them, and the wall clock is not good.
        """
        date = self._date(group, now)
        if date is None:
            return None
        leader = group[0]
        template = self._rules.template_for(kind_of(leader.name), leader.brand, leader.device)
        values = _values(leader, date)
        return [Placement(template.render(values | {"name": entry.name}), date) for entry in group]

    def _date(self, group: Sequence[LibraryEntry], now: datetime | None) -> CaptureDate | None:
        dates = [first_plausible(self._claims(entry, now), now) for entry in group]
        return min((date for date in dates if date is not None), key=lambda date: RANK[date.source], default=None)

    def _claims(self, entry: LibraryEntry, now: datetime | None) -> Iterator[CaptureDate | None]:
        yield from entry.metadata.claims(self._zone)
        yield from from_name(entry.name, self._zone)
        if entry.archived_s is not None:
            yield from_unix_seconds(entry.archived_s, self._zone, DateSource.ARCHIVE)
        if entry.arrived_s is not None:
            yield from_unix_seconds(entry.arrived_s, self._zone, DateSource.ARRIVAL)
        if now is not None:
            yield from_unix_seconds(now.timestamp(), self._zone, DateSource.ARRIVAL)


def _values(leader: LibraryEntry, date: CaptureDate) -> dict[str, str]:
    return {
        "year": f"{date.local.year:04}",
        "month": f"{date.local.month:02}",
        "day": f"{date.local.day:02}",
        "device": leader.device,
        "brand": leader.brand,
        "type": kind_of(leader.name).value,
        "task": leader.task,
        "hash8": leader.sha256.hex()[:8],
        "seq": f"{leader.seq:04}",
    }
