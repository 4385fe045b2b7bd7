"""The DHCP client against a scripted server: good, silent, odd, evil."""

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from stack.ip import dhcp_client
from stack.ip.dhcp import MessageType, Op, Option
from stack.ip.dhcp_client import (
    Bound,
    DhcpClient,
    Discarded,
    Effect,
    Failed,
    Failure,
    Input,
    Limits,
    ProposeStatic,
    SendDhcp,
    State,
)
from stack.ip.lease import Lease
from tests.unit.ip.dhcp_server import CLIENT, MAC, SERVER, XID, heard, in_frame, saying

UNTIL = 2500
LEASE = Lease(CLIENT, 24, SERVER, 3600)
OFFER = saying(MessageType.OFFER)
ACK = saying(MessageType.ACK)
NAK = saying(MessageType.NAK)
RAPID: dict[int, bytes | None] = {Option.RAPID_COMMIT: b""}


def selecting(static_host: int | None = None) -> DhcpClient:
    client = DhcpClient(MAC, XID, until=UNTIL, static_host=static_host)
    assert said(client.start(0)) is MessageType.DISCOVER
    return client


def requesting(static_host: int | None = None) -> DhcpClient:
    client = selecting(static_host)
    assert said(client.frame_received(OFFER, 0)) is MessageType.REQUEST
    return client


def said(effects: tuple[Effect, ...]) -> MessageType:
    """The type of the one message that is sent, and nothing else happens."""
    (effect,) = effects
    assert isinstance(effect, SendDhcp), effect
    return heard(effect.frame).type


def discarded(client: DhcpClient, frame: bytes, sentence: str) -> None:
    state, deadline = client.state, client.deadline
    (effect,) = client.frame_received(frame, 10)
    assert isinstance(effect, Discarded), effect
    assert sentence in effect.reason
    assert (client.state, client.deadline) == (state, deadline)


def run_out(client: DhcpClient) -> list[tuple[int, Effect]]:
    """Let time pass in silence; what happened when."""
    log: list[tuple[int, Effect]] = []
    while (deadline := client.deadline) is not None:
        assert client.tick(deadline - 1) == ()
        log += [(deadline, each) for each in client.tick(deadline)]
    return log


def test_an_address_in_two_round_trips() -> None:
    client = DhcpClient(MAC, XID, until=UNTIL)
    assert client.deadline is None
    (discover,) = client.start(0)
    assert isinstance(discover, SendDhcp)
    message = heard(discover.frame)
    assert (message.op, message.type, message.xid, message.client_mac) == (Op.REQUEST, MessageType.DISCOVER, XID, MAC)
    assert message.options == {53: b"\x01", 61: b"\x01" + MAC, 80: b"", 55: b"\x01"}
    assert not message.wants_broadcast
    (request,) = client.frame_received(OFFER, 40)
    assert isinstance(request, SendDhcp)
    message = heard(request.frame)
    assert (message.type, message.xid, message.ciaddr) == (MessageType.REQUEST, XID, IPv4Address("0.0.0.0"))
    assert message.options == {53: b"\x03", 61: b"\x01" + MAC, 50: CLIENT.packed, 54: SERVER.packed, 55: b"\x01"}
    assert client.frame_received(ACK, 80) == (Bound(LEASE),)
    assert client.state is State.BOUND
    assert client.deadline is None


def test_an_address_in_one_round_trip() -> None:
    """Rapid commit (RFC 4039)."""
    assert selecting().frame_received(saying(MessageType.ACK, options=RAPID), 40) == (Bound(LEASE),)


def test_silence_is_asked_again_in_longer_and_longer_times() -> None:
    log = run_out(selecting())
    assert [now for now, _ in log] == [300, 900, 2100, UNTIL]
    assert [said((effect,)) for _, effect in log[:-1]] == [MessageType.DISCOVER] * 3
    assert log[-1][1] == Failed(Failure.NO_ANSWER)


def test_a_silent_server_after_its_offer() -> None:
    client = selecting()
    client.tick(300)
    client.frame_received(OFFER, 400)
    log = run_out(client)
    assert [now for now, _ in log] == [700, 1300, UNTIL]
    assert [said((effect,)) for _, effect in log[:-1]] == [MessageType.REQUEST] * 2
    assert log[-1][1] == Failed(Failure.NO_ANSWER)


@pytest.mark.parametrize("start", [selecting, requesting])
def test_silence_falls_back_to_androids_network(start: Callable[[int], DhcpClient]) -> None:
    client = start(77)
    proposal = ProposeStatic(IPv4Address("192.168.49.77"), 24, IPv4Address("192.168.49.1"))
    assert run_out(client)[-1] == (UNTIL, proposal)
    assert client.state is State.PROPOSED


