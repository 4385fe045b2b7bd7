"""The kernel's links (rtnetlink(7)); `ipv4` has what lies on them.

Every function raises `NetlinkError` if the kernel refuses (ENODEV: there is no such link) and `RadioError`.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from board.errors import LocalProtocolError
from drivers.netlink.attributes import BYTES, STRING, U8, Attributes, NetlinkFormatError, attribute, build, parse
from drivers.netlink.channel import Netlink
from drivers.netlink.message import Flag

_NEW_LINK, _GET_LINK = 16, 18

_HEADER = struct.Struct("=BxHiII")  # family, device type, index, flags, mask of flags to change
_NAME_BYTES = 15


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
    """A network interface. `alias` is what somebody calls it, mostly nothing."""

    index: int
    name: str
    flags: LinkFlag
    operational_state: OperationalState
    alias: bytes

    @property
    def is_up(self) -> bool:
        """Whether somebody has switched it on."""
        return LinkFlag.UP in self.flags


@dataclass(frozen=True, slots=True)
class LinkAttributes(Attributes):
    """IFLA_*."""

    name: str | None = attribute(3, STRING)
    operational_state: int | None = attribute(16, U8)
    alias: bytes | None = attribute(20, BYTES)


async def links(netlink: Netlink) -> list[Link]:
    """List the links of this machine."""
    return [parse_link(each.body) for each in await netlink.ask(_GET_LINK, _body(0), Flag.DUMP)]


async def link_at(netlink: Netlink, index: int) -> Link:
    """Return the link with this index."""
    (answer,) = await netlink.ask(_GET_LINK, _body(index))
    return parse_link(answer.body)


async def set_up(netlink: Netlink, index: int) -> None:
    """Switch a link on."""
    await netlink.ask(_NEW_LINK, _body(index, LinkFlag.UP, LinkFlag.UP))


async def set_down(netlink: Netlink, index: int) -> None:
    """Switch a link off. Its routes and neighbours go, its addresses stay."""
    await netlink.ask(_NEW_LINK, _body(index, LinkFlag.NONE, LinkFlag.UP))


async def set_alias(netlink: Netlink, index: int, alias: bytes) -> None:
    """Call a link something, at most 255 bytes; nothing takes the alias away."""
    await netlink.ask(_NEW_LINK, _body(index) + build(LinkAttributes(alias=alias)))


def check_link_name(name: str) -> None:
    """Raise `LocalProtocolError` for what cannot be the name of a link."""
    if not 0 < len(name.encode()) <= _NAME_BYTES or set(name) & set("/:\0") or any(map(str.isspace, name)):
        raise LocalProtocolError(f"{name!r} is no name for a link.")


def parse_link(body: bytes) -> Link:
    """Read what the kernel tells about a link. Raises `NetlinkFormatError`."""
    if len(body) < _HEADER.size:
        raise NetlinkFormatError("A message of the kernel is shorter than its header.")
    _, _, index, flags, _ = _HEADER.unpack_from(body)
    told = parse(LinkAttributes, body[_HEADER.size :])
    alias = (told.alias or b"").rstrip(b"\0")
    return Link(index, told.name or "", LinkFlag(flags), _state(told), alias)


def _body(index: int, flags: LinkFlag = LinkFlag.NONE, changed: LinkFlag = LinkFlag.NONE) -> bytes:
    return _HEADER.pack(0, 0, index, flags, changed)


def _state(told: LinkAttributes) -> OperationalState:
    try:
        return OperationalState(told.operational_state or 0)
    except ValueError:
        return OperationalState.UNKNOWN
