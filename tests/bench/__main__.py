"""`make bench`: figures beside their references. `make bench ONLY=receive` for one.

    python -m tests.bench [NAME...] [--mib 1024] [--rounds 5] [--quick]

Figures are printed and written to build/bench.json, never asserted: they depend on the machine. Trust the ratios,
which come from one interleaved run. A tool that is missing costs its row and one line, not the run.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.bench import bluetooth, boards, journal, latency, link, receive, sinks
from tests.bench.corpora import LARGEST_MIB
from tests.bench.measure import PEER_CPU, ROOT, BenchError, say
from tests.bench.report import Report

_RESULTS = ROOT / "build" / "bench.json"
_QUICK_RESULTS = ROOT / "build" / "bench-quick.json"
_QUICK_MIB, _QUICK_ROUNDS = 48, 1


@dataclass(frozen=True, slots=True)
class Options:
    """How much to measure."""

    mib: int
    rounds: int
    quick: bool


BENCHES: dict[str, Callable[[Report, Options], None]] = {
    "receive": lambda report, options: receive.bench(report, mib=options.mib, rounds=options.rounds),
    "latency": lambda report, options: latency.bench(report, quick=options.quick),
    "bluetooth": lambda report, options: bluetooth.bench(report, quick=options.quick),
    "link": lambda report, options: link.bench(report, quick=options.quick),
    "sinks": lambda report, options: sinks.bench(report, quick=options.quick),
    "journal": lambda report, options: journal.bench(report, quick=options.quick),
    "boards": lambda report, options: boards.bench(report, quick=options.quick),
}


def main(arguments: Sequence[str]) -> int:
    names, options = _parse(arguments)
    os.sched_setaffinity(0, {PEER_CPU})
    signal.signal(signal.SIGTERM, _interrupt)
    report, start = Report(), time.monotonic()
    results = _QUICK_RESULTS if options.quick else _RESULTS
    try:
        for name in names:
            try:
                BENCHES[name](report, options)
            except BenchError as error:
                print(f"{name} is left out: {error}", flush=True)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    finally:
        report.write(results)
    if options.quick:
        print("quick: everything runs, but so small and so seldom that no figure above means anything")
    say(f"{len(report.figures)} figures in {results.relative_to(ROOT)} after {time.monotonic() - start:.0f} s")
    return 0


def _parse(arguments: Sequence[str]) -> tuple[list[str], Options]:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"one of {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--mib", type=int, help="size of each corpus (default 1024)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 5)")
    parser.add_argument("--quick", action="store_true", help="small and once: does everything run?")
    parsed = parser.parse_args(arguments)
    for name in parsed.names:
        if name not in BENCHES:
            parser.error(f"there is no bench {name}; there are {', '.join(BENCHES)}")
    mib = parsed.mib or (_QUICK_MIB if parsed.quick else 1024)
    if not 1 <= mib <= LARGEST_MIB:
        parser.error(f"--mib is 1 to {LARGEST_MIB}")
    rounds = parsed.rounds or (_QUICK_ROUNDS if parsed.quick else 5)
    return parsed.names or list(BENCHES), Options(mib, rounds, parsed.quick)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
