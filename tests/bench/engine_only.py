"""Ours without the session and the safety: the engine of `stack.transfer` and a store that only writes files.

    python -m tests.bench.engine_only PORT TARGET DIR

What `ferry receive` costs on top of this is the WebSocket, progress, temporary names, fsync, rename and the journal.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence

from stack.transfer.download import Download
from stack.transfer.entry_store import Ending, Piece, StoreError
from stack.transfer.tls import client_contexts
from stack.transfer.unpack import Unpacker

_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class _PlainWriter:
    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, _OPEN_NEW, 0o640)

    def write(self, piece: Piece, /) -> None:
        view = memoryview(piece)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def keep(self, sha256: bytes, /) -> None:
        os.close(self._descriptor)

    def drop(self) -> None:
        os.close(self._descriptor)


class _PlainFolder:
    def __init__(self, path: str) -> None:
        self._path = path

    def begin(self, name: str, modified: float | None, /) -> _PlainWriter:
        return _PlainWriter(os.path.join(self._path, os.path.basename(name)))

    def settle(self, ending: Ending, done: Callable[[StoreError | None], None], /) -> None:
        done(None)


def main(arguments: Sequence[str]) -> None:
    port, target, path = arguments
    download = Download(
        ("127.0.0.1", int(port)), client_contexts()[-1], target, Unpacker(_PlainFolder(path)), time.monotonic
    )
    while not download.complete:
        download.step()
    download.close()


if __name__ == "__main__":
    main(sys.argv[1:])
