"""`ferry`: parses the command line and hands over to a verb. Heavy imports wait until a verb runs."""

import argparse
import io
import signal
import sys
from collections.abc import Sequence
from typing import Protocol

from board.errors import FerryError
from drivers.errors import RadioError
from stack.station.cli import advertise, demo, forward, join, power, radio, receive, scan, send, sink, spool
from stack.station.console import Console
from stack.station.exit_status import ExitStatus


class Verb(Protocol):
    """A module of this folder that is a verb."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Declare the verb's options."""

    def run(self, options: argparse.Namespace, /) -> int:
        """Do it; return the exit status."""


VERBS: tuple[Verb, ...] = (demo, receive, send, forward, sink, spool, scan, advertise, join, radio, power)

_DESCRIPTION = "A photo-offload station: phones share to it with one tap, it carries the files safely to your storage."
_EPILOG = """\
Start with `ferry demo`: a virtual phone sends photos to a station on this machine.

exit status:
  0 safe or confirmed   1 error          2 usage      3 refused         4 cancelled
  5 not found           6 radio trouble  7 broken     8 no space        9 sent, not confirmed   130 Ctrl-C
"""


def parser() -> argparse.ArgumentParser:
    """Build the parser with all verbs."""
    top = argparse.ArgumentParser(
        prog="ferry", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = top.add_subparsers(metavar="VERB", required=True)
    for verb in VERBS:
        sub = verbs.add_parser(
            verb.NAME,
            help=verb.HELP,
            description=verb.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.add_arguments(sub)
        sub.set_defaults(run=verb.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit status. Errors become one line, with the remedy where there is one."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name that the terminal cannot show is no reason to fail
    options = parser().parse_args(arguments)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # also where no verb listens yet
    try:
        return int(options.run(options))
    except FerryError as error:
        _report(error, as_json=getattr(options, "json", False))
        return ExitStatus.RADIO if isinstance(error, RadioError) else ExitStatus.ERROR
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(error: FerryError, *, as_json: bool) -> None:
    console = Console(as_json)
    console.note(f"ferry: {error.explain()}")
    console.say("", "error", error=str(error), remedy=error.remedy)


if __name__ == "__main__":
    sys.exit(main())
