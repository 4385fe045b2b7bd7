"""Links as a kernel has told them; names, and what is broken."""

from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from drivers.netlink.attributes import NetlinkFormatError, join
from drivers.netlink.ipv4 import add_route
from drivers.netlink.rtnetlink import Link, LinkFlag, OperationalState, check_link_name, parse_link
from tests.unit.netlink.recorded import recorded_all

LINK = Link(
    3,
    "p2p0",
    LinkFlag.UP | LinkFlag.BROADCAST | LinkFlag.RUNNING | LinkFlag.MULTICAST | LinkFlag.LOWER_UP,
    OperationalState.UP,
    b"",
)


def test_recorded_links() -> None:
    loopback, other_end, link = map(parse_link, recorded_all("links"))
    assert (loopback.name, loopback.index, loopback.operational_state) == ("lo", 1, OperationalState.UNKNOWN)
    assert LinkFlag.LOOPBACK in loopback.flags
    assert other_end.name == "p2p1"
    assert link == LINK
    assert link.is_up


def test_an_alias_ends_with_a_zero_as_the_kernel_tells_it() -> None:
    assert parse_link(bytes(16) + join(20, b"uplink\0")).alias == b"uplink"


def test_a_state_of_a_newer_kernel_is_unknown() -> None:
    link = parse_link(bytes(16) + join(16, b"\x63"))
    assert link.operational_state is OperationalState.UNKNOWN


@given(st.data())
def test_broken_bodies_raise_format_errors_only(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from(recorded_all("links"))))
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(NetlinkFormatError):
        parse_link(bytes(body[: data.draw(st.integers(0, len(body)))]))


def test_a_message_without_a_whole_header_is_none() -> None:
    with pytest.raises(NetlinkFormatError, match="shorter than its header"):
        parse_link(bytes(15))


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a:b", "a\0", "sixteen-letters-", "ÄÄÄÄÄÄÄÄ"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        check_link_name(name)


def test_fifteen_letters_are_a_name() -> None:
    check_link_name("fifteen-letters")


def test_a_default_route_is_never_asked_for() -> None:
    with pytest.raises(LocalProtocolError, match="default route"):
        add_route(1, IPv4Network("0.0.0.0/0"), IPv4Address("192.168.49.61"))
