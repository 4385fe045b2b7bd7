"""The machines of ARP: is an address free, and who has the peer's."""

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from stack.ip import arp_probe, arp_resolve
from stack.ip.arp import ArpPacket, Operation, SendArp, build_arp, parse_arp, who_has
from stack.ip.arp_probe import AddressFree, AddressProbe, AddressTaken
from stack.ip.arp_resolve import PeerSearch, Resolved, Unresolved

MAC = bytes.fromhex("020000000110")
OTHER = bytes.fromhex("020000000220")
PEER_MAC = bytes.fromhex("060000000000")
NONE = IPv4Address("0.0.0.0")
OURS = IPv4Address("192.168.49.77")
PEER = IPv4Address("192.168.49.1")
PROBE_FRAME = who_has(OURS, MAC)


def arp(operation: Operation, mac: bytes, address: IPv4Address, target: IPv4Address) -> bytes:
    return build_arp(ArpPacket(operation, mac, address, MAC, target))


def probing() -> AddressProbe:
    probe = AddressProbe(MAC, OURS)
    assert probe.deadline is None
    assert probe.start(1000) == (SendArp(PROBE_FRAME),)
    return probe


def asking() -> PeerSearch:
    search = PeerSearch(MAC, OURS, PEER)
    assert search.deadline is None
    assert search.start(1000) == (SendArp(who_has(PEER, MAC, OURS)),)
    return search


def test_an_address_that_nobody_has_is_announced() -> None:
    probe = probing()
    assert probe.deadline == 1150
    assert probe.tick(1149) == ()
    assert probe.tick(1150) == (SendArp(PROBE_FRAME),)
    announcement, free = probe.tick(1300)
    assert free == AddressFree()
    assert isinstance(announcement, SendArp)
    assert parse_arp(announcement.frame) == ArpPacket(Operation.REQUEST, MAC, OURS, bytes(6), OURS)
    assert probe.deadline is None
    assert probe.tick(10_000) == ()
    assert probe.state is arp_probe.State.FREE


@pytest.mark.parametrize(
    "frame",
    [
        arp(Operation.REPLY, OTHER, OURS, NONE),
        arp(Operation.REQUEST, OTHER, OURS, OURS),
        arp(Operation.REQUEST, OTHER, OURS, PEER),
        arp(Operation.REQUEST, OTHER, NONE, OURS),  # another probe at the same time
    ],
)
def test_a_conflict_names_the_holder(frame: bytes) -> None:
    probe = probing()
    probe.tick(1150)
    assert probe.frame_received(frame, 1149) == (AddressTaken(OTHER),)
    assert probe.state is arp_probe.State.CONFLICT
    assert probe.deadline is None
    assert probe.frame_received(frame, 1149) == ()
    assert probe.tick(10_000) == ()


@pytest.mark.parametrize(
    "frame",
    [
        PROBE_FRAME,  # our own, come back
        arp(Operation.REPLY, PEER_MAC, PEER, OURS),
        arp(Operation.REQUEST, PEER_MAC, PEER, OURS),  # somebody asks for us, and does not want the address
        arp(Operation.REQUEST, OTHER, NONE, PEER),
        arp(Operation.REPLY, OTHER, NONE, OURS),
        b"",
        PROBE_FRAME[:-1],
    ],
)
def test_other_traffic_is_no_conflict(frame: bytes) -> None:
    probe = probing()
    assert probe.frame_received(frame, 1149) == ()
    assert probe.deadline == 1150


@pytest.mark.parametrize(
    "frame",
    [
        arp(Operation.REPLY, PEER_MAC, PEER, OURS),
        arp(Operation.REQUEST, PEER_MAC, PEER, OURS),
        arp(Operation.REQUEST, PEER_MAC, PEER, PEER),
    ],
)
def test_whatever_says_it_resolves_the_peer(frame: bytes) -> None:
    search = asking()
    assert search.frame_received(frame, 1199) == (Resolved(PEER_MAC),)
    assert search.state is arp_resolve.State.RESOLVED
    assert search.deadline is None
    assert search.frame_received(arp(Operation.REPLY, OTHER, PEER, OURS), 10_000) == ()
    assert search.tick(10_000) == ()


