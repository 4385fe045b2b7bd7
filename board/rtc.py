"""Waking the board by its real-time clock (Documentation/admin-guide/rtc.rst).

The alarm is set as so many seconds from the clock's own now, so a wrong date does not matter.
"""

from typing import Final

from board.errors import FerryError
from board.sysfs import Sysfs

_CLOCK: Final = "sys/class/rtc/rtc0"


class WakeError(FerryError):
    """The board cannot wake by itself."""

    remedy = "It needs a real-time clock with an alarm: see /sys/class/rtc/rtc0/wakealarm."


def can_wake(sysfs: Sysfs) -> bool:
    """Whether there is a clock with an alarm."""
    return sysfs.text(f"{_CLOCK}/wakealarm") is not None


def wake_after(duration_s: int, sysfs: Sysfs) -> None:
    """Set the alarm, in place of another one. Raises `WakeError`."""
    cancel_wake(sysfs)  # the kernel refuses to move an alarm that is set
    _write(f"+{duration_s}", sysfs)


def cancel_wake(sysfs: Sysfs) -> None:
    """Set no alarm. Raises `WakeError`."""
    _write("0", sysfs)


def _write(text: str, sysfs: Sysfs) -> None:
    try:
        sysfs.write(f"{_CLOCK}/wakealarm", text)
    except OSError as error:
        raise WakeError(f"The clock's alarm cannot be set: {error.strerror}.") from error
