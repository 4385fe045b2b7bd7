"""A WebDAV folder as a sink (RFC 4918). `MOVE` with `Overwrite: F` gives the name; what was written is read back."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import quote
from xml.etree import ElementTree

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
    AwayError,
    BadNameError,
    DamagedError,
    DeniedError,
    ForbiddenError,
    FullError,
    LockedError,
    ProtocolError,
    ReadOnlyError,
    SinkError,
    TakenError,
    TooLargeError,
    WrongPlaceError,
)
from stack.storage.sinks.http_store import Answer, HttpStore
from stack.storage.sinks.url import SinkUrl

_OK, _CREATED, _NO_CONTENT, _MULTI = 200, 201, 204, 207
_NOT_FOUND, _METHOD_NOT_ALLOWED, _PRECONDITION_FAILED = 404, 405, 412
_DONE: Final = {_OK, _CREATED, _NO_CONTENT}
_QUOTA: Final = b'<?xml version="1.0"?><propfind xmlns="DAV:"><prop><quota-available-bytes/></prop></propfind>'

_BY_STATUS: Final[dict[int, tuple[type[SinkError], str]]] = {
    400: (BadNameError, "the server does not take this name"),
    401: (DeniedError, "user and password are not accepted"),
    403: (ForbiddenError, "this user may not do that"),
    404: (WrongPlaceError, "the server has no such folder"),
    405: (ReadOnlyError, "the server takes no writes here"),
    409: (WrongPlaceError, "a folder is missing"),
    412: (TakenError, "the name is taken"),
    413: (TooLargeError, "the server takes no file of this size"),
    414: (BadNameError, "the name is too long for the server"),
    423: (LockedError, "somebody has it locked"),
    507: (FullError, "it is full"),
}


class WebdavSink:
    """A `Sink` below a folder of the server."""

    def __init__(self, url: SinkUrl, station: str) -> None:
        """Nothing is sent yet."""
        self.place = str(url)
        self.store = HttpStore(url, tls=url.scheme == "webdavs")
        self._station = station
        self._root = f"/{url.path}".rstrip("/")
        self._origin = f"{'https' if url.scheme == 'webdavs' else 'http'}://{url.host}:{url.port}"
        self.headers = {"User-Agent": "Ferry"}
        if url.user:
            login = f"{url.user}:{url.require_secret().reveal()}"
            self.headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()

    def initialise(self) -> SinkInfo:
        """Leave the marker in the folder, which has to exist."""
        self._propfind("")
        self.make_folders(f"{INCOMING}/x")
        if self._load(MARKER) is None:
            self._replace(MARKER, new_marker())
        return self.probe()

    def probe(self) -> SinkInfo:
        """Look whether the folder is there, by its marker."""
        identity = marker_id(self._load(MARKER), self.place)
        is_case_sensitive = self._size_bytes(MARKER_IN_CAPITALS) is None
        return SinkInfo(identity, self._free_bytes(), is_case_sensitive)

    def exists(self, files: Sequence[tuple[str, int]]) -> list[Presence]:
        """What is there, by one `HEAD` a file over the open connection."""
        if self._size_bytes(MARKER) is None:
            marker_id(None, self.place)
        return [presence(self._size_bytes(checked(path)), size_bytes) for path, size_bytes in files]

    def verify(self, wanted: Wanted) -> bool:
        """Whether the content is there, read back."""
        return self.holds(checked(wanted.path), wanted)

    def begin(self, wanted: Wanted) -> "WebdavUpload":
        """Start to put a temporary file."""
        if self.exists([(wanted.path, wanted.size_bytes)]) != [Presence.ABSENT]:
            raise TakenError(f"{wanted.path} is there already")
        free_bytes = self._free_bytes()
        if free_bytes is not None and wanted.size_bytes > free_bytes:
            raise FullError(f"{self.place} has no room for {wanted.size_bytes / 1e6:.0f} MB")
        self.make_folders(f"{INCOMING}/x")
        return WebdavUpload(self, wanted, temporary(wanted, self._station))

    def load(self, path: str) -> bytes | None:
        """The content of a file of ours."""
        return self._load(own(path))

    def replace(self, path: str, data: bytes) -> None:
        """Replace a file of ours by a move."""
        require_fits(data, path)
        if self._size_bytes(MARKER) is None:
            marker_id(None, self.place)
        self.make_folders(own(path))
        self._replace(path, data)

    def discard(self, path: str) -> None:
        """Remove a file of ours."""
        if self._size_bytes(own(path)) is not None:
            self.remove(path)

    def close(self) -> None:
        """Close the connection."""
        self.store.close()

    def at(self, path: str) -> str:
        """Where `path` is for the server."""
        return quote(f"{self._root}/{path}".rstrip("/") or "/", errors="surrogateescape")

    def holds(self, path: str, wanted: Wanted) -> bool:
        """Whether the file at `path` has the content of `wanted`."""
        digest, size_bytes = hashlib.sha256(), 0

        def take(piece: memoryview) -> None:
            nonlocal size_bytes
            digest.update(piece)
            size_bytes += len(piece)

        status = self.store.read(self.at(path), self.headers, take)
        if status not in (_OK, _NOT_FOUND):
            raise _refusal(status, self.place)
        return size_bytes == wanted.size_bytes and digest.digest() == wanted.sha256 and status == _OK

    def make_folders(self, path: str) -> None:
        """Make the folders above `path`."""
        for folder in parents(path):
            answer = self.store.ask("MKCOL", self.at(folder) + "/", self.headers)
            if answer.status not in (_CREATED, _METHOD_NOT_ALLOWED):  # the latter: it is there
                raise _refusal(answer.status, self.place)

    def move(self, path: str, new: str, *, overwrite: bool) -> None:
        """Rename. Raises `TakenError` unless it may overwrite."""
        headers = {"Destination": self._origin + self.at(new), "Overwrite": "T" if overwrite else "F"}
        self.require_done(self.store.ask("MOVE", self.at(path), self.headers | headers))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self.require_done(self.store.ask("DELETE", self.at(path), self.headers))

    def send(self, piece: Piece) -> None:
        """Send a piece of a PUT's body."""
        refusal = self.store.send(piece)
        if refusal is not None:
            self.require_done(refusal)

    def require_done(self, answer: Answer) -> None:
        """Raise what a refusal means."""
        if answer.status not in _DONE:
            raise _refusal(answer.status, self.place)

    def _size_bytes(self, path: str) -> int | None:
        answer = self.store.ask("HEAD", self.at(path), self.headers)
        if answer.status == _NOT_FOUND:
            return None
        if answer.status in (301, 302, 307, 308, _METHOD_NOT_ALLOWED):  # how servers answer for folders
            return -1
        self.require_done(answer)
        length = answer.headers.get("content-length", "")
        return int(length) if length.isdecimal() else -1

    def _propfind(self, path: str) -> bytes:
        headers = {"Depth": "0", "Content-Type": "application/xml"}
        answer = self.store.ask("PROPFIND", self.at(path) + "/", self.headers | headers, _QUOTA)
        if answer.status != _MULTI:
            raise _refusal(answer.status, self.place)
        return answer.body

    def _free_bytes(self) -> int | None:
        try:
            found = ElementTree.fromstring(self._propfind(""))  # noqa: S314 (bounded, from the owner's own server)
        except ElementTree.ParseError:
            raise ProtocolError(f"{self.place} does not speak WebDAV") from None
        text = found.findtext(".//{DAV:}quota-available-bytes") or ""
        return int(text) if text.isdecimal() else None

    def _load(self, path: str) -> bytes | None:
        answer = self.store.load(self.at(path), self.headers)
        if answer.status == _NOT_FOUND:
            return None
        self.require_done(answer)
        return answer.body

    def _replace(self, path: str, data: bytes) -> None:
        name = f"{INCOMING}/own-{self._station}"
        self.require_done(self.store.ask("PUT", self.at(name), self.headers, data))
        self.move(name, path, overwrite=True)


