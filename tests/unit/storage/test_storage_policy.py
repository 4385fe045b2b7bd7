"""When to try again, when to forward at all, when to let go."""

from datetime import datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.storage.forward.policy import Demand, Hours, Throttle, Trouble, may_leave, pause_s

NIGHT = Hours(time(23, 0), time(6, 30))
NOON = Hours(time(12, 0), time(13, 0))


def test_pauses_double_up_to_the_longest() -> None:
    assert [pause_s(Trouble.PASSING, attempts, lambda: 0.5) for attempts in (0, 1, 2)] == [5.0, 10.0, 20.0]
    assert pause_s(Trouble.PASSING, 20, lambda: 0.5) == 600.0


def test_a_server_that_bars_us_is_left_in_peace() -> None:
    assert pause_s(Trouble.BARRED, 0, lambda: 0.0) >= 60 * 7


@given(st.sampled_from(Trouble), st.integers(0, 10**6), st.floats(0, 1))
def test_no_pause_is_nothing_or_without_end(trouble: Trouble, attempts: int, drawn: float) -> None:
    first_s, longest_s = trouble.value
    assert first_s * 0.75 <= pause_s(trouble, attempts, lambda: drawn) <= longest_s * 1.25


@pytest.mark.parametrize(
    ("hours", "clock", "wait_s"),
    [
        (NOON, "12:00", 0),
        (NOON, "12:59", 0),
        (NOON, "13:00", 23 * 3600),
        (NOON, "11:30", 1800),
        (NIGHT, "23:00", 0),
        (NIGHT, "02:00", 0),
        (NIGHT, "06:30", 16.5 * 3600),
    ],
)
def test_hours(hours: Hours, clock: str, wait_s: float) -> None:
    assert hours.wait_s(datetime.fromisoformat(f"2026-11-24T{clock}:00")) == wait_s


def test_a_throttle_keeps_its_rate() -> None:
    throttle, now_s, sent = Throttle(1000.0), 100.0, 0
    while now_s < 110.0:
        now_s += throttle.wait_s(500, now_s)
        sent += 500
    assert 10_000 <= sent <= 11_500


@pytest.mark.parametrize(("demand", "sinks", "needed"), [("all", 3, 3), ("first", 3, 1), ("first", 0, 0)])
def test_demand(demand: str, sinks: int, needed: int) -> None:
    assert Demand(demand).needed(sinks) == needed


def test_entries_stay_as_long_as_they_shall() -> None:
    assert may_leave(0.0, 0, 0.0)
    assert not may_leave(0.0, 2, 86_400.0)
    assert may_leave(0.0, 2, 2 * 86_400.0)
