"""The virtual phone: `python -m stack.station.demo.phone share HCI FILE...`, on a virtual controller of its own.

    share      do what a phone's share sheet does: find the station, start a server, read the station's key, write the
               encrypted link info, and serve the files to whoever joins; its Wi-Fi is the loopback
    introduce  only find the station, read and write
    receive    show itself as a phone that is ready to receive

Exit status: as `ferry send`.
"""

import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from board import aio
from board.errors import FerryError
from stack.alliance.advertisement import Advertisement, repeated_id
from stack.alliance.cipher import KeyPair
from stack.alliance.credentials import Credentials
from stack.alliance.link_info import LinkInfo
from stack.ble.central import HciCentral
from stack.station.bluetooth import draw_short_id, open_radio, random_address
from stack.station.control_loop import run_until_signal
from stack.station.finder import find
from stack.station.interrupt import cancel_on_signals
from stack.station.introduction import introduce_to
from stack.station.sending_view import status_of
from stack.station.visibility import NoVisitors, make_visible
from stack.transfer.pack import pick
from stack.transfer.serve import Serving, listen, offer_of

NAME = "Virtual phone"
LOOPBACK = "127.0.0.1"
_SSID, _MAC = "DIRECT-Zz-demo", "02:00:00:00:00:00"
_XIAOMI = 30
_LOOKING_MS = 20_000


class _Quiet:
    """The phone's own screen is not part of the demo."""

    def progressed(self, packed_bytes: int) -> None:
        pass


def share(hci: str, files: Sequence[str]) -> int:
    """Share `files` with the station that is in the air."""
    short_id = secrets.token_hex(2)
    with listen((LOOPBACK, 0)) as listener:
        link = LinkInfo(_SSID, secrets.token_urlsafe(8), listener.getsockname()[1], _MAC, short_id)
        aio.run(_introduce(hci, link))
        picked = pick([Path(name) for name in files])
        offer = offer_of(picked, str(secrets.randbits(31)), short_id, NAME)
        serving = Serving(listener, picked, offer, _Quiet())
        with cancel_on_signals(serving.cancel):
            return status_of(serving.run())


def introduce_only(hci: str, _: Sequence[str]) -> int:
    """Hand over the way to a group that does not exist."""
    run_until_signal(_introduce(hci, LinkInfo(_SSID, secrets.token_urlsafe(8), 43210, _MAC, secrets.token_hex(2))))
    return 0


def receive(hci: str, _: Sequence[str]) -> int:
    """Be visible until a signal comes."""
    run_until_signal(_be_visible(hci))
    return 0


async def _introduce(hci: str, link: LinkInfo) -> None:
    async with open_radio(hci, random_address()) as radio:
        central = HciCentral(radio)
        station = await find(central, _LOOKING_MS)
        await introduce_to(central, station.address, link, KeyPair.generate())


async def _be_visible(hci: str) -> None:
    advertisement = Advertisement(NAME, repeated_id(draw_short_id()), _XIAOMI)
    async with open_radio(hci, random_address()) as radio:
        peripheral = make_visible(radio, advertisement, Credentials(KeyPair.generate), NoVisitors())
        await peripheral.start()
        raise await radio.death()


DOES: dict[str, Callable[[str, Sequence[str]], int]] = {
    "share": share,
    "introduce": introduce_only,
    "receive": receive,
}


def main() -> int:
    """Run as a process."""
    does, hci, *arguments = sys.argv[1:]
    try:
        return DOES[does](hci, arguments)
    except FerryError as error:
        print(f"virtual phone: {error.explain()}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
