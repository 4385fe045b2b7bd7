"""The virtual phone: `python -m stack.station.demo.phone FILE...`, with the air on its standard streams.

It does what a phone's share sheet does: hear the station, read its device info, start a server, write the encrypted
link info, and serve the files to whoever joins. Its Wi-Fi is the loopback. Exit status: as `ferry send`.
"""

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from board.errors import FerryError
from stack.alliance.advertisement import parse_sighting
from stack.alliance.cipher import KeyPair
from stack.alliance.device_info import parse_device_info
from stack.alliance.link_info import LinkInfo, build_link_info
from stack.station.demo.air import Air
from stack.station.interrupt import cancel_on_signals
from stack.station.sending_view import status_of
from stack.transfer.pack import pick
from stack.transfer.serve import Serving, listen, offer_of

NAME = "Virtual phone"
LOOPBACK = "127.0.0.1"
_SSID, _MAC = "DIRECT-demo", "02:00:00:00:00:00"


class _Quiet:
    """The phone's own screen is not part of the demo."""

    def progressed(self, packed_bytes: int) -> None:
        pass


def share(files: Sequence[Path], air: Air) -> int:
    """Share `files` with the station that is in the air."""
    sighting = parse_sighting(air.receive("advertising"))
    if not sighting.listed or sighting.label is None:
        raise FerryError("The station's advertisement is not one that a phone would list.")
    info = parse_device_info(air.receive("status"))
    short_id = secrets.token_hex(2)
    with listen((LOOPBACK, 0)) as listener:
        link = LinkInfo(_SSID, secrets.token_urlsafe(8), listener.getsockname()[1], _MAC, short_id)
        air.send("p2p", build_link_info(link, KeyPair.generate(), info.key))
        picked = pick(files)
        offer = offer_of(picked, str(secrets.randbits(31)), short_id, NAME)
        serving = Serving(listener, picked, offer, _Quiet())
        with cancel_on_signals(serving.cancel):
            return status_of(serving.run())


def main() -> int:
    """Run as a process."""
    try:
        return share([Path(name) for name in sys.argv[1:]], Air(sys.stdin.buffer, sys.stdout.buffer))
    except FerryError as error:
        print(f"virtual phone: {error.explain()}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
