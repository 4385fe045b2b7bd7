"""Scanning as commands for the controller, and its reports as one kind of thing (volume 4, part E, 7.8 and 7.7.65)."""

from dataclasses import dataclass
from typing import Any

from drivers.hci.address import Address, AddressType
from drivers.hci.commands import (
    LeSetExtendedScanEnable,
    LeSetExtendedScanParameters,
    LeSetScanEnable,
    LeSetScanParameters,
)
from drivers.hci.events import LeAdvertisingReport, LeExtendedAdvertisingReport
from drivers.hci.packet import Command

_ACTIVE = 1  # scan responses must be asked for
_SCAN_INTERVAL = _SCAN_WINDOW = 0x0060  # 60 ms of every 60 ms: a person waits
_EVERYONE = 0
_PHY_1M_BIT = 1
_CONNECTABLE_OR_RESPONSE = frozenset({0, 1, 4})  # ADV_IND, ADV_DIRECT_IND, SCAN_RSP
_EXTENDED_CONNECTABLE_OR_RESPONSE = 1 << 0 | 1 << 3
_EXTENDED_PUBLIC_OR_RANDOM = 1  # 2 and 3 are identities, which resolve to one of the two


@dataclass(frozen=True, slots=True)
class Heard:
    """An advertisement or a scan response of one device. `data` is as it was on the air, or rebuilt by a backend."""

    address: Address
    data: bytes
    rssi_dbm: int


@dataclass(frozen=True, slots=True)
class ScanCommands:
    """What to send to begin and to end."""

    begin: tuple[Command[Any], ...]
    end: Command[Any]


def scan_commands(*, own_address_type: AddressType, extended: bool) -> ScanCommands:
    """Translate an active scan. Duplicates are not filtered: a name may come with the second scan response."""
    if extended:
        parameters = LeSetExtendedScanParameters(
            own_address_type, _EVERYONE, _PHY_1M_BIT, _ACTIVE, _SCAN_INTERVAL, _SCAN_WINDOW
        )
        return ScanCommands((parameters, LeSetExtendedScanEnable(1, 0, 0, 0)), LeSetExtendedScanEnable(0, 0, 0, 0))
    legacy = LeSetScanParameters(_ACTIVE, _SCAN_INTERVAL, _SCAN_WINDOW, own_address_type, _EVERYONE)
    return ScanCommands((legacy, LeSetScanEnable(1, 0)), LeSetScanEnable(0, 0))


def heard_in(event: LeAdvertisingReport | LeExtendedAdvertisingReport) -> list[Heard]:
    """Read the reports of an event; what is neither connectable nor a scan response does not matter to us."""
    if isinstance(event, LeAdvertisingReport):
        matter = [each for each in event.reports if each.event_type in _CONNECTABLE_OR_RESPONSE]
        return [Heard(_address(each.address, each.address_type), each.data, each.rssi_dbm) for each in matter]
    return [
        Heard(_address(each.address, each.address_type), each.data, each.rssi_dbm)
        for each in event.reports
        if each.event_type & _EXTENDED_CONNECTABLE_OR_RESPONSE
    ]


def _address(octets: bytes, kind: int) -> Address:
    return Address(octets, AddressType(kind & _EXTENDED_PUBLIC_OR_RANDOM))
