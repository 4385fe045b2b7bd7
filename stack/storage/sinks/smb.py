"""An SMB 3 share as a sink, signed always and encrypted where the server asks for it.

In Python this costs several times the CPU of the kernel's own client: a mounted share (a folder) is to be preferred.
"""

import functools
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

try:
    import smbclient
    from smbprotocol.exceptions import SMBException
except ModuleNotFoundError as error:
    from stack.storage.sinks.errors import MissingBackendError

    raise MissingBackendError("smb:// needs smbprotocol: pip install 'ferry[smb]', or mount the share") from error

from stack.storage.sinks.base import (
    INCOMING,
    MARKER,
    MARKER_IN_CAPITALS,
    PIECE_BYTES,
    Piece,
    Presence,
    SinkInfo,
    Wanted,
    checked,
    marker_id,
    new_marker,
    own,
    parents,
    presence,
    require_fits,
    temporary,
)
from stack.storage.sinks.errors import (
    AwayError,
    BadNameError,
    DamagedError,
    DeniedError,
    ForbiddenError,
    FullError,
    HangingError,
    LockedError,
    ReadOnlyError,
    SinkError,
    TakenError,
    WrongPlaceError,
)
from stack.storage.sinks.url import SinkUrl

_NAME_NOT_FOUND: Final = 0xC0000034
_PATH_NOT_FOUND: Final = 0xC000003A
_NOT_A_DIRECTORY: Final = 0xC0000103
_ABSENT: Final = {_NAME_NOT_FOUND, _PATH_NOT_FOUND, _NOT_A_DIRECTORY}

# NT status codes (MS-ERREF 2.3.1).
_BY_STATUS: Final[dict[int, tuple[type[SinkError], str]]] = {
    0xC0000022: (ForbiddenError, "this user may not do that"),
    0xC0000033: (BadNameError, "the server does not take this name"),
    _NAME_NOT_FOUND: (WrongPlaceError, "a folder is missing"),
    0xC0000035: (TakenError, "the name is taken"),
    _PATH_NOT_FOUND: (WrongPlaceError, "a folder is missing"),
    0xC0000043: (LockedError, "somebody has it open"),
    0xC0000054: (LockedError, "somebody has it locked"),
    0xC0000056: (LockedError, "somebody is deleting it"),
    0xC000006D: (DeniedError, "user and password are not accepted"),
    0xC000006E: (DeniedError, "this account may not be used like that"),
    0xC0000071: (DeniedError, "the password has expired"),
    0xC0000072: (DeniedError, "the account is disabled"),
    0xC000007F: (FullError, "it is full"),
    0xC00000A2: (ReadOnlyError, "it is read-only"),
    0xC00000B5: (HangingError, "it does not answer"),
    0xC00000BA: (TakenError, "a folder has this name"),
    0xC00000CC: (WrongPlaceError, "the server has no such share"),
    _NOT_A_DIRECTORY: (TakenError, "a file is in the way of a folder"),
    0xC0000225: (WrongPlaceError, "the server has no such share"),
    0xC0000234: (DeniedError, "the account is locked out"),
    0xC000044E: (FullError, "the quota is used up"),
}


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except (OSError, SMBException, ValueError) as error:
        raise _sink_error(error, place) from error


def _sink_error(error: Exception, place: str) -> SinkError:
    status = _status(error)
    if status is not None:
        kind, sentence = _BY_STATUS.get(status, (AwayError, f"the server reports status {status:#x}"))
        return kind(f"{place}: {sentence}")
    if "timeout" in str(error).lower() or "timed out" in str(error).lower():
        return HangingError(f"{place} does not answer")
    return AwayError(f"{place} is not there: the connection failed")


def _status(error: Exception) -> int | None:
    found = getattr(error, "ntstatus", None) or getattr(error, "status", None)
    return found if isinstance(found, int) else None


