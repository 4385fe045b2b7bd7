"""What receiving costs, against a C floor and against `curl | bsdtar`.

Every round runs every receiver on every case, in rotating order, so that what else the machine does hits all alike.
"Net" is minus the median of the same program on a tiny archive. Peak memory is not net; what the tiny archive needs
(imports, the TLS session) stands beside it.

glibc hands freed buffers of 128 KiB and more back to the kernel, unless something above them in the heap prevents it:
whether a process takes 260,000 page faults for a GiB, a quarter of its cost, is luck. What durability costs is
therefore compared with a heap that keeps its memory ("steady"), on both sides.
"""

import contextlib
import importlib.util
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.bench import corpora
from tests.bench.corpora import MIB, Corpus
from tests.bench.measure import CACHE, ROOT, BenchError, Command, Run, directory, fast_parent, median, need, run, say
from tests.bench.report import Report, number, table, verdict
from tests.bench.sender import CHUNK, TARGET, Sender

FERRY = Path(sys.executable).with_name("ferry")
_FLOOR = CACHE / "floor"
_FLOOR_SOURCE = ROOT / "tests" / "bench" / "floor.c"
_RECORD = 4096
Item = TypeVar("Item")
_STEADY_HEAP = (("MALLOC_TRIM_THRESHOLD_", str(16 * MIB)), ("MALLOC_MMAP_THRESHOLD_", str(16 * MIB)))
_WITHOUT_ZLIB_NG = (
    "import sys; sys.modules['zlib_ng'] = None; from stack.station.cli.main import main; sys.exit(main())"
)


@dataclass(frozen=True, slots=True)
class Receiver:
    """A program that gets the archive of the sender at a port into a directory."""

    name: str
    pipeline: Callable[[int, Path], list[Command]]
    prepare: Callable[[], None] = lambda: None
    environment: tuple[tuple[str, str], ...] = ()


def ours(port: int, into: Path) -> list[Command]:
    """The command line under test."""
    return [[str(FERRY), *_verb(port, into)]]


def need_ours() -> None:
    """Raise `BenchError` while there is no `ferry receive`."""
    if not FERRY.exists() or importlib.util.find_spec("stack.station.cli.receive") is None:
        raise BenchError("ferry receive does not exist yet")


def _verb(port: int, into: Path) -> list[str]:
    return ["receive", "--from", f"127.0.0.1:{port}", "--into", str(into), "--accept", "all", "--json"]


def _ours_on_zlib(port: int, into: Path) -> list[Command]:
    return [[sys.executable, "-c", _WITHOUT_ZLIB_NG, *_verb(port, into)]]


def _engine(port: int, into: Path) -> list[Command]:
    return [[sys.executable, "-m", "tests.bench.engine_only", str(port), TARGET, str(into)]]


def _need_engine() -> None:
    if importlib.util.find_spec("stack.transfer.download") is None:
        raise BenchError("stack.transfer.download does not exist yet")


def _floor(port: int, into: Path) -> list[Command]:
    return [[str(_FLOOR), str(port), TARGET, str(into)]]


def _floor_read_ahead(port: int, into: Path) -> list[Command]:
    return [[*_floor(port, into)[0], "read-ahead"]]


def _build_floor() -> None:
    need("gcc")
    if not _FLOOR.exists() or _FLOOR.stat().st_mtime < _FLOOR_SOURCE.stat().st_mtime:
        CACHE.mkdir(parents=True, exist_ok=True)
        command = ["gcc", "-O2", "-o", str(_FLOOR), str(_FLOOR_SOURCE), "-lssl", "-lcrypto", "-lz"]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode:
            raise BenchError(f"floor.c does not compile, are libssl-dev and zlib1g-dev there? {built.stderr.strip()}")


def _curl_bsdtar(port: int, into: Path) -> list[Command]:
    return [["curl", "-sSk", f"https://127.0.0.1:{port}{TARGET}"], ["bsdtar", "-xf", "-", "-C", str(into)]]


