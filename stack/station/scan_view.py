"""A scan as a person or a script sees it."""

from collections.abc import Sequence

from drivers.hci.address import Address
from stack.alliance.nearby import Device
from stack.station.console import Console


class ScanView:
    """Shows each device once, when its name is known; those that never told one come last."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def chose(self, sentence: str) -> None:
        """Say which way to the radio was chosen."""
        self._console.note(sentence)

    def news(self, device: Device[Address]) -> bool:
        """Show a device whose name is known; never end the scan. It comes here once, or again with another name."""
        if device.name is not None:
            self._show(device)
        return False

    def sum_up(self, devices: Sequence[Device[Address]], *, interrupted: bool) -> None:
        """Show who never told a name, and say so if there was nobody in all the time."""
        for device in devices:
            if device.name is None:
                self._show(device)
        if not devices and not interrupted:
            self._console.note(
                "Nobody of the alliance is in range. Switch sharing on (visible to others) on the phone."
            )

    def _show(self, device: Device[Address]) -> None:
        band = "5 GHz" if device.supports_5ghz else "2.4 GHz"
        self._console.say(
            f"{device.name or '(no name)':18}{device.brand:24}{band:9}{device.rssi_dbm:4} dBm  {device.address}",
            "device",
            name=device.name,
            brand=device.brand,
            brand_id=device.sighting.head.brand if device.sighting.head else None,
            supports_5ghz=device.supports_5ghz,
            id=device.sighting.short_id,
            rssi_dbm=device.rssi_dbm,
            address=str(device.address),
        )
