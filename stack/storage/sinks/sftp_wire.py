"""Packets of SFTP version 3 (draft-ietf-secsh-filexfer-02), and OpenSSH's extensions. Bytes only."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from stack.storage.sinks.errors import ProtocolError

VERSION: Final = 3
MAX_PACKET_BYTES: Final = 1 << 20
REGULAR: Final = 0o100000
KIND_MASK: Final = 0o170000
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES = 1, 2, 4, 8
_U32 = struct.Struct(">I")


class Kind(IntEnum):
    """What a packet is (3)."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    FSETSTAT = 10
    REMOVE = 13
    MKDIR = 14
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    DATA = 103
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Code(IntEnum):
    """What a status says (7)."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8


class Open(IntEnum):
    """How a file is opened (6.3)."""

    READ = 1
    WRITE = 2
    CREATE = 8
    TRUNCATE = 16


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a server told of a file; None for what it did not."""

    size_bytes: int | None
    mode: int | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A packet from the server, less its request's number."""

    kind: int
    body: memoryview


def string(data: bytes | str) -> bytes:
    """A counted string; text is UTF-8."""
    encoded = data.encode(errors="surrogateescape") if isinstance(data, str) else data
    return _U32.pack(len(encoded)) + encoded


def u32(number: int) -> bytes:
    """Four bytes."""
    return _U32.pack(number)


def u64(number: int) -> bytes:
    """Eight bytes."""
    return struct.pack(">Q", number)


def packet_head(kind: Kind, number: int, length: int) -> bytes:
    """What stands before a body of `length` bytes."""
    return struct.pack(">IBI", length + 5, kind, number)


def hello() -> bytes:
    """The first packet."""
    return struct.pack(">IBI", 5, Kind.INIT, VERSION)


def times(mtime_s: int) -> bytes:
    """Attributes that set both times, in seconds since the epoch."""
    return struct.pack(">III", _HAS_TIMES, mtime_s, mtime_s)


def no_attributes() -> bytes:
    """Attributes that set nothing."""
    return _U32.pack(0)


class Reader:
    """Takes a body apart from the front. Raises `ProtocolError` when it is too short."""

    def __init__(self, body: memoryview) -> None:
        self._body = body

    def u32(self) -> int:
        """The next four bytes."""
        return int.from_bytes(self._take(4), "big")

    def u64(self) -> int:
        """The next eight bytes."""
        return int.from_bytes(self._take(8), "big")

    def string(self) -> memoryview:
        """The next counted string."""
        return self._take(self.u32())

    def attributes(self) -> Attributes:
        """Size and mode, of what there is (5)."""
        flags = self.u32()
        size_bytes = self.u64() if flags & _HAS_SIZE else None
        if flags & _HAS_OWNER:
            self._take(8)
        mode = self.u32() if flags & _HAS_MODE else None
        return Attributes(size_bytes, mode)

    def extensions(self) -> dict[bytes, bytes]:
        """Pairs of names and data up to the end."""
        found = {}
        while self._body:
            name = bytes(self.string())
            found[name] = bytes(self.string())
        return found

    def _take(self, length: int) -> memoryview:
        if length > len(self._body):
            raise ProtocolError("the SFTP server sent a packet that ends early")
        taken, self._body = self._body[:length], self._body[length:]
        return taken
