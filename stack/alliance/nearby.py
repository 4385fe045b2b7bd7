"""The devices of the alliance in range, put together from what a scan hears (alliance protocol, 2.7).

The law: advertisement and scan response are merged by address, devices by id, because phones rotate their addresses.
What is not the alliance's is forgotten; both tables are bounded, and what was silent longest goes first.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from stack.alliance.advertisement import Sighting, parse_sighting
from stack.alliance.brands import brand_name

AddressT = TypeVar("AddressT", bound=Hashable)
KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")

MAX_ADDRESSES: Final = 256
MAX_DEVICES: Final = 64


@dataclass(frozen=True, slots=True)
class Device(Generic[AddressT]):
    """A device of the alliance. `address` is the one heard last, `rssi_dbm` its signal then."""

    address: AddressT
    sighting: Sighting
    rssi_dbm: int

    @property
    def name(self) -> str | None:
        """What a list shows; `None` as long as only the advertisement was heard."""
        return self.sighting.label

    @property
    def brand(self) -> str:
        """The brand's name."""
        return brand_name(self.sighting.head.brand) if self.sighting.head else "unknown"

    @property
    def supports_5ghz(self) -> bool:
        """Whether it says that it can do 5 GHz."""
        return self.sighting.head is not None and self.sighting.head.supports_5ghz


class Nearby(Generic[AddressT]):
    """The list. Addresses are whatever the radio calls devices by."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._sightings: dict[AddressT, Sighting] = {}
        self._devices: dict[bytes | AddressT, Device[AddressT]] = {}

    @property
    def devices(self) -> list[Device[AddressT]]:
        """All devices, the strongest first."""
        return sorted(self._devices.values(), key=lambda device: -device.rssi_dbm)

    def heard(self, address: AddressT, data: bytes, rssi_dbm: int) -> Device[AddressT] | None:
        """Take an advertisement or a scan response; return its device if something new is known about it."""
        before = self._sightings.pop(address, Sighting())
        sighting = before.completed_by(parse_sighting(data))
        _put(self._sightings, address, sighting, MAX_ADDRESSES)
        if not sighting.listed:
            return None
        device = Device(address, sighting, rssi_dbm)
        key = sighting.device_id or address
        if key != address:
            self._devices.pop(address, None)  # nameless until now
        known = self._devices.pop(key, None)
        _put(self._devices, key, device, MAX_DEVICES)
        return device if known is None or known.sighting != sighting else None


def _put(table: dict[KeyT, ValueT], key: KeyT, value: ValueT, limit: int) -> None:
    """Put a value at the young end of a table of at most `limit`."""
    table[key] = value
    if len(table) > limit:
        del table[next(iter(table))]
