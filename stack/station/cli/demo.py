"""Show the main job on this machine: a virtual phone shares photos with a station, which keeps them safely.

The phone is a second process. They meet over two virtual Bluetooth controllers, by the real protocols from HCI up; the
Wi-Fi link is the loopback; TLS, WebSocket, ZIP, journal and disk are real.
Run it again and the files are recognised as already safe; delete one and it is stored again.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stack.station.cli.arguments import sink_url
from stack.station.exit_status import ExitStatus

if TYPE_CHECKING:
    from stack.station.console import Console

NAME = "demo"
HELP = "a virtual phone sends photos to a station on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("paths", metavar="PATH", nargs="*", type=Path, help="files to share (default: a made-up album)")
    parser.add_argument(
        "--into", metavar="DIR", type=Path, default=Path("ferry-demo/received"), help="default: ferry-demo/received"
    )
    parser.add_argument("--to", metavar="URL", type=sink_url, help="forward the files to a folder or a server")


def run(options: argparse.Namespace) -> int:
    """Run the demo."""
    from board.heap import keep_freed_buffers
    from stack.station.console import Console
    from stack.station.demo.album import make_album
    from stack.station.demo.phone import LOOPBACK
    from stack.station.demo.stage import STATION_NAME, Stage
    from stack.station.interrupt import cancel_on_signals
    from stack.station.reception_view import ReceptionView, report, table
    from stack.storage.spool import Spool
    from stack.transfer.pack import pick
    from stack.transfer.receive import Reception

    keep_freed_buffers()
    console = Console()
    paths = options.paths or make_album(options.into.parent / "album")
    pick(paths)  # the phone will do it again, but here a person reads what is wrong
    view = ReceptionView(console, accept_all=True)
    with Spool(options.into) as spool, Stage(paths) as stage:
        link = stage.introduce()
        console.say(
            f"Bluetooth  the phone found {STATION_NAME!r}, read its key and wrote the link info, encrypted", "link"
        )
        console.say(f"Wi-Fi      {link.ssid}, port {link.port} (the loopback plays the radio)", "wifi")
        reception = Reception((LOOPBACK, link.port), spool, view)
        with cancel_on_signals(reception.cancel) as interrupt:
            receipt = reception.run()
        view.close()
    status = report(console, receipt, options.into)
    console.say(table(receipt, options.into), "table")
    if options.to and status is ExitStatus.SAFE:
        return _forward(console, options.into, options.to)
    return ExitStatus.INTERRUPTED if interrupt.came and status is not ExitStatus.SAFE else status


def _forward(console: "Console", spool: Path, url: str) -> int:
    """Bring the files to a sink, which is prepared if it is new."""
    from stack.station.forwarding import forward, prepared_sink
    from stack.storage.forward.forwarder import Settings
    from stack.storage.library.rules import Rules

    settings = Settings(sinks=[prepared_sink(url)], patience_s=0.0)
    is_all_safe, interrupted = forward(console, spool, settings, Rules())
    if interrupted:
        return ExitStatus.INTERRUPTED
    return ExitStatus.SAFE if is_all_safe else ExitStatus.ERROR
