"""Generic netlink: one protocol for many families, which are found by name (<linux/genetlink.h>)."""

import struct
from dataclasses import dataclass, field
from typing import Final

from drivers.errors import RadioError
from drivers.netlink.attributes import (
    STRING,
    U16,
    U32,
    Attributes,
    NetlinkFormatError,
    array_of,
    attribute,
    build,
    nested,
    parse,
)
from drivers.netlink.channel import Netlink

_CONTROLLER: Final = 0x10  # GENL_ID_CTRL
_GET_FAMILY = 3
_CONTROL_VERSION = 2
_HEADER = struct.Struct("=BBxx")  # command, version, reserved


@dataclass(frozen=True, slots=True)
class Family:
    """A family of this kernel. `id` is its message type; `groups` are its multicast groups by name."""

    id: int
    version: int
    groups: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Group(Attributes):
    name: str | None = attribute(1, STRING)
    id: int | None = attribute(2, U32)


@dataclass(frozen=True, slots=True)
class _Control(Attributes):
    family_id: int | None = attribute(1, U16)
    family_name: str | None = attribute(2, STRING)
    version: int | None = attribute(3, U32)
    groups: tuple[_Group, ...] | None = attribute(7, array_of(nested(_Group)))


async def family(netlink: Netlink, name: str) -> Family:
    """Find a family by name. Raises `NetlinkError` (ENOENT) if this kernel does not have it, `RadioError`."""
    body = generic_body(_GET_FAMILY, _CONTROL_VERSION, build(_Control(family_name=name)))
    answers = await netlink.ask(_CONTROLLER, body)
    if not answers:
        raise RadioError(f"The kernel tells nothing about its netlink family {name}.")
    return parse_family(answers[0].body)


def parse_family(body: bytes) -> Family:
    """Read what the kernel tells about a family. Raises `NetlinkFormatError`."""
    _, attributes = split_generic(body)
    told = parse(_Control, attributes)
    if told.family_id is None:
        raise NetlinkFormatError("The kernel names a netlink family without its number.")
    groups = {group.name: group.id for group in told.groups or () if group.name and group.id}
    return Family(told.family_id, told.version or 0, groups)


def generic_body(command: int, version: int, attributes: bytes) -> bytes:
    """Build the body of a message of a family."""
    return _HEADER.pack(command, version) + attributes


def split_generic(body: bytes) -> tuple[int, bytes]:
    """Return the command and the attributes. Raises `NetlinkFormatError`."""
    if len(body) < _HEADER.size:
        raise NetlinkFormatError("A generic netlink message is shorter than its header.")
    return body[0], body[_HEADER.size :]
