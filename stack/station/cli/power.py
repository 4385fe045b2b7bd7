"""Replay a day with the station's own scheduler, and see what it takes beside two stations without one.

    ferry power simulate                # a day that comes with Ferry, and three random ones
    ferry power simulate DAY.toml       # a day of your own; stack/power/traces/day.toml shows the form

Printed are mean power, energy per GB received, how long a phone looks for the station and how long a photo waits for
the NAS; beside them a stock image that is always on, a station that shows itself only after a press of its button,
and the bound that no discovery protocol can beat. The board is a Raspberry Pi Zero 2 W by published measurements.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stack.station.exit_status import ExitStatus

if TYPE_CHECKING:
    from stack.power.trace import Trace

NAME = "power"
HELP = "simulate a day: power, discovery, forwarding"

_RANDOM_DAYS = 3
_MAX_TRACE_BYTES = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("action", choices=("simulate",), help="what to do")
    parser.add_argument("trace", metavar="TRACE", type=Path, nargs="?", help="a day as TOML (default: see above)")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of the random days and the air (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    from random import Random

    from stack.power.comparison import compare
    from stack.station.console import Console
    from stack.station.power_view import show_assumptions, show_comparison

    console = Console(options.json)
    for trace in _traces(options.trace, options.seed):
        show_comparison(console, compare(trace, lambda: Random(options.seed)))
    show_assumptions(console)
    return ExitStatus.SAFE


def _traces(path: Path | None, seed: int) -> "list[Trace]":
    from random import Random

    import stack.power
    from stack.power.trace import draw

    if path is not None:
        return [_read(path)]
    shipped = Path(stack.power.__path__[0]) / "traces" / "day.toml"
    seeds = range(seed, seed + _RANDOM_DAYS)
    return [_read(shipped), *(draw(Random(each), f"random day, seed {each}") for each in seeds)]


def _read(path: Path) -> "Trace":
    from stack.power.trace import TraceError, read

    try:
        with path.open("rb") as file:
            return read(file.read(_MAX_TRACE_BYTES).decode())
    except OSError as error:
        raise TraceError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise TraceError(f"{path} is not text.") from None
