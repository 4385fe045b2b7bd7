"""Figures: as tables for people, as build/bench.json for machines."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, with every run behind it. `reference` is what it is measured against, `ratio` the quotient."""

    name: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    runs: Sequence[float] = ()


@dataclass(slots=True)
class Report:
    """Collects figures and prints tables."""

    figures: dict[str, Figure] = field(default_factory=dict)

    def add(
        self, name: str, value: float, unit: str, *, reference: float | None = None, runs: Sequence[float] = ()
    ) -> None:
        """Add a figure. Replaces the one of the same name. NaN, which JSON lacks, is left out."""
        if math.isnan(value):
            return
        if reference is not None and (math.isnan(reference) or reference == 0):
            reference = None
        ratio = None if reference is None else round(value / reference, 4)
        self.figures[name] = Figure(
            name, _rounded(value), unit, _maybe(reference), ratio, [_rounded(run) for run in runs]
        )

    def value(self, name: str) -> float | None:
        """A figure of this run."""
        figure = self.figures.get(name)
        return None if figure is None else figure.value

    def write(self, path: Path) -> None:
        """Write all figures to `path`, and keep those in it that are of benches which this run did not measure."""
        measured = {_bench(name) for name in self.figures}
        kept = {name: figure for name, figure in _stored(path).items() if _bench(name) not in measured}
        figures = {**kept, **{name: asdict(figure) for name, figure in self.figures.items()}}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text("[\n" + ",\n".join(json.dumps(each) for each in figures.values()) + "\n]\n")
        partial.rename(path)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are aligned to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    print(f"\n{title}")
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  " + "  ".join(cells).rstrip())
    print(flush=True)


def number(value: float | None, digits: int = 2) -> str:
    """A figure for a table; what is not known is a dash."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def verdict(value: float, goal: float, digits: int = 2) -> str:
    """A figure beside its goal, a bound from above."""
    if math.isnan(value):
        return f"- (goal {goal:g})"
    return f"{value:.{digits}f} (goal {goal:g}, {'met' if value <= goal else 'missed'})"


def _bench(name: str) -> str:
    return name.partition(".")[0]


def _stored(path: Path) -> dict[str, dict[str, object]]:
    try:
        return {figure["name"]: figure for figure in json.loads(path.read_text())}
    except (OSError, ValueError):
        return {}


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _maybe(value: float | None) -> float | None:
    return None if value is None else _rounded(value)
