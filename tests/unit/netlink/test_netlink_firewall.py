"""The firewall of a link: exactly one flow passes, everybody else's packets do, and nft says the same."""

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board import aio
from board.errors import LocalProtocolError
from drivers.netlink.attributes import split
from drivers.netlink.channel import NETFILTER, Netlink
from drivers.netlink.exchange import Request
from drivers.netlink.firewall import Flow, describe, installation, removal
from drivers.netlink.message import Flag, Message, NetlinkError, split_messages
from drivers.netlink.nftables import Hook, MetaKey, Verdict, batch, new_chain
from tests.unit.netlink.packet_filter import NEW_CHAIN, NEW_RULE, Packet, PacketFilter, expressions
from tests.unit.netlink.recorded import recorded

LINK = "ferry0"
OURS, PEER, OTHER = (IPv4Address(f"192.168.49.{host}") for host in (61, 1, 7))
FLOW = Flow(OURS, PEER, 33_221)
IPV6, TCP = 10, 6
SYN, RST, ACK = 0x02, 0x04, 0x10

links = st.sampled_from([LINK, "ferry", "ferry00", "eth0"])
hosts = st.sampled_from([OURS, PEER, OTHER])
ports = st.sampled_from([FLOW.port, FLOW.port + 1, 22])
protocols = st.sampled_from([TCP, 17, 1])
families = st.sampled_from([2, IPV6])


def packet_filter(*batches: list[Request]) -> PacketFilter:
    made = PacketFilter()
    for each in batches:
        made.take(each)
    return made


RULES = packet_filter(installation(LINK, FLOW))


def packet(
    hook: Hook, link: str, source: IPv4Address, destination: IPv4Address, ports: tuple[int, int], **other: int
) -> Packet:
    """A packet of TCP over IPv4 with ACK, unless `family`, `protocol` or `flags` say otherwise."""
    key = MetaKey.IIFNAME if hook is Hook.PREROUTING else MetaKey.OIFNAME
    meta = {
        key: link.encode().ljust(16, b"\0"),
        MetaKey.NFPROTO: bytes((other.get("family", 2),)),
        MetaKey.L4PROTO: bytes((other.get("protocol", TCP),)),
    }
    network = bytes(12) + source.packed + destination.packed
    return Packet(meta, network, struct.pack(">HHIIBBHHH", *ports, 0, 0, 0x50, other.get("flags", ACK), 0, 0, 0))


@given(links, hosts, hosts, st.tuples(ports, ports), families, protocols, st.integers(0, 255))
def test_of_what_comes_in_exactly_the_answers_pass(
    link: str, source: IPv4Address, to: IPv4Address, ports: tuple[int, int], family: int, protocol: int, flags: int
) -> None:
    came = packet(Hook.PREROUTING, link, source, to, ports, family=family, protocol=protocol, flags=flags)
    is_answer = (source, to, ports[0], family, protocol) == (PEER, OURS, FLOW.port, 2, TCP) and flags & (ACK | RST)
    expected = Verdict.ACCEPT if link != LINK or is_answer else Verdict.DROP
    assert RULES.verdict(Hook.PREROUTING, came) is expected


@given(links, hosts, hosts, st.tuples(ports, ports), families, protocols, st.integers(0, 255))
def test_of_what_goes_out_exactly_the_flow_passes(
    link: str, source: IPv4Address, to: IPv4Address, ports: tuple[int, int], family: int, protocol: int, flags: int
) -> None:
    goes = packet(Hook.POSTROUTING, link, source, to, ports, family=family, protocol=protocol, flags=flags)
    is_flow = (source, to, ports[1], family, protocol) == (OURS, PEER, FLOW.port, 2, TCP)
    expected = Verdict.ACCEPT if link != LINK or is_flow else Verdict.DROP
    assert RULES.verdict(Hook.POSTROUTING, goes) is expected


