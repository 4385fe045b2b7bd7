"""How long the phone waits: from its last write of the body to the arrival of the status "ok".

The sender's clock decides (alliance protocol, 6.7), so it is measured there, and it includes what still lies in socket
buffers when the last write returns. On the disk under build/, and in shared memory for comparison. A slow disk is
made by `strace`, which lets every fsync, fdatasync and syncfs of the receiver wait first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import corpora
from tests.bench.corpora import Corpus
from tests.bench.measure import CACHE, SHARED_MEMORY, BenchError, Command, directory, median, need, run, say
from tests.bench.receive import need_ours, ours
from tests.bench.report import Report, number, table, verdict
from tests.bench.sender import Sender

SLOW_SYNC_MS = 30
_SYNCS = "fsync,fdatasync,syncfs"
_STRACE = ("strace", "--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={_SYNCS}")


@dataclass(frozen=True, slots=True)
class Case:
    """A set of files, where it goes, how long each sync takes more than usual, and the bound for the worst run."""

    name: str
    corpus: Callable[[], Corpus]
    parent: Path
    runs: int
    slow_sync_ms: int
    goal_ms: float


def _photos() -> Corpus:
    return corpora.equal(30, 3_000_000)


def _small() -> Corpus:
    return corpora.equal(500, 100_000)


CASES = (
    Case("30x3MB", _photos, CACHE, 20, 0, 100),
    Case("30x3MB_shared_memory", _photos, SHARED_MEMORY, 20, 0, 100),
    Case("500x100kB", _small, CACHE, 20, 0, 100),
    Case(f"500x100kB_sync_{SLOW_SYNC_MS}ms", _small, CACHE, 10, SLOW_SYNC_MS, 250),
)
_QUICK_RUNS = 2


def bench(report: Report, *, quick: bool) -> None:
    """Run all cases and print the figures. Raises `BenchError` where there is nothing to measure."""
    need_ours()
    rows = []
    for case in CASES:
        try:
            waits_ms = _measure(case, _QUICK_RUNS if quick else case.runs)
        except BenchError as error:
            print(f"{case.name} is left out: {error}", flush=True)
            continue
        name = f"latency.{case.name}"
        report.add(f"{name}.median_ms", median(waits_ms), "ms", reference=case.goal_ms, runs=waits_ms)
        report.add(f"{name}.worst_ms", max(waits_ms), "ms", reference=case.goal_ms, runs=waits_ms)
        rows.append(
            (case.name, str(len(waits_ms)), number(median(waits_ms), 0), verdict(max(waits_ms), case.goal_ms, 0))
        )
    table('last byte to "ok", ms, at the sender', ("", "runs", "median", "worst"), rows)


def _measure(case: Case, runs: int) -> list[float]:
    wrapper: Sequence[str] = ()
    if case.slow_sync_ms:
        need("strace")
        wrapper = (*_STRACE, "-e", f"inject={_SYNCS}:delay_enter={case.slow_sync_ms * 1000}")
    waits_ms = []
    say(f"latency: {case.name}, {runs} runs")
    with Sender(case.corpus()) as sender:
        for _ in range(runs):
            with directory(case.parent) as into:
                waits_ms.append(_transfer(sender, wrapper, into))
    return waits_ms


def _transfer(sender: Sender, wrapper: Sequence[str], into: Path) -> float:
    pipeline: list[Command] = [[*wrapper, *command] for command in ours(sender.port, into)]
    run(pipeline)
    event = sender.event()
    if event["status"].get("type") != 1:
        raise BenchError(f"the receiver's status is {event['status']}")
    return float(event["late_s"]) * 1000
