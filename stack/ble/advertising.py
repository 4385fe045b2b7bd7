"""Advertising as commands for the controller, in two families: legacy, and advertising sets (volume 4, part E, 7.8).

Both put the same legacy PDUs on the air: ADV_IND and, for who asks, SCAN_RSP. A controller that knows sets gets
them, since it may not be mixed and the other roles need the newer commands too.
"""

from dataclasses import dataclass
from typing import Any, Final

from drivers.hci.address import Address
from drivers.hci.commands import (
    NO_PREFERRED_TX_POWER_DBM,
    LeSetAdvertisingData,
    LeSetAdvertisingEnable,
    LeSetAdvertisingParameters,
    LeSetAdvertisingSetRandomAddress,
    LeSetExtendedAdvertisingData,
    LeSetExtendedAdvertisingEnable,
    LeSetExtendedAdvertisingParameters,
    LeSetExtendedScanResponseData,
    LeSetScanResponseData,
)
from drivers.hci.packet import Command

_ALL_CHANNELS = 0b111
_ADV_IND = 0x00
_CONNECTABLE_SCANNABLE_LEGACY = 0x0013
_HANDLE = 0
_COMPLETE, _NO_FRAGMENTS = 3, 1
_PHY_1M = 1
_ANYONE = 0


@dataclass(frozen=True, slots=True)
class Advertising:
    """What goes on the air, and how often.

    `data` and `scan_response` are at most 31 bytes, sent as they are. `address` is the radio's random static one.
    `tx_power_dbm` is a wish that only controllers with advertising sets know; `None` leaves it to them.
    """

    data: bytes
    scan_response: bytes
    address: Address
    interval_ms: int = 100
    tx_power_dbm: int | None = None

    @property
    def interval_units(self) -> int:
        """The interval in units of 0.625 ms."""
        return self.interval_ms * 8 // 5


@dataclass(frozen=True, slots=True)
class AdvertisingCommands:
    """What to send: `setup` once, `enable` to begin and after each connection, `disable` to end."""

    setup: tuple[Command[Any], ...]
    enable: Command[Any]
    disable: Command[Any]


NO_ADDRESS: Final = bytes(6)


def advertising_commands(advertising: Advertising, *, in_set: bool) -> AdvertisingCommands:
    """Translate `advertising` for a controller with advertising sets, or without."""
    return _set_commands(advertising) if in_set else _legacy_commands(advertising)


def _legacy_commands(advertising: Advertising) -> AdvertisingCommands:
    units, address = advertising.interval_units, advertising.address
    parameters = LeSetAdvertisingParameters(units, units, _ADV_IND, address.type, 0, NO_ADDRESS, _ALL_CHANNELS, _ANYONE)
    return AdvertisingCommands(
        (
            parameters,
            LeSetAdvertisingData(advertising.data),
            LeSetScanResponseData(advertising.scan_response),
        ),
        LeSetAdvertisingEnable(1),
        LeSetAdvertisingEnable(0),
    )


def _set_commands(advertising: Advertising) -> AdvertisingCommands:
    units, address = advertising.interval_units, advertising.address
    power = NO_PREFERRED_TX_POWER_DBM if advertising.tx_power_dbm is None else advertising.tx_power_dbm
    parameters = LeSetExtendedAdvertisingParameters(
        _HANDLE,
        _CONNECTABLE_SCANNABLE_LEGACY,
        units,
        units,
        _ALL_CHANNELS,
        address.type,
        0,
        NO_ADDRESS,
        _ANYONE,
        power,
        _PHY_1M,
        0,
        _PHY_1M,
        0,
        0,
    )
    return AdvertisingCommands(
        (
            parameters,
            LeSetAdvertisingSetRandomAddress(_HANDLE, address.octets),
            LeSetExtendedAdvertisingData(_HANDLE, _COMPLETE, _NO_FRAGMENTS, advertising.data),
            LeSetExtendedScanResponseData(_HANDLE, _COMPLETE, _NO_FRAGMENTS, advertising.scan_response),
        ),
        LeSetExtendedAdvertisingEnable(1, 1, _HANDLE, 0, 0),
        LeSetExtendedAdvertisingEnable(0, 1, _HANDLE, 0, 0),
    )
