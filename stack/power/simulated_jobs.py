"""What a simulated station does, as declared work with how long it takes there."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from stack.power.figures import Figures
from stack.power.policy import Governor, Setting
from stack.power.radio import Use
from stack.power.work import Needs, Priority, Work

LOSS: Final = 0.3  # of advertising events, in a busy band; assumed
_HOUR_MS: Final = 3_600_000
_JOIN_PHONE_MS: Final = 5000
_JOIN_HOME_MS: Final = 3000
_FORWARD_SLACK_MS: Final = 12 * _HOUR_MS
_FORWARD_WITHIN_MS: Final = 24 * _HOUR_MS

ADVERTISING: Final = Work("advertise", Priority.PERSON, 0, needs=Needs(radio=Use.ADVERTISING))

# Each recurs `slack_ms * 2` after it became possible.
UPKEEP: Final = (
    Work(
        "set the clock",
        Priority.UPKEEP,
        earliest_ms=_HOUR_MS,
        slack_ms=3 * _HOUR_MS,
        duration_ms=5000,
        needs=Needs(radio=Use.HOME_STATION, home_network=True),
    ),
    Work("check the journal", Priority.UPKEEP, earliest_ms=2 * _HOUR_MS, slack_ms=2 * _HOUR_MS, duration_ms=2000),
)


@dataclass(frozen=True, slots=True)
class Job:
    """Work, how long it takes under a setting, and what follows. `interrupted` gets how long it ran, and the time."""

    work: Work
    duration_ms: Callable[[Setting], int]
    ended: Callable[[int], None]
    interrupted: Callable[[int, int], None]


def receiving(number: int, size_bytes: int, now_ms: int, figures: Figures, received: Callable[[int], None]) -> Job:
    """Take what one phone sends, at once."""

    def duration_ms(setting: Setting) -> int:
        return _JOIN_PHONE_MS + size_bytes // _receive_bytes_per_ms(setting, figures)

    work = Work(
        f"receive {number}",
        Priority.PERSON,
        earliest_ms=now_ms,
        duration_ms=_JOIN_PHONE_MS + size_bytes // figures.radio_bytes_per_ms,
        needs=Needs(radio=Use.P2P_LINK),
    )
    return Job(work, duration_ms, lambda now_ms: received(size_bytes), lambda elapsed_ms, now_ms: None)


def upkeep(work: Work, done: Callable[[Work], None]) -> Job:
    """Do one of `UPKEEP`, and declare it for its next time."""
    assert work.duration_ms is not None
    duration_ms = work.duration_ms

    def ended(now_ms: int) -> None:
        done(replace(work, earliest_ms=now_ms + 2 * work.slack_ms))

    return Job(work, lambda setting: duration_ms, ended, lambda elapsed_ms, now_ms: None)


class Spool:
    """What waits for the NAS, the oldest first, and its forwarding, which takes all there is."""

    def __init__(self, figures: Figures) -> None:
        """Begin empty."""
        self._figures = figures
        self._entries: list[tuple[int, int]] = []
        self._join_ms = 0
        self._bytes_per_ms = figures.forward_bytes_per_ms
        self.is_declared = False
        self.delays_ms: list[int] = []

    @property
    def bytes(self) -> int:
        """How much waits."""
        return sum(size for size, _ in self._entries)

    def put(self, size_bytes: int, now_ms: int) -> None:
        """Something is safe here now."""
        self._entries.append((size_bytes, now_ms))

    def forwarding(self, now_ms: int, done: Callable[[], None]) -> Job:
        """Declare the forwarding: within half a day, and a day at most."""
        self.is_declared = True
        work = Work(
            "forward",
            Priority.FORWARDING,
            earliest_ms=now_ms,
            slack_ms=_FORWARD_SLACK_MS,
            deadline_ms=now_ms + _FORWARD_WITHIN_MS,
            duration_ms=self._duration_ms(),
            needs=Needs(radio=Use.HOME_STATION, home_network=True, nas=True),
        )

        def ended(now_ms: int) -> None:
            self.is_declared = False
            self._take(self.bytes, now_ms)
            done()

        return Job(work, self._start, ended, self._interrupted)

    def owed_mj(self) -> int:
        """What forwarding the rest costs on top of an idle board, at full clock."""
        busy_mw = self._figures.wifi_busy_mw + self._figures.core_busy_mw
        owed_ms = _JOIN_HOME_MS + self.bytes // self._figures.forward_bytes_per_ms
        return busy_mw * owed_ms // 1000 if self._entries else 0

    def _start(self, setting: Setting) -> int:
        self._join_ms = 0 if setting.keeps_wifi_up else _JOIN_HOME_MS
        at_clock = _at_clock(self._figures.forward_bytes_per_ms, setting, self._figures)
        self._bytes_per_ms = min(at_clock, self._figures.radio_bytes_per_ms)
        return self._duration_ms()

    def _duration_ms(self) -> int:
        return self._join_ms + -(-self.bytes // self._bytes_per_ms)

    def _interrupted(self, elapsed_ms: int, now_ms: int) -> None:
        self._take(max(elapsed_ms - self._join_ms, 0) * self._bytes_per_ms, now_ms)

    def _take(self, moved_bytes: int, now_ms: int) -> None:
        """So much has reached the NAS."""
        while self._entries and moved_bytes:
            size_bytes, received_ms = self._entries[0]
            if moved_bytes < size_bytes:
                self._entries[0] = (size_bytes - moved_bytes, received_ms)
                return
            moved_bytes -= size_bytes
            self._entries.pop(0)
            self.delays_ms.append(now_ms - received_ms)


def _receive_bytes_per_ms(setting: Setting, figures: Figures) -> int:
    return min(_at_clock(figures.receive_bytes_per_ms, setting, figures), figures.radio_bytes_per_ms)


def _at_clock(bytes_per_ms: int, setting: Setting, figures: Figures) -> int:
    share = figures.slow_clock_percent if setting.busy_governor is Governor.POWERSAVE else 100
    return bytes_per_ms * share // 100
