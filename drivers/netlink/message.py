"""Netlink messages: the header, acknowledgements with the kernel's own words, dumps in parts (RFC 3549, netlink(7))."""

import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from drivers.errors import RadioError
from drivers.netlink.attributes import STRING, U32, Attributes, NetlinkFormatError, aligned, attribute, parse

NOOP, ERROR, DONE, OVERRUN = 1, 2, 3, 4
_HEADER: Final = struct.Struct("=IHHII")


class Flag(IntFlag):
    """Flags of a message."""

    REQUEST = 0x1
    MULTI = 0x2
    ACK = 0x4
    DUMP_INTERRUPTED = 0x10
    CAPPED = 0x100  # of an error: the request is not repeated whole
    ACK_TLVS = 0x200  # of an error: attributes follow
    DUMP = 0x300
    REPLACE = 0x100
    EXCLUSIVE = 0x200
    CREATE = 0x400
    APPEND = 0x800


class NetlinkError(RadioError):
    """The kernel refused a request. `code` is the errno; the message is the kernel's own where it gives one."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(f"The kernel refused: {message or os.strerror(code)}")
        self.code = code
        if code == errno.EPERM:
            self.remedy = "Run it as root, or with the capabilities CAP_NET_ADMIN and CAP_NET_RAW."


class OverrunError(RadioError):
    """Messages of the kernel were lost because we were too slow (ENOBUFS); what is known must be asked again."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `body` is what follows the header: the family's own header and attributes."""

    type: int
    flags: int
    sequence: int
    port: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _ExtendedAck(Attributes):
    message: str | None = attribute(1, STRING)
    offset: int | None = attribute(2, U32)


def build_message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """Build a message; the kernel fills in the port."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, 0) + body


def split_messages(data: bytes) -> Iterator[Message]:
    """Walk the messages of one datagram. Raises `NetlinkFormatError`."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, flags, sequence, port = _HEADER.unpack_from(data, at)
        if length < _HEADER.size or at + length > len(data):
            raise NetlinkFormatError("A netlink message is longer than its datagram.")
        yield Message(kind, flags, sequence, port, data[at + _HEADER.size : at + length])
        at += aligned(length)


def error_in(message: Message) -> NetlinkError | None:
    """Read an acknowledgement, or the end of a dump; `None` if it says that all is well."""
    if len(message.body) < 4:
        return None if message.type == DONE else NetlinkError(errno.EPROTO)
    code = -int.from_bytes(message.body[:4], "little", signed=True)
    return NetlinkError(code, _words_of(message)) if code else None


def _words_of(message: Message) -> str:
    if not message.flags & Flag.ACK_TLVS:
        return ""
    start = 4
    if message.type == ERROR:
        repeated = 0 if message.flags & Flag.CAPPED else int.from_bytes(message.body[4:8], "little") - _HEADER.size
        start = 4 + _HEADER.size + aligned(max(repeated, 0))
    try:
        return parse(_ExtendedAck, message.body[start:]).message or ""
    except NetlinkFormatError:
        return ""
