"""Receive files from a peer that already shares a network with us, without Bluetooth or Wi-Fi of our own.

The peer is anything that serves the alliance protocol, such as `ferry send --listen`. The exit status is 0 only
when the archive came whole and every file in it is safe: written, synced to the disk and entered in the journal in
DIR/.ferry/.
"""

import argparse
from pathlib import Path

from stack.station.cli.arguments import address
from stack.station.exit_status import ExitStatus

NAME = "receive"
HELP = "receive files from HOST:PORT into a folder"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--from", dest="address", metavar="HOST:PORT", type=address, required=True, help="who sends")
    parser.add_argument("--into", metavar="DIR", type=Path, required=True, help="where the files go")
    parser.add_argument(
        "--accept",
        choices=("all", "ask"),
        default="ask",
        help="take every offer, or ask at the terminal; without a terminal `ask` refuses (default: ask)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Receive one task."""
    from board.heap import keep_freed_buffers
    from stack.station.console import Console
    from stack.station.interrupt import cancel_on_signals
    from stack.station.reception_view import ReceptionView, report
    from stack.storage.spool import Spool
    from stack.transfer.receive import Reception

    keep_freed_buffers()
    console = Console(options.json)
    view = ReceptionView(console, accept_all=options.accept == "all")
    with Spool(options.into) as spool:
        reception = Reception(options.address, spool, view)
        with cancel_on_signals(reception.cancel) as interrupt:
            receipt = reception.run()
        view.close()
    status = report(console, receipt, options.into)
    return ExitStatus.INTERRUPTED if interrupt.came and status is not ExitStatus.SAFE else status
