"""The clocks against what else the kernel says, and when the wall clock may be believed."""

import ctypes
from datetime import timedelta
from pathlib import Path

import pytest

from board.clock import SOFTWARE_DATE, STA_UNSYNC, adjtimex_status, boottime_ms, boottime_s, wall, wall_is_good

STA_PLL = 0x0001
TIME_ERROR = 5
PLAUSIBLE = SOFTWARE_DATE + timedelta(days=1)


def uptime_s() -> float:
    return float(Path("/proc/uptime").read_text().split()[0])


def test_boottime_is_the_kernels_uptime() -> None:
    before_s = uptime_s()
    read_ms, read_s = boottime_ms(), boottime_s()
    after_s = uptime_s()
    assert before_s - 0.01 <= read_ms / 1000 <= read_s + 0.001 <= after_s + 0.02


def test_wall_is_aware() -> None:
    assert wall().utcoffset() == timedelta(0)


@pytest.mark.parametrize(("status", "good"), [(STA_PLL, True), (STA_PLL | STA_UNSYNC, False), (0, True)])
def test_the_kernel_may_vouch_for_the_wall(tmp_path: Path, status: int, good: bool) -> None:
    assert wall_is_good(PLAUSIBLE, lambda: status, tmp_path / "absent") is good


def test_a_synchronisation_since_boot_vouches_for_the_wall(tmp_path: Path) -> None:
    (tmp_path / "synchronized").touch()
    assert wall_is_good(PLAUSIBLE, lambda: STA_UNSYNC, tmp_path / "synchronized")


def test_nothing_vouches_for_a_date_before_the_software(tmp_path: Path) -> None:
    (tmp_path / "synchronized").touch()
    early = SOFTWARE_DATE - timedelta(seconds=1)
    assert not wall_is_good(early, lambda: STA_PLL, tmp_path / "synchronized")


def test_the_status_agrees_with_the_verdict_of_the_kernel() -> None:
    """adjtimex(2) returns TIME_ERROR, 5, exactly while the clock is unsynchronised."""
    libc = ctypes.CDLL(None)
    question = ctypes.create_string_buffer(512)
    assert (libc.adjtimex(question) == TIME_ERROR) == bool(adjtimex_status() & STA_UNSYNC)
