"""Send files to a peer that already shares a network with us, without Bluetooth or Wi-Fi of our own.

The peer connects to HOST:PORT, as `ferry receive --from` does. The exit status is 0 only when the peer confirmed
that it has every file, 9 when everything was sent but no confirmation came.
"""

import argparse
from pathlib import Path

from stack.station.cli.arguments import address, seconds
from stack.station.exit_status import ExitStatus

NAME = "send"
HELP = "serve files at HOST:PORT to one receiver"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--listen", metavar="HOST:PORT", type=address, required=True, help="where to wait; port 0: any")
    parser.add_argument("--name", default="Ferry", help="the name that the receiver shows (default: Ferry)")
    parser.add_argument("--wait", metavar="SECONDS", type=seconds, default=300.0, help="for a receiver (default: 300)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="files, or folders with files")


def run(options: argparse.Namespace) -> int:
    """Serve one task."""
    import secrets

    from stack.alliance.sender import Timeouts
    from stack.station.console import Console, files, megabytes
    from stack.station.interrupt import cancel_on_signals
    from stack.station.sending_view import SendingView, report
    from stack.transfer.pack import pick
    from stack.transfer.serve import Serving, listen, offer_of

    console = Console(options.json)
    picked = pick(options.files)
    offer = offer_of(picked, str(secrets.randbits(31)), secrets.token_hex(2), options.name)
    view = SendingView(console, offer.total_bytes)
    with listen(options.listen) as listener:
        host, port = listener.getsockname()[:2]
        what = f"{files(offer.file_count)}, {megabytes(offer.total_bytes)}"
        console.say(f"Waiting at {host}:{port} with {what}", "waiting", host=host, port=port, files=offer.file_count)
        serving = Serving(listener, picked, offer, view, timeouts=Timeouts(connect_s=options.wait))
        with cancel_on_signals(serving.cancel) as interrupt:
            outcome = serving.run()
    view.close()
    status = report(console, offer, outcome, serving.error)
    return ExitStatus.INTERRUPTED if interrupt.came and status is not ExitStatus.SAFE else status
