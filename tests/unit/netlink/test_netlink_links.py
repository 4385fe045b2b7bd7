"""Links, addresses, routes, neighbours and their events, as a kernel has told them; names, and what is broken."""

from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board import aio
from board.errors import LocalProtocolError
from drivers.netlink.attributes import NetlinkFormatError, join
from drivers.netlink.channel import ROUTE, Netlink
from drivers.netlink.ipv4 import (
    Address,
    Neighbour,
    NeighbourState,
    Route,
    add_route,
    parse_address,
    parse_neighbour,
    parse_route,
)
from drivers.netlink.message import Message
from drivers.netlink.rtnetlink import (
    Link,
    LinkFlag,
    OperationalState,
    check_link_name,
    parse_link,
    set_address,
)
from drivers.netlink.rtnetlink_events import AddressAdded, AddressGone, LinkChanged, LinkGone, parse_event
from tests.unit.netlink.recorded import recorded, recorded_all

LINK = Link(
    3,
    "p2p0",
    LinkFlag.UP | LinkFlag.BROADCAST | LinkFlag.RUNNING | LinkFlag.MULTICAST | LinkFlag.LOWER_UP,
    OperationalState.UP,
    bytes.fromhex("020000000110"),
    1500,
)
OURS = IPv4Address("192.168.49.61")
OWNER = IPv4Address("192.168.49.1")
GROUP = IPv4Network("192.168.49.0/24")
ADDRESS = Address(3, IPv4Interface("192.168.49.61/24"))


def happened(kind: int, body: bytes) -> Message:
    return Message(kind, 0, 0, 0, body)


def test_recorded_links() -> None:
    loopback, other_end, link = map(parse_link, recorded_all("links"))
    assert (loopback.name, loopback.index, loopback.operational_state) == ("lo", 1, OperationalState.UNKNOWN)
    assert LinkFlag.LOOPBACK in loopback.flags
    assert other_end.name == "p2p1"
    assert link == LINK
    assert link.is_up


def test_recorded_addresses() -> None:
    loopback, address = map(parse_address, recorded_all("addresses"))
    assert loopback == Address(1, IPv4Interface("127.0.0.1/8"))
    assert address == ADDRESS


def test_recorded_routes_of_the_main_table() -> None:
    default, over_two_links, direct, *local = map(parse_route, recorded_all("routes"))
    assert default == Route(3, IPv4Network("0.0.0.0/0"), gateway=OWNER)
    assert over_two_links is None
    assert direct == Route(3, GROUP, source=OURS, metric=9)
    assert local == [None] * 5


def test_a_route_of_another_table_is_none_of_ours() -> None:
    direct = recorded_all("routes")[2]
    assert parse_route(direct[:4] + b"\x64" + direct[5:]) is None


def test_the_address_of_a_point_to_point_link_is_our_own() -> None:
    body = b"\2\x20" + bytes(6) + join(1, OWNER.packed) + join(2, OURS.packed)
    assert parse_address(body).interface == IPv4Interface(OURS)


def test_recorded_neighbours() -> None:
    (neighbour,) = map(parse_neighbour, recorded_all("neighbours"))
    assert neighbour == Neighbour(3, OWNER, bytes.fromhex("020000000199"), NeighbourState.PERMANENT)


def test_events() -> None:
    link, address = recorded_all("links")[2], recorded_all("addresses")[1]
    assert parse_event(happened(16, link)) == LinkChanged(LINK)
    assert parse_event(happened(17, link)) == LinkGone(LINK)
    assert parse_event(happened(20, address)) == AddressAdded(ADDRESS)
    assert parse_event(happened(21, address)) == AddressGone(ADDRESS)
    assert parse_event(happened(24, recorded_all("routes")[0])) is None


def test_that_a_link_has_left_a_bridge_is_not_its_end() -> None:
    assert parse_event(happened(17, recorded("left_bridge"))) is None


def test_what_a_wireless_driver_says_about_a_scan_is_no_change_of_the_link() -> None:
    scan_is_done = recorded_all("links")[2][:16] + join(3, b"p2p0\0") + join(11, bytes(8))
    assert parse_event(happened(16, scan_is_done)) is None


def test_a_state_of_a_newer_kernel_is_unknown() -> None:
    link = parse_link(bytes(16) + join(16, b"\x63"))
    assert link.operational_state is OperationalState.UNKNOWN


PARSERS: list[tuple[Callable[[bytes], Any], str]] = [
    (parse_link, "links"),
    (parse_address, "addresses"),
    (parse_route, "routes"),
    (parse_neighbour, "neighbours"),
    *((lambda body, kind=kind: parse_event(happened(kind, body)), "links") for kind in (16, 17)),
    *((lambda body, kind=kind: parse_event(happened(kind, body)), "addresses") for kind in (20, 21)),
]


@given(st.sampled_from(PARSERS), st.data())
def test_broken_bodies_raise_format_errors_only(
    parser: tuple[Callable[[bytes], Any], str], data: st.DataObject
) -> None:
    parse, name = parser
    body = bytearray(data.draw(st.sampled_from(recorded_all(name))))
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(NetlinkFormatError):
        parse(bytes(body[: data.draw(st.integers(0, len(body)))]))


@pytest.mark.parametrize(
    ("parse", "body"),
    [
        (parse_link, bytes(15)),
        (parse_address, b"\2\x18" + bytes(6)),
        (parse_address, b"\x0a\x18" + bytes(6) + join(1, bytes(4))),
        (parse_address, b"\2\x21" + bytes(6) + join(1, bytes(4))),
        (parse_address, b"\2\x18" + bytes(6) + join(1, bytes(16))),
        (parse_route, b"\2\x10\0\0\xfe\4\xfd\1" + bytes(4) + join(1, OURS.packed) + join(4, bytes(4))),
        (parse_neighbour, b"\2" + bytes(11)),
    ],
    ids=["short", "no address", "IPv6", "prefix of 33", "of 16 bytes", "bits behind the prefix", "no address either"],
)
def test_what_the_kernel_never_tells(parse: Callable[[bytes], Any], body: bytes) -> None:
    with pytest.raises(NetlinkFormatError):
        parse(body)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a:b", "a\0", "sixteen-letters-", "ÄÄÄÄÄÄÄÄ"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        check_link_name(name)


def test_fifteen_letters_are_a_name() -> None:
    check_link_name("fifteen-letters")


def test_what_is_never_asked_for() -> None:
    async def test() -> None:
        netlink = Netlink(ROUTE)
        with pytest.raises(LocalProtocolError, match="default route"):
            await add_route(netlink, 1, IPv4Network("0.0.0.0/0"), OURS)
        with pytest.raises(LocalProtocolError, match="six bytes"):
            await set_address(netlink, 1, bytes(5))
        netlink.close()

    aio.run(test())
