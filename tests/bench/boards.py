"""What the receiver would do on the boards, modelled: no board is needed, and none is replaced.

Time per byte on one core of a board is the sum of

* cipher, SHA-256 and, for JPEG, inflate: per-core figures of the board, published or scaled (`BOARDS`, lower ends);
* everything else in user space: instructions per byte of our receiver here, counted by callgrind as the difference of
  two transfers of different size, without the libraries that the line above stands for (libcrypto; zlib for JPEG).
  Divided by the board's instructions per second, which is clock x an assumed IPC of interpreter-like code. For random
  bytes inflate is a copy, so zlib's instructions stay in;
* the kernel: system time per byte measured here x an assumed slowness of the board. Loopback is dearer than a
  network card in some ways, cheaper than an SDIO radio in others; the radio's figure holds what its driver costs.

callgrind hides SHA instructions and AVX-512, which touches only what is left out. The slowest of the hops (radio, card,
receiver) is named; 20 MB/s is what the alliance promises. Radio and card are assumptions of usual throughput as well.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.bench import corpora
from tests.bench.corpora import Corpus
from tests.bench.measure import BenchError, directory, fast_parent, median, need, run, say
from tests.bench.receive import OURS, Case, need_ours, ours, run_once
from tests.bench.report import Report, number, table
from tests.bench.sender import Sender

ALLIANCE_MB_PER_S = 20.0

_SIZES_MIB, _QUICK_SIZES_MIB = (16, 48), (4, 12)
_KERNEL_MIB, _KERNEL_RUNS = 128, 3
_VALGRIND_LIMIT_S = 600
# callgrind takes every byte of a `rep movsb` for an instruction: let memcpy use vector registers, as on ARM.
_PLAIN_COPIES = {"GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=1000000000"}
_CIPHER_AND_HASH = re.compile(r"libcrypto")
_INFLATE = re.compile(r"zlib|libz\.so")


@dataclass(frozen=True, slots=True)
class Board:
    """One core of a board. Speeds in MB/s; `cipher` is that of the suite our offer leads to there."""

    name: str
    cipher: float
    sha256: float
    inflate: float
    clock_ghz: float
    instructions_per_cycle: float
    kernel_slowness: float
    radio: float
    card: float


BOARDS = (
    Board("Zero 2 W", 160, 60, 30, 1.0, 0.6, 15, radio=6, card=18),
    Board("Pi 4", 170, 100, 90, 1.8, 1.1, 6, radio=12, card=30),
    Board("Pi 5", 1100, 1400, 180, 2.4, 2.0, 2.5, radio=25, card=60),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one byte of one kind of content takes: user instructions here, kernel seconds here."""

    content: str
    crypto: float
    inflate: float
    rest: float
    kernel_s: float

    def on(self, board: Board) -> dict[str, float]:
        """Nanoseconds per byte on the board, by part."""
        is_jpeg = self.content == "jpeg"
        instructions = self.rest + (0 if is_jpeg else self.inflate)
        return {
            "cipher": 1e3 / board.cipher,
            "SHA-256": 1e3 / board.sha256,
            "inflate": 1e3 / board.inflate if is_jpeg else 0.0,
            "our code": instructions / (board.clock_ghz * board.instructions_per_cycle),
            "kernel": self.kernel_s * board.kernel_slowness * 1e9,
        }


def bench(report: Report, *, quick: bool) -> None:
    """Count, model and print. Raises `BenchError` where a tool or the receiver is missing."""
    need("valgrind")
    need_ours()
    sizes = _QUICK_SIZES_MIB if quick else _SIZES_MIB
    contents = list(corpora.PREPARE.items())[: 1 if quick else None]
    costs = [_cost(report, content, prepare, sizes) for content, prepare in contents]
    _print_instructions(report, costs)
    _print_boards(report, costs)


def _cost(report: Report, content: str, prepare: Callable[[int], Corpus], sizes: tuple[int, int]) -> Cost:
    small, large = map(prepare, sizes)
    before, after = _instructions(small), _instructions(large)
    net_bytes = large.size_bytes - small.size_bytes
    per_byte = {name: (after[name] - before[name]) / net_bytes for name in after}
    crypto = sum(count for name, count in per_byte.items() if _CIPHER_AND_HASH.search(name))
    inflate = sum(count for name, count in per_byte.items() if _INFLATE.search(name))
    rest = sum(per_byte.values()) - crypto - inflate
    return Cost(content, crypto, inflate, rest, _kernel_s_per_gib(report, content, prepare) / (1 << 30))


