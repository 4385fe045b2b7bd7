"""What the tables of both machines promise, tried on every situation that can be reached by calls."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from board.errors import LocalProtocolError
from stack.alliance import receiver as receiving
from stack.alliance import sender as sending
from stack.alliance.effects import Drop, Effect, Finished, OutcomeKind, SendText
from stack.alliance.messages import SendRequest, ack_of, parse_message
from stack.alliance.receiver import Receiver
from stack.alliance.sender import Sender

Machine = Receiver | Sender
Call = Callable[[Any], tuple[Effect, ...]]

FILES = 'action:1:sendRequest?{"id":"7","senderName":"P","fileCount":2,"totalSize":9}'
TEXT = 'action:1:sendRequest?{"id":"7","senderName":"P","fileCount":1,"catShareText":"hi"}'
FRAMES = [
    FILES,
    TEXT,
    "action:1:sendRequest",
    'action:0:versionNegotiation?{"version":1}',
    'action:99:status?{"id":"7","type":1,"reason":"ok"}',
    'action:2:status?{"id":"7","type":3,"reason":"user interrupt"}',
    'action:3:status?{"id":"8","type":2}',
    'action:99:status?{"id":"7","type":2,"reason":"no enough space"}',
    "action:4:status",
    "action:2:stat",
    "action:0:wlanBandwidth",
    "ack:0:versionNegotiation?{}",
    "ack:1:sendRequest",
    "ack:2:status",
    "ack:99:status",
    "ack:5:nobodyAsked",
    "files",
    "action:1:sendRequest?[1]",
]


def hears(text: str) -> Call:
    return lambda machine: machine.text_received(text, 0)


def fails(machine: Any) -> tuple[Effect, ...]:
    if isinstance(machine, Receiver):
        return machine.failed("cannot access", OutcomeKind.BROKEN, 0)
    assert isinstance(machine, Sender)
    return machine.failed("a file has changed", 0)


def named(name: str) -> Call:
    return lambda machine: getattr(machine, name)(0)


RECEIVER_CALLS: dict[str, Call] = {
    **{name: named(name) for name in ("opened", "accept", "refuse", "progressed", "body_complete", "safe")},
    **{name: named(name) for name in ("cancel", "disconnected")},
    "failed": fails,
}
SENDER_CALLS: dict[str, Call] = {
    **{name: named(name) for name in ("opened", "progressed", "body_sent", "body_broken", "cancel", "disconnected")},
    "download_requested": lambda machine: machine.download_requested("7", 0),
    "failed": fails,
}
# What a driver must not do. Everything else is allowed in every state, and DONE takes everything.
RECEIVER_MISUSE = {
    "CONNECTING": "accept refuse progressed body_complete safe failed",
    "WAITING": "opened accept refuse progressed body_complete safe failed",
    "ASKING": "opened progressed body_complete safe",
    "RECEIVING": "opened safe",
    "RECEIVING_ALONE": "opened safe",
    "SETTLING": "opened body_complete",
    "SETTLING_ALONE": "opened body_complete",
    "CONFIRMING": "opened body_complete safe failed",
    "ENDING": "opened",
    "DONE": "",
}
SENDER_MISUSE = {
    "CONNECTING": "progressed body_sent body_broken failed",
    "NEGOTIATING": "opened progressed body_sent body_broken failed",
    "REQUESTING": "opened progressed body_sent body_broken failed",
    "OFFERED": "opened progressed body_sent body_broken failed",
    "SENDING": "opened",
    "SENDING_ALONE": "opened",
    "SENT": "opened",
    "CUT_OFF": "opened",
    "LINGERING": "opened",
    "ENDING": "opened",
    "DONE": "",
}


def new_receiver() -> Machine:
    return Receiver(now=0)


def new_sender() -> Machine:
    return Sender(SendRequest("7"), now=0)


def situation(machine: Machine) -> tuple[object, ...]:
    return machine.state, machine._outcome, getattr(machine, "_offer", None)


def situations(make: Callable[[], Machine], calls: dict[str, Call]) -> Iterator[Machine]:
    """Every situation that calls, frames and time can lead to, once each."""
    everything = [*calls.values(), lambda machine: machine.tick(machine.deadline or 0)]
    fresh = [make()]
    seen = {situation(fresh[0])}
    while fresh:
        machine = fresh.pop()
        yield machine
        # Frames come only while there is a WebSocket.
        frames = [] if machine.state.name == "CONNECTING" else [hears(text) for text in FRAMES]
        for call in (*everything, *frames):
            after = copy.copy(machine)
            try:
                call(after)
            except LocalProtocolError:
                continue
            if situation(after) not in seen:
                seen.add(situation(after))
                fresh.append(after)


RECEIVERS = list(situations(new_receiver, RECEIVER_CALLS))
SENDERS = list(situations(new_sender, SENDER_CALLS))
BOTH = RECEIVERS + SENDERS


def test_every_state_is_among_the_situations() -> None:
    assert {machine.state for machine in BOTH} == {*receiving.State, *sending.State}
    assert {machine.outcome.kind for machine in BOTH if machine.outcome} == set(OutcomeKind)


@pytest.mark.parametrize(
    ("machines", "calls", "misuse"),
    [(RECEIVERS, RECEIVER_CALLS, RECEIVER_MISUSE), (SENDERS, SENDER_CALLS, SENDER_MISUSE)],
    ids=["receiver", "sender"],
)
def test_exactly_the_misuse_raises(machines: list[Machine], calls: dict[str, Call], misuse: dict[str, str]) -> None:
    raised: dict[str, set[str]] = {name: set() for name in misuse}
    for machine in machines:
        for name, call in calls.items():
            try:
                call(copy.copy(machine))
            except LocalProtocolError:
                raised[machine.state.name].add(name)
    assert raised == {state: set(names.split()) for state, names in misuse.items()}


@pytest.mark.parametrize("text", FRAMES)
def test_no_frame_ever_raises_and_each_action_gets_one_ack(text: str) -> None:
    for original in BOTH:
        machine = copy.copy(original)
        if machine.state.name == "CONNECTING":
            continue
        effects = machine.text_received(text, 0)
        acks = [each for each in effects if isinstance(each, SendText) and each.text.startswith("ack:")]
        is_due = text.startswith("action") and "[" not in text and original.outcome is None
        expected = [SendText(ack_of(parse_message(text)).to_text())] if is_due else []
        assert acks == expected, original.state
        assert not acks or effects[0] == acks[0], "at once means first"


def test_silence_leads_home_from_every_situation() -> None:
    for original in BOTH:
        machine = copy.copy(original)
        effects: list[Effect] = []
        while machine.deadline is not None:
            assert machine.tick(machine.deadline - 0.01) == ()
            effects += machine.tick(machine.deadline)
            assert len(effects) < 20
        if original.outcome is None:
            assert [each for each in effects if isinstance(each, Finished)] == [Finished(machine.outcome)]  # type: ignore[arg-type]
            assert isinstance(effects[-1], Finished)
            assert (Drop() in effects) == isinstance(machine, Sender)
        else:
            assert machine.outcome == original.outcome


@pytest.mark.parametrize("text", FRAMES)
def test_no_frame_keeps_a_session_alive(text: str) -> None:
    """A peer that says the same thing twice a second gains nothing over one that is silent."""
    for original in BOTH:
        machine, now = copy.copy(original), 0.0
        while machine.deadline is not None and now < 400:
            now += 0.5
            if machine.state.name != "CONNECTING":
                machine.text_received(text, now)
            machine.tick(now)
        assert machine.outcome is not None, original.state


def test_done_takes_everything_and_says_nothing() -> None:
    for original in BOTH:
        if original.outcome is None:
            continue
        calls = RECEIVER_CALLS if isinstance(original, Receiver) else SENDER_CALLS
        for name, call in calls.items():
            machine = copy.copy(original)
            assert name == "download_requested" or call(machine) == ()
            assert (machine.outcome, machine.deadline) == (original.outcome, None)


@pytest.mark.parametrize("module", [receiving, sending], ids=["receiver", "sender"])
def test_only_progress_can_repeat(module: Any) -> None:
    """Without the body's bytes, which end, the table has no circle: every session is finite."""
    steps = {(state, rule.to) for (state, cause), rule in module._RULES.items() if cause is not module.Input.PROGRESS}
    left = set(module.State)
    while left:
        ends = {state for state in left if not any(to in left for start, to in steps if start is state)}
        assert ends, f"a circle among {left}"
        left -= ends
