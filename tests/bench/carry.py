"""Ours without the forwarder: one file is put into a sink, or what lies there is read back.

    python -m tests.bench.carry put|verify URL SECRET FILE SHA256 PATH

SECRET may be empty. FILE is known beforehand by its hash, as everything in the spool is.
"""

import os
import sys
from collections.abc import Sequence

from board.heap import keep_freed_buffers
from stack.storage.sinks.base import PIECE_BYTES, Sink, Wanted
from stack.storage.sinks.opening import open_sink
from stack.storage.sinks.secret import Secret
from stack.storage.sinks.url import parse


def main(arguments: Sequence[str]) -> int:
    keep_freed_buffers()  # as the forwarder's workers do
    verb, url, secret, path, sha256, name = arguments
    source = os.open(path, os.O_RDONLY)
    status = os.fstat(source)
    wanted = Wanted(name, status.st_size, bytes.fromhex(sha256), status.st_mtime_ns)
    sink = open_sink(parse(url, Secret(secret) if secret else None), "bench")
    if verb == "verify":
        is_there = sink.verify(wanted)
    else:
        _put(sink, wanted, source)
        is_there = True
    sink.close()
    return 0 if is_there else 1


def _put(sink: Sink, wanted: Wanted, source: int) -> None:
    """As the courier does it, in pieces of its size."""
    upload = sink.begin(wanted)
    while piece := os.read(source, PIECE_BYTES):
        upload.write(piece)
    upload.commit()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
