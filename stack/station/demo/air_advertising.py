"""Advertising of a virtual controller: events on the air, those who send them, and the reports of those who hear.

Mendings of Bumble's software controller; see `air_controller`.
"""

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast

from bumble import hci, ll
from bumble.controller import AdvertisingSet, Controller, LegacyAdvertiser

if TYPE_CHECKING:
    from stack.station.demo.air_controller import AirController

CONNECTABLE: Final = 0x01
SCANNABLE: Final = 0x02
SCAN_RESPONSE: Final = 0x08
FILTER_SCANS: Final = 0x01
FILTER_CONNECTIONS: Final = 0x02
# Advertising properties (7.8.53) of ADV_IND, ADV_SCAN_IND and ADV_NONCONN_IND, by advertising type (7.8.5).
PROPERTIES_OF_TYPE: Final = {0x00: 0x13, 0x02: 0x12, 0x03: 0x10}

_LEGACY = 0x10
_TYPE_OF_PROPERTIES = {0x13: 0x00, 0x12: 0x02, 0x10: 0x03, 0x1B: 0x04, 0x1A: 0x04}  # for reports (7.7.65.2)
_SLOT_S = 0.000_625
_ADV_DELAY_S = 0.010
_DEFAULT_INTERVAL_SLOTS = 0x0800
_NO_SID, _NO_TX_POWER, _RSSI_DBM, _NO_PHY = 0xFF, 0x7F, -50, 0


class _Advertiser(Protocol):
    """What a connection ends."""

    enabled: bool

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Advertisement(ll.AdvertisingPdu):
    """One advertising event on the air, with the answer that an active scanner would get.

    `properties` are those of 7.8.53; their five low bits are the event type of an extended report as well (7.7.65.13).
    """

    sender: "AirController"
    advertiser: _Advertiser
    address: hci.Address
    properties: int
    filter_policy: int
    data: bytes
    scan_response: bytes
    sid: int = _NO_SID
    set_handle: int | None = None

    @property
    def is_legacy(self) -> bool:
        return bool(self.properties & _LEGACY)


class _Ticking:
    """The clock of an advertiser.

    Bumble takes a legacy interval as milliseconds, and starts a second clock when a running set is enabled again. It
    is a count of 0.625 ms, each event is up to 10 ms late at random (volume 6, part B, 4.4.2.2.1), and enabling again
    starts anew (7.8.9).
    """

    controller: Controller
    enabled: bool
    timer_handle: asyncio.Handle | None

    def start(self) -> None:
        self.stop()
        self.enabled = True
        self._tick()

    def stop(self) -> None:
        if self.timer_handle:
            self.timer_handle.cancel()
        self.timer_handle = None
        self.enabled = False

    def _tick(self) -> None:
        self.controller.send_advertising_pdu(self.event())
        wait_s = self.interval_slots() * _SLOT_S + random.uniform(0, _ADV_DELAY_S)
        self.timer_handle = asyncio.get_running_loop().call_later(wait_s, self._tick)

    def event(self) -> Advertisement:
        raise NotImplementedError

    def interval_slots(self) -> int:
        raise NotImplementedError


class AirAdvertiser(_Ticking, LegacyAdvertiser):
    """Legacy advertising. Bumble's default interval is 0 where it is 1.28 s, and only its ADV_IND is heard (7.8.5)."""

    def __init__(self, controller: Controller) -> None:
        """Start with the defaults."""
        super().__init__(controller, _DEFAULT_INTERVAL_SLOTS, _DEFAULT_INTERVAL_SLOTS)

    def interval_slots(self) -> int:
        return self.advertising_interval_min

    def event(self) -> Advertisement:
        return Advertisement(
            sender=cast("AirController", self.controller),
            advertiser=self,
            address=self.address,
            properties=PROPERTIES_OF_TYPE[self.advertising_type],
            filter_policy=self.advertising_filter_policy,
            data=self.advertising_data,
            scan_response=self.scan_response_data,
        )


class AirAdvertisingSet(_Ticking, AdvertisingSet):
    """An advertising set. Bumble forgets its properties, so that legacy PDUs look like extended ones (7.8.53)."""

    def interval_slots(self) -> int:
        assert self.parameters
        return self.parameters.primary_advertising_interval_min

    def event(self) -> Advertisement:
        assert self.parameters
        assert self.address
        properties = self.parameters.advertising_event_properties
        return Advertisement(
            sender=cast("AirController", self.controller),
            advertiser=self,
            address=self.address,
            properties=properties,
            filter_policy=self.parameters.advertising_filter_policy,
            data=bytes(self.data),
            scan_response=bytes(self.scan_response_data),
            sid=_NO_SID if properties & _LEGACY else self.parameters.advertising_sid,
            set_handle=self.handle,
        )


def legacy_report(packet: Advertisement, properties: int, data: bytes) -> hci.HCI_LE_Advertising_Report_Event:
    """Build a report for those who scan by legacy commands (7.7.65.2)."""
    report = hci.HCI_LE_Advertising_Report_Event.Report(
        event_type=_TYPE_OF_PROPERTIES[properties],
        address_type=packet.address.address_type,
        address=packet.address,
        data=data,
        rssi=_RSSI_DBM,
    )
    return hci.HCI_LE_Advertising_Report_Event([report])


def extended_report(
    packet: Advertisement, properties: int, data: bytes
) -> hci.HCI_LE_Extended_Advertising_Report_Event:
    """Build an extended report. Bumble invents a secondary PHY, a set and a power for legacy PDUs (7.7.65.13)."""
    report = hci.HCI_LE_Extended_Advertising_Report_Event.Report(
        event_type=properties,
        address_type=packet.address.address_type,
        address=packet.address,
        primary_phy=hci.Phy.LE_1M,
        secondary_phy=_NO_PHY if packet.is_legacy else hci.Phy.LE_1M,
        advertising_sid=packet.sid,
        tx_power=_NO_TX_POWER,
        rssi=_RSSI_DBM,
        periodic_advertising_interval=0,
        direct_address_type=0,
        direct_address=hci.Address.ANY,
        data=data,
    )
    return hci.HCI_LE_Extended_Advertising_Report_Event([report])
