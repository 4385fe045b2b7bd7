"""Show the station to phones over Bluetooth, and print what they do: connected, read, wrote, disconnected.

Phones list it in their share sheet under NAME. What a phone writes is the way to its Wi-Fi group; it is printed with
the passphrase, here and nowhere else, and nothing is received: this verb is for trying the radio. Ctrl-C ends it.
"""

import argparse

from stack.station.cli.arguments import add_radio, brand, interval_ms, power_dbm, station_name
from stack.station.exit_status import ExitStatus

NAME = "advertise"
HELP = "show the station to phones and print what they do"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_radio(parser)
    parser.add_argument(
        "--name", type=station_name, required=True, help="what phones list: 16 bytes in UTF-8, of a longer one 15"
    )
    parser.add_argument("--brand", metavar="ID", type=brand, default=255, help="brand id (default 255, third party)")
    parser.add_argument("--no-5ghz", action="store_true", help="do not offer 5 GHz")
    parser.add_argument(
        "--interval", metavar="MS", type=interval_ms, default=100, help="advertising interval (default 100 ms)"
    )
    parser.add_argument(
        "--power", metavar="DBM", type=power_dbm, help="transmit power, where the controller can (default: its own)"
    )


def run(options: argparse.Namespace) -> int:
    """Advertise until a signal comes."""
    from stack.alliance.advertisement import for_station, parse_sighting
    from stack.alliance.cipher import KeyPair
    from stack.alliance.credentials import Credentials
    from stack.ble.restart import keep_running
    from stack.station.advertise_view import AdvertiseView
    from stack.station.bluetooth import capturing, draw_short_id, open_radio, random_address
    from stack.station.console import Console
    from stack.station.control_loop import run_until_signal
    from stack.station.demo.neighbours import in_range
    from stack.station.visibility import make_visible

    short_id = draw_short_id()
    advertisement = for_station(options.name, short_id, options.brand, supports_5ghz=not options.no_5ghz)
    listed_name = parse_sighting(advertisement.scan_response()).label or advertisement.name
    credentials = Credentials(KeyPair.generate)
    view, address = AdvertiseView(Console(options.json)), random_address()

    async def advertise() -> None:
        async with open_radio(hci, address, capture) as radio:
            peripheral = make_visible(radio, advertisement, credentials, view, options.interval, options.power)
            await peripheral.start()
            view.visible(listed_name, short_id.hex(), str(address))
            raise await radio.death()

    with capturing(options.capture) as capture, in_range(options.hci, "introduce") as hci:
        run_until_signal(keep_running(advertise, view.trouble))
    return ExitStatus.INTERRUPTED
