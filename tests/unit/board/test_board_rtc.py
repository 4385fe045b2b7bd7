"""The alarm of the real-time clock."""

import errno
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from board.rtc import WakeError, can_wake, cancel_wake, wake_after
from board.sysfs import Sysfs
from tests.unit.board.fake_sysfs import made

ALARM = "sys/class/rtc/rtc0/wakealarm"
NOW_S = 1_000  # the clock believes in 1970


@dataclass(frozen=True, slots=True)
class FakeClock(Sysfs):
    """A clock that takes an alarm as the kernel does: relative with a plus, and only when none is set."""

    alarms_s: list[int] = field(default_factory=list)

    def write(self, path: str, text: str) -> None:
        """Set or cancel."""
        Sysfs.write(self, path, text)
        if text == "0":
            self.alarms_s.clear()
        elif self.alarms_s:
            raise OSError(errno.EBUSY, "Device or resource busy")
        else:
            self.alarms_s.append(NOW_S + int(text) if text.startswith("+") else int(text))


@pytest.fixture
def clock(tmp_path: Path) -> FakeClock:
    made(tmp_path, {ALARM: ""})
    return FakeClock(tmp_path)


def test_the_board_wakes_after_a_while_whatever_its_clock_believes(clock: FakeClock) -> None:
    assert can_wake(clock)
    wake_after(600, clock)
    wake_after(60, clock)
    assert clock.alarms_s == [NOW_S + 60]
    cancel_wake(clock)
    assert clock.alarms_s == []


def test_a_board_without_a_clock_says_so(tmp_path: Path) -> None:
    assert not can_wake(Sysfs(tmp_path))
    with pytest.raises(WakeError) as raised:
        wake_after(60, Sysfs(tmp_path))
    assert raised.value.remedy