def test_a_silent_peer_is_asked_for_and_given_up() -> None:
    search, log = asking(), []
    while (deadline := search.deadline) is not None:
        assert search.tick(deadline - 1) == ()
        log += [(deadline, each) for each in search.tick(deadline)]
    question = SendArp(who_has(PEER, MAC, OURS))
    assert log == [*((now, question) for now in (1200, 1400, 1600, 1800)), (2000, Unresolved())]
    assert search.frame_received(arp(Operation.REPLY, PEER_MAC, PEER, OURS), 10_000) == ()
    assert search.state is arp_resolve.State.UNRESOLVED


@pytest.mark.parametrize(
    "frame",
    [
        arp(Operation.REPLY, OTHER, OURS, PEER),
        arp(Operation.REPLY, bytes(6), PEER, OURS),
        arp(Operation.REPLY, b"\xff" * 6, PEER, OURS),
        arp(Operation.REPLY, b"\x01" + PEER_MAC[1:], PEER, OURS),
        arp(Operation.REPLY, MAC, PEER, OURS),
        b"",
    ],
)
def test_what_cannot_be_the_peer_is_passed_over(frame: bytes) -> None:
    search = asking()
    assert search.frame_received(frame, 1199) == ()
    assert search.frame_received(arp(Operation.REPLY, PEER_MAC, PEER, OURS), 1199) == (Resolved(PEER_MAC),)


@pytest.mark.parametrize("frame", [b"", arp(Operation.REQUEST, OTHER, NONE, NONE)])
def test_no_traffic_holds_them_up(frame: bytes) -> None:
    probe, search = probing(), asking()
    assert probe.frame_received(frame, 1150) == (SendArp(PROBE_FRAME),)
    assert AddressFree() in probe.frame_received(frame, 1300)
    assert search.frame_received(frame, 1200) == (SendArp(who_has(PEER, MAC, OURS)),)
    for now in (1400, 1600, 1800):
        search.frame_received(frame, now)
    assert search.frame_received(frame, 2000) == (Unresolved(),)


@pytest.mark.parametrize("make", [probing, asking])
def test_both_start_once(make: Callable[[], AddressProbe | PeerSearch]) -> None:
    with pytest.raises(LocalProtocolError, match="once"):
        make().start(2000)


@pytest.mark.parametrize("make", [lambda: AddressProbe(MAC, OURS), lambda: PeerSearch(MAC, OURS, PEER)])
def test_before_the_start_nothing_happens(make: Callable[[], AddressProbe | PeerSearch]) -> None:
    machine = make()
    for address in (OURS, PEER):
        assert machine.frame_received(arp(Operation.REPLY, OTHER, address, NONE), 10_000) == ()
    assert machine.tick(10_000) == ()


def test_they_need_the_address_of_one_station() -> None:
    with pytest.raises(LocalProtocolError, match="one station"):
        AddressProbe(b"\xff" * 6, OURS)
    with pytest.raises(LocalProtocolError, match="one station"):
        PeerSearch(bytes(6), OURS, PEER)


@given(st.lists(st.binary(max_size=64) | st.binary(max_size=40).map(lambda tail: PROBE_FRAME[:14] + tail), max_size=10))
def test_garbage_is_survived_and_ends_nowhere_but_home(frames: list[bytes]) -> None:
    for machine in (probing(), asking()):
        effects = [each for frame in frames for each in machine.frame_received(frame, 1000)]
        while machine.deadline is not None:
            effects += machine.tick(machine.deadline)
        ends = [each for each in effects if not isinstance(each, SendArp)]
        assert len(ends) == 1
        assert ends[0] is effects[-1]
