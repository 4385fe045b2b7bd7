"""What every sink can do, and the words for it. All calls block; a sink is used by one thread.

    OWN_FOLDER/sink.json       the marker: a place without it is not there
    OWN_FOLDER/incoming/...    files on their way. Names come from content and station: a new try takes the same one
    the rest of OWN_FOLDER     of the forwarder, by `load` and `replace`

Nothing has a final name before it was verified. Nothing that has a name is ever overwritten.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from stack.storage.sinks.errors import BadNameError, NoMarkerError, TooLargeError

Piece = bytes | bytearray | memoryview

OWN_FOLDER: Final = ".ferry"
INCOMING: Final = f"{OWN_FOLDER}/incoming"
MARKER: Final = f"{OWN_FOLDER}/sink.json"
MARKER_IN_CAPITALS: Final = MARKER.upper()
MAX_OWN_BYTES: Final = 64 << 20
PIECE_BYTES: Final = 1 << 20
DEFAULT_TIME_LIMIT_S: Final = 30
_MAX_NAME_BYTES: Final = 255


@dataclass(frozen=True, slots=True)
class SinkInfo:
    """A sink that is there. None for what it does not tell."""

    marker_id: str
    free_bytes: int | None
    is_case_sensitive: bool | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as it is to be in the sink: `path` is relative with `/`; its content is known beforehand."""

    path: str
    size_bytes: int
    sha256: bytes
    mtime_ns: int


class Presence(Enum):
    """What a sink has under a path."""

    ABSENT = "absent"
    SAME_SIZE = "same size"
    OTHER = "other"


class Upload(Protocol):
    """One file on its way. Exactly one of `commit` and `abort` ends it; after an error, only `abort` makes sense."""

    def write(self, piece: Piece, /) -> None:
        """Append `piece`. The buffer may be reused after the call. Raises `SinkError`."""

    def commit(self) -> None:
        """Make it durable, verify it by size and hash, and only then give it its name.

        Raises `DamagedError`, `TakenError`: it has no name then; and any other `SinkError`.
        """

    def abort(self) -> None:
        """Leave no trace, as far as the sink can be reached. Never fails."""


class Sink(Protocol):
    """A place for files, open. Every method raises `SinkError`."""

    def initialise(self) -> SinkInfo:
        """Leave the marker, unless there is one, and make what is needed beside it."""

    def probe(self) -> SinkInfo:
        """Look whether the sink is there, by its marker. Raises `NoMarkerError`."""

    def exists(self, files: Sequence[tuple[str, int]], /) -> list[Presence]:
        """What is there now under each path, by size in bytes. Few requests, no content is read."""

    def verify(self, wanted: Wanted, /) -> bool:
        """Whether exactly this content is there now: read back, or by a hash that the store keeps of the content."""

    def begin(self, wanted: Wanted, /) -> Upload:
        """Start to store a file. Raises `TakenError` if the name is known to be taken."""

    def load(self, path: str, /) -> bytes | None:
        """The content of a file of ours below `OWN_FOLDER`, at most `MAX_OWN_BYTES`."""

    def replace(self, path: str, data: bytes, /) -> None:
        """Put a file of ours below `OWN_FOLDER` in place of what was there, at once."""

    def discard(self, path: str, /) -> None:
        """Remove a file of ours below `OWN_FOLDER`, if it is there. Nothing else is ever removed."""

    def close(self) -> None:
        """Let go of connections. Never fails."""


def checked(path: str) -> str:
    """The path, if it is one that leads to a place below the sink's root. Raises `BadNameError`."""
    components = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in components):
        raise BadNameError(f"{path!r} is no path within a sink")
    if any(len(part.encode(errors="surrogateescape")) > _MAX_NAME_BYTES for part in components):
        raise BadNameError(f"a part of {path!r} is longer than {_MAX_NAME_BYTES} bytes")
    return path


def own(path: str) -> str:
    """The path, if it is one of ours. Raises `BadNameError`."""
    if not checked(path).startswith(f"{OWN_FOLDER}/"):
        raise BadNameError(f"{path!r} is not a file of Ferry's own")
    return path


def parents(path: str) -> list[str]:
    """The folders above `path`, the outermost first."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def temporary(wanted: Wanted, station: str) -> str:
    """Where the content of a file lies until it has its name."""
    return f"{INCOMING}/{wanted.sha256.hex()}-{station}"


def new_marker() -> bytes:
    """The content of a new marker."""
    return json.dumps({"ferry": "sink", "id": secrets.token_hex(8)}).encode() + b"\n"


def marker_id(content: bytes | None, place: str) -> str:
    """Which sink a marker names. Raises `NoMarkerError`."""
    if content is None:
        raise NoMarkerError(f"{place} is not there: it has no marker of Ferry")
    try:
        return str(json.loads(content)["id"])
    except (ValueError, KeyError, TypeError):
        raise NoMarkerError(f"{place} has a marker that cannot be read") from None


def presence(found_bytes: int | None, size_bytes: int) -> Presence:
    """What a size says, None where there is nothing."""
    if found_bytes is None:
        return Presence.ABSENT
    return Presence.SAME_SIZE if found_bytes == size_bytes else Presence.OTHER


def require_fits(data: bytes | bytearray, path: str) -> None:
    """Raise `TooLargeError` for a file of ours that grew beyond all measure."""
    if len(data) > MAX_OWN_BYTES:
        raise TooLargeError(f"{path} is larger than {MAX_OWN_BYTES >> 20} MiB")
