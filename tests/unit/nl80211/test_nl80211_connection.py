"""The machine of a connection: a recorded join, its transitions, and every way to lose it."""

from collections.abc import Iterator

import pytest

from drivers.errors import RadioError
from drivers.netlink.attributes import parse
from drivers.netlink.generic import split_generic
from drivers.netlink.message import split_messages
from drivers.nl80211.connection import MAX_FRAMES, TRANSITIONS, Connection, State
from drivers.nl80211.constants import Command, TimeoutReason
from drivers.nl80211.declarations import Attrs, Event
from drivers.nl80211.errors import (
    DisconnectedError,
    HandshakeOffloadError,
    InterfaceGoneError,
    JoinTimeoutError,
    RejectedError,
)
from drivers.nl80211.road import Road
from tests.unit.nl80211.chip import RECORDED

BSSID = bytes.fromhex("060000000000")
STRANGER = bytes.fromhex("0600000000aa")
STEPS = Road(by_steps=True, offloads_handshake=False, has_control_port=True, tells_ack=True)
CONNECT = Road(by_steps=False, offloads_handshake=False, has_control_port=True, tells_ack=True)
OFFLOAD = Road(by_steps=False, offloads_handshake=True, has_control_port=False, tells_ack=False)


def frame(body: str, sender: bytes = BSSID) -> bytes:
    return bytes(10) + sender + bytes(8) + bytes.fromhex(body)


def goodbye(reason: int, sender: bytes = BSSID) -> Event:
    return Event(Command.DEAUTHENTICATE, Attrs(frame=frame(reason.to_bytes(2, "little").hex(), sender)))


def connection(state: State, road: Road = STEPS) -> Connection:
    made = Connection(BSSID, road)
    made.begin(state)
    return made


def recorded_events() -> Iterator[Event]:
    for message in RECORDED["events_as_station"]["messages"]:
        for each in split_messages(bytes.fromhex(message)):
            if each.sequence == 0:
                command, attributes = split_generic(each.body)
                yield Event(command, parse(Attrs, attributes))


def test_a_recorded_join_by_connect() -> None:
    made = connection(State.CONNECTING, CONNECT)
    states: list[State] = []
    frames: list[bytes] = []
    made.sending(recorded_sent())
    for event in recorded_events():
        made.happened(event)
        states.append(made.state)
        frames.extend(made.frames)
        made.frames.clear()
    assert list(dict.fromkeys(states)) == [State.CONNECTING, State.CONNECTED, State.LOST]
    assert [len(each) for each in frames] == [99, 155]
    assert made.was_acknowledged
    assert str(made.failure) == "The radio ended the connection: it is leaving."


def recorded_sent() -> bytes:
    """Return message 2 as it was sent: what the acknowledgement repeats, without the Ethernet header."""
    statuses = (each for each in recorded_events() if each.command == Command.CONTROL_PORT_FRAME_TX_STATUS)
    return (next(statuses).attrs.frame or b"")[14:]


def test_a_recorded_join_by_steps() -> None:
    made = connection(State.AUTHENTICATING)
    for event in recorded_events():
        made.happened(event)
        if made.state is State.AUTHENTICATED:
            made.begin(State.CONNECTING)
        if made.state is State.CONNECTED:
            return
    pytest.fail("never connected")


def test_every_state_is_reachable_and_leads_home() -> None:
    begun = {State.AUTHENTICATING, State.CONNECTING}
    assert begun | set(TRANSITIONS.values()) | {State.IDLE, State.LOST} == set(State)
    for state in set(State) - {State.IDLE}:
        made = connection(state)
        made.fail(DisconnectedError(3, by_peer=False))
        assert made.state is State.LOST
        made.begin(State.CONNECTING)
        assert made.state is State.LOST


