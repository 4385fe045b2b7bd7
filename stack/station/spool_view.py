"""The spool as a person or a script sees it."""

from collections.abc import Sequence
from datetime import datetime

from stack.station.console import Console, files, megabytes
from stack.station.exit_status import ExitStatus
from stack.storage.forward.ledger import Ledger, Spooled, Standing
from stack.storage.forward.source import Source


def show_standings(console: Console, standings: Sequence[Standing]) -> None:
    """Show every file with every sink, and sum it up."""
    for each in standings:
        console.say(
            f"{each.name}  {megabytes(each.size_bytes)}  {_state(each)}",
            "entry",
            name=each.name,
            bytes=each.size_bytes,
            sink=each.sink,
            safe=bool(each.is_safe),
            path=each.path,
            attempts=each.attempts,
            not_before=each.not_before,
            error=each.error,
        )
    names = {each.name for each in standings}
    waiting = {each.name for each in standings if not each.is_safe}
    size_bytes = sum({each.name: each.size_bytes for each in standings}.values())
    console.say(
        f"{files(len(names))}, {megabytes(size_bytes)}, {len(waiting)} of them waiting",
        "spool",
        files=len(names),
        waiting=len(waiting),
        bytes=size_bytes,
    )


def _state(standing: Standing) -> str:
    if not standing.sink:
        return "not forwarded yet"
    if standing.is_safe:
        return f"safe in {standing.sink}: {standing.path}"
    when = f", again at {datetime.fromtimestamp(standing.not_before):%H:%M:%S}" if standing.not_before else ""
    return f"waits for {standing.sink}{when}" + (f": {standing.error}" if standing.error else "")


def show_verdicts(console: Console, source: Source, ledger: Ledger) -> ExitStatus:
    """Read every file again and say which are not what came from the phone."""
    spooled = ledger.spooled()
    bad = [each for each in spooled if not _is_whole(console, source, each)]
    console.say(
        f"{files(len(spooled))} read, {len(bad)} of them not as they came", "verified", files=len(spooled), bad=len(bad)
    )
    return ExitStatus.BROKEN if bad else ExitStatus.SAFE


def _is_whole(console: Console, source: Source, spooled: Spooled) -> bool:
    try:
        problem = "" if source.sha256(spooled.name) == spooled.sha256 else "its content is not what came from the phone"
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}"
    if problem:
        console.say(f"{spooled.name}: {problem}", "damaged", name=spooled.name, problem=problem)
    return not problem
