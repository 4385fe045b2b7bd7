"""Two clocks: time since boot for durations and deadlines, and the wall clock with the question whether it is right.

A board without a battery starts with a date of the past and jumps when the network tells it better, so a duration is
never the difference of two wall times. Time since boot counts suspend, never jumps and never wraps.
"""

import ctypes
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

# A clock that shows less has not been set since this software was written.
SOFTWARE_DATE = datetime(2026, 1, 1, tzinfo=UTC)

# Made by systemd-timesyncd at the first synchronisation after boot.
TIMESYNC_MARK = Path("/run/systemd/timesync/synchronized")

# adjtimex(2)
STA_UNSYNC = 0x0040


def boottime_ms() -> int:
    """Milliseconds since boot, suspend included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def boottime_s() -> float:
    """Seconds since boot, suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall() -> datetime:
    """Return the date and time in UTC, right only if `wall_is_good`."""
    return datetime.now(UTC)


def wall_is_good(now: datetime, kernel_status: Callable[[], int] | None = None, mark: Path = TIMESYNC_MARK) -> bool:
    """Whether `now`, read from `wall`, may be shown and stored: set from a time source and not before the software.

    The mark stays when the network is lost; the kernel's status says unsynchronised after some hours without a source.
    """
    status = kernel_status or adjtimex_status
    return now >= SOFTWARE_DATE and (mark.exists() or not status() & STA_UNSYNC)


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def adjtimex_status() -> int:
    """Return the kernel's flags of clock discipline (`STA_UNSYNC` and others) without changing anything."""
    timex = _Timex(modes=0)
    if ctypes.CDLL(None).adjtimex(ctypes.byref(timex)) < 0:
        return STA_UNSYNC
    return int(timex.status)
