"""Receive files into a folder, from phones over the air or from a peer that already shares a network with us.

With --name the station is visible to phones by Bluetooth; to whoever shares it joins the Wi-Fi Direct group, takes the
files and leaves, again and again until Ctrl-C, or --once. Needs root, or CAP_NET_ADMIN and CAP_NET_RAW. With --from the
peer is anything that serves the alliance protocol, such as `ferry send --listen`.

The exit status is 0 only when the archive came whole and every file in it is safe: written, synced to the disk and
entered in the journal in DIR/.ferry/.
"""

import argparse
from pathlib import Path

from stack.station.cli.arguments import add_radio, add_wifi, address, station_name, wifi_settings
from stack.station.exit_status import ExitStatus

NAME = "receive"
HELP = "receive files into a folder, from phones or from HOST:PORT"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--name", metavar="NAME", type=station_name, help="be visible to phones under this name")
    source.add_argument("--from", dest="address", metavar="HOST:PORT", type=address, help="who sends")
    parser.add_argument("--into", metavar="DIR", type=Path, required=True, help="where the files go")
    parser.add_argument("--once", action="store_true", help="with --name: end after the first phone")
    parser.add_argument(
        "--accept",
        choices=("all", "ask"),
        default="ask",
        help="take every offer, or ask at the terminal; without a terminal `ask` refuses (default: ask)",
    )
    add_wifi(parser)
    add_radio(parser)


def run(options: argparse.Namespace) -> int:
    """Receive one task, or from the air as many as come."""
    from board.heap import keep_freed_buffers

    keep_freed_buffers()
    return _from_peer(options) if options.address else _from_air(options)


def _from_peer(options: argparse.Namespace) -> int:
    from stack.station.console import Console
    from stack.station.interrupt import cancel_on_signals
    from stack.station.reception_view import ReceptionView, report
    from stack.storage.spool import Spool
    from stack.transfer.receive import Reception

    console = Console(options.json)
    view = ReceptionView(console, accept_all=options.accept == "all")
    with Spool(options.into) as spool:
        reception = Reception(options.address, spool, view)
        with cancel_on_signals(reception.cancel) as interrupt:
            receipt = reception.run()
        view.close()
    status = report(console, receipt, options.into)
    return ExitStatus.INTERRUPTED if interrupt.came and status is not ExitStatus.SAFE else status


def _from_air(options: argparse.Namespace) -> int:
    from stack.alliance.advertisement import for_station
    from stack.station.air_reception import AirReception
    from stack.station.bluetooth import capturing, draw_short_id, open_radio, random_address
    from stack.station.console import Console
    from stack.station.control_loop import run_until_signal
    from stack.station.radio_owner import open_backend
    from stack.storage.spool import Spool

    console = Console(options.json)
    settings = wifi_settings(options)
    advertisement = for_station(options.name, draw_short_id())
    with Spool(options.into) as spool, capturing(options.capture) as capture:
        reception = AirReception(console, spool, options.into, accept_all=options.accept == "all", once=options.once)

        async def receive() -> None:
            async with (
                open_backend(settings, options.supplicant) as backend,
                open_radio(options.hci, random_address(), capture) as radio,
            ):
                await reception.run(radio, backend, advertisement)

        interrupted = run_until_signal(receive())
    return ExitStatus.INTERRUPTED if interrupted else reception.status
