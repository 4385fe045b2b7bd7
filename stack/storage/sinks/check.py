"""`ferry sink check`: writes, reads, renames and removes a probe, and measures it."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from stack.storage.sinks.base import OWN_FOLDER, PIECE_BYTES, Sink, SinkInfo, Wanted
from stack.storage.sinks.errors import DamagedError

PROBE_BYTES: Final = 16 << 20
_LATENCY_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. Rates are in bytes a second; `store` covers writing, reading back and renaming."""

    info: SinkInfo
    latency_ms: float
    store_bytes_per_s: float
    read_bytes_per_s: float


def check(sink: Sink, moved: Callable[[int], None], size_bytes: int = PROBE_BYTES) -> Checked:
    """Try everything that forwarding needs. `moved` is told of each piece. Raises what is wrong as a `SinkError`."""
    info = sink.probe()
    latency_s = min(_timed(lambda: sink.exists([])) for _ in range(_LATENCY_ROUNDS))
    wanted = _probe(size_bytes)
    store_s = _timed(lambda: _put(sink, wanted, moved))
    try:
        read_s = _timed(lambda: _read_back(sink, wanted))
    finally:
        sink.discard(wanted.path)
    return Checked(info, latency_s * 1000, size_bytes / store_s, size_bytes / read_s)


def _probe(size_bytes: int) -> Wanted:
    digest = sha256()
    for piece in _pieces(size_bytes):
        digest.update(piece)
    name = f"{OWN_FOLDER}/probe-{os.urandom(4).hex()}"
    return Wanted(name, size_bytes, digest.digest(), time.time_ns())


def _pieces(size_bytes: int) -> Iterator[bytes]:
    """Content that no store can compress away as a whole, the same each time."""
    block = b"".join(sha256(number.to_bytes(4, "big")).digest() for number in range(PIECE_BYTES // 32))
    for at in range(0, size_bytes, PIECE_BYTES):
        yield block[: size_bytes - at]


def _put(sink: Sink, wanted: Wanted, moved: Callable[[int], None]) -> None:
    upload = sink.begin(wanted)
    try:
        for piece in _pieces(wanted.size_bytes):
            upload.write(piece)
            moved(len(piece))
        upload.commit()
    except BaseException:
        upload.abort()
        raise


def _read_back(sink: Sink, wanted: Wanted) -> None:
    if not sink.verify(wanted):
        raise DamagedError("the probe was there, and then had other content")


def _timed(action: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    action()
    return max(time.perf_counter() - start_s, 1e-6)
