"""What it costs to bring a file to a sink, beside the reference client of its kind and beside rclone.

What we bring is verified: `commit` reads it back and hashes it, and only then gives it its name. The others' clients do
not verify, so what they put is got back and hashed for the pair to be fair, and so that each half can be compared,
ours is also read back alone: "write" is what the whole takes more than that. A store that keeps a hash of the content
(S3) is asked for that, by us as by rclone; nothing is read back there.

The content is incompressible. All servers are on loopback and write into memory, but the directory is on the disk under
build/. Their CPU time does not count. "Net" is minus the median of the same program on a tiny file. Peak memory is that
of the program alone, without the `ssh` that ours and `sftp` both start, and is not net.
"""

import contextlib
import hashlib
import random
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from board.errors import FerryError
from stack.storage.sinks.base import OWN_FOLDER, Presence, Sink
from stack.storage.sinks.opening import open_sink
from stack.storage.sinks.secret import Secret
from stack.storage.sinks.url import parse
from tests.bench.corpora import MIB
from tests.bench.measure import CACHE, BenchError, Run, directory, fast_parent, median, need, run, say
from tests.bench.places import PLACES, Cargo, Client, Place
from tests.bench.report import Report, number, table

_MIB, _QUICK_MIB = 256, 32
_ROUNDS, _QUICK_ROUNDS = 3, 1
_TINY_BYTES = 1024
_TARGET = f"{OWN_FOLDER}/bench"  # a file of ours can be removed again, by every sink
_GIB = 1 << 30

