"""Join a phone's Wi-Fi Direct group the way the station does, and hold the link.

The board's own Wi-Fi stays up where the chip can do both; where it cannot, see --borrow. Nothing but DHCP and, with
--port, one TCP flow to the phone passes the link. When it ends, no interface, address or rule is left; after kill -9
the rules, which bar an interface that is gone, wait for the next start. The country stays set. Needs root, or
CAP_NET_ADMIN and CAP_NET_RAW.

With --json a link that fails is {"event": "failed"}; what keeps it from being tried is {"event": "error"}.

With --supplicant the radio stays wpa_supplicant's, as on a desktop: it gets one more interface beside the one of the
house, for as long as the link lasts. It must have been started with -g:

  wpa_supplicant -i wlan0 -c /etc/wpa_supplicant/wpa_supplicant.conf -g /run/wpa_supplicant-global
  ferry join --supplicant /run/wpa_supplicant-global --ssid DIRECT-a1B2c3D4 --psk 12345678

Where systemd starts it, add `-g /run/wpa_supplicant-global` to the command of its service (ExecStart, empty first):

  systemctl edit wpa_supplicant && systemctl restart wpa_supplicant

NetworkManager takes every new interface for its own. Tell it not to, in /etc/NetworkManager/conf.d/ferry.conf:

  [keyfile]
  unmanaged-devices=interface-name:ferry*
"""

import argparse

from stack.station.cli.arguments import add_wifi, frequency_mhz, passphrase, port, seconds, ssid, wifi_settings
from stack.station.exit_status import ExitStatus

NAME = "join"
HELP = "join a phone's Wi-Fi Direct group, and leave it again"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--ssid", type=ssid, required=True, help="the group's name, such as DIRECT-a1B2c3D4")
    parser.add_argument("--psk", type=passphrase, required=True, help="its passphrase")
    parser.add_argument("--port", type=port, default=0, help="let connections to this port of the phone pass")
    parser.add_argument("--freq", metavar="MHZ", type=frequency_mhz, help="look there first")
    parser.add_argument("--hold", metavar="N", type=seconds, help="leave after N seconds (default: at Ctrl-C)")
    add_wifi(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Join, hold, leave."""
    from contextlib import suppress

    from board import aio
    from stack.link.backend import Offer
    from stack.link.manager import LinkManager
    from stack.link.plan import Memory
    from stack.link.reasons import LinkError, Reason
    from stack.station.console import Console
    from stack.station.control_loop import run_until_signal
    from stack.station.join_view import JoinView
    from stack.station.radio_owner import open_backend

    view = JoinView(Console(options.json))
    settings = wifi_settings(options)
    offer = Offer(options.ssid, options.psk, options.port, options.freq)

    async def join() -> None:
        async with (
            open_backend(settings, options.supplicant) as backend,
            LinkManager(backend, Memory(), view.told).joined(offer) as link,
        ):
            view.joined(link)
            with suppress(aio.TimeoutError):
                await aio.wait_for(link.lost.wait(), options.hold)
                raise LinkError(link.lost.reason)

    try:
        interrupted = run_until_signal(join())
    except LinkError as error:
        view.failed(error)
        return ExitStatus.NOT_FOUND if error.reason is Reason.NOT_FOUND else ExitStatus.RADIO
    view.left()
    return ExitStatus.INTERRUPTED if interrupted else ExitStatus.SAFE
