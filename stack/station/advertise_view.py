"""What phones do with the station, as a person or a script sees it: one line an event."""

from board.errors import RemoteProtocolError
from drivers.errors import RadioError
from stack.alliance.link_info import LinkInfo
from stack.station.console import Console


class AdvertiseView:
    """Prints each event. The one place where a passphrase is shown."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._was_visible = False

    def visible(self, name: str, short_id: str, address: str) -> None:
        """The station is on the air."""
        self._was_visible = True
        sentence = f"visible as {name!r}, id {short_id}, address {address}. Ctrl-C ends it."
        self._console.say(sentence, "visible", name=name, id=short_id, address=address)

    def trouble(self, error: RadioError, pause_ms: int) -> None:
        """The radio died; it is tried again after a pause, unless it has never worked."""
        if not self._was_visible:
            raise error
        self._console.say(
            f"radio trouble: {error.explain()} Trying again in {pause_ms / 1000:g} s.",
            "trouble",
            error=str(error),
            remedy=error.remedy,
            pause_ms=pause_ms,
        )

    def connected(self, phone: str) -> None:
        """A phone is connected."""
        self._console.say(f"{phone} connected", "connected", phone=phone)

    def read(self, phone: str) -> None:
        """It has read the status."""
        self._console.say(f"{phone} read the station's key", "read", phone=phone)

    def wrote(self, phone: str, link: LinkInfo) -> None:
        """It has written its link info."""
        self._console.say(
            f"{phone} wrote: ssid {link.ssid!r}, psk {link.psk!r}, mac {link.mac}, port {link.port}",
            "wrote",
            phone=phone,
            ssid=link.ssid,
            psk=link.psk,
            mac=link.mac,
            port=link.port,
            freq_mhz=link.freq_mhz,
            sender_id=link.sender_id,
        )

    def refused(self, phone: str, error: RemoteProtocolError) -> None:
        """It has written something else."""
        self._console.say(f"{phone} wrote no offer: {error}", "refused", phone=phone, error=str(error))

    def disconnected(self, phone: str) -> None:
        """It is gone."""
        self._console.say(f"{phone} disconnected", "disconnected", phone=phone)