class WebdavUpload:
    """An `Upload` by one PUT."""

    def __init__(self, sink: WebdavSink, wanted: Wanted, name: str) -> None:
        """Send the head. The time is kept by servers of the Nextcloud kind, and others that know the header."""
        self._sink = sink
        self._wanted = wanted
        self._temporary = name
        self._sent_bytes = 0
        headers = {"X-OC-Mtime": str(wanted.mtime_ns // 1_000_000_000), "Content-Type": "application/octet-stream"}
        sink.store.start(sink.at(name), sink.headers | headers, wanted.size_bytes)

    def write(self, piece: Piece) -> None:
        """Send `piece`."""
        self._sent_bytes += len(piece)
        self._sink.send(piece)

    def commit(self) -> None:
        """End the PUT, read back, move without overwriting. Servers that overwrite all the same are asked before."""
        if self._sent_bytes != self._wanted.size_bytes:
            raise DamagedError(f"{self._wanted.path} has another size than was said")
        self._sink.require_done(self._sink.store.answer())
        if not self._sink.holds(self._temporary, self._wanted):
            raise DamagedError(f"{self._wanted.path} was read back with other content than was written")
        self._sink.make_folders(self._wanted.path)
        if self._sink.exists([(self._wanted.path, self._wanted.size_bytes)]) != [Presence.ABSENT]:
            raise TakenError(f"{self._wanted.path} is there already")
        self._sink.move(self._temporary, self._wanted.path, overwrite=False)

    def abort(self) -> None:
        """Remove the temporary, once the server is done with it."""
        if self._sent_bytes == self._wanted.size_bytes:
            with suppress(SinkError):
                self._sink.store.answer()
        self._sink.store.close()
        with suppress(SinkError):
            self._sink.remove(self._temporary)


def _refusal(status: int, place: str) -> SinkError:
    kind, sentence = _BY_STATUS.get(status, (AwayError, f"the server answered with status {status}"))
    return kind(f"{place}: {sentence}")
