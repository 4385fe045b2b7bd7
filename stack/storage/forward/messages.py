"""What the forwarder and its workers tell each other: one JSON object a line, declared as dataclasses.

Job         forwarder to worker: bring these files to the sink, which stay together
Moved       worker to forwarder: so many more bytes are on their way; also a sign of life
Arrived     one file is in the sink, verified, under `path`
Failed      one file is not; with `file` 0 the sink itself is in trouble, and the rest of the job is left
Finished    the job is over
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final, get_args

from board.errors import LocalProtocolError


@dataclass(frozen=True, slots=True)
class Open:
    """The sink's URL with its secret, the spool's folder, the station's id, and the limit of the rate; 0 is none."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    spool: str
    station: str
    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class File:
    """One file of a job: `name` in the spool, wanted under `place`; `known` are paths that had its content once."""

    entry: int
    name: str
    place: str
    size_bytes: int
    sha256: str
    mtime_ns: int
    known: list[str]


@dataclass(frozen=True, slots=True)
class Job:
    """Files that stay together: if the place of one is taken, all get the same number."""

    files: list[File]


@dataclass(frozen=True, slots=True)
class Note:
    """Lines for the manifest under `path`."""

    path: str
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Moved:
    """So many more bytes have gone to the sink."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """`entry` is in the sink under `path`, where its content `was_there` already; `gone` are known paths without it."""

    entry: int
    path: str
    was_there: bool
    gone: list[str]


@dataclass(frozen=True, slots=True)
class Failed:
    """`entry` could not be brought, or 0: the sink is in trouble. `trouble` is the name of a `policy.Trouble`."""

    entry: int
    trouble: str
    error: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The job, or the note, is over."""


Message = Open | Job | Note | Moved | Arrived | Failed | Finished
_KINDS: Final[dict[str, type[Message]]] = {each.__name__: each for each in get_args(Message)}


def encode(message: Message) -> bytes:
    """Return the line of a message."""
    return json.dumps([type(message).__name__, asdict(message)]).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Return the message of a line. Raises `LocalProtocolError`: both ends are ours."""
    try:
        name, fields = json.loads(line)
        return _job(fields) if name == Job.__name__ else _KINDS[name](**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise LocalProtocolError(f"This is no message of a worker: {line[:80]!r}.") from error


def _job(fields: dict[str, Any]) -> Job:
    return Job([File(**each) for each in fields["files"]])
