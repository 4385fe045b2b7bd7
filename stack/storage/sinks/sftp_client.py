"""Requests of SFTP over a channel: one at a time, or many on their way for what is large."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from stack.storage.sinks.errors import ProtocolError, SinkError
from stack.storage.sinks.sftp_wire import (
    KIND_MASK,
    MAX_PACKET_BYTES,
    REGULAR,
    Code,
    Kind,
    Open,
    Reader,
    Reply,
    hello,
    no_attributes,
    packet_head,
    string,
    times,
    u32,
    u64,
)
from stack.storage.sinks.ssh import SshChannel

_SURE_BYTES: Final = 32 << 10  # what every server takes in one request (draft-02, 3)
_MOST_BYTES: Final = 255 << 10
_ON_THEIR_WAY: Final = 24
_LIMITS, _FSYNC, _STATVFS, _REPLACE = (
    name + b"@openssh.com" for name in (b"limits", b"fsync", b"statvfs", b"posix-rename")
)


class SftpStatusError(SinkError):
    """The server said no. For the sink to translate."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"the SFTP server says: {said}")
        self.code = code


class SftpClient:
    """A connected client. Methods raise `SftpStatusError` where the server says no, and `SinkError`."""

    def __init__(self, channel: SshChannel) -> None:
        """Greet the server."""
        self._channel = channel
        self._number = 0
        self._written: deque[int] = deque()
        channel.send(hello())
        reply = self._receive(Kind.VERSION)
        reader = Reader(reply.body)
        reader.u32()
        self._extensions = reader.extensions()
        self.write_bytes, self.read_bytes = self._limits()

    def sizes(self, paths: Sequence[str]) -> Iterator[int | None]:
        """The sizes of regular files, -1 for what is something else, None for nothing; asked for in groups."""
        for start in range(0, len(paths), _ON_THEIR_WAY):
            numbers = [self._send(Kind.LSTAT, string(path)) for path in paths[start : start + _ON_THEIR_WAY]]
            replies = [self._reply(number) for number in numbers]
            yield from map(_size_bytes, replies)

    def open(self, path: str, how: int) -> bytes:
        """Open a file and return its handle."""
        reply = self._ask(Kind.OPEN, string(path), u32(how), no_attributes())
        return bytes(Reader(_of_kind(reply, Kind.HANDLE).body).string())

    def write(self, handle: bytes, at: int, data: memoryview) -> None:
        """Send a write; an earlier one's failure is raised here, or by `settle`."""
        self._written.append(self._send(Kind.WRITE, string(handle), u64(at), u32(len(data)), data))
        if len(self._written) > _ON_THEIR_WAY:
            self._settle_one()

    def settle(self) -> None:
        """Wait for all writes."""
        while self._written:
            self._settle_one()

    def _settle_one(self) -> None:
        """Take the answer to the oldest write; if that failed, all of them, so that the next answer is the next one."""
        try:
            _require_ok(self._reply(self._written.popleft()))
        except SftpStatusError:
            while self._written:
                self._reply(self._written.popleft())
            raise

    def set_time(self, handle: bytes, mtime_s: int) -> None:
        """Set the modification time, in seconds since the epoch."""
        _require_ok(self._ask(Kind.FSETSTAT, string(handle), times(mtime_s)))

    def sync(self, handle: bytes) -> None:
        """Make the file durable, where the server can."""
        if _FSYNC in self._extensions:
            _require_ok(self._ask(Kind.EXTENDED, string(_FSYNC), string(handle)))

    def content(self, path: str) -> Iterator[memoryview]:
        """The content of a file, in pieces; many reads are on their way. It may not be left half-read."""
        handle = self.open(path, Open.READ)
        try:
            yield from self._pieces(handle)
        finally:
            self.close_file(handle)

    def _pieces(self, handle: bytes) -> Iterator[memoryview]:
        size_bytes = (
            Reader(_of_kind(self._ask(Kind.FSTAT, string(handle)), Kind.ATTRS).body).attributes().size_bytes or 0
        )
        asked: deque[tuple[int, int]] = deque()
        at = 0
        while asked or at < size_bytes:
            while at < size_bytes and len(asked) < _ON_THEIR_WAY:
                length = min(self.read_bytes, size_bytes - at)
                asked.append((self._send(Kind.READ, string(handle), u64(at), u32(length)), length))
                at += length
            number, length = asked.popleft()
            piece = Reader(_of_kind(self._reply(number), Kind.DATA).body).string()
            if len(piece) != length:
                raise ProtocolError("the SFTP server sent less of a file than there is")
            yield piece

    def close_file(self, handle: bytes) -> None:
        """Close a handle."""
        _require_ok(self._ask(Kind.CLOSE, string(handle)))

    def rename(self, path: str, new: str) -> None:
        """Rename; fails if `new` is there (6.5)."""
        _require_ok(self._ask(Kind.RENAME, string(path), string(new)))

    def replace(self, path: str, new: str) -> None:
        """Rename over what is there; at once, where the server can."""
        if _REPLACE in self._extensions:
            _require_ok(self._ask(Kind.EXTENDED, string(_REPLACE), string(path), string(new)))
            return
        with suppress(SftpStatusError):
            self.remove(new)
        self.rename(path, new)

    def remove(self, path: str) -> None:
        """Remove a file."""
        _require_ok(self._ask(Kind.REMOVE, string(path)))

    def make_folder(self, path: str) -> None:
        """Make a folder; that it is there already is a `FAILURE` like any other."""
        _require_ok(self._ask(Kind.MKDIR, string(path), no_attributes()))

    def file_system(self, path: str) -> tuple[int | None, bool]:
        """How many bytes are free (None if the server does not tell), and whether it is read-only."""
        if _STATVFS not in self._extensions:
            return None, False
        reply = self._ask(Kind.EXTENDED, string(_STATVFS), string(path))
        reader = Reader(_of_kind(reply, Kind.EXTENDED_REPLY).body)
        _, fragment_bytes, _, _, available, _, _, _, _, flags, _ = (reader.u64() for _ in range(11))
        return fragment_bytes * available, bool(flags & 1)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _limits(self) -> tuple[int, int]:
        if _LIMITS not in self._extensions:
            return _SURE_BYTES, _SURE_BYTES
        reader = Reader(_of_kind(self._ask(Kind.EXTENDED, string(_LIMITS)), Kind.EXTENDED_REPLY).body)
        _, read_bytes, write_bytes = reader.u64(), reader.u64(), reader.u64()
        return min(write_bytes or _SURE_BYTES, _MOST_BYTES), min(read_bytes or _SURE_BYTES, _MOST_BYTES)

    def _ask(self, kind: Kind, *parts: bytes) -> Reply:
        return self._reply(self._send(kind, *parts))

    def _send(self, kind: Kind, *parts: bytes | memoryview) -> int:
        self._number = (self._number + 1) & 0xFFFFFFFF
        self._channel.send(packet_head(kind, self._number, sum(map(len, parts))), *parts)
        return self._number

    def _reply(self, number: int) -> Reply:
        reply = self._receive()
        if Reader(reply.body).u32() != number:  # servers answer in order for one handle, and OpenSSH always
            raise ProtocolError("the SFTP server answers out of order")
        return Reply(reply.kind, reply.body[4:])

    def _receive(self, kind: Kind | None = None) -> Reply:
        length = int.from_bytes(self._channel.receive(4), "big")
        if not 5 <= length <= MAX_PACKET_BYTES:
            raise ProtocolError("what answers does not speak SFTP")
        packet = memoryview(self._channel.receive(length))
        if kind is not None and packet[0] != kind:
            raise ProtocolError("what answers does not speak SFTP")
        return Reply(packet[0], packet[1:])


def _size_bytes(reply: Reply) -> int | None:
    if reply.kind == Kind.STATUS:
        error = _status(reply)
        if error.code == Code.NO_SUCH_FILE:
            return None
        raise error
    found = Reader(_of_kind(reply, Kind.ATTRS).body).attributes()
    is_regular = found.mode is None or found.mode & KIND_MASK == REGULAR
    return found.size_bytes if is_regular and found.size_bytes is not None else -1


def _of_kind(reply: Reply, kind: Kind) -> Reply:
    if reply.kind == Kind.STATUS:
        raise _status(reply)
    if reply.kind != kind:
        raise ProtocolError("the SFTP server answered something else than was asked")
    return reply


def _require_ok(reply: Reply) -> None:
    if reply.kind != Kind.STATUS:
        raise ProtocolError("the SFTP server answered something else than was asked")
    error = _status(reply)
    if error.code != Code.OK:
        raise error


def _status(reply: Reply) -> SftpStatusError:
    reader = Reader(reply.body)
    code = reader.u32()
    return SftpStatusError(code, bytes(reader.string()).decode(errors="replace"))
