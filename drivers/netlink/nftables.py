"""nf_tables: tables, chains and rules as netlink messages, and batches of them (<linux/netfilter/nf_tables.h>).

Bytes only. A rule is a row of expressions. One that does not match ends the rule; whoever gets to the end has a
verdict. A batch is carried out as a whole or not at all, and packets see either the rules before or those after.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from drivers.netlink.attributes import (
    BE32,
    BYTES,
    STRING,
    Attributes,
    Format,
    attribute,
    build,
    list_of,
    nested,
    number,
)
from drivers.netlink.exchange import Request
from drivers.netlink.message import Flag

INET: Final = 1  # NFPROTO_INET: IPv4 and IPv6
IPV4: Final = 2

_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_NEW_TABLE, _DEL_TABLE, _NEW_CHAIN, _NEW_RULE = 0, 2, 3, 6
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_HEADER = struct.Struct(">BBH")  # family, version, resource
_REGISTER = 1
_VERDICT_REGISTER = 0
_SIGNED_BE32 = number(4, signed=True, big_endian=True)
_BUILT = Format(bytes, bytes, is_nested=True)  # attributes, of which the name of the expression says what they are


class Hook(IntEnum):
    """Where in the way of a packet a chain is asked (NF_INET_*)."""

    PREROUTING = 0
    POSTROUTING = 4


class Verdict(IntEnum):
    """What becomes of a packet."""

    DROP = 0
    ACCEPT = 1


class MetaKey(IntEnum):
    """What is known about a packet besides its bytes (NFT_META_*)."""

    IIFNAME = 6
    OIFNAME = 7
    NFPROTO = 15
    L4PROTO = 16


class Base(IntEnum):
    """From where on bytes of a packet are counted (NFT_PAYLOAD_*)."""

    NETWORK = 1
    TRANSPORT = 2


class Comparison(IntEnum):
    """How a register is compared (NFT_CMP_*)."""

    EQUAL = 0
    NOT_EQUAL = 1


@dataclass(frozen=True, slots=True)
class _Code(Attributes):
    code: int | None = attribute(1, _SIGNED_BE32)


@dataclass(frozen=True, slots=True)
class Data(Attributes):
    """What a register is compared or computed with."""

    value: bytes | None = attribute(1, BYTES)
    verdict: _Code | None = attribute(2, nested(_Code))


@dataclass(frozen=True, slots=True)
class Meta(Attributes):
    """Load what is known about the packet."""

    register: int | None = attribute(1, BE32)
    key: int | None = attribute(2, BE32)


@dataclass(frozen=True, slots=True)
class Payload(Attributes):
    """Load bytes of the packet."""

    register: int | None = attribute(1, BE32)
    base: int | None = attribute(2, BE32)
    offset: int | None = attribute(3, BE32)
    length: int | None = attribute(4, BE32)


@dataclass(frozen=True, slots=True)
class Bitwise(Attributes):
    """Compute `register & mask ^ flip`."""

    source: int | None = attribute(1, BE32)
    register: int | None = attribute(2, BE32)
    length: int | None = attribute(3, BE32)
    mask: Data | None = attribute(4, nested(Data))
    flip: Data | None = attribute(5, nested(Data))


@dataclass(frozen=True, slots=True)
class Compare(Attributes):
    """Go on only if the register compares."""

    register: int | None = attribute(1, BE32)
    comparison: int | None = attribute(2, BE32)
    data: Data | None = attribute(3, nested(Data))


@dataclass(frozen=True, slots=True)
class Immediate(Attributes):
    """Load a constant; into the verdict register it decides."""

    register: int | None = attribute(1, BE32)
    data: Data | None = attribute(2, nested(Data))


Expression = Meta | Payload | Bitwise | Compare | Immediate

_NAMES: Final[dict[type[Attributes], str]] = {
    Meta: "meta",
    Payload: "payload",
    Bitwise: "bitwise",
    Compare: "cmp",
    Immediate: "immediate",
}


@dataclass(frozen=True, slots=True)
class _Named(Attributes):
    name: str | None = attribute(1, STRING)
    data: bytes | None = attribute(2, _BUILT)


@dataclass(frozen=True, slots=True)
class _Table(Attributes):
    name: str | None = attribute(1, STRING)


@dataclass(frozen=True, slots=True)
class _Hook(Attributes):
    number: int | None = attribute(1, BE32)
    priority: int | None = attribute(2, _SIGNED_BE32)


@dataclass(frozen=True, slots=True)
class _Chain(Attributes):
    table: str | None = attribute(1, STRING)
    name: str | None = attribute(3, STRING)
    hook: _Hook | None = attribute(4, nested(_Hook))
    policy: int | None = attribute(5, BE32)
    type: str | None = attribute(7, STRING)


@dataclass(frozen=True, slots=True)
class _Rule(Attributes):
    table: str | None = attribute(1, STRING)
    chain: str | None = attribute(2, STRING)
    expressions: tuple[_Named, ...] | None = attribute(4, list_of(nested(_Named)))


# Messages


def new_table(name: str) -> Request:
    """Make a table, unless it is there."""
    return _request(_NEW_TABLE, _Table(name), Flag.CREATE)


def delete_table(name: str) -> Request:
    """Delete a table with all that is in it."""
    return _request(_DEL_TABLE, _Table(name))


def new_chain(table: str, name: str, hook: Hook, priority: int) -> Request:
    """Make a chain that filters at `hook` and lets pass what none of its rules decides about."""
    chain = _Chain(table, name, _Hook(hook, priority), Verdict.ACCEPT, "filter")
    return _request(_NEW_CHAIN, chain, Flag.CREATE)


def new_rule(table: str, chain: str, expressions: Sequence[Expression]) -> Request:
    """Append a rule."""
    named = tuple(_Named(_NAMES[type(each)], build(each)) for each in expressions)
    return _request(_NEW_RULE, _Rule(table, chain, named), Flag.CREATE | Flag.APPEND)


def batch(requests: Sequence[Request]) -> list[Request]:
    """Put requests together, for `Netlink.ask_all`: all of them are carried out, or none is.

    Only the last one asks for an acknowledgement. The kernel sends it when everything is done, and refusals unasked.
    """
    *others, (kind, body, flags) = requests
    resource = _HEADER.pack(0, 0, _SUBSYSTEM)
    return [(_BATCH_BEGIN, resource, 0), *others, (kind, body, flags | Flag.ACK), (_BATCH_END, resource, 0)]


# Expressions


def meta(key: MetaKey, value: bytes) -> list[Expression]:
    """Match what is known about the packet."""
    return [Meta(_REGISTER, key), _compare(Comparison.EQUAL, value)]


def interface(key: MetaKey, name: str) -> list[Expression]:
    """Match the name of the interface."""
    return meta(key, name.encode().ljust(16, b"\0"))  # IFNAMSIZ


def payload(base: Base, offset: int, value: bytes) -> list[Expression]:
    """Match bytes of the packet."""
    return [Payload(_REGISTER, base, offset, len(value)), _compare(Comparison.EQUAL, value)]


def any_bit(base: Base, offset: int, mask: int) -> list[Expression]:
    """Match an octet of the packet of which at least one bit of `mask` is set."""
    return [
        Payload(_REGISTER, base, offset, 1),
        Bitwise(_REGISTER, _REGISTER, 1, Data(bytes((mask,))), Data(b"\0")),
        _compare(Comparison.NOT_EQUAL, b"\0"),
    ]


def verdict(code: Verdict) -> list[Expression]:
    """Decide about the packet."""
    return [Immediate(_VERDICT_REGISTER, Data(verdict=_Code(code)))]


def _compare(comparison: Comparison, value: bytes) -> Compare:
    return Compare(_REGISTER, comparison, Data(value))


def _request(kind: int, attributes: Any, flags: int = 0) -> Request:
    return _SUBSYSTEM << 8 | kind, _HEADER.pack(INET, 0, 0) + build(attributes), flags
