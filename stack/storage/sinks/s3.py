"""A bucket of an S3-compatible store as a sink. One conditional PUT a file: it appears whole, verified, or not at all.

The signed SHA-256 makes the store refuse content that was damaged on the way; it is kept beside the object too, so
that content is recognised without reading it. `If-None-Match: *` keeps two stations from overwriting each other. A
store that ignores it is found out by `initialise`. One PUT holds up to 5 GiB.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from stack.storage.sinks.base import (
    MARKER,
    OWN_FOLDER,
    Piece,
    Presence,
    SinkInfo,
    Wanted,
    checked,
    marker_id,
    new_marker,
    own,
    presence,
    require_fits,
)
from stack.storage.sinks.errors import (
    AwayError,
    BadNameError,
    ClockError,
    DamagedError,
    DeniedError,
    ForbiddenError,
    FullError,
    LockedError,
    ReadOnlyError,
    SinkError,
    TakenError,
    TooLargeError,
    WrongPlaceError,
)
from stack.storage.sinks.http_store import Answer, HttpStore
from stack.storage.sinks.s3_signature import EMPTY_SHA256, Signer
from stack.storage.sinks.url import SinkUrl

MAX_PUT_BYTES: Final = 5 << 30
_MAX_KEY_BYTES: Final = 1024
_NOT_FOUND: Final = 404
_ONLY_NEW: Final = {"If-None-Match": "*"}
_STANDARD_PORTS: Final = {"s3": 443, "s3+http": 80}

_BY_CODE: Final[dict[str, tuple[type[SinkError], str]]] = {
    "NoSuchBucket": (WrongPlaceError, "the store has no such bucket"),
    "NoSuchKey": (WrongPlaceError, "the store has no such object"),
    "AccessDenied": (ForbiddenError, "this key may not do that"),
    "SignatureDoesNotMatch": (DeniedError, "the key's secret is not accepted"),
    "InvalidAccessKeyId": (DeniedError, "the key is not known"),
    "RequestTimeTooSkewed": (ClockError, "the clock of this station or of the store is wrong"),
    "XAmzContentSHA256Mismatch": (DamagedError, "what arrived is not what was sent"),
    "BadDigest": (DamagedError, "what arrived is not what was sent"),
    "EntityTooLarge": (TooLargeError, "the store takes no file of this size"),
    "KeyTooLongError": (BadNameError, "the name is too long for the store"),
    "QuotaExceeded": (FullError, "the quota is used up"),
    "XMinioStorageFull": (FullError, "it is full"),
    "MethodNotAllowed": (ReadOnlyError, "the store takes no writes here"),
}
_BY_STATUS: Final[dict[int, tuple[type[SinkError], str]]] = {
    400: (BadNameError, "the store does not take this"),
    401: (DeniedError, "the key is not accepted"),
    403: (DeniedError, "the key is not accepted, or may not do that"),
    404: (WrongPlaceError, "the store has no such bucket"),
    409: (LockedError, "another station is writing this name"),
    412: (TakenError, "the name is taken"),
    413: (TooLargeError, "the store takes no file of this size"),
    507: (FullError, "it is full"),
}


class S3Sink:
    """A `Sink` in a bucket, addressed by path."""

    def __init__(self, url: SinkUrl) -> None:
        """Nothing is sent yet."""
        self.place = str(url)
        self.store = HttpStore(url, tls=url.scheme == "s3")
        port = "" if url.port == _STANDARD_PORTS[url.scheme] else f":{url.port}"
        region = url.options.get("region", "us-east-1")
        self._signer = Signer(url.user, url.require_secret(), region, f"{url.host}{port}")
        self._root = url.path

    def initialise(self) -> SinkInfo:
        """Leave the marker, and see that the store keeps to the condition that nothing is overwritten."""
        if self._load(MARKER) is None:
            with suppress(TakenError):  # another station was faster
                self._put(MARKER, new_marker(), _ONLY_NEW)
        with suppress(TakenError):
            self._put(f"{OWN_FOLDER}/condition", b"", {})
            self._put(f"{OWN_FOLDER}/condition", b"", _ONLY_NEW)
            raise WrongPlaceError(f"{self.place}: the store ignores If-None-Match, so files could be overwritten")
        return self.probe()

    def probe(self) -> SinkInfo:
        """Look whether the bucket is there, by its marker. Stores do not tell how much room there is."""
        return SinkInfo(marker_id(self._load(MARKER), self.place), None, True)

    def exists(self, files: Sequence[tuple[str, int]]) -> list[Presence]:
        """What is there, by one HEAD a file over the open connection."""
        if self._head(MARKER) is None:
            marker_id(None, self.place)
        return [presence(_size_bytes(self._head(checked(path))), size_bytes) for path, size_bytes in files]

    def verify(self, wanted: Wanted) -> bool:
        """Whether the content is there: by the hash that the store has computed, or read back."""
        answer = self._head(checked(wanted.path))
        if answer is None or _size_bytes(answer) != wanted.size_bytes:
            return False
        checksum = answer.headers.get("x-amz-checksum-sha256")
        if checksum is not None and "-" not in checksum:
            return b64decode(checksum) == wanted.sha256
        return self._holds(wanted)

    def begin(self, wanted: Wanted) -> "S3Upload":
        """Start to put the object."""
        if wanted.size_bytes > MAX_PUT_BYTES:
            raise TooLargeError(f"{wanted.path} is larger than the 5 GiB that one object may be put with")
        if self.exists([(wanted.path, wanted.size_bytes)]) != [Presence.ABSENT]:
            raise TakenError(f"{wanted.path} is there already")
        return S3Upload(self, wanted)

    def load(self, path: str) -> bytes | None:
        """The content of a file of ours."""
        return self._load(own(path))

    def replace(self, path: str, data: bytes) -> None:
        """Replace a file of ours by one PUT."""
        require_fits(data, path)
        if self._head(MARKER) is None:
            marker_id(None, self.place)
        self._put(own(path), data, {})

    def discard(self, path: str) -> None:
        """Remove a file of ours."""
        self.remove(own(path))

    def close(self) -> None:
        """Close the connection."""
        self.store.close()

    def start(self, wanted: Wanted) -> None:
        """Send the head of a PUT; the time goes beside it as rclone keeps it, in seconds since the epoch."""
        seconds, nanoseconds = divmod(wanted.mtime_ns, 1_000_000_000)
        kept = {
            "x-amz-meta-mtime": f"{seconds}.{nanoseconds:09}",
            "x-amz-checksum-sha256": b64encode(wanted.sha256).decode(),
        }
        target = self._target(wanted.path)
        headers = self._headers("PUT", target, _ONLY_NEW | kept, wanted.sha256.hex())
        self.store.start(target, headers, wanted.size_bytes)

    def send(self, piece: Piece) -> None:
        """Send a piece of the PUT's body."""
        refusal = self.store.send(piece)
        if refusal is not None:
            self.require_done(refusal)

    def require_done(self, answer: Answer) -> None:
        """Raise what a refusal means."""
        if answer.status >= 300:
            raise _refusal(answer, self.place)

    def remove(self, path: str) -> None:
        """Remove an object."""
        target = self._target(path)
        self.require_done(self.store.ask("DELETE", target, self._headers("DELETE", target)))

    def _headers(
        self, method: str, target: str, extra: Mapping[str, str] | None = None, sha256_hex: str = EMPTY_SHA256
    ) -> dict[str, str]:
        return self._signer.headers(method, target, "", extra or {}, sha256_hex, datetime.now(UTC))

    def _target(self, path: str) -> str:
        key = f"{self._root}/{path}"
        if len(key.encode(errors="surrogateescape")) > _MAX_KEY_BYTES:
            raise BadNameError(f"{path} is longer than the {_MAX_KEY_BYTES} bytes of a key")
        return "/" + quote(key, safe="/-_.~", errors="surrogateescape")

    def _head(self, path: str) -> Answer | None:
        target = self._target(path)
        headers = self._headers("HEAD", target, {"x-amz-checksum-mode": "ENABLED"})
        answer = self.store.ask("HEAD", target, headers)
        if answer.status == _NOT_FOUND:
            return None
        self.require_done(answer)
        return answer

    def _holds(self, wanted: Wanted) -> bool:
        digest = sha256()
        target = self._target(wanted.path)
        status = self.store.read(target, self._headers("GET", target), digest.update)
        return status < 300 and digest.digest() == wanted.sha256

    def _load(self, path: str) -> bytes | None:
        target = self._target(path)
        answer = self.store.load(target, self._headers("GET", target))
        if answer.status == _NOT_FOUND and b"NoSuchBucket" not in answer.body:
            return None
        self.require_done(answer)
        return answer.body

    def _put(self, path: str, data: bytes, condition: Mapping[str, str]) -> None:
        target = self._target(path)
        headers = self._headers("PUT", target, condition, sha256(data).hexdigest())
        self.require_done(self.store.ask("PUT", target, headers, data))