FLOOR = Receiver("floor", _floor, _build_floor)
READ_AHEAD = Receiver("floor_read_ahead", _floor_read_ahead, _build_floor)
OURS = Receiver("ours", ours, need_ours)
STDLIB = Receiver("ours_stdlib_zlib", _ours_on_zlib, need_ours)
STEADY = Receiver("ours_steady_heap", ours, need_ours, _STEADY_HEAP)
ENGINE = Receiver("engine_only_steady_heap", _engine, _need_engine, _STEADY_HEAP)
CURL = Receiver("curl_bsdtar", _curl_bsdtar, lambda: need("curl", "bsdtar"))


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of content, sent in one way, written to one place."""

    name: str
    content: str
    receivers: Sequence[Receiver]
    chunk: int = CHUNK
    write: int = 0
    on_disk: bool = False
    part: int = 1  # of the whole size, as 1/part: side questions need less


_ALL = (FLOOR, OURS, CURL, STEADY, ENGINE, STDLIB, READ_AHEAD)
CASES = (
    Case("rand", "rand", _ALL),
    Case("jpeg", "jpeg", _ALL),
    Case("rand_4k_records", "rand", (FLOOR, OURS), write=_RECORD, part=4),
    Case("rand_4k_chunks", "rand", (FLOOR, OURS), chunk=_RECORD, write=2 * _RECORD, part=4),
    Case("jpeg_disk", "jpeg", (ENGINE, STEADY), on_disk=True, part=4),
)

# Bounds for net CPU: (case, receiver, reference) -> largest ratio.
GOALS = {
    ("rand", OURS, FLOOR): 1.15,
    ("jpeg", OURS, FLOOR): 1.10,
    ("rand", OURS, CURL): 1.0,
    ("jpeg", OURS, CURL): 1.0,
    ("rand", STDLIB, FLOOR): 1.35,
    ("jpeg", STDLIB, FLOOR): 1.20,
    ("rand_4k_records", OURS, FLOOR): 1.45,
    ("rand_4k_chunks", OURS, FLOOR): 1.45,
    ("rand", STEADY, ENGINE): 1.10,
    ("jpeg", STEADY, ENGINE): 1.10,
    ("jpeg_disk", STEADY, ENGINE): 1.10,
}
RSS_GOAL_MIB = 16


@dataclass(slots=True)
class _Net:
    """The runs of one receiver in one case, and what its start-up takes."""

    gib: float
    runs: list[Run]
    idle: list[Run]

    def _net(self, figure: Callable[[Run], float]) -> list[float]:
        start_up = median([figure(each) for each in self.idle])
        return [(figure(each) - start_up) / self.gib for each in self.runs]

    @property
    def cpu(self) -> list[float]:
        return self._net(lambda each: each.cpu_s)

    @property
    def user(self) -> list[float]:
        return self._net(lambda each: each.user_s)

    @property
    def sys(self) -> list[float]:
        return self._net(lambda each: each.sys_s)

    @property
    def mb_per_s(self) -> list[float]:
        return [(1 << 30) / 1e6 / seconds for seconds in self._net(lambda each: each.wall_s) if seconds > 0]

    @property
    def rss_mib(self) -> list[float]:
        return [each.rss_bytes / MIB for each in self.runs]

    @property
    def idle_rss_mib(self) -> float:
        return median([each.rss_bytes for each in self.idle]) / MIB


@dataclass(slots=True)
class Rounds:
    """Interleaved runs. Receivers that cannot run are left out after one line about it."""

    cases: dict[Case, Corpus]
    runs: dict[tuple[str, str], list[Run]] = field(default_factory=lambda: defaultdict(list))
    idle: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    unfit: set[str] = field(default_factory=set)

    def prepare(self) -> None:
        for receiver in self._receivers():
            with self._or_leave_out(receiver):
                receiver.prepare()

    def start_up(self, times: int) -> None:
        """Measure every receiver on next to nothing. The first run only warms up: it compiles and fills caches."""
        tiny = corpora.tiny()
        for number_ in range(times + 1):
            for receiver in self._receivers():
                with self._or_leave_out(receiver):
                    result = run_once(receiver, tiny, Case("tiny", "", ()))
                    if number_:
                        self.idle[receiver.name].append(result)

    def turn(self, number_: int) -> None:
        """Run everything once, in an order that depends on the number of the round."""
        for case, corpus in _rotated(list(self.cases.items()), number_):
            done = []
            for receiver in _rotated([each for each in case.receivers if each.name not in self.unfit], number_):
                try:
                    result = run_once(receiver, corpus, case)
                except BenchError as error:
                    print(f"{case.name}: {receiver.name} failed: {error}", flush=True)
                    continue
                self.runs[case.name, receiver.name].append(result)
                done.append(f"{receiver.name} {result.cpu_s / corpus.gib:.2f}")
            say(f"  {case.name}: {', '.join(done)} CPU-s/GiB")

    def net(self, case: str, receiver: Receiver) -> _Net:
        gib = next(corpus.gib for each, corpus in self.cases.items() if each.name == case)
        return _Net(gib, self.runs[case, receiver.name], self.idle[receiver.name])

    def _receivers(self) -> list[Receiver]:
        found = {receiver.name: receiver for case in self.cases for receiver in case.receivers}
        return [receiver for receiver in found.values() if receiver.name not in self.unfit]

    @contextlib.contextmanager
    def _or_leave_out(self, receiver: Receiver) -> Iterator[None]:
        try:
            yield
        except BenchError as error:
            self.unfit.add(receiver.name)
            print(f"{receiver.name} is left out: {error}", flush=True)


def run_once(receiver: Receiver, corpus: Corpus, case: Case) -> Run:
    """One transfer into an empty directory; what arrives is counted. Raises `BenchError`."""
    parent = CACHE if case.on_disk else fast_parent(corpus.size_bytes)
    with directory(parent) as into, Sender(corpus, chunk=case.chunk, write=case.write) as sender:
        result = run(receiver.pipeline(sender.port, into), environment=dict(receiver.environment))
        sizes = [path.stat().st_size for path in into.rglob("*") if path.is_file() and ".ferry" not in path.parts]
        if (len(sizes), sum(sizes)) != (corpus.files, corpus.size_bytes):
            raise BenchError(
                f"{len(sizes)} files of {sum(sizes)} bytes came, not {corpus.files} of {corpus.size_bytes}"
            )
    return result


def bench(report: Report, *, mib: int, rounds: int) -> None:
    """Run all cases and print the figures."""
    work = Rounds({case: corpora.PREPARE[case.content](max(1, mib // case.part)) for case in CASES})
    work.prepare()
    work.start_up(max(3, rounds))
    for number_ in range(rounds):
        say(f"receive: round {number_ + 1} of {rounds}")
        work.turn(number_)
    _print_rows(report, work, f"receive: {mib} MiB, {rounds} rounds, medians, net of start-up; {_place(work)}")
    _print_goals(report, work)


def _print_rows(report: Report, work: Rounds, title: str) -> None:
    rows = []
    for case in work.cases:
        floor = median(work.net(case.name, FLOOR).cpu)
        for receiver in case.receivers:
            net = work.net(case.name, receiver)
            if net.runs:
                _add(report, case, receiver, net, floor)
                rows.append(_row(case, receiver, net, floor))
    head = ("", "MB/s", "CPU-s/GiB", "user", "sys", "x floor", "peak MiB", "start-up MiB")
    table(title, head, rows)


def _row(case: Case, receiver: Receiver, net: _Net, floor: float) -> Sequence[str]:
    cpu = median(net.cpu)
    return (
        f"{case.name}: {receiver.name}",
        number(median(net.mb_per_s), 0),
        number(cpu),
        number(median(net.user)),
        number(median(net.sys)),
        number(cpu / floor),
        number(max(net.rss_mib), 1),
        number(net.idle_rss_mib, 1),
    )


def _add(report: Report, case: Case, receiver: Receiver, net: _Net, floor: float) -> None:
    name = f"receive.{case.name}" if receiver is OURS else f"receive.{case.name}.{receiver.name}"
    report.add(f"{name}.cpu_s_per_gib", median(net.cpu), "s/GiB", reference=floor, runs=net.cpu)
    report.add(f"{name}.sys_s_per_gib", median(net.sys), "s/GiB", runs=net.sys)
    report.add(f"{name}.mb_per_s", median(net.mb_per_s), "MB/s", runs=net.mb_per_s)
    report.add(f"{name}.rss_mib", max(net.rss_mib), "MiB", reference=net.idle_rss_mib, runs=net.rss_mib)


def _print_goals(report: Report, work: Rounds) -> None:
    rows = []
    for (case, receiver, reference), goal in GOALS.items():
        ratio = _ratio(work, case, receiver, reference)
        report.add(f"receive.{case}.{receiver.name}_over_{reference.name}", ratio, "x", reference=goal)
        rows.append((f"{case}: {receiver.name} / {reference.name}", verdict(ratio, goal)))
    grown = [max(net.rss_mib) - net.idle_rss_mib for case in work.cases if (net := work.net(case.name, OURS)).runs]
    rows.append(("peak RSS over imports, MiB", verdict(max(grown, default=float("nan")), RSS_GOAL_MIB, 1)))
    table("goals (net CPU; medians of one interleaved run)", ("", "ratio"), rows)


def _ratio(work: Rounds, case: str, receiver: Receiver, reference: Receiver) -> float:
    return median(work.net(case, receiver).cpu) / median(work.net(case, reference).cpu)


def _place(work: Rounds) -> str:
    largest = max(corpus.size_bytes for corpus in work.cases.values())
    place = f"output in {fast_parent(largest)}"
    if not _FLOOR.exists():
        return place
    version = subprocess.run([_FLOOR, "--version"], capture_output=True, text=True, check=False)
    return f"{place}; the floor has {version.stdout.strip()}"


def _rotated(items: Sequence[Item], by: int) -> list[Item]:
    at = by % max(1, len(items))
    return [*items[at:], *items[:at]]
