"""Three levels of heat, with a gap on the way back, and sensors that tell nothing."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.sysfs import Sysfs
from board.thermal import Heat, Limits, Thermometer, temperature_mc
from tests.unit.board.fake_sysfs import made

LIMITS = Limits(hot_c=75, critical_c=80, gap_c=5)
ZONE = "sys/class/thermal/thermal_zone"


def levels(*temperatures_c: float | None) -> list[Heat]:
    meter = Thermometer(LIMITS)
    return [meter.take(None if celsius is None else round(celsius * 1_000)) for celsius in temperatures_c]


def test_it_rises_at_the_limits_and_falls_below_the_gap() -> None:
    assert levels(74.9, 75, 79.9, 80, 75.1, 74.9, 70.1, 69.9) == [
        *(Heat.NORMAL, Heat.HOT, Heat.HOT, Heat.CRITICAL),
        *(Heat.CRITICAL, Heat.HOT, Heat.HOT, Heat.NORMAL),
    ]


def test_a_jump_passes_a_level() -> None:
    assert levels(20, 90, 20) == [Heat.NORMAL, Heat.CRITICAL, Heat.NORMAL]


def test_a_sensor_that_vanishes_changes_nothing() -> None:
    assert levels(None, 78, None, None) == [Heat.NORMAL, Heat.HOT, Heat.HOT, Heat.HOT]


@given(st.floats(40, 100), st.lists(st.floats(-2.4, 2.4)))
def test_noise_smaller_than_the_gap_changes_the_level_once_at_most(middle_c: float, noise: list[float]) -> None:
    heats = levels(*(middle_c + jitter for jitter in noise))
    assert all(later >= earlier for earlier, later in pairwise(heats))


@pytest.mark.parametrize(
    ("text", "temperature"),
    [("48312", 48_312), ("-5000", -5_000), ("-274000", None), ("2147483647", None), ("", None), ("hot", None)],
)
def test_the_zone_of_the_board_is_read(text: str, temperature: int | None, tmp_path: Path) -> None:
    found = made(
        tmp_path,
        {f"{ZONE}0/type": "battery", f"{ZONE}0/temp": "1000", f"{ZONE}1/type": "cpu-thermal", f"{ZONE}1/temp": text},
    )
    assert temperature_mc("cpu-thermal", found) == temperature


def test_a_board_without_the_zone_has_no_temperature(tmp_path: Path) -> None:
    assert temperature_mc("cpu-thermal", Sysfs(tmp_path)) is None
