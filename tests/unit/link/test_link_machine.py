"""The link's table: every state is reached, every failure leads home, and the first reason is what is told."""

import pytest

from board.errors import LocalProtocolError
from stack.link.machine import DEFAULT_LIMITS, TABLE, Input, LinkMachine, State
from stack.link.reasons import LinkError, Reason

ROAD = (State.PREPARING, State.SCANNING, State.JOINING, State.HANDSHAKING, State.ADDRESSING, State.UP)


def machine_in(state: State) -> LinkMachine:
    """A machine that has come to `state` at time 0."""
    machine = LinkMachine()
    if state is State.CLOSING:
        machine = machine_in(State.UP)
        machine.fire(Input.STOP, 0)
        return machine
    for each in ROAD:
        if machine.state is state:
            break
        assert machine.fire(Input.START if machine.state is State.IDLE else Input.DONE, 0) is each
    return machine


def test_the_way_there_and_back() -> None:
    machine = machine_in(State.UP)
    assert machine.deadline_ms is None
    assert machine.fire(Input.STOP, 1) is State.CLOSING
    assert machine.fire(Input.DONE, 2) is State.IDLE
    assert machine.reason is None
    assert machine.fire(Input.START, 3) is State.PREPARING


def test_every_state_is_reached_and_left() -> None:
    assert set(TABLE.values()) == set(State)
    assert {state for state, _ in TABLE} == set(State)


@pytest.mark.parametrize("state", [each for each in State if each is not State.IDLE])
def test_every_state_leads_home(state: State) -> None:
    for occasion in (Input.FAILED, Input.TIMEOUT, Input.STOP):
        machine = machine_in(state)
        if (state, occasion) in TABLE and machine.state is not State.CLOSING:
            assert machine.fire(occasion, 1) is State.CLOSING
            assert machine.fire(Input.FAILED, 2) is State.IDLE


@pytest.mark.parametrize("state", [*ROAD[:-1], State.CLOSING])
def test_every_state_but_two_has_a_time_limit(state: State) -> None:
    deadline_ms = machine_in(state).deadline_ms
    assert deadline_ms is not None
    assert 0 < deadline_ms <= DEFAULT_LIMITS.in_all_ms


@pytest.mark.parametrize(
    ("state", "reason"),
    [(State.SCANNING, Reason.NOT_FOUND), (State.HANDSHAKING, Reason.TIMED_OUT), (State.ADDRESSING, Reason.NO_ADDRESS)],
)
def test_a_time_limit_says_what_was_missing(state: State, reason: Reason) -> None:
    machine = machine_in(state)
    machine.fire(Input.TIMEOUT, 1)
    assert machine.reason is reason


def test_the_first_reason_is_told() -> None:
    machine = machine_in(State.HANDSHAKING)
    machine.fire(Input.FAILED, 1, Reason.WRONG_PASSPHRASE)
    machine.fire(Input.FAILED, 2, Reason.RADIO_TROUBLE)
    assert (machine.state, machine.reason) == (State.IDLE, Reason.WRONG_PASSPHRASE)


def test_being_turned_away_is_tried_again_while_there_is_time() -> None:
    machine = machine_in(State.JOINING)
    assert machine.fire(Input.RETRY, 100) is State.SCANNING
    machine.fire(Input.DONE, 200)
    assert machine.fire(Input.RETRY, DEFAULT_LIMITS.in_all_ms, Reason.REFUSED) is State.CLOSING
    assert machine.reason is Reason.REFUSED


@pytest.mark.parametrize(("late_ms", "reason"), [(0, Reason.REFUSED), (-1, Reason.TIMED_OUT)])
def test_the_end_of_all_time_is_the_fault_of_what_turned_us_away(late_ms: int, reason: Reason) -> None:
    machine = machine_in(State.JOINING)
    machine.fire(Input.RETRY, 100, Reason.REFUSED)
    machine.fire(Input.DONE, 200)
    machine.fire(Input.TIMEOUT, DEFAULT_LIMITS.in_all_ms + late_ms)
    assert machine.reason is reason


def test_no_state_outlives_the_whole() -> None:
    machine = machine_in(State.SCANNING)
    late_ms = DEFAULT_LIMITS.in_all_ms - 10
    machine.fire(Input.RETRY, late_ms)
    assert machine.deadline_ms == DEFAULT_LIMITS.in_all_ms


def test_a_stop_is_harmless_when_there_is_nothing_to_stop() -> None:
    assert LinkMachine().fire(Input.STOP, 0) is State.IDLE
    assert machine_in(State.CLOSING).fire(Input.STOP, 0) is State.CLOSING


def test_what_the_table_does_not_know_is_our_bug() -> None:
    with pytest.raises(LocalProtocolError, match="DONE cannot happen while a link is IDLE"):
        LinkMachine().fire(Input.DONE, 0)


@pytest.mark.parametrize("reason", Reason)
def test_reasons_are_sentences(reason: Reason) -> None:
    error = LinkError(reason, "status 17")
    assert error.explain().startswith(f"{reason.sentence}: status 17.")
    assert not reason.remedy or reason.remedy.endswith((".", "wifi.", "dmesg."))
