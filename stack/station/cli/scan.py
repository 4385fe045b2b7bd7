"""List the devices of the alliance that are nearby and ready to receive.

Phones show themselves while their sharing is switched on ("visible to others"). One line a device, as soon as its name
is known. Exit status 5 if there is none.
"""

import argparse

from stack.station.cli.arguments import add_radio, seconds
from stack.station.exit_status import ExitStatus

NAME = "scan"
HELP = "list the phones nearby that are ready to receive"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_radio(parser)
    parser.add_argument("--seconds", metavar="N", type=seconds, default=5.0, help="how long to listen (default 5)")


def run(options: argparse.Namespace) -> int:
    """Scan."""
    from drivers.hci.address import Address
    from stack.alliance.nearby import Nearby
    from stack.station.bluetooth import capturing, open_central
    from stack.station.console import Console
    from stack.station.control_loop import run_until_signal
    from stack.station.demo.neighbours import in_range
    from stack.station.finder import listen
    from stack.station.scan_view import ScanView

    view = ScanView(Console(options.json))
    nearby: Nearby[Address] = Nearby()

    async def scan(hci: str | None) -> None:
        async with open_central(hci, capture, view.chose) as central:
            await listen(central, nearby, view.news, int(options.seconds * 1000))

    with capturing(options.capture) as capture, in_range(options.hci, "receive") as hci:
        interrupted = run_until_signal(scan(hci))
    view.sum_up(nearby.devices, interrupted=interrupted)
    if interrupted:
        return ExitStatus.INTERRUPTED
    return ExitStatus.SAFE if nearby.devices else ExitStatus.NOT_FOUND
