"""IPv4 on the kernel's links: addresses, routes, neighbours (rtnetlink(7)).

Nothing here makes a default route, or any route that wins over an equal one of somebody else: ours have the last
metric. So when the home network uses the phone's addresses, the home network keeps them, and a socket of ours has to be
bound to the link's interface (SO_BINDTODEVICE) to reach the phone.

Every function raises `NetlinkError` if the kernel refuses (ENODEV: there is no such link) and `RadioError`.
"""

import struct
from dataclasses import dataclass
from enum import IntFlag
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from board.errors import LocalProtocolError
from drivers.netlink.attributes import BE32, BYTES, U32, Attributes, NetlinkFormatError, attribute, build
from drivers.netlink.channel import Netlink
from drivers.netlink.message import Flag
from drivers.netlink.rtnetlink import split_body

LAST_METRIC: Final = 0xFFFF_FFFF

NEW_ADDRESS: Final = 20
DEL_ADDRESS: Final = 21
_GET_ADDRESS = 22
_NEW_ROUTE, _DEL_ROUTE, _GET_ROUTE = 24, 25, 26
_NEW_NEIGHBOUR, _DEL_NEIGHBOUR, _GET_NEIGHBOUR = 28, 29, 30

_AF_INET = 2
_LONGEST_PREFIX = 32
_NO_PREFIX_ROUTE = 0x200
_MAIN_TABLE, _BY_AN_ADMINISTRATOR, _SCOPE_LINK, _UNICAST = 254, 4, 253, 1

_ADDRESS_HEADER = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, link
_ROUTE_HEADER = struct.Struct("=BBBBBBBBI")  # family, two prefix lengths, TOS, table, protocol, scope, type, flags
_NEIGHBOUR_HEADER = struct.Struct("=BxxxiHBB")  # family, link, state, flags, type


class NeighbourState(IntFlag):
    """What the kernel knows about a neighbour (ip-neighbour(8))."""

    NONE = 0
    INCOMPLETE = 0x01
    REACHABLE = 0x02
    STALE = 0x04
    DELAY = 0x08
    PROBE = 0x10
    FAILED = 0x20
    NO_ARP = 0x40
    PERMANENT = 0x80


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 address with its prefix on a link."""

    link_index: int
    interface: IPv4Interface


@dataclass(frozen=True, slots=True)
class Route:
    """A unicast route of the main table, straight onto a link if there is no `gateway`."""

    link_index: int
    destination: IPv4Network
    source: IPv4Address | None = None
    gateway: IPv4Address | None = None
    metric: int = 0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Who has an IPv4 address on a link. `mac` is empty while nobody knows."""

    link_index: int
    address: IPv4Address
    mac: bytes
    state: NeighbourState


@dataclass(frozen=True, slots=True)
class _AddressAttributes(Attributes):
    address: int | None = attribute(1, BE32)
    local: int | None = attribute(2, BE32)
    flags: int | None = attribute(8, U32)


@dataclass(frozen=True, slots=True)
class _RouteAttributes(Attributes):
    destination: int | None = attribute(1, BE32)
    link_index: int | None = attribute(4, U32)
    gateway: int | None = attribute(5, BE32)
    metric: int | None = attribute(6, U32)
    source: int | None = attribute(7, BE32)


@dataclass(frozen=True, slots=True)
class _NeighbourAttributes(Attributes):
    address: int | None = attribute(1, BE32)
    mac: bytes | None = attribute(2, BYTES)


# Addresses


async def addresses(netlink: Netlink, index: int) -> list[Address]:
    """List the IPv4 addresses of a link."""
    answers = await netlink.ask(_GET_ADDRESS, _ADDRESS_HEADER.pack(_AF_INET, 0, 0, 0, 0), Flag.DUMP)
    return [each for each in map(parse_address, (answer.body for answer in answers)) if each.link_index == index]


async def add_address(netlink: Netlink, index: int, interface: IPv4Interface) -> None:
    """Give a link an address, without the route that the kernel would add to it. EEXIST if it is there."""
    await netlink.ask(NEW_ADDRESS, _address_body(index, interface, _NO_PREFIX_ROUTE), Flag.CREATE | Flag.EXCLUSIVE)


async def delete_address(netlink: Netlink, index: int, interface: IPv4Interface) -> None:
    """Take an address from a link. EADDRNOTAVAIL if it is not there."""
    await netlink.ask(DEL_ADDRESS, _address_body(index, interface))


def parse_address(body: bytes) -> Address:
    """Read what the kernel tells about an IPv4 address. Raises `NetlinkFormatError`."""
    (family, prefix_length, _, _, index), told = split_body(_ADDRESS_HEADER, _AddressAttributes, body)
    address = told.local or told.address
    if family != _AF_INET or address is None or prefix_length > _LONGEST_PREFIX:
        raise NetlinkFormatError("The kernel tells about an address that is none of IPv4.")
    return Address(index, IPv4Interface((address, prefix_length)))


