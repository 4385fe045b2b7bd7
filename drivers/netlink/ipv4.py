"""IPv4 on a link of ours: its address, the way to the peer, and who the peer is (rtnetlink(7)).

Nothing here makes a default route, or any route that wins over an equal one of somebody else: ours have the last
metric. So when the home network uses the phone's addresses, the home network keeps them, and a socket of ours has to be
bound to the link's interface (SO_BINDTODEVICE) to reach the phone. All of it goes with the link.

Requests for `Netlink.ask_all`, which can take them in one datagram. ENODEV means that there is no such link.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from board.errors import LocalProtocolError
from drivers.netlink.attributes import BE32, BYTES, U32, Attributes, attribute, build
from drivers.netlink.exchange import Request
from drivers.netlink.message import Flag

LAST_METRIC: Final = 0xFFFF_FFFF

_NEW_ADDRESS, _NEW_ROUTE, _NEW_NEIGHBOUR = 20, 24, 28
_AF_INET = 2
_NO_PREFIX_ROUTE = 0x200
_MAIN_TABLE, _BY_AN_ADMINISTRATOR, _SCOPE_LINK, _UNICAST = 254, 4, 253, 1
_PERMANENT = 0x80

_ADDRESS_HEADER = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, link
_ROUTE_HEADER = struct.Struct("=BBBBBBBBI")  # family, two prefix lengths, TOS, table, protocol, scope, type, flags
_NEIGHBOUR_HEADER = struct.Struct("=BxxxiHBB")  # family, link, state, flags, type


@dataclass(frozen=True, slots=True)
class AddressAttributes(Attributes):
    """IFA_*."""

    address: int | None = attribute(1, BE32)
    local: int | None = attribute(2, BE32)
    flags: int | None = attribute(8, U32)


@dataclass(frozen=True, slots=True)
class RouteAttributes(Attributes):
    """RTA_*."""

    destination: int | None = attribute(1, BE32)
    link_index: int | None = attribute(4, U32)
    metric: int | None = attribute(6, U32)
    source: int | None = attribute(7, BE32)


@dataclass(frozen=True, slots=True)
class NeighbourAttributes(Attributes):
    """NDA_*."""

    address: int | None = attribute(1, BE32)
    mac: bytes | None = attribute(2, BYTES)


def add_address(index: int, interface: IPv4Interface) -> Request:
    """Give a link an address, without the route that the kernel would add to it. It may be there."""
    header = _ADDRESS_HEADER.pack(_AF_INET, interface.network.prefixlen, 0, 0, index)
    told = AddressAttributes(int(interface.ip), int(interface.ip), _NO_PREFIX_ROUTE)
    return _NEW_ADDRESS, header + build(told), Flag.ACK | Flag.CREATE | Flag.REPLACE


def add_route(index: int, destination: IPv4Network, source: IPv4Address) -> Request:
    """Lead `destination`, which is on the link itself, there, with `source` as our address. It may be there.

    Raises `LocalProtocolError` for a default route.
    """
    if destination.prefixlen == 0:
        raise LocalProtocolError("A link to a phone never has the default route.")
    header = _ROUTE_HEADER.pack(
        _AF_INET, destination.prefixlen, 0, 0, _MAIN_TABLE, _BY_AN_ADMINISTRATOR, _SCOPE_LINK, _UNICAST, 0
    )
    told = RouteAttributes(int(destination.network_address), index, LAST_METRIC, int(source))
    return _NEW_ROUTE, header + build(told), Flag.ACK | Flag.CREATE | Flag.REPLACE


def set_neighbour(index: int, address: IPv4Address, mac: bytes) -> Request:
    """Tell the kernel who has an address on a link: it never asks for it by ARP, nor believes what others claim."""
    header = _NEIGHBOUR_HEADER.pack(_AF_INET, index, _PERMANENT, 0, 0)
    told = NeighbourAttributes(int(address), mac)
    return _NEW_NEIGHBOUR, header + build(told), Flag.ACK | Flag.CREATE | Flag.REPLACE
