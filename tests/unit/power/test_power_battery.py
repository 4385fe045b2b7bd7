"""The simulated battery: marks are met in time, both ways."""

import pytest

from stack.power.battery import CHARGING_MW, Battery

HOUR_MS = 3_600_000


def test_it_drains_through_its_converter() -> None:
    battery = Battery(1000, 50)
    battery.live(HOUR_MS, 180, has_mains=False)  # 200 mWh from the cell
    assert battery.charge_percent == 30


def test_the_next_mark_is_met() -> None:
    battery = Battery(1000, 50)
    away_ms = battery.next_mark_ms(90, has_mains=False)
    assert away_ms is not None
    assert away_ms == pytest.approx(2.5 * HOUR_MS, abs=2)
    battery.live(away_ms - 1000, 90, has_mains=False)
    assert battery.charge_percent == 25
    battery.live(1000, 90, has_mains=False)
    assert battery.next_mark_ms(90, has_mains=False) == pytest.approx(0.5 * HOUR_MS, abs=2)


def test_charging_meets_marks_from_below_and_ends_full() -> None:
    battery = Battery(CHARGING_MW, 0)
    away_ms = battery.next_mark_ms(500, has_mains=True)
    assert away_ms == pytest.approx(0.05 * HOUR_MS, abs=2)
    battery.live(2 * HOUR_MS, 500, has_mains=True)
    assert battery.charge_percent == 100
    assert battery.next_mark_ms(500, has_mains=True) is None


def test_it_is_never_less_than_empty() -> None:
    battery = Battery(1000, 1)
    battery.live(HOUR_MS, 900, has_mains=False)
    assert battery.charge_percent == 0
    assert battery.next_mark_ms(0, has_mains=False) is None
