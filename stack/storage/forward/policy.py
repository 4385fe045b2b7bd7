"""When to try again, when to forward at all, and when an entry may leave the spool. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import Enum
from typing import Final

_DAY_S: Final = 86_400.0


class Demand(Enum):
    """How many sinks must have an entry before the spool lets it go."""

    ALL = "all"
    FIRST = "first"

    def needed(self, sinks: int) -> int:
        """Return that number, of so many sinks."""
        return sinks if self is Demand.ALL else min(sinks, 1)


class Trouble(Enum):
    """What kind of trouble a sink is in, as far as it decides when to try again. Values in seconds: first, longest."""

    PASSING = 5.0, 600.0  # away, hanging, cut: it may be back any moment
    STANDING = 60.0, 3_600.0  # full, read-only, share renamed: a person or the server has to do something
    BARRED = 600.0, 14_400.0  # password or key not taken: the server may lock us out
    THIS_FILE = 30.0, 3_600.0  # a name it cannot store, a file that is locked: the others go on


def pause_s(trouble: Trouble, attempts: int, draw: Callable[[], float]) -> float:
    """Return how long to wait after `attempts` failed ones: doubling, with a jitter of a quarter either way.

    `draw` returns a number from 0 to 1.
    """
    first_s, longest_s = trouble.value
    doublings = min(attempts, 30)
    return min(first_s * 2.0**doublings, longest_s) * (0.75 + draw() / 2)


@dataclass(frozen=True, slots=True)
class Hours:
    """The time of day in which forwarding is allowed, local time; over midnight where `end` is before `start`."""

    start: time
    end: time

    def wait_s(self, now: datetime) -> float:
        """Return how long to wait until forwarding is allowed, 0 if it is."""
        today = now.time().replace(tzinfo=None)
        is_inside = (
            self.start <= today < self.end if self.start <= self.end else today >= self.start or today < self.end
        )
        if is_inside:
            return 0.0
        opens = now.replace(hour=self.start.hour, minute=self.start.minute, second=0, microsecond=0)
        if opens < now:
            opens += timedelta(days=1)
        return (opens - now).total_seconds()


class Throttle:
    """Holds a stream of bytes to a rate. `now_s` comes from any steady clock."""

    def __init__(self, bytes_per_s: float) -> None:
        """Allow `bytes_per_s`; what was not used in the last second may be made up for."""
        self._bytes_per_s = bytes_per_s
        self._paid_until_s = 0.0

    def wait_s(self, size_bytes: int, now_s: float) -> float:
        """Take account of `size_bytes`, and return how long to wait before the next ones."""
        self._paid_until_s = max(self._paid_until_s, now_s - 1.0) + size_bytes / self._bytes_per_s
        return max(0.0, self._paid_until_s - now_s)


def may_leave(safe_since: float, keep_days: float, now: float) -> bool:
    """Whether an entry that is safe since `safe_since` (seconds since the epoch) may leave the spool."""
    return now - safe_since >= keep_days * _DAY_S