FAILURES: list[tuple[State, Road, Event, type[RadioError], str]] = [
    (
        State.AUTHENTICATING,
        STEPS,
        Event(Command.AUTHENTICATE, Attrs(timed_out=True)),
        JoinTimeoutError,
        "The access point did not answer to the authentication.",
    ),
    (
        State.AUTHENTICATING,
        STEPS,
        Event(Command.AUTHENTICATE, Attrs(frame=frame("0000 0200 1100"))),
        RejectedError,
        "The access point refused: no room for more stations.",
    ),
    (
        State.AUTHENTICATING,
        STEPS,
        Event(Command.AUTHENTICATE, Attrs(frame=b"cut off")),
        RadioError,
        "The kernel told of a management frame and cut it off.",
    ),
    (
        State.AUTHENTICATED,
        STEPS,
        goodbye(2),
        DisconnectedError,
        "The access point ended the connection: the authentication is no longer valid.",
    ),
    (
        State.CONNECTING,
        STEPS,
        Event(Command.ASSOCIATE, Attrs(timed_out=True)),
        JoinTimeoutError,
        "The access point did not answer to the association.",
    ),
    (
        State.CONNECTING,
        STEPS,
        Event(Command.ASSOCIATE, Attrs(frame=frame("1104 2800 0000"))),
        RejectedError,
        "The access point refused: invalid element.",
    ),
    (
        State.CONNECTING,
        CONNECT,
        Event(Command.CONNECT, Attrs(status_code=1, timed_out=True, timeout_reason=TimeoutReason.SCAN)),
        JoinTimeoutError,
        "The access point is not in reach.",
    ),
    (
        State.CONNECTING,
        CONNECT,
        Event(Command.CONNECT, Attrs(status_code=1, timed_out=True, timeout_reason=99)),
        JoinTimeoutError,
        "The access point did not answer in time.",
    ),
    (
        State.CONNECTING,
        CONNECT,
        Event(Command.CONNECT, Attrs(status_code=999)),
        RejectedError,
        "The access point refused: status 999.",
    ),
    (
        State.CONNECTING,
        OFFLOAD,
        Event(Command.CONNECT, Attrs(status_code=16)),
        HandshakeOffloadError,
        "The chip could not join: authentication timed out.",
    ),
    (
        State.CONNECTED,
        OFFLOAD,
        Event(Command.DISCONNECT, Attrs(reason_code=15, disconnected_by_ap=True)),
        DisconnectedError,
        "The access point ended the connection: the 4-way handshake timed out.",
    ),
    (
        State.CONNECTED,
        CONNECT,
        Event(Command.DISCONNECT, Attrs()),
        DisconnectedError,
        "The radio ended the connection: the chip does not say why.",
    ),
    (
        State.CONNECTED,
        CONNECT,
        goodbye(4, STRANGER),
        DisconnectedError,
        "The radio ended the connection: inactivity.",
    ),
    (
        State.CONNECTED,
        CONNECT,
        Event(Command.DEL_INTERFACE, Attrs()),
        InterfaceGoneError,
        "The interface of the link was taken away.",
    ),
]


@pytest.mark.parametrize(("state", "road", "event", "kind", "sentence"), FAILURES)
def test_what_ends_a_connection(state: State, road: Road, event: Event, kind: type[RadioError], sentence: str) -> None:
    made = connection(state, road)
    made.happened(event)
    assert made.state is State.LOST
    assert type(made.failure) is kind
    assert str(made.failure) == sentence
    made.happened(Event(Command.DEL_INTERFACE, Attrs()))
    assert str(made.failure) == sentence  # the first cause stays


@pytest.mark.parametrize(
    ("state", "road", "event"),
    [
        (State.IDLE, STEPS, goodbye(3)),
        # While the chip walks the steps itself, its own goodbyes are not the verdict.
        (State.CONNECTING, CONNECT, goodbye(3)),
        (State.CONNECTING, CONNECT, Event(Command.AUTHENTICATE, Attrs(timed_out=True))),
        (State.CONNECTING, CONNECT, Event(Command.ASSOCIATE, Attrs(timed_out=True))),
        (State.CONNECTING, STEPS, Event(Command.ASSOCIATE, Attrs(frame=frame("1104 0000 01c0")))),
        (State.AUTHENTICATING, STEPS, Event(Command.CONNECT, Attrs(status_code=0))),
        (State.CONNECTED, STEPS, Event(Command.CONNECT, Attrs(status_code=1))),
        (State.CONNECTED, STEPS, Event(Command.REG_CHANGE, Attrs())),
        (State.CONNECTED, STEPS, Event(250, Attrs())),
    ],
)
def test_what_changes_nothing(state: State, road: Road, event: Event) -> None:
    made = connection(state, road)
    made.happened(event)
    assert made.state is state


def test_frames_of_strangers_and_too_many_frames() -> None:
    made = connection(State.CONNECTED)
    made.happened(Event(Command.CONTROL_PORT_FRAME, Attrs(mac=STRANGER, frame=b"x")))
    assert not made.frames
    for number in range(MAX_FRAMES + 1):
        made.happened(Event(Command.CONTROL_PORT_FRAME, Attrs(mac=BSSID, frame=bytes((number,)))))
    assert list(made.frames) == [bytes((number,)) for number in range(1, MAX_FRAMES + 1)]
    made.fail(DisconnectedError(3, by_peer=True))
    assert not made.frames


def test_a_frame_may_overtake_the_verdict() -> None:
    made = connection(State.CONNECTING)
    made.eapol_came(BSSID, b"message 1")
    assert list(made.frames) == [b"message 1"]
    early = connection(State.AUTHENTICATED)
    early.eapol_came(BSSID, b"message 1")
    assert not early.frames


def test_only_the_acknowledgement_of_the_last_frame_counts() -> None:
    made = connection(State.CONNECTED)
    made.sending(b"message 2")
    made.happened(Event(Command.CONTROL_PORT_FRAME_TX_STATUS, Attrs(frame=bytes(14) + b"another", ack=True)))
    assert made.was_acknowledged is None
    made.happened(Event(Command.CONTROL_PORT_FRAME_TX_STATUS, Attrs(frame=bytes(14) + b"message 2")))
    assert made.was_acknowledged is False
    made.sending(b"message 4")
    assert made.was_acknowledged is None