def _instructions(corpus: Corpus) -> Counter[str]:
    """User-space instructions of one transfer, by shared object."""
    say(f"boards: counting instructions for {corpus.name} (slow)")
    with directory(fast_parent(corpus.size_bytes)) as into, Sender(corpus) as sender:
        counts = into / "callgrind.out"
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}", sys.executable]
        pipeline = [[*valgrind, *command] for command in ours(sender.port, into / "files")]
        run(pipeline, limit_s=_VALGRIND_LIMIT_S, environment=_PLAIN_COPIES)
        with counts.open(errors="replace") as lines:
            return self_costs(lines)


def self_costs(lines: Iterable[str]) -> Counter[str]:
    """Sum the self cost of every object in a file of callgrind's format (`valgrind --tool=callgrind`, one event)."""
    costs: Counter[str] = Counter()
    names: dict[str, str] = {}
    current, is_call = "", False
    for line in lines:
        if line.startswith(("ob=", "cob=")):
            key, _, name = line.partition("=")[2].strip().partition(" ")
            names.setdefault(key, name)
            current = current if line.startswith("c") else names[key]
        elif line.startswith("calls="):
            is_call = True
        elif line[:1].isdigit() or line.startswith(("+", "-", "*")):
            costs[current] += 0 if is_call else int(line.split()[1])
            is_call = False
    if not costs:
        raise BenchError("callgrind counted nothing")
    return costs


def _kernel_s_per_gib(report: Report, content: str, prepare: Callable[[int], Corpus]) -> float:
    known = report.value(f"receive.{content}.sys_s_per_gib")
    if known is not None:
        return known
    corpus, tiny, case = prepare(_KERNEL_MIB), corpora.tiny(), Case(content, content, ())
    runs = [(run_once(OURS, corpus, case).sys_s, run_once(OURS, tiny, case).sys_s) for _ in range(_KERNEL_RUNS)]
    return median([whole - start_up for whole, start_up in runs]) / corpus.gib


def _print_instructions(report: Report, costs: list[Cost]) -> None:
    rows = []
    for cost in costs:
        whole = cost.crypto + cost.inflate + cost.rest
        for name, value in (("all", whole), ("crypto", cost.crypto), ("inflate", cost.inflate), ("rest", cost.rest)):
            report.add(f"boards.{cost.content}.instructions_per_byte.{name}", value, "1/byte")
        figures = (whole, cost.crypto, cost.inflate, cost.rest, cost.kernel_s * (1 << 30))
        rows.append((cost.content, *(number(figure) for figure in figures)))
    head = ("", "all", "cipher, hash", "inflate, crc", "rest", "kernel s/GiB")
    table("user instructions per byte here (callgrind)", head, rows)


def _print_boards(report: Report, costs: list[Cost]) -> None:
    rows = []
    for board in BOARDS:
        for cost in costs:
            parts = cost.on(board)
            receiver = 1e3 / sum(parts.values())
            hops = {"radio": board.radio, "card": board.card, "receiver": receiver}
            limiting = min(hops, key=lambda hop: hops[hop])
            name = f"boards.{board.name.lower().replace(' ', '_')}.{cost.content}"
            report.add(f"{name}.receiver_mb_per_s", receiver, "MB/s", reference=board.radio)
            report.add(f"{name}.limit_mb_per_s", hops[limiting], "MB/s", reference=ALLIANCE_MB_PER_S)
            costly = max(parts, key=lambda part: parts[part])
            rows.append(
                (
                    f"{board.name}, {cost.content}",
                    number(receiver, 1),
                    f"{costly} {parts[costly] / sum(parts.values()):.0%}",
                    number(board.radio, 0),
                    number(board.card, 0),
                    f"{limiting}, {hops[limiting]:.0f}",
                    "yes" if hops[limiting] >= ALLIANCE_MB_PER_S else "no",
                )
            )
    head = ("", "receiver", "mostly", "radio", "card", "limiting hop", f">= {ALLIANCE_MB_PER_S:.0f}")
    table("modelled, one core, MB/s (the module's docstring says how)", head, rows)