Task = tuple[str, str]  # the client, and "put" or "get"


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one GiB takes."""

    wall_s: float
    cpu_s: float

    def __add__(self, other: "_Cost") -> "_Cost":
        return _Cost(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    def __sub__(self, other: "_Cost") -> "_Cost":
        return _Cost(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)


@dataclass(slots=True)
class _Measured:
    """The runs at one place."""

    place: Place
    size_bytes: int
    runs: dict[Task, list[Run]] = field(default_factory=lambda: defaultdict(list))
    idle: dict[Task, list[Run]] = field(default_factory=lambda: defaultdict(list))

    def net(self, client: str, verb: str) -> list[_Cost]:
        """What a GiB takes in each round, without start-up."""
        idle = self.idle[client, verb]
        wall_s, cpu_s = median([each.wall_s for each in idle]), median([each.cpu_s for each in idle])
        gib = self.size_bytes / _GIB
        return [_Cost((each.wall_s - wall_s) / gib, (each.cpu_s - cpu_s) / gib) for each in self.runs[client, verb]]

    def whole(self, client: str) -> list[_Cost]:
        """To have it stored and verified; empty for whoever does not verify."""
        put, get = self.net(client, "put"), self.net(client, "get")
        if client == "ours" or not self.place.reads_back:
            return put
        return [stored + read for stored, read in zip(put, get, strict=False)]

    def write(self, client: str) -> list[_Cost]:
        """To have it stored only; empty where the two are not to be told apart."""
        if not self.place.reads_back:
            return []
        put, get = self.net(client, "put"), self.net(client, "get")
        return [stored - read for stored, read in zip(put, get, strict=False)] if client == "ours" else put

    def start_up_s(self, client: str) -> float:
        return median([each.cpu_s for each in self.idle[client, "put"]])

    def peak_mib(self, client: str) -> float:
        return max((each.rss_bytes / MIB for each in self.runs[client, "put"]), default=float("nan"))


def bench(report: Report, *, quick: bool) -> None:
    """Run all clients at all places and print the figures."""
    mib, rounds = (_QUICK_MIB, _QUICK_ROUNDS) if quick else (_MIB, _ROUNDS)
    rows: list[Sequence[str]] = []
    with directory(fast_parent(4 * mib * MIB)) as folder:
        cargo, tiny = _cargo(folder / "cargo", mib * MIB), _cargo(folder / "tiny", _TINY_BYTES)
        for kind in PLACES:
            try:
                with _place(kind, cargo) as place:
                    measured = _measure(kind, place, cargo, tiny, rounds)
            except BenchError as error:
                print(f"{kind} is left out: {error}", flush=True)
                continue
            _add(report, kind, measured)
            rows += [_row(kind, measured, client.name) for client in place.clients if measured.runs[client.name, "put"]]
    head = ("", "MB/s", "CPU-s/GiB", "x ref", "write MB/s", "CPU-s/GiB", "x ref", "read CPU-s/GiB", "x ref")
    title = f"sinks: {mib} MiB, {rounds} rounds, medians, net of start-up; stored and verified, write alone, read alone"
    table(title, (*head, "peak MiB", "start-up CPU-s"), rows)


def _cargo(path: Path, size_bytes: int) -> Cargo:
    source, digest = random.Random(size_bytes), hashlib.sha256()
    with path.open("wb") as target:
        for at in range(0, size_bytes, MIB):
            block = source.randbytes(min(MIB, size_bytes - at))
            digest.update(block)
            target.write(block)
    return Cargo(path, size_bytes, digest.hexdigest())


@contextlib.contextmanager
def _place(kind: str, cargo: Cargo) -> Iterator[Place]:
    """The running place, initialised. Raises `BenchError` for all that keeps it from running."""
    parent = CACHE if kind == "directory" else fast_parent(4 * cargo.size_bytes)
    try:
        with directory(parent) as base, PLACES[kind](base) as place:
            with _sink(place) as sink:
                sink.initialise()
            yield place
    except (pytest.skip.Exception, pytest.fail.Exception, OSError, subprocess.CalledProcessError, FerryError) as error:
        raise BenchError(str(error)) from error


@contextlib.contextmanager
def _sink(place: Place) -> Iterator[Sink]:
    with contextlib.closing(
        open_sink(parse(place.url, Secret(place.secret) if place.secret else None), "bench")
    ) as sink:
        yield sink


def _measure(kind: str, place: Place, cargo: Cargo, tiny: Cargo, rounds: int) -> _Measured:
    measured, clients = _Measured(place, cargo.size_bytes), list(place.clients)
    for client in place.clients:
        with _or_leave_out(kind, client, clients):
            need(*client.programs)
    for number_ in range(max(3, rounds) + 1):
        for client in list(clients):
            with _or_leave_out(kind, client, clients):
                for verb, result in _there_and_back(place, client, tiny).items():
                    if number_:  # the first run only warms up
                        measured.idle[client.name, verb].append(result)
    for number_ in range(rounds):
        done = []
        for client in _rotated(clients, number_):
            with _or_leave_out(kind, client, clients):
                for verb, result in _there_and_back(place, client, cargo).items():
                    measured.runs[client.name, verb].append(result)
                    done.append(f"{client.name} {verb} {result.cpu_s * _GIB / cargo.size_bytes:.2f}")
        say(f"  {kind}, round {number_ + 1} of {rounds}: {', '.join(done)} CPU-s/GiB")
    return measured


@contextlib.contextmanager
def _or_leave_out(kind: str, client: Client, clients: list[Client]) -> Iterator[None]:
    try:
        yield
    except BenchError as error:
        clients.remove(client)
        print(f"{kind}: {client.name} is left out: {error}", flush=True)


def _rotated(clients: Sequence[Client], by: int) -> list[Client]:
    at = by % max(1, len(clients))
    return [*clients[at:], *clients[:at]]


def _there_and_back(place: Place, client: Client, cargo: Cargo) -> dict[str, Run]:
    """Put one file, look for it, get it back if the client does, and remove it."""
    results = {"put": _in_turn(client, client.put(cargo, _TARGET))}
    with _sink(place) as sink:
        if sink.exists([(_TARGET, cargo.size_bytes)]) != [Presence.SAME_SIZE]:
            raise BenchError("it brought nothing, or not all of it")
    if client.get:
        results["get"] = _in_turn(client, client.get(cargo, _TARGET))
    with _sink(place) as sink:
        sink.discard(_TARGET)
    return results


def _in_turn(client: Client, steps: Sequence[Sequence[Sequence[str]]]) -> Run:
    done = [run(step, environment=client.environment) for step in steps]
    return Run(
        sum(each.wall_s for each in done),
        sum(each.user_s for each in done),
        sum(each.sys_s for each in done),
        max(each.rss_bytes for each in done),
    )


def _add(report: Report, kind: str, measured: _Measured) -> None:
    reference = measured.place.clients[1].name
    for name, costs in (("", measured.whole), (".write", measured.write), (".read_back", _read_of(measured))):
        for figure, unit, of in (("mb_per_s", "MB/s", _mb_per_s), ("cpu_s_per_gib", "s/GiB", _cpu_s)):
            runs, beside = of(costs("ours")), median(of(costs(reference)))
            report.add(f"sinks.{kind}{name}.{figure}", median(runs), unit, reference=beside, runs=runs)
    peaks = measured.peak_mib("ours"), measured.peak_mib(reference)
    report.add(f"sinks.{kind}.rss_mib", peaks[0], "MiB", reference=peaks[1])
    if reference != "rclone":
        runs = _cpu_s(measured.net("rclone", "put"))
        report.add(f"sinks.{kind}.rclone.cpu_s_per_gib", median(runs), "s/GiB", runs=runs)


def _row(kind: str, measured: _Measured, client: str) -> Sequence[str]:
    cells = []
    for costs in (measured.whole, measured.write):
        cells += [number(median(_mb_per_s(costs(client))), 0), *_cpu_cells(measured, client, costs)]
    cells += _cpu_cells(measured, client, _read_of(measured))
    ends = number(measured.peak_mib(client), 1), number(measured.start_up_s(client))
    return (f"{kind}: {client}", *cells, *ends)


def _cpu_cells(measured: _Measured, client: str, costs: Callable[[str], list[_Cost]]) -> Sequence[str]:
    """CPU time, and how often that of the reference client goes into it."""
    reference = measured.place.clients[1].name
    cpu_s, beside_s = median(_cpu_s(costs(client))), median(_cpu_s(costs(reference)))
    return number(cpu_s), number(cpu_s / beside_s if beside_s else None)


def _read_of(measured: _Measured) -> Callable[[str], list[_Cost]]:
    return lambda client: measured.net(client, "get")


def _mb_per_s(costs: Sequence[_Cost]) -> list[float]:
    return [_GIB / 1e6 / cost.wall_s for cost in costs if cost.wall_s > 0]


def _cpu_s(costs: Sequence[_Cost]) -> list[float]:
    return [cost.cpu_s for cost in costs]