@pytest.mark.parametrize("host", [-1, 0, 1, 255, 256])
def test_a_host_number_that_is_not_free_is_our_bug(host: int) -> None:
    with pytest.raises(LocalProtocolError, match="host number"):
        DhcpClient(MAC, XID, until=UNTIL, static_host=host)


def test_late_answers_find_a_decision_made() -> None:
    client = selecting(77)
    run_out(client)
    for frame in (OFFER, ACK, NAK):
        assert client.frame_received(frame, UNTIL + 1) == ()
    assert client.tick(UNTIL + 10_000) == ()
    assert client.state is State.PROPOSED


def test_an_answer_after_the_deadline_is_too_late_even_if_nobody_ticked() -> None:
    assert selecting().frame_received(OFFER, UNTIL) == (Failed(Failure.NO_ANSWER),)
    (effect,) = requesting(77).frame_received(ACK, UNTIL + 1)
    assert isinstance(effect, ProposeStatic)


def test_no_traffic_moves_the_deadline() -> None:
    client = selecting()
    for now in range(0, UNTIL, 100):
        client.frame_received(OFFER, now)
        client.tick(now)
    assert client.tick(UNTIL) == (Failed(Failure.NO_ANSWER),)


@pytest.mark.parametrize("frame", [b"", in_frame(b""), NAK], ids=["other", "garbage", "out of place"])
def test_no_traffic_keeps_it_from_asking_again(frame: bytes) -> None:
    client = selecting()
    assert not [each for each in client.frame_received(frame, 299) if not isinstance(each, Discarded)]
    assert said(client.frame_received(frame, 300)[-1:]) is MessageType.DISCOVER
    assert client.deadline == 900


def test_the_first_acceptable_offer_is_taken() -> None:
    client = selecting()
    discarded(client, saying(MessageType.OFFER, address="8.8.8.8"), "private")
    discarded(client, saying(MessageType.OFFER, server="192.168.50.1"), "two hosts")
    assert said(client.frame_received(OFFER, 20)) is MessageType.REQUEST
    discarded(client, saying(MessageType.OFFER, address="192.168.49.62"), "OFFER does not belong here")
    assert client.frame_received(ACK, 30) == (Bound(LEASE),)


@pytest.mark.parametrize("static_host", [None, 77])
def test_offers_that_cannot_be_used_are_no_reason_to_fall_back(static_host: int | None) -> None:
    client = selecting(static_host)
    discarded(client, saying(MessageType.OFFER, mask="255.0.0.0"), "not sane")
    assert run_out(client)[-1] == (UNTIL, Failed(Failure.UNUSABLE_OFFER))


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (saying(MessageType.ACK, address="192.168.49.62"), "another address"),
        (saying(MessageType.ACK, server="192.168.49.2"), "another address"),
        (saying(MessageType.ACK, address="8.8.8.8", server="8.8.8.1"), "private"),
        (saying(MessageType.ACK, mask="0.0.0.0"), "not sane"),
        (saying(MessageType.NAK, server="192.168.49.2"), "another server"),
        (saying(MessageType.NAK, options={Option.SERVER_IDENTIFIER: None}), "has 0 bytes"),
        (saying(MessageType.ACK, xid=XID ^ 1), "somebody else"),
        (saying(MessageType.ACK, mac=b"\x02other"), "somebody else"),
        (saying(MessageType.ACK, op=Op.REQUEST), "somebody else"),
        (saying(MessageType.INFORM), "INFORM does not belong here"),
        (saying(MessageType.ACK, options={Option.MESSAGE_TYPE: None}), "no known type"),
        (in_frame(b""), "too short"),
        (in_frame(bytes(300)), "no magic cookie"),
    ],
)
def test_what_is_not_the_answer_is_passed_over(frame: bytes, sentence: str) -> None:
    client = requesting()
    discarded(client, frame, sentence)
    assert client.frame_received(ACK, 20) == (Bound(LEASE),)


def test_the_last_word_on_the_lease_is_the_ack() -> None:
    (effect,) = requesting().frame_received(saying(MessageType.ACK, mask="255.255.255.128", lease_s=60), 20)
    assert effect == Bound(Lease(CLIENT, 25, SERVER, 60))


@pytest.mark.parametrize("kind", [MessageType.ACK, MessageType.NAK])
def test_an_answer_to_a_request_that_was_not_made_is_passed_over(kind: MessageType) -> None:
    client = selecting()
    discarded(client, saying(kind), "not asked for" if kind is MessageType.ACK else "does not belong here")
    assert said(client.frame_received(OFFER, 20)) is MessageType.REQUEST


