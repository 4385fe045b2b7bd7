"""Where the time of a join goes whose channel is known: four phases that the air and the phone take, and the rest.

The kernel says when a scan began and ended, a recording of the air the rest. Of what is repeated the earliest counts,
so a phase is never longer for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from tests.bench.report import Report, number, table
from tests.lab.inside.world import Group
from tests.lab.outside.dissection import Frame, frames_of

_LIMIT_RATIO, _LIMIT_MS = 1.2, 50
_PHASES = (
    "scan request -> done",
    "authentication -> EAPOL 4/4",
    "DHCP first -> ACK",
    "SYN -> SYN/ACK",
)
_BETWEEN = (
    "link info -> scan request",
    "scan done -> authentication",
    "EAPOL 4/4 -> DHCP first",
    "ACK -> SYN",
    "SYN/ACK -> connected",
)


def air_time(report: Report, joins: Sequence[Mapping[str, Any]], seed: int) -> None:
    """Print and report what `tests.lab.inside.race` has recorded of our joins with the channel told."""
    marks = [marks_of(join) for join in joins]
    lengths = [[(end - begin) * 1000 for begin, end in pairwise(each)] for each in marks]
    totals = [sum(each) for each in lengths]
    phases = [sum(each[1::2]) for each in lengths]
    limits = [_LIMIT_RATIO * each + _LIMIT_MS for each in phases]
    inside = sum(total <= limit for total, limit in zip(totals, limits, strict=True))
    report.add("link.known.total_ms", median(totals), "ms", reference=median(limits), runs=totals)
    report.add("link.known.phases_ms", median(phases), "ms", runs=phases)
    report.add("link.known.limit_ms", median(limits), "ms", runs=limits)
    report.add("link.known.inside", inside, "runs")
    columns = list(zip(*lengths, strict=True))
    table(
        f"link with the channel told, {len(joins)} runs, seed {seed}: {inside} of {len(joins)} inside the limit",
        ("", "median ms"),
        [
            *((name, number(median(column), 0)) for name, column in zip(_PHASES, columns[1::2], strict=True)),
            ("all four phases", number(median(phases), 0)),
            (f"limit: {_LIMIT_RATIO:g} x phases + {_LIMIT_MS}", number(median(limits), 0)),
            ("link info -> TCP connected", number(median(totals), 0)),
            *((f"  {name}", number(median(column), 0)) for name, column in zip(_BETWEEN, columns[::2], strict=True)),
        ],
    )


def marks_of(join: Mapping[str, Any]) -> list[float]:
    """Return, in seconds UTC, the beginning, both ends of each phase, and the end."""
    frames = frames_of(join["capture"], Group(psk=join["psk"]))
    sent = [each for each in frames if each.sender == join["station"]]
    heard = [each for each in frames if each.sender != join["station"]]
    begins = join["began_utc_s"]
    return [
        begins,
        join["scans"][0][0],
        join["scans"][-1][1],
        _first(sent, "authentication"),
        _first(sent, "EAPOL 4/4"),
        _first(sent, "DHCP DISCOVER"),
        _first(heard, "DHCP ACK"),
        _first(sent, "TCP SYN"),
        _first(heard, "TCP SYN ACK"),
        begins + join["connected"] / 1000,
    ]


def _first(frames: Iterable[Frame], what: str) -> float:
    return next(each.at_s for each in frames if each.what == what)
