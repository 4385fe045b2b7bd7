"""The kernel's links (rtnetlink(7)); `ipv4` has what lies on them, `rtnetlink_events` what happens to them.

Every function raises `NetlinkError` if the kernel refuses (ENODEV: there is no such link) and `RadioError`.
"""

import errno
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, TypeVar

from board.errors import LocalProtocolError
from drivers.netlink.attributes import BYTES, STRING, U8, U32, Attributes, NetlinkFormatError, attribute, build, parse
from drivers.netlink.channel import Netlink
from drivers.netlink.message import Flag, NetlinkError

NEW_LINK: Final = 16
DEL_LINK: Final = 17
_GET_LINK = 18

_HEADER = struct.Struct("=BxHiII")  # family, device type, index, flags, mask of flags to change
_NAME_BYTES = 15
_MAC_BYTES = 6

AttributesT = TypeVar("AttributesT", bound=Attributes)


class LinkFlag(IntFlag):
    """What a link is (netdevice(7)); the kernel has more of them."""

    NONE = 0
    UP = 0x1
    BROADCAST = 0x2
    LOOPBACK = 0x8
    RUNNING = 0x40
    MULTICAST = 0x1000
    LOWER_UP = 0x10000
    DORMANT = 0x20000


class OperationalState(IntEnum):
    """What a link can do (RFC 2863, ifOperStatus)."""

    UNKNOWN = 0
    NOT_PRESENT = 1
    DOWN = 2
    LOWER_LAYER_DOWN = 3
    TESTING = 4
    DORMANT = 5
    UP = 6


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface. `address` is its MAC, empty if it has none."""

    index: int
    name: str
    flags: LinkFlag
    operational_state: OperationalState
    address: bytes
    mtu: int

    @property
    def is_up(self) -> bool:
        """Whether somebody has switched it on."""
        return LinkFlag.UP in self.flags


@dataclass(frozen=True, slots=True)
class _Told(Attributes):
    address: bytes | None = attribute(1, BYTES)
    name: str | None = attribute(3, STRING)
    mtu: int | None = attribute(4, U32)
    operational_state: int | None = attribute(16, U8)


async def links(netlink: Netlink) -> list[Link]:
    """List the links of this machine."""
    return [parse_link(each.body) for each in await netlink.ask(_GET_LINK, _body(0), Flag.DUMP)]


async def link_at(netlink: Netlink, index: int) -> Link:
    """Return the link with this index."""
    return await _link(netlink, _body(index))


async def link_named(netlink: Netlink, name: str) -> Link:
    """Return the link with this name."""
    check_link_name(name)
    return await _link(netlink, _body(0) + build(_Told(name=name)))


async def set_up(netlink: Netlink, index: int) -> None:
    """Switch a link on."""
    await netlink.ask(NEW_LINK, _body(index, LinkFlag.UP, LinkFlag.UP))


async def set_down(netlink: Netlink, index: int) -> None:
    """Switch a link off. Its routes and neighbours go, its addresses stay."""
    await netlink.ask(NEW_LINK, _body(index, LinkFlag.NONE, LinkFlag.UP))


async def set_address(netlink: Netlink, index: int, mac: bytes) -> None:
    """Give a link, which has to be down with most drivers, the MAC of six bytes."""
    if len(mac) != _MAC_BYTES:
        raise LocalProtocolError("A MAC has six bytes.")
    await netlink.ask(NEW_LINK, _body(index) + build(_Told(address=mac)))


async def set_name(netlink: Netlink, index: int, name: str) -> None:
    """Rename a link, which has to be down on older kernels."""
    check_link_name(name)
    await netlink.ask(NEW_LINK, _body(index) + build(_Told(name=name)))


def check_link_name(name: str) -> None:
    """Raise `LocalProtocolError` for what cannot be the name of a link."""
    if not 0 < len(name.encode()) <= _NAME_BYTES or set(name) & set("/:\0") or any(map(str.isspace, name)):
        raise LocalProtocolError(f"{name!r} is no name for a link.")


def parse_link(body: bytes) -> Link:
    """Read what the kernel tells about a link. Raises `NetlinkFormatError`."""
    (_, _, index, flags, _), told = split_body(_HEADER, _Told, body)
    return Link(index, told.name or "", LinkFlag(flags), _state(told), told.address or b"", told.mtu or 0)


def tells_all(body: bytes) -> bool:
    """Whether this is about the link itself: a bridge tells about its ports, old Wi-Fi drivers about their scans.

    Raises `NetlinkFormatError`.
    """
    (family, *_), told = split_body(_HEADER, _Told, body)
    return family == 0 and told.mtu is not None


def split_body(header: struct.Struct, kind: type[AttributesT], body: bytes) -> tuple[tuple[int, ...], AttributesT]:
    """Read a family's header and the attributes behind it. Raises `NetlinkFormatError`."""
    if len(body) < header.size:
        raise NetlinkFormatError("A message of the kernel is shorter than its header.")
    return header.unpack_from(body), parse(kind, body[header.size :])


async def _link(netlink: Netlink, body: bytes) -> Link:
    answers = await netlink.ask(_GET_LINK, body)
    if not answers:
        raise NetlinkError(errno.ENODEV)
    return parse_link(answers[0].body)


def _body(index: int, flags: LinkFlag = LinkFlag.NONE, changed: LinkFlag = LinkFlag.NONE) -> bytes:
    return _HEADER.pack(0, 0, index, flags, changed)


def _state(told: _Told) -> OperationalState:
    try:
        return OperationalState(told.operational_state or 0)
    except ValueError:
        return OperationalState.UNKNOWN