class S3Upload:
    """An `Upload` by one conditional PUT, which the store itself makes whole or nothing."""

    def __init__(self, sink: S3Sink, wanted: Wanted) -> None:
        """Nothing is sent yet."""
        self._sink = sink
        self._wanted = wanted
        self._sent_bytes = 0
        self._last = b""

    def write(self, piece: Piece) -> None:
        """Send `piece`, and hold the last byte of the file back: with it the store would take the object."""
        if not self._sent_bytes:
            self._sink.start(self._wanted)
        self._sent_bytes += len(piece)
        if self._sent_bytes >= self._wanted.size_bytes:
            piece, self._last = memoryview(piece)[:-1], bytes(memoryview(piece)[-1:])
        self._sink.send(piece)

    def commit(self) -> None:
        """End the PUT, and see that the store has the content."""
        if self._sent_bytes != self._wanted.size_bytes:
            raise DamagedError(f"{self._wanted.path} has another size than was said")
        if not self._sent_bytes:
            self._sink.start(self._wanted)
        self._sink.send(self._last)
        self._sink.require_done(self._sink.store.answer())
        if not self._sink.verify(self._wanted):
            with suppress(SinkError):
                self._sink.remove(self._wanted.path)
            raise DamagedError(f"{self._wanted.path} was read back with other content than was written")

    def abort(self) -> None:
        """Cut the connection: an object that is not whole does not come into being."""
        self._sink.store.close()


def _size_bytes(answer: Answer | None) -> int | None:
    if answer is None:
        return None
    length = answer.headers.get("content-length", "")
    return int(length) if length.isdecimal() else -1


def _refusal(answer: Answer, place: str) -> SinkError:
    code = next((code for code in _BY_CODE if f"<Code>{code}</Code>".encode() in answer.body), "")
    by_status = _BY_STATUS.get(answer.status, (AwayError, f"the store answered with status {answer.status}"))
    kind, sentence = _BY_CODE.get(code, by_status)
    return kind(f"{place}: {sentence}")
