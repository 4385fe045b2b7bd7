"""Declared work: its needs, and its latest start."""

from dataclasses import replace

import pytest

from stack.power.work import Conditions, Needs, Priority, Work
from tests.unit.power.items import GOOD, POOR

WORK = Work("item", Priority.UPKEEP, earliest_ms=1000, slack_ms=400, duration_ms=100)


@pytest.mark.parametrize(
    ("needs", "fails"),
    [
        (Needs(home_network=True), replace(GOOD, has_home_network=False)),
        (Needs(nas=True), replace(GOOD, has_nas=False)),
        (Needs(mains=True), replace(GOOD, has_mains=False)),
        (Needs(min_charge_percent=50), replace(GOOD, charge_percent=49)),
        (Needs(max_temperature_c=60), replace(GOOD, temperature_c=61)),
    ],
)
def test_each_need_counts(needs: Needs, fails: Conditions) -> None:
    assert needs.hold(GOOD)
    assert not needs.hold(fails)


def test_who_needs_nothing_is_always_content() -> None:
    assert Needs().hold(POOR)


@pytest.mark.parametrize(
    ("deadline_ms", "slack_percent", "expected_ms"),
    [
        (None, 100, 1400),
        (None, 50, 1200),
        (None, 0, 1000),
        (1300, 100, 1200),  # the deadline wins
        (1300, 0, 1000),
        (1050, 100, 1000),  # too late in any case: at once
        (9999, 100, 1400),
    ],
)
def test_latest_start(deadline_ms: int | None, slack_percent: int, expected_ms: int) -> None:
    assert replace(WORK, deadline_ms=deadline_ms).latest_start_ms(slack_percent) == expected_ms
