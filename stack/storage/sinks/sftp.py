"""An SFTP server as a sink. By its draft a rename does not overwrite; what was written is read back."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from stack.storage.sinks.base import (
    INCOMING,
    MARKER,
    MARKER_IN_CAPITALS,
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
    BadNameError,
    DamagedError,
    ForbiddenError,
    FullError,
    ReadOnlyError,
    SinkError,
    TakenError,
    WrongPlaceError,
)
from stack.storage.sinks.sftp_client import SftpClient, SftpStatusError
from stack.storage.sinks.sftp_wire import Code, Open
from stack.storage.sinks.ssh import SshChannel
from stack.storage.sinks.url import SinkUrl

_NEARLY_NOTHING_BYTES: Final = 1 << 20
_CREATE: Final = Open.WRITE | Open.CREATE | Open.TRUNCATE


class UnsaidError(SinkError):
    """The server could not do it, and does not say why."""

    remedy = "Look into the server's log; it may be full, or its disk read-only."


class SftpSink:
    """A `Sink` below a folder of the server."""

    def __init__(self, url: SinkUrl, station: str) -> None:
        """Connect. Raises `SinkError`."""
        self._url = url
        self.place = str(url)
        self._station = station
        channel = SshChannel(url)
        try:
            self._client = SftpClient(channel)
        except BaseException:
            channel.close()
            raise

    def initialise(self) -> SinkInfo:
        """Leave the marker in the folder, which has to exist."""
        if next(self._client.sizes([self.at("")])) is None:
            raise WrongPlaceError(f"{self.place}: the server has no such folder")
        with _translated(self.place):
            self.make_folders(f"{INCOMING}/x")
            if self._load(MARKER) is None:
                self._replace(MARKER, new_marker())
        return self.probe()

    def probe(self) -> SinkInfo:
        """Look whether the folder is there, by its marker."""
        with _translated(self.place):
            identity = marker_id(self._load(MARKER), self.place)
            free_bytes, is_read_only = self._client.file_system(self.at(""))
            if is_read_only:
                raise ReadOnlyError(f"{self.place} is on a read-only file system")
            is_case_sensitive = next(self._client.sizes([self.at(MARKER_IN_CAPITALS)])) is None
            return SinkInfo(identity, free_bytes, is_case_sensitive)

    def exists(self, files: Sequence[tuple[str, int]]) -> list[Presence]:
        """What is there; requests go out in groups."""
        with _translated(self.place):
            sizes = self._client.sizes([self.at(MARKER), *(self.at(checked(path)) for path, _ in files)])
            if next(sizes) is None:
                marker_id(None, self.place)
            return [presence(found, size_bytes) for found, (_, size_bytes) in zip(sizes, files, strict=True)]

    def verify(self, wanted: Wanted) -> bool:
        """Whether the content is there, read back."""
        return self.exists([(wanted.path, wanted.size_bytes)]) == [Presence.SAME_SIZE] and self.holds(
            wanted.path, wanted
        )

    def begin(self, wanted: Wanted) -> "SftpUpload":
        """Open a temporary file of the sink."""
        if self.exists([(wanted.path, wanted.size_bytes)]) != [Presence.ABSENT]:
            raise TakenError(f"{wanted.path} is there already")
        with _translated(self.place):
            free_bytes, _ = self._client.file_system(self.at(""))
            if free_bytes is not None and wanted.size_bytes > free_bytes:
                raise FullError(f"{self.place} has no room for {wanted.size_bytes / 1e6:.0f} MB")
            self.make_folders(f"{INCOMING}/x")
            return SftpUpload(self, self._client, wanted, temporary(wanted, self._station))

    def load(self, path: str) -> bytes | None:
        """The content of a file of ours."""
        with _translated(self.place):
            return self._load(own(path))

    def replace(self, path: str, data: bytes) -> None:
        """Replace a file of ours by rename."""
        require_fits(data, path)
        with _translated(self.place):
            marker_id(self._load(MARKER), self.place)
            self.make_folders(own(path))
            self._replace(path, data)

    def discard(self, path: str) -> None:
        """Remove a file of ours."""
        with _translated(self.place):
            if next(self._client.sizes([self.at(own(path))])) is not None:
                self._client.remove(self.at(path))

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    def holds(self, path: str, wanted: Wanted) -> bool:
        """Whether the file at `path` has the content of `wanted`."""
        digest, size_bytes = hashlib.sha256(), 0
        with _translated(self.place):
            for piece in self._client.content(self.at(path)):
                digest.update(piece)
                size_bytes += len(piece)
        return size_bytes == wanted.size_bytes and digest.digest() == wanted.sha256

    def make_folders(self, path: str) -> None:
        """Make the folders above `path`. Raises `SftpStatusError`."""
        folders = [self.at(folder) for folder in parents(path)]
        for folder, found in zip(folders, list(self._client.sizes(folders)), strict=True):
            if found is None:
                with suppress(SftpStatusError):  # another station may have been faster; if not, what follows fails
                    self._client.make_folder(folder)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Like all errors here, but a failure while nothing is free is taken for what it is."""
        try:
            with _translated(self.place):
                yield
        except UnsaidError as error:
            free_bytes, _ = self._client.file_system(self.at(""))
            if free_bytes is not None and free_bytes < _NEARLY_NOTHING_BYTES:
                raise FullError(f"{self.place} is full") from error
            raise

    def at(self, path: str) -> str:
        """Where `path` is for the server."""
        return f"{self._url.path}/{path}".rstrip("/")

    def _load(self, path: str) -> bytes | None:
        if next(self._client.sizes([self.at(path)])) is None:
            return None
        data = bytearray()
        for piece in self._client.content(self.at(path)):
            data += piece
            require_fits(data, path)
        return bytes(data)

    def _replace(self, path: str, data: bytes) -> None:
        name = self.at(f"{INCOMING}/own-{self._station}")
        handle = self._client.open(name, _CREATE)
        at = 0
        while at < len(data):
            self._client.write(handle, at, memoryview(data)[at : at + self._client.write_bytes])
            at += self._client.write_bytes
        self._client.settle()
        self._client.sync(handle)
        self._client.close_file(handle)
        self._client.replace(name, self.at(path))