class SmbSink:
    """A `Sink` in a share, or a folder of it."""

    def __init__(self, url: SinkUrl, station: str) -> None:
        """Connect and log in. Raises `SinkError`."""
        self.place = str(url)
        self._station = station
        self._root = f"\\\\{url.host}\\" + url.path.replace("/", "\\")
        self._cache: dict[str, Any] = {}
        self._last_opened: Any = None
        self._where = {"port": url.port, "connection_cache": self._cache}
        secret = url.require_secret().reveal()
        try:
            with _translated(self.place):
                smbclient.register_session(
                    url.host, url.user, secret, connection_timeout=url.time_limit_s, require_signing=True, **self._where
                )
        except BaseException:
            self.close()
            raise
        for connection in self._cache.values():  # the library waits for ever unless it is told each time
            connection.receive = functools.partial(connection.receive, timeout=url.time_limit_s)

    def initialise(self) -> SinkInfo:
        """Leave the marker in the folder, which has to exist."""
        with _translated(self.place):
            smbclient.stat_volume(self._root, **self._where)
            self.make_folders(f"{INCOMING}/x")
            if self._load(MARKER) is None:
                self._replace(MARKER, new_marker())
        return self.probe()

    def probe(self) -> SinkInfo:
        """Look whether the folder is there, by its marker."""
        with _translated(self.place):
            identity = marker_id(self._load(MARKER), self.place)
            is_case_sensitive = self.size_bytes(MARKER_IN_CAPITALS) is None
            return SinkInfo(identity, self._free_bytes(), is_case_sensitive)

    def exists(self, files: Sequence[tuple[str, int]]) -> list[Presence]:
        """What is there, by one compound request a file."""
        with _translated(self.place):
            self._require_marker()
            return [presence(self.size_bytes(checked(path)), size_bytes) for path, size_bytes in files]

    def verify(self, wanted: Wanted) -> bool:
        """Whether the content is there, read back."""
        is_there = self.exists([(wanted.path, wanted.size_bytes)]) == [Presence.SAME_SIZE]
        return is_there and self.holds(wanted.path, wanted)

    def begin(self, wanted: Wanted) -> "SmbUpload":
        """Open a temporary file of the sink."""
        if self.exists([(wanted.path, wanted.size_bytes)]) != [Presence.ABSENT]:
            raise TakenError(f"{wanted.path} is there already")
        with _translated(self.place):
            if wanted.size_bytes > self._free_bytes():
                raise FullError(f"{self.place} has no room for {wanted.size_bytes / 1e6:.0f} MB")
            self.make_folders(f"{INCOMING}/x")
            return SmbUpload(self, wanted, temporary(wanted, self._station))

    def load(self, path: str) -> bytes | None:
        """The content of a file of ours."""
        with _translated(self.place):
            return self._load(own(path))

    def replace(self, path: str, data: bytes) -> None:
        """Replace a file of ours by rename."""
        require_fits(data, path)
        with _translated(self.place):
            self._require_marker()
            self.make_folders(own(path))
            self._replace(path, data)

    def discard(self, path: str) -> None:
        """Remove a file of ours."""
        with _translated(self.place):
            if self.size_bytes(own(path)) is not None:
                self.remove(path)

    def close(self) -> None:
        """End the connection, without a word to a server that may not answer."""
        for connection in self._cache.values():
            with suppress(Exception):  # whatever the library makes of a dead connection
                connection.transport.close()
        self._cache.clear()
        if self._last_opened is not None:
            self._last_opened.fd._connected = False  # or the library warns of what went with the connection

    def at(self, path: str) -> str:
        """Where `path` is for the server."""
        return f"{self._root}\\" + path.replace("/", "\\")

    def open(self, path: str, mode: str) -> Any:
        """An unbuffered file; others may read it meanwhile."""
        self._last_opened = smbclient.open_file(self.at(path), mode=mode, buffering=0, share_access="r", **self._where)
        return self._last_opened

    def rename(self, path: str, new: str) -> None:
        """Rename; fails if `new` is there."""
        smbclient.rename(self.at(path), self.at(new), **self._where)

    def remove(self, path: str) -> None:
        """Remove a file."""
        smbclient.remove(self.at(path), **self._where)

    def set_time(self, path: str, mtime_ns: int) -> None:
        """Set the modification time."""
        smbclient.utime(self.at(path), ns=(mtime_ns, mtime_ns), **self._where)

    def size_bytes(self, path: str) -> int | None:
        """The size of the regular file, -1 for anything else, None for nothing."""
        try:
            status = smbclient.lstat(self.at(path), **self._where)
        except OSError as error:
            if _status(error) in _ABSENT:
                return None
            raise
        return int(status.st_size) if (status.st_mode & 0o170000) == 0o100000 else -1

    def holds(self, path: str, wanted: Wanted) -> bool:
        """Whether the file at `path` has the content of `wanted`."""
        digest, size_bytes, buffer = hashlib.sha256(), 0, bytearray(PIECE_BYTES)
        with _translated(self.place), self.open(path, "rb") as file:
            while length := file.readinto(buffer):
                digest.update(memoryview(buffer)[:length])
                size_bytes += length
        return size_bytes == wanted.size_bytes and digest.digest() == wanted.sha256

    def make_folders(self, path: str) -> None:
        """Make the folders above `path`."""
        for folder in parents(path):
            if self.size_bytes(folder) is None:
                with suppress(FileExistsError):
                    smbclient.mkdir(self.at(folder), **self._where)

    def _free_bytes(self) -> int:
        return int(smbclient.stat_volume(self._root, **self._where).caller_available_size)

    def _require_marker(self) -> None:
        if self.size_bytes(MARKER) is None:
            marker_id(None, self.place)

    def _load(self, path: str) -> bytes | None:
        if self.size_bytes(path) is None:
            return None
        data = bytearray()
        with self.open(path, "rb") as file:
            while piece := file.read(PIECE_BYTES):
                data += piece
                require_fits(data, path)
        return bytes(data)

    def _replace(self, path: str, data: bytes) -> None:
        name = f"{INCOMING}/own-{self._station}"
        with self.open(name, "wb") as file:
            _write_all(file, data)
            file.flush()
        smbclient.replace(self.at(name), self.at(path), **self._where)


class SmbUpload:
    """An `Upload` into a share."""

    def __init__(self, sink: SmbSink, wanted: Wanted, name: str) -> None:
        """Create the temporary `name`."""
        self._sink = sink
        self._wanted = wanted
        self._temporary = name
        self._file = sink.open(name, "wb")

    def write(self, piece: Piece) -> None:
        """Append `piece`."""
        with _translated(self._sink.place):
            _write_all(self._file, piece)

    def commit(self) -> None:
        """Flush, read back, set the time, rename without overwriting."""
        with _translated(self._sink.place):
            self._file.flush()
            self._file.close()
            if not self._sink.holds(self._temporary, self._wanted):
                raise DamagedError(f"{self._wanted.path} was read back with other content than was written")
            self._sink.set_time(self._temporary, self._wanted.mtime_ns)
            self._sink.make_folders(self._wanted.path)
            self._sink.rename(self._temporary, self._wanted.path)

    def abort(self) -> None:
        """Remove the temporary."""
        for step in (self._file.close, lambda: self._sink.remove(self._temporary)):
            with suppress(OSError, SMBException, ValueError):
                step()


def _write_all(file: Any, piece: Piece) -> None:
    view = memoryview(piece)
    while view:
        view = view[file.write(bytes(view[:PIECE_BYTES])) :]
