"""The journal of an archive of a million photos: how large it is, and how long a look takes whether a sink has one.

It is filled by the forwarder's own `Ledger`, photo by photo, in memory, for a million synced transactions take a disk
hours. Then it lies on the disk under build/ and is asked with a page cache that was dropped ("cold"), and once more
("warm"). Half of the looks are for content that the sink has.
"""

import hashlib
import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from stack.storage.forward.ledger import Delivery, Ledger, Spooled
from tests.bench.measure import CACHE, BenchError, directory, fast_parent, median, say
from tests.bench.report import Report, number, table, verdict

_COPIES, _QUICK_COPIES = 1_000_000, 10_000
_BATCH = 1000  # what is between two checkpoints, and in one manifest at a time
_LOOKS = 2000
_BYTES_A_COPY = 400
_SINK, _DAY = "nas", "2026-06-15"
_LINE = "-" * 400  # as long as a manifest's
_GOAL_MB, _GOAL_MS = 200.0, 1.0


def bench(report: Report, *, quick: bool) -> None:
    """Fill a journal and ask it."""
    copies = _QUICK_COPIES if quick else _COPIES
    say(f"journal: filling it with {copies} copies")
    with directory(fast_parent(copies * _BYTES_A_COPY)) as fast, directory(CACHE) as folder:
        filling_s = _fill(fast / "journal", copies)
        journal = folder / "journal"
        shutil.copyfile(fast / "journal", journal)
        megabytes = journal.stat().st_size / 1e6
        sought = list(_sought(copies))
        _drop_cache(journal)
        cold_ms, warm_ms = _look(journal, sought), _look(journal, sought)
    _print(report, copies, filling_s, megabytes, cold_ms, warm_ms)


def _fill(path: Path, copies: int) -> float:
    """Note so many copies; returns the seconds that took."""
    began_s = time.monotonic()
    with closing(Ledger(path)) as ledger:
        for number_ in range(copies):
            name = f"IMG_{20_260_000 + number_ // 2700}_{number_ % 1_000_000:06}.jpg"
            ledger.delivered(_delivery(number_), f"2026/2026-{number_ % 12 + 1:02}/{name}", _DAY, _LINE, 0.0)
            if (number_ + 1) % _BATCH == 0:
                ledger.recorded(ledger.records(_SINK, _DAY, _BATCH)[0])
                ledger.checkpoint()
    return time.monotonic() - began_s


def _delivery(number_: int) -> Delivery:
    return Delivery(_spooled(number_), "", "", "", _SINK, 0)


def _spooled(number_: int) -> Spooled:
    sha256 = hashlib.sha256(number_.to_bytes(8, "big")).digest()
    return Spooled(number_, "", "", 3_000_000 + number_, sha256, None, 0, 0.0, True, 0, "", "", "")


def _sought(copies: int) -> Iterator[tuple[Spooled, bool]]:
    """Contents, and whether the sink has them."""
    source = random.Random(copies)
    for _ in range(_LOOKS // 2):
        yield _spooled(source.randrange(copies)), True
        yield _spooled(copies + source.randrange(copies)), False


def _look(path: Path, sought: Sequence[tuple[Spooled, bool]]) -> list[float]:
    """How many milliseconds each look takes. Raises `BenchError` for a wrong answer."""
    took_ms = []
    with closing(Ledger(path)) as ledger:
        for spooled, is_there in sought:
            began_ns = time.perf_counter_ns()
            found = ledger.copies(_SINK, spooled)
            took_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
            if len(found) != is_there:
                raise BenchError(f"the journal knows {len(found)} copies of a content that is there {is_there:d} times")
    return took_ms


def _drop_cache(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _print(
    report: Report, copies: int, filling_s: float, megabytes: float, cold_ms: Sequence[float], warm_ms: Sequence[float]
) -> None:
    report.add("journal.size_mb", megabytes, "MB", reference=_GOAL_MB)
    report.add("journal.delivered_us", filling_s * 1e6 / copies, "us")
    for name, took_ms in (("cold", cold_ms), ("warm", warm_ms)):
        report.add(f"journal.look_{name}_ms", median(took_ms), "ms", reference=_GOAL_MS)
        report.add(f"journal.look_{name}_p99_ms", _p99(took_ms), "ms", reference=_GOAL_MS)
    rows = [
        ("size, MB", verdict(megabytes, _GOAL_MB, 0), "", ""),
        ("one more, without the disk, us", number(filling_s * 1e6 / copies, 0), "", ""),
        *(
            (f"look, {name}, ms", verdict(median(took_ms), _GOAL_MS, 3), number(_p99(took_ms), 3), number(max(took_ms)))
            for name, took_ms in (("cold", cold_ms), ("warm", warm_ms))
        ),
    ]
    table(f"the journal with {copies} copies, {_LOOKS} looks", ("", "median", "99th of 100", "worst"), rows)


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[len(values) * 99 // 100]