class SftpUpload:
    """An `Upload` to an SFTP server."""

    def __init__(self, sink: SftpSink, client: SftpClient, wanted: Wanted, name: str) -> None:
        """Create the temporary `name`."""
        self._sink = sink
        self._client = client
        self._wanted = wanted
        self._temporary = name
        self._at_bytes = 0
        self._handle = client.open(sink.at(name), _CREATE)

    def write(self, piece: Piece) -> None:
        """Append `piece`; several requests are on their way at a time."""
        view = memoryview(piece)
        with self._sink.translated():
            while view:
                part, view = view[: self._client.write_bytes], view[self._client.write_bytes :]
                self._client.write(self._handle, self._at_bytes, part)
                self._at_bytes += len(part)

    def commit(self) -> None:
        """Sync, read back, rename without overwriting."""
        with self._sink.translated():
            self._client.settle()
            self._client.set_time(self._handle, self._wanted.mtime_ns // 1_000_000_000)
            self._client.sync(self._handle)
            self._client.close_file(self._handle)
            self._handle = b""
            if not self._sink.holds(self._temporary, self._wanted):
                raise DamagedError(f"{self._wanted.path} was read back with other content than was written")
            self._sink.make_folders(self._wanted.path)
            self._rename()

    def abort(self) -> None:
        """Remove the temporary."""
        with suppress(SinkError):
            self._client.settle()
        with suppress(SinkError):
            if self._handle:
                self._client.close_file(self._handle)
        with suppress(SinkError):
            self._client.remove(self._sink.at(self._temporary))

    def _rename(self) -> None:
        """Give the name. OpenSSH's rename never overwrites; others' may, so that they are asked first."""
        name = self._sink.at(self._wanted.path)
        if self._is_there(name):
            raise TakenError(f"{self._wanted.path} is there already")
        try:
            self._client.rename(self._sink.at(self._temporary), name)
        except SftpStatusError as error:
            if self._is_there(name):
                raise TakenError(f"{self._wanted.path} is there already") from error
            raise

    def _is_there(self, name: str) -> bool:
        return next(self._client.sizes([name])) is not None


# Version 3 has no code for a full disk and the like; OpenSSH says FAILURE for all of them.
_BY_CODE: Final[dict[int, tuple[type[SinkError], str]]] = {
    Code.NO_SUCH_FILE: (WrongPlaceError, "a folder is missing"),
    Code.PERMISSION_DENIED: (ForbiddenError, "this user may not do that"),
    Code.BAD_MESSAGE: (BadNameError, "the server does not take this name"),
}


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except SftpStatusError as error:
        kind, sentence = _BY_CODE.get(error.code, (UnsaidError, "the server could not do it"))
        raise kind(f"{place}: {sentence}") from error
