"""Say what this machine's Wi-Fi radios can do: bands, what goes at once, who does the handshake, which country's rules.

Exit status 6 if there is none.
"""

import argparse

from stack.station.exit_status import ExitStatus

NAME = "radio"
HELP = "say what this machine's Wi-Fi radios can do"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Ask and tell."""
    from board import aio
    from drivers.netlink.channel import GENERIC, Netlink
    from drivers.nl80211.capabilities import wiphys
    from drivers.nl80211.radio import open_nl80211
    from drivers.nl80211.regulatory import domain
    from stack.station.console import Console
    from stack.station.radio_view import show_wiphy

    console = Console(options.json)

    async def ask() -> int:
        netlink = Netlink(GENERIC)
        try:
            netlink.start()
            radio = await open_nl80211(netlink)
            found = await wiphys(radio)
            for wiphy in found:
                show_wiphy(console, wiphy, await domain(radio, wiphy))
            return len(found)
        finally:
            netlink.close()

    if aio.run(ask()):
        return ExitStatus.SAFE
    console.note("This machine has no Wi-Fi radio. Plug one in, and see what the kernel says: dmesg.")
    return ExitStatus.RADIO
