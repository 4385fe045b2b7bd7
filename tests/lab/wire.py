"""What the host and the guest's agent say to each other over TCP.

The host sends one request, a line of JSON, and keeps the connection open for as long as it wants the command to run.
The guest answers with frames: a kind, a length (32 bits, big-endian) and that many bytes. A status is the last one.
"""

import json
import struct
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import BinaryIO

AGENT_PORT = 2222
HEARTBEAT_S = 5
MAX_REQUEST_BYTES = 1 << 20
_HEAD = struct.Struct(">cI")


class Kind(Enum):
    """What a frame holds."""

    OUTPUT = b"o"
    COMPLAINT = b"e"  # what went to standard error
    HEARTBEAT = b"h"  # nothing: the guest lives
    STATUS = b"s"  # one byte, the exit status as a shell reports it


@dataclass(frozen=True, slots=True)
class Request:
    """A shell command, or with none the wish that the guest powers off."""

    command: str | None
    timeout_s: float
    environment: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return it as a line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> "Request":
        """Return what `encode` made a line of."""
        return cls(**json.loads(line))


def encode_frame(kind: Kind, payload: bytes = b"") -> bytes:
    """Return one frame."""
    return _HEAD.pack(kind.value, len(payload)) + payload


def read_frame(stream: BinaryIO) -> tuple[Kind, bytes]:
    """Read one frame. Raises `EOFError` if the stream ends before it does."""
    kind, length = _HEAD.unpack(_read_exactly(stream, _HEAD.size))
    return Kind(kind), _read_exactly(stream, length)


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the guest hung up")
    return data