def _address_body(index: int, interface: IPv4Interface, flags: int | None = None) -> bytes:
    header = _ADDRESS_HEADER.pack(_AF_INET, interface.network.prefixlen, 0, 0, index)
    return header + build(_AddressAttributes(int(interface.ip), int(interface.ip), flags))


# Routes


async def routes(netlink: Netlink, index: int) -> list[Route]:
    """List the unicast routes of the main table that lead to a link."""
    answers = await netlink.ask(_GET_ROUTE, _ROUTE_HEADER.pack(_AF_INET, *bytes(7), 0), Flag.DUMP)
    found = map(parse_route, (answer.body for answer in answers))
    return [route for route in found if route and route.link_index == index]


async def add_route(netlink: Netlink, index: int, destination: IPv4Network, source: IPv4Address) -> None:
    """Lead `destination`, which is on the link itself, there, with `source` as our address. EEXIST if it is there.

    Raises `LocalProtocolError` for a default route.
    """
    if destination.prefixlen == 0:
        raise LocalProtocolError("A link to a phone never has the default route.")
    await netlink.ask(_NEW_ROUTE, _route_body(index, destination, source), Flag.CREATE | Flag.EXCLUSIVE)


async def delete_route(netlink: Netlink, index: int, destination: IPv4Network) -> None:
    """Delete a route of `add_route`. ESRCH if it is not there."""
    await netlink.ask(_DEL_ROUTE, _route_body(index, destination))


def parse_route(body: bytes) -> Route | None:
    """Read what the kernel tells about a route, `None` if it is none for us. Raises `NetlinkFormatError`."""
    header, told = split_body(_ROUTE_HEADER, _RouteAttributes, body)
    family, prefix_length, _, _, table, _, _, kind, _ = header
    if (family, table, kind) != (_AF_INET, _MAIN_TABLE, _UNICAST) or told.link_index is None:
        return None  # of another table, or over several links at once
    try:
        destination = IPv4Network((told.destination or 0, prefix_length))
    except ValueError:
        raise NetlinkFormatError("The kernel tells about a route to no network.") from None
    return Route(told.link_index, destination, _ipv4(told.source), _ipv4(told.gateway), told.metric or 0)


def _route_body(index: int, destination: IPv4Network, source: IPv4Address | None = None) -> bytes:
    header = _ROUTE_HEADER.pack(
        _AF_INET, destination.prefixlen, 0, 0, _MAIN_TABLE, _BY_AN_ADMINISTRATOR, _SCOPE_LINK, _UNICAST, 0
    )
    told = _RouteAttributes(
        int(destination.network_address), index, metric=LAST_METRIC, source=None if source is None else int(source)
    )
    return header + build(told)


# Neighbours


async def neighbours(netlink: Netlink, index: int) -> list[Neighbour]:
    """List what the kernel knows about the IPv4 neighbours on a link."""
    answers = await netlink.ask(_GET_NEIGHBOUR, _NEIGHBOUR_HEADER.pack(_AF_INET, 0, 0, 0, 0), Flag.DUMP)
    return [each for each in map(parse_neighbour, (answer.body for answer in answers)) if each.link_index == index]


async def set_neighbour(netlink: Netlink, neighbour: Neighbour) -> None:
    """Tell the kernel, which may know better or nothing yet, who has an address.

    What is `PERMANENT` is never asked for by ARP, nor changed by what others claim.
    """
    await netlink.ask(_NEW_NEIGHBOUR, _neighbour_body(neighbour), Flag.CREATE | Flag.REPLACE)


async def delete_neighbour(netlink: Netlink, index: int, address: IPv4Address) -> None:
    """Make the kernel forget who has an address. ENOENT if it knows nothing."""
    await netlink.ask(_DEL_NEIGHBOUR, _neighbour_body(Neighbour(index, address, b"", NeighbourState.NONE)))


def parse_neighbour(body: bytes) -> Neighbour:
    """Read what the kernel tells about an IPv4 neighbour. Raises `NetlinkFormatError`."""
    (family, index, state, _, _), told = split_body(_NEIGHBOUR_HEADER, _NeighbourAttributes, body)
    if family != _AF_INET or told.address is None:
        raise NetlinkFormatError("The kernel tells about a neighbour without an IPv4 address.")
    return Neighbour(index, IPv4Address(told.address), told.mac or b"", NeighbourState(state))


def _neighbour_body(neighbour: Neighbour) -> bytes:
    header = _NEIGHBOUR_HEADER.pack(_AF_INET, neighbour.link_index, neighbour.state, 0, 0)
    return header + build(_NeighbourAttributes(int(neighbour.address), neighbour.mac or None))


def _ipv4(number: int | None) -> IPv4Address | None:
    return None if number is None else IPv4Address(number)
