"""Puts a small file and then a big one, and prints by how many KiB the process grew. Told what to do by JSON."""

import hashlib
import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from stack.storage.sinks.base import Sink, Wanted
from stack.storage.sinks.opening import open_sink
from stack.storage.sinks.secret import Secret
from stack.storage.sinks.url import parse

_PIECE_BYTES = 256 << 10


def pieces(size_bytes: int) -> Iterator[bytes]:
    """A stream of bytes that is not the same everywhere."""
    for at in range(0, size_bytes, _PIECE_BYTES):
        yield at.to_bytes(8, "big") * (min(_PIECE_BYTES, size_bytes - at) // 8)


def put(sink: Sink, path: str, size_bytes: int) -> int:
    """Put a file and look at it again; returns the most memory so far, in KiB."""
    digest = hashlib.sha256()
    for piece in pieces(size_bytes):
        digest.update(piece)
    wanted = Wanted(path, size_bytes, digest.digest(), 0)
    upload = sink.begin(wanted)
    for piece in pieces(size_bytes):
        upload.write(piece)
    upload.commit()
    assert sink.verify(wanted)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Do what standard input says."""
    told = json.load(sys.stdin)
    sink = open_sink(parse(told["url"], Secret(told["secret"]) if told["secret"] else None), "test")
    before_kib = put(sink, told["path"] + "-small", 1 << 20)
    after_kib = put(sink, told["path"], told["size_bytes"])
    sink.close()
    sys.stdout.write(f"{after_kib - before_kib}\n")


if __name__ == "__main__":
    main()
