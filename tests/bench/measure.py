"""Running a program and saying what it took: CPU time, wall time, peak memory.

CPU time is that of the processes alone (`wait4`), never of this one. Peak memory is `VmHWM`, read while the process
lives: the `ru_maxrss` of a child starts at the size of whoever started it, which is us.
"""

import contextlib
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "bench"
SHARED_MEMORY = Path("/dev/shm")

_CPUS = sorted(os.sched_getaffinity(0))
RECEIVER_CPU, PEER_CPU = _CPUS[0], _CPUS[-1]

_FIRST_LOOK_S, _SELDOM_S = 0.002, 0.05

Command = Sequence[str]


class BenchError(Exception):
    """A figure cannot be had; the message is the line to print in its place."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a program, or of a pipeline of programs together, took."""

    wall_s: float
    user_s: float
    sys_s: float
    rss_bytes: int

    @property
    def cpu_s(self) -> float:
        return self.user_s + self.sys_s


def say(line: str) -> None:
    """Print progress, away from the figures."""
    print(line, file=sys.stderr, flush=True)


def need(*programs: str) -> None:
    """Raise `BenchError` unless every program is on this machine."""
    for program in programs:
        if shutil.which(program) is None:
            raise BenchError(f"{program} is not on this machine")


@contextlib.contextmanager
def on_cpu(cpu: int) -> Iterator[None]:
    """Processes started inside run on `cpu` only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def directory(parent: Path) -> Iterator[Path]:
    """An empty directory that is gone afterwards."""
    parent.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="ferry-bench-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def fast_parent(size_bytes: int) -> Path:
    """Where output is cheapest: shared memory if it has room for `size_bytes` and a bit, else the cache's disk."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(SHARED_MEMORY).free > 1.5 * size_bytes:
            return SHARED_MEMORY
    return CACHE


def run(pipeline: Sequence[Command], *, limit_s: float = 300, environment: Mapping[str, str] | None = None) -> Run:
    """Run programs joined by pipes, on the receiver's CPU, until all have ended.

    Raises `BenchError` with the last line they printed when one fails or the time is up.
    """
    with tempfile.TemporaryFile() as log, contextlib.ExitStack() as ending:
        start = time.perf_counter()
        processes: list[_Watched] = []
        source: int = subprocess.DEVNULL
        for index, command in enumerate(pipeline):
            target = subprocess.PIPE if index + 1 < len(pipeline) else log.fileno()
            with on_cpu(RECEIVER_CPU):
                process = subprocess.Popen(
                    command, stdin=source, stdout=target, stderr=log, cwd=ROOT, env=_environment(environment)
                )
            watched = ending.enter_context(_Watched(process))
            processes.append(watched)
            if process.stdout is not None:
                source = process.stdout.fileno()
        for watched in processes:
            watched.release_output()
        _wait(processes, start + limit_s)
        wall_s = time.perf_counter() - start
        for watched in processes:
            if watched.process.returncode:
                raise BenchError(f"{Path(pipeline[0][0]).name}: {_last_line(log.fileno())}")
    users, systems, peaks = ([getattr(each, name) for each in processes] for name in ("user_s", "sys_s", "rss_bytes"))
    return Run(wall_s, sum(users), sum(systems), sum(peaks))


class _Watched:
    """A child process whose memory is looked at now and then, and whose end is awaited with its CPU times."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.user_s = self.sys_s = 0.0
        self.rss_bytes = 0
        self.descriptor = os.pidfd_open(process.pid)

    def __enter__(self) -> "_Watched":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)
        self.release_output()
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()

    def release_output(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()

    def look(self) -> None:
        """Note the peak of resident memory so far; it only grows."""
        with contextlib.suppress(OSError), open(f"/proc/{self.process.pid}/status", "rb") as status:
            for line in status:
                if line.startswith(b"VmHWM:"):
                    self.rss_bytes = int(line.split()[1]) * 1024

    def reap(self) -> None:
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.user_s, self.sys_s = usage.ru_utime, usage.ru_stime


def _wait(processes: Sequence[_Watched], deadline: float) -> None:
    alive = {each.descriptor: each for each in processes}
    poll = select.poll()
    for descriptor in alive:
        poll.register(descriptor, select.POLLIN)
    pause_s = _FIRST_LOOK_S
    while alive:
        for each in alive.values():
            each.look()
        if time.perf_counter() > deadline:
            raise BenchError("the time is up")
        for descriptor, _ in poll.poll(pause_s * 1000):
            poll.unregister(descriptor)
            alive.pop(descriptor).reap()
        pause_s = min(_SELDOM_S, pause_s * 1.1)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, **(more or {})}


def _last_line(log: int) -> str:
    size = os.fstat(log).st_size
    lines = os.pread(log, 4096, max(0, size - 4096)).decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "failed without a word")


def median(values: Sequence[float]) -> float:
    """The median, or NaN of nothing."""
    return statistics.median(values) if values else float("nan")


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a helper of ours: politely, then not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
