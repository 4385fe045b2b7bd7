"""Contacts that bounce."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.button import Button, Edge, Input, Press
from board.debounce import Debounced

SETTLE_MS = 20
START_MS = 1_000
LEVELS = {"v": Input.PRESSED, "^": Input.RELEASED}


def debounced(is_down: bool = False) -> Debounced:
    return Debounced(Button(), is_down=is_down, settle_ms=SETTLE_MS)


def play(button: Debounced, *edges: tuple[int, str]) -> list[Press]:
    """Take edges such as (5, "v") and wait."""
    presses = [press for at_ms, level in edges for press in button.take(Edge(LEVELS[level], START_MS + at_ms))]
    return presses + button.tick(START_MS + edges[-1][0] + 60_000)


def bounces(at_ms: int, gaps_ms: list[int], last: str) -> list[tuple[int, str]]:
    """Make edges that end at `last`, each less than `SETTLE_MS` after the one before."""
    times = [at_ms + sum(gaps_ms[:count]) for count in range(len(gaps_ms) + 1)]
    return [(time, last if (len(gaps_ms) - place) % 2 == 0 else "v^"[last == "v"]) for place, time in enumerate(times)]


gaps = st.lists(st.integers(0, SETTLE_MS - 1), max_size=8)


@given(down=gaps, up=gaps)
def test_one_bouncing_press_is_one_press(down: list[int], up: list[int]) -> None:
    assert play(debounced(), *bounces(0, down, "v"), *bounces(1_000, up, "^")) == [Press.SHORT]


@given(st.lists(st.integers(0, SETTLE_MS - 1), min_size=1, max_size=9).filter(lambda found: len(found) % 2 == 1))
def test_a_pulse_too_short_to_settle_is_nothing(down: list[int]) -> None:
    assert play(debounced(), *bounces(0, down, "^")) == []


def test_a_level_counts_when_it_has_stayed_for_just_long_enough() -> None:
    assert play(debounced(), (0, "v"), (SETTLE_MS, "^")) == [Press.SHORT]
    assert play(debounced(), (0, "v"), (SETTLE_MS - 1, "^")) == []


@pytest.mark.parametrize(("held_ms", "press"), [(2_999, Press.SHORT), (3_000, Press.LONG), (10_000, Press.SETUP)])
def test_a_press_is_as_long_as_its_contacts(held_ms: int, press: Press) -> None:
    assert play(debounced(), (0, "v"), (held_ms, "^")) == [press]


def test_a_contact_that_jumps_while_held_at_boot_powers_nothing_off() -> None:
    assert play(debounced(is_down=True), (0, "^"), (3, "v"), (5_000, "^")) == []


def test_it_asks_to_be_called_when_the_level_settles_and_when_the_press_is_long() -> None:
    button = debounced()
    assert button.deadline_ms is None
    button.take(Edge(Input.PRESSED, START_MS))
    assert button.deadline_ms == START_MS + SETTLE_MS
    button.tick(START_MS + SETTLE_MS)
    assert button.deadline_ms == START_MS + SETTLE_MS + 3_000


def test_lost_edges_lose_the_press() -> None:
    button = debounced()
    button.take(Edge(Input.PRESSED, START_MS))
    button.tick(START_MS + 4_000)
    button.take(Edge(Input.LOST, START_MS + 4_000))
    assert play(button, (4_000, "^")) == []
