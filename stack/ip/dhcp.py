"""DHCP messages: bytes only, both roles (RFC 2131, 2; RFC 2132).

Options are walked within bounds: one that runs past the end of its field ends the walk of that field. An option that
comes in parts is joined (RFC 3396). Values are checked when they are asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address
from struct import Struct
from typing import Final

from board.errors import LocalProtocolError, RemoteProtocolError

SERVER_PORT: Final = 67
CLIENT_PORT: Final = 68
ETHERNET: Final = 1  # the hardware type, here and in a client identifier

_UNSPECIFIED = IPv4Address(0)
_MAC_BYTES = 6
# op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file, magic cookie.
_FIXED = Struct("!BBBBIHH4s4s4s4s16s64s128s4s")
_MAGIC_COOKIE = bytes.fromhex("63825363")
_BROADCAST_FLAG = 0x8000
_LEAST_BYTES = 300  # of BOOTP (RFC 1542, 2.1): some servers drop what is shorter
_OPTION_BYTES = 255
_OVERLOAD_FILE = 1
_OVERLOAD_SNAME = 2


class DhcpError(RemoteProtocolError):
    """A DHCP message is broken, or says what cannot be."""


class Op(IntEnum):
    """Who speaks (RFC 2131, table 1)."""

    REQUEST = 1
    REPLY = 2


class MessageType(IntEnum):
    """The values of option 53 (RFC 2132, 9.6)."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class Option(IntEnum):
    """The options that are read or written here (RFC 2132; 80 is RFC 4039)."""

    PAD = 0
    SUBNET_MASK = 1
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    OVERLOAD = 52
    MESSAGE_TYPE = 53
    SERVER_IDENTIFIER = 54
    PARAMETER_REQUEST_LIST = 55
    CLIENT_IDENTIFIER = 61
    RAPID_COMMIT = 80
    END = 255


@dataclass(frozen=True, slots=True)
class DhcpMessage:
    """One DHCP message over Ethernet. `client_mac` is chaddr; `options` holds raw values by number."""

    op: Op
    xid: int
    client_mac: bytes
    options: Mapping[int, bytes] = field(default_factory=dict)
    secs: int = 0
    wants_broadcast: bool = False
    ciaddr: IPv4Address = _UNSPECIFIED
    yiaddr: IPv4Address = _UNSPECIFIED
    siaddr: IPv4Address = _UNSPECIFIED
    giaddr: IPv4Address = _UNSPECIFIED

    @property
    def type(self) -> MessageType:
        """What kind of message this is. Raises `DhcpError` if it does not say."""
        value = self.options.get(Option.MESSAGE_TYPE, b"")
        try:
            return MessageType(int.from_bytes(value, "big"))
        except ValueError:
            raise DhcpError("The message is of no known type.") from None

    def address(self, option: Option) -> IPv4Address:
        """Return an option that is one address. Raises `DhcpError` if it is missing or none."""
        return IPv4Address(self._exactly(option, 4))

    def seconds(self, option: Option) -> int:
        """Return an option that is a time in seconds. Raises `DhcpError` if it is missing or none."""
        return int.from_bytes(self._exactly(option, 4), "big")

    def _exactly(self, option: Option, size_bytes: int) -> bytes:
        value = self.options.get(option, b"")
        if len(value) != size_bytes:
            raise DhcpError(f"Option {option} ({option.name.lower()}) has {len(value)} bytes, not {size_bytes}.")
        return value


def parse_dhcp(data: bytes) -> DhcpMessage:
    """Parse a message. Raises `DhcpError`."""
    if len(data) < _FIXED.size:
        raise DhcpError("The message is too short for DHCP.")
    op, htype, hlen, _, xid, secs, flags, *addresses, chaddr, sname, file, cookie = _FIXED.unpack_from(data)
    if cookie != _MAGIC_COOKIE:
        raise DhcpError("The message has no magic cookie: it is BOOTP, not DHCP.")
    if op not in (Op.REQUEST, Op.REPLY) or (htype, hlen) != (ETHERNET, _MAC_BYTES):
        raise DhcpError("The message is not about Ethernet, or from nobody.")
    ciaddr, yiaddr, siaddr, giaddr = map(IPv4Address, addresses)
    return DhcpMessage(
        op=Op(op),
        xid=xid,
        client_mac=chaddr[:_MAC_BYTES],
        options=_read_options(data[_FIXED.size :], file, sname),
        secs=secs,
        wants_broadcast=bool(flags & _BROADCAST_FLAG),
        ciaddr=ciaddr,
        yiaddr=yiaddr,
        siaddr=siaddr,
        giaddr=giaddr,
    )


def build_dhcp(message: DhcpMessage) -> bytes:
    """Build a message, padded to what BOOTP asks for. Raises `LocalProtocolError` for an option over 255 bytes."""
    addresses = (message.ciaddr, message.yiaddr, message.siaddr, message.giaddr)
    fixed = _FIXED.pack(
        message.op,
        ETHERNET,
        _MAC_BYTES,
        0,
        message.xid,
        message.secs,
        _BROADCAST_FLAG if message.wants_broadcast else 0,
        *(each.packed for each in addresses),
        message.client_mac,
        b"",
        b"",
        _MAGIC_COOKIE,
    )
    options = b"".join(_build_option(number, value) for number, value in message.options.items())
    return (fixed + options + bytes((Option.END,))).ljust(_LEAST_BYTES, b"\0")


def _build_option(number: int, value: bytes) -> bytes:
    if len(value) > _OPTION_BYTES:
        raise LocalProtocolError(f"Option {number} holds {_OPTION_BYTES} bytes, not {len(value)}.")
    return bytes((number, len(value))) + value


def _read_options(options: bytes, file: bytes, sname: bytes) -> dict[int, bytes]:
    """Join the options of all fields that hold some, in the order of RFC 3396, 5."""
    found: dict[int, bytes] = {}
    _join_options(found, options)
    overload = int.from_bytes(found.get(Option.OVERLOAD, b"")[:1], "big")
    if overload & _OVERLOAD_FILE:
        _join_options(found, file)
    if overload & _OVERLOAD_SNAME:
        _join_options(found, sname)
    return found


def _join_options(found: dict[int, bytes], data: bytes) -> None:
    for number, value in _options(data):
        found[number] = found.get(number, b"") + value


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data) and data[at] != Option.END:
        if data[at] == Option.PAD:
            at += 1
            continue
        value = at + 2
        end = value + (data[at + 1] if at + 1 < len(data) else len(data))
        if end > len(data):
            return
        yield data[at], data[value:end]
        at = end
