"""Look after the spool: what lies in it, how it stands with each sink, and what can be done about it.

`list` says of each file where it goes and what is in the way. `retry` lets what waits be tried at the next `ferry
forward`. `verify` reads every file again and compares it with what came from the phone. `drop` takes a file out of
the spool; one that no sink has only with --even-unsafe, for that may be the only copy.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stack.station.exit_status import ExitStatus

if TYPE_CHECKING:
    from stack.station.console import Console
    from stack.storage.forward.ledger import Ledger
    from stack.storage.forward.source import Source

NAME = "spool"
HELP = "look after the files that wait to be forwarded"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("action", choices=("list", "retry", "verify", "drop"), help="what to do")
    parser.add_argument("names", metavar="NAME", nargs="*", help="with drop: the files")
    parser.add_argument("--in", dest="folder", metavar="DIR", type=Path, required=True, help="the spool")
    parser.add_argument("--even-unsafe", action="store_true", help="with drop: also what no sink has")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    from contextlib import closing

    from stack.station.console import Console
    from stack.station.spool_view import show_standings, show_verdicts
    from stack.storage.forward.ledger import Ledger
    from stack.storage.forward.source import Source

    console = Console(options.json)
    with Source(options.folder) as source, closing(Ledger(source.journal_path)) as ledger:
        match options.action:
            case "list":
                show_standings(console, ledger.standings())
            case "retry":
                ledger.hurry()
                console.say("What waits is tried at the next `ferry forward`.", "hurried")
            case "verify":
                return show_verdicts(console, source, ledger)
            case "drop":
                return _drop(console, source, ledger, options.names, even_unsafe=options.even_unsafe)
    return ExitStatus.SAFE


def _drop(console: "Console", source: "Source", ledger: "Ledger", names: list[str], *, even_unsafe: bool) -> int:
    entries = {each.name: each for each in ledger.spooled()}
    unknown = [name for name in names if name not in entries]
    unsafe = [] if even_unsafe else ledger.unsafe(names)
    for name in unknown:
        console.say(f"{name} is not in the spool", "unknown", name=name)
    for name in unsafe:
        console.say(f"{name} stays: no sink has it. Add --even-unsafe to drop it all the same.", "unsafe", name=name)
    leaving = [entries[name] for name in names if name in entries and name not in unsafe]
    left = ledger.release(leaving, source.drop, is_received_into=source.is_received_into())
    for each in left:
        console.say(f"{each.name} is dropped", "dropped", name=each.name)
    if len(left) < len(leaving):
        console.say("A phone is sending; what is in its transfer stays. Try again after it.", "busy")
    if unsafe or len(left) < len(leaving):
        return ExitStatus.REFUSED
    return ExitStatus.NOT_FOUND if unknown or not names else ExitStatus.SAFE