@pytest.mark.parametrize("hook", list(Hook))
def test_before_the_peer_is_known_nothing_passes(hook: Hook) -> None:
    ends = (PEER, OURS, (FLOW.port, 9)) if hook is Hook.PREROUTING else (OURS, PEER, (9, FLOW.port))
    rules = packet_filter(installation(LINK))
    assert rules.verdict(hook, packet(hook, LINK, *ends)) is Verdict.DROP
    assert rules.verdict(hook, packet(hook, "eth0", *ends)) is Verdict.ACCEPT
    rules.take(installation(LINK, FLOW))
    assert rules.verdict(hook, packet(hook, LINK, *ends)) is Verdict.ACCEPT


def test_the_peer_cannot_connect_to_us() -> None:
    attack = packet(Hook.PREROUTING, LINK, PEER, OURS, (FLOW.port, 22), flags=SYN)
    assert packet_filter(installation(LINK, FLOW)).verdict(Hook.PREROUTING, attack) is Verdict.DROP


def test_a_part_without_its_header_does_not_pass() -> None:
    whole = packet(Hook.PREROUTING, LINK, PEER, OURS, (FLOW.port, 9))
    rules = packet_filter(installation(LINK, FLOW))
    assert rules.verdict(Hook.PREROUTING, Packet(whole.meta, whole.network, b"")) is Verdict.DROP


def test_installing_replaces_and_removing_leaves_nothing() -> None:
    rules = packet_filter(installation("old0", FLOW), installation(LINK))
    assert list(rules.tables) == ["ferry"]
    assert {name: len(chain[2]) for name, chain in rules.tables["ferry"].items()} == {"in": 1, "out": 1}
    rules.take(removal())
    assert rules.tables == {}
    rules.take(removal())


def made_by(messages: list[tuple[int, bytes]], kind: int) -> list[dict[int, bytes]]:
    """The attributes of all messages of one type."""
    return [dict(split(body[4:])) for each, body in messages if each == kind]


def test_nft_says_the_same() -> None:
    theirs = [(message.type, message.body) for message in split_messages(recorded("nft_flow"))]
    ours = [(kind, body) for kind, body, _ in installation(LINK, FLOW)]
    assert (theirs[0], theirs[-1]) == (ours[0], ours[-1])
    pairs = list(zip(made_by(theirs, NEW_RULE), made_by(ours, NEW_RULE), strict=True))
    assert len(pairs) == 4
    for their, our in pairs:
        assert expressions(their.pop(4)) == expressions(our.pop(4))
        assert their == our
    for their, our in zip(made_by(theirs, NEW_CHAIN), made_by(ours, NEW_CHAIN), strict=True):
        assert dict(split(their.pop(4))) == dict(split(our.pop(4)))
        assert their == our


def test_only_the_end_of_a_batch_asks_for_an_acknowledgement() -> None:
    for requests in (installation(LINK, FLOW), removal()):
        asking = [bool(flags & Flag.ACK) for _, _, flags in requests]
        assert asking == [False] * (len(requests) - 2) + [True, False]


def test_the_rules_in_words() -> None:
    assert describe(LINK, FLOW).splitlines() == [
        'in: iifname "ferry0" ip saddr 192.168.49.1 ip daddr 192.168.49.61 tcp sport 33221 tcp flags rst,ack accept',
        'in: iifname "ferry0" drop',
        'out: oifname "ferry0" ip saddr 192.168.49.61 ip daddr 192.168.49.1 tcp dport 33221 accept',
        'out: oifname "ferry0" drop',
    ]
    assert describe(LINK).splitlines() == ['in: iifname "ferry0" drop', 'out: oifname "ferry0" drop']


@pytest.mark.parametrize("name", ["", "sixteen-letters-", "a b"])
def test_rules_for_what_cannot_be_an_interface_would_guard_nothing(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        installation(name)


def test_the_real_kernel_refuses_as_a_whole() -> None:
    """As any user may see it: without rights, or with them for a chain without its table."""

    async def test() -> None:
        netlink = Netlink(NETFILTER)
        netlink.start()
        events: list[Message] = []
        netlink.on_event = events.append
        with pytest.raises(NetlinkError):
            await netlink.ask_all(batch([new_chain("ferry-has-no-such", "a", Hook.PREROUTING, 0)]))
        netlink.close()
        assert events == []

    aio.run(test())