def test_a_rapid_commit_outside_the_private_ranges_is_not_taken() -> None:
    client = selecting(77)
    discarded(client, saying(MessageType.ACK, options=RAPID, address="8.8.8.8"), "private")
    assert run_out(client)[-1] == (UNTIL, Failed(Failure.UNUSABLE_OFFER))


def test_a_refusal_starts_over_at_once() -> None:
    client = requesting()
    assert said(client.frame_received(NAK, 50)) is MessageType.DISCOVER
    assert client.deadline == 350
    discarded(client, ACK, "not asked for")
    assert said(client.frame_received(saying(MessageType.OFFER, address="192.168.49.62"), 60)) is MessageType.REQUEST
    (effect,) = client.frame_received(saying(MessageType.ACK, address="192.168.49.62"), 70)
    assert effect == Bound(Lease(IPv4Address("192.168.49.62"), 24, SERVER, 3600))


def test_a_server_that_only_refuses_is_left() -> None:
    client = selecting(77)
    for _ in range(Limits().naks):
        client.frame_received(OFFER, 10)
        assert said(client.frame_received(NAK, 10)) is MessageType.DISCOVER
    client.frame_received(OFFER, 10)
    assert client.frame_received(NAK, 10) == (Failed(Failure.REFUSED),)
    assert client.deadline is None


def test_a_duplicate_changes_nothing() -> None:
    client = requesting()
    discarded(client, OFFER, "OFFER does not belong here")
    assert client.frame_received(ACK, 20) == (Bound(LEASE),)
    assert client.frame_received(ACK, 30) == ()
    assert client.frame_received(NAK, 40) == ()
    assert client.state is State.BOUND


def test_a_truncated_answer_is_passed_over() -> None:
    client = requesting()
    for size in range(len(ACK)):
        assert client.frame_received(ACK[:size], 20) == ()
    assert client.frame_received(ACK, 20) == (Bound(LEASE),)


def test_options_that_are_cut_off_are_passed_over() -> None:
    payload = ACK[42:]
    for size in range(240, payload.index(b"\x01\x04\xff\xff\xff\x00") + 6):
        client = requesting()
        (effect,) = client.frame_received(in_frame(payload[:size]), 20)
        assert isinstance(effect, Discarded)


@pytest.mark.parametrize("frame", [b"", in_frame(b"x", source_port=66), bytes(60)])
def test_what_is_not_for_a_client_is_passed_over_without_a_word(frame: bytes) -> None:
    assert requesting().frame_received(frame, 20) == ()


def test_it_starts_once() -> None:
    client = selecting()
    with pytest.raises(LocalProtocolError, match="once"):
        client.start(10)
    assert DhcpClient(MAC, XID, until=UNTIL).frame_received(OFFER, 0) == ()


def test_the_table_leads_everywhere_and_home() -> None:
    rules = dhcp_client._RULES
    reached = {State.INIT}
    for _ in State:
        reached |= {rule.to for (state, _), rule in rules.items() if state in reached}
    assert reached == set(State)
    for state in dhcp_client._WAITING:
        assert rules[state, Input.GIVE_UP].to is State.FAILED
        assert rules[state, Input.FALL_BACK].to is State.PROPOSED
        assert rules[state, Input.ASK_AGAIN].to is state
    assert {state for state, _ in rules} == {State.INIT, *dhcp_client._WAITING}


ANYTHING = st.one_of(
    st.binary(max_size=400),
    st.binary(max_size=400).map(in_frame),
    st.builds(
        saying,
        st.sampled_from(MessageType),
        address=st.sampled_from(("192.168.49.61", "192.168.49.62", "8.8.8.8", "10.0.0.2")),
        server=st.sampled_from(("192.168.49.1", "10.0.0.1")),
        mask=st.sampled_from(("255.255.255.0", "255.0.0.0")),
        options=st.sampled_from(({}, RAPID)),
        xid=st.sampled_from((XID, XID, XID, 1)),
    ),
)


@given(st.lists(ANYTHING, max_size=20), st.sampled_from((None, 77)))
def test_whatever_comes_it_ends_once_with_an_address_that_may_be(frames: list[bytes], static_host: int | None) -> None:
    client = selecting(static_host)
    effects = [each for now, frame in enumerate(frames) for each in client.frame_received(frame, now)]
    effects += [effect for _, effect in run_out(client)]
    (end,) = (each for each in effects if not isinstance(each, SendDhcp | Discarded))
    assert end is effects[-1]
    if isinstance(end, Bound):
        assert end.lease.address in (CLIENT, IPv4Address("192.168.49.62"), IPv4Address("10.0.0.2"))
        assert end.lease.prefix == 24
