"""One button, four presses, whatever the moment at which somebody looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.button import DEFAULT_TIMES, TABLE, Button, Edge, Input, Press, State

DOUBLE_MS, LONG_MS, SETUP_MS = 400, 3_000, 10_000
START_MS = 1_000
YEARS_MS = 10 * 365 * 24 * 3_600_000


def played(*moments: int) -> list[Press]:
    """Press and release in turn at these times, then wait."""
    button = Button()
    presses = []
    for number, at_ms in enumerate(moments):
        presses += button.take(Edge(Input.RELEASED if number % 2 else Input.PRESSED, START_MS + at_ms))
    return presses + button.tick(START_MS + moments[-1] + SETUP_MS)


@pytest.mark.parametrize(
    ("moments", "presses"),
    [
        ((0, 1), [Press.SHORT]),
        ((0, LONG_MS - 1), [Press.SHORT]),
        ((0, LONG_MS), [Press.LONG]),
        ((0, SETUP_MS - 1), [Press.LONG]),
        ((0, SETUP_MS), [Press.SETUP]),
        ((0, YEARS_MS), [Press.SETUP]),
        ((0, 100, 100 + DOUBLE_MS - 1, 600), [Press.DOUBLE]),
        ((0, 100, 100 + DOUBLE_MS, 600), [Press.SHORT, Press.SHORT]),
        ((0, 100, 200, 300, 400, 500), [Press.DOUBLE, Press.SHORT]),
        ((0, 100, 200, 200 + LONG_MS), [Press.LONG]),
        ((0, 100, 200, 200 + SETUP_MS), [Press.SETUP]),
    ],
)
def test_presses_are_told_apart(moments: tuple[int, ...], presses: list[Press]) -> None:
    assert played(*moments) == presses


def test_setup_is_told_while_the_button_is_held_and_long_when_it_is_let_go() -> None:
    button = Button()
    button.take(Edge(Input.PRESSED, START_MS))
    assert button.tick(START_MS + SETUP_MS - 1) == []
    assert button.tick(START_MS + SETUP_MS) == [Press.SETUP]
    assert button.take(Edge(Input.RELEASED, START_MS + SETUP_MS + 5_000)) == []
    assert button.state is State.IDLE


def test_a_button_held_at_boot_does_nothing_and_works_afterwards() -> None:
    button = Button()
    assert button.tick(START_MS + SETUP_MS) == []
    assert button.take(Edge(Input.RELEASED, START_MS + SETUP_MS)) == []
    button.take(Edge(Input.PRESSED, START_MS + 2 * SETUP_MS))
    assert button.take(Edge(Input.RELEASED, START_MS + 2 * SETUP_MS + LONG_MS)) == [Press.LONG]


def expected(presses: list[tuple[int, int]]) -> list[Press]:
    """Say what (pause before, hold) means, without a machine."""
    meant: list[Press] = []
    place = 0
    while place < len(presses):
        is_two = presses[place][1] < LONG_MS and place + 1 < len(presses) and presses[place + 1][0] < DOUBLE_MS
        place += is_two
        hold_ms = presses[place][1]
        brief = Press.DOUBLE if is_two else Press.SHORT
        meant.append(Press.SETUP if hold_ms >= SETUP_MS else Press.LONG if hold_ms >= LONG_MS else brief)
        place += 1
    return meant


durations = st.one_of(st.integers(1, 1_000), st.integers(1, 15_000))


@given(
    presses=st.lists(st.tuples(durations, durations), max_size=6), looks=st.lists(st.integers(0, 60_000), max_size=9)
)
def test_what_is_told_depends_on_the_edges_alone(presses: list[tuple[int, int]], looks: list[int]) -> None:
    edges, now_ms = [], START_MS
    for pause_ms, hold_ms in presses:
        edges += [Edge(Input.PRESSED, now_ms + pause_ms), Edge(Input.RELEASED, now_ms + pause_ms + hold_ms)]
        now_ms += pause_ms + hold_ms
    button, told = Button(), []
    for edge in edges:
        for look_ms in sorted(START_MS + look for look in looks if START_MS + look < edge.at_ms):
            told += button.tick(look_ms)
        told += button.take(edge)
    assert told + button.tick(now_ms + SETUP_MS) == expected(presses)


@given(st.lists(st.tuples(st.sampled_from(list(Input)), st.integers(-5_000, 15_000))))
def test_no_input_in_any_state_breaks_it(inputs: list[tuple[Input, int]]) -> None:
    button, now_ms = Button(), START_MS
    for occasion, later_ms in inputs:
        now_ms += later_ms  # also backwards
        if occasion is Input.TIMEOUT:
            button.tick(now_ms)
        else:
            button.take(Edge(occasion, now_ms))
        assert (button.deadline_ms is None) == (button.state in (State.IDLE, State.SPENT))
    button.take(Edge(Input.RELEASED, 10**9))
    button.tick(2 * 10**9)
    assert button.state is State.IDLE


def test_an_edge_stamped_before_the_last_look_counts_as_now() -> None:
    button = Button()
    button.take(Edge(Input.PRESSED, START_MS))
    button.tick(START_MS + 500)
    button.take(Edge(Input.RELEASED, START_MS + 499))
    assert button.deadline_ms == START_MS + 500 + DOUBLE_MS


@pytest.mark.parametrize("held_ms", [1, LONG_MS, SETUP_MS])
def test_a_press_of_which_edges_were_lost_is_none(held_ms: int) -> None:
    button = Button()
    button.take(Edge(Input.PRESSED, START_MS))
    button.tick(START_MS + held_ms)
    assert button.take(Edge(Input.LOST, START_MS + held_ms)) == []
    assert button.take(Edge(Input.RELEASED, START_MS + held_ms)) == []
    assert button.tick(START_MS + YEARS_MS) == []


def test_every_state_is_reached_and_left() -> None:
    assert {rule.to for rule in TABLE.values()} == set(State)
    assert {rule.press for rule in TABLE.values()} == {None, *Press}
    for state in set(State) - {State.IDLE}:
        assert (state, Input.RELEASED) in TABLE or DEFAULT_TIMES.limit_ms(state) is not None
        assert ((state, Input.TIMEOUT) in TABLE) == (DEFAULT_TIMES.limit_ms(state) is not None)


def test_nothing_is_to_be_done_while_nothing_happens() -> None:
    assert Button().deadline_ms is None
