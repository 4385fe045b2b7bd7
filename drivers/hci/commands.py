"""The commands that Ferry sends (Core specification, volume 4, part E, 7), with their return parameters.

Times are in the units of the specification: advertising and scan intervals 0.625 ms, connection intervals 1.25 ms,
supervision timeouts 10 ms.
"""

from dataclasses import dataclass
from typing import ClassVar

from drivers.hci.packet import Command, Returned
from drivers.hci.wire import counted, device_address, i8, padded, u8, u16, u24, u64

NO_PREFERRED_TX_POWER_DBM = 127


# 7.1 Link Control


@dataclass(frozen=True, slots=True)
class Disconnect(Command[Returned]):
    """End a connection; answered by Disconnection Complete (7.1.6)."""

    OPCODE: ClassVar[int] = 0x0406
    connection_handle: int = u16()
    reason: int = u8()


# 7.3 Controller & Baseband


@dataclass(frozen=True, slots=True)
class SetEventMask(Command[Returned]):
    """Choose the events (7.3.1)."""

    OPCODE: ClassVar[int] = 0x0C01
    event_mask: int = u64()


@dataclass(frozen=True, slots=True)
class Reset(Command[Returned]):
    """Forget everything (7.3.2)."""

    OPCODE: ClassVar[int] = 0x0C03


@dataclass(frozen=True, slots=True)
class WriteLeHostSupport(Command[Returned]):
    """Tell a controller of both kinds that the host does LE (7.3.79)."""

    OPCODE: ClassVar[int] = 0x0C6D
    le_supported_host: int = u8()
    unused: int = u8()


# 7.4 Informational


@dataclass(frozen=True, slots=True)
class BufferSize(Returned):
    """Buffers for all kinds of links."""

    acl_data_packet_length: int = u16()
    synchronous_data_packet_length: int = u8()
    total_num_acl_data_packets: int = u16()
    total_num_synchronous_data_packets: int = u16()


@dataclass(frozen=True, slots=True)
class ReadBufferSize(Command[BufferSize]):
    """Ask for the buffers that LE links share when they have none of their own (7.4.5)."""

    OPCODE: ClassVar[int] = 0x1005
    RETURNS: ClassVar[type[Returned]] = BufferSize


# 7.8 LE Controller


@dataclass(frozen=True, slots=True)
class LeSetEventMask(Command[Returned]):
    """Choose the LE events (7.8.1)."""

    OPCODE: ClassVar[int] = 0x2001
    le_event_mask: int = u64()


@dataclass(frozen=True, slots=True)
class LeBufferSize(Returned):
    """Buffers for LE links; zero means that they share those of `BufferSize`."""

    le_acl_data_packet_length: int = u16()
    total_num_le_acl_data_packets: int = u8()


@dataclass(frozen=True, slots=True)
class LeReadBufferSize(Command[LeBufferSize]):
    """Ask for the buffers (7.8.2)."""

    OPCODE: ClassVar[int] = 0x2002
    RETURNS: ClassVar[type[Returned]] = LeBufferSize


@dataclass(frozen=True, slots=True)
class LeFeatures(Returned):
    """Feature bits (volume 6, part B, 4.6)."""

    le_features: int = u64()


@dataclass(frozen=True, slots=True)
class LeReadLocalSupportedFeatures(Command[LeFeatures]):
    """Ask what the controller can do (7.8.3)."""

    OPCODE: ClassVar[int] = 0x2003
    RETURNS: ClassVar[type[Returned]] = LeFeatures


@dataclass(frozen=True, slots=True)
class LeSetRandomAddress(Command[Returned]):
    """Set the random address of legacy advertising, of scanning and of connecting (7.8.4)."""

    OPCODE: ClassVar[int] = 0x2005
    random_address: bytes = device_address()


@dataclass(frozen=True, slots=True)
class LeSetAdvertisingParameters(Command[Returned]):
    """How to advertise (7.8.5)."""

    OPCODE: ClassVar[int] = 0x2006
    advertising_interval_min: int = u16()
    advertising_interval_max: int = u16()
    advertising_type: int = u8()
    own_address_type: int = u8()
    peer_address_type: int = u8()
    peer_address: bytes = device_address()
    advertising_channel_map: int = u8()
    advertising_filter_policy: int = u8()


@dataclass(frozen=True, slots=True)
class LeSetAdvertisingData(Command[Returned]):
    """What to advertise (7.8.7)."""

    OPCODE: ClassVar[int] = 0x2008
    advertising_data: bytes = padded(31)


@dataclass(frozen=True, slots=True)
class LeSetScanResponseData(Command[Returned]):
    """What to tell those who ask (7.8.8)."""

    OPCODE: ClassVar[int] = 0x2009
    scan_response_data: bytes = padded(31)


@dataclass(frozen=True, slots=True)
class LeSetAdvertisingEnable(Command[Returned]):
    """Begin or end advertising (7.8.9)."""

    OPCODE: ClassVar[int] = 0x200A
    advertising_enable: int = u8()


@dataclass(frozen=True, slots=True)
class LeSetScanParameters(Command[Returned]):
    """How to scan (7.8.10)."""

    OPCODE: ClassVar[int] = 0x200B
    le_scan_type: int = u8()
    le_scan_interval: int = u16()
    le_scan_window: int = u16()
    own_address_type: int = u8()
    scanning_filter_policy: int = u8()


@dataclass(frozen=True, slots=True)
class LeSetScanEnable(Command[Returned]):
    """Begin or end scanning (7.8.11)."""

    OPCODE: ClassVar[int] = 0x200C
    le_scan_enable: int = u8()
    filter_duplicates: int = u8()


@dataclass(frozen=True, slots=True)
class LeCreateConnection(Command[Returned]):
    """Connect; answered by LE Connection Complete (7.8.12)."""

    OPCODE: ClassVar[int] = 0x200D
    le_scan_interval: int = u16()
    le_scan_window: int = u16()
    initiator_filter_policy: int = u8()
    peer_address_type: int = u8()
    peer_address: bytes = device_address()
    own_address_type: int = u8()
    connection_interval_min: int = u16()
    connection_interval_max: int = u16()
    max_latency: int = u16()
    supervision_timeout: int = u16()
    min_ce_length: int = u16()
    max_ce_length: int = u16()


@dataclass(frozen=True, slots=True)
class LeCreateConnectionCancel(Command[Returned]):
    """Stop connecting; a failed LE Connection Complete follows (7.8.13)."""

    OPCODE: ClassVar[int] = 0x200E


@dataclass(frozen=True, slots=True)
class LeConnectionUpdate(Command[Returned]):
    """Change the parameters of a connection (7.8.18)."""

    OPCODE: ClassVar[int] = 0x2013
    connection_handle: int = u16()
    connection_interval_min: int = u16()
    connection_interval_max: int = u16()
    max_latency: int = u16()
    supervision_timeout: int = u16()
    min_ce_length: int = u16()
    max_ce_length: int = u16()


# 7.8, extended advertising: the same with advertising sets. Once one of these is used, the legacy ones are disallowed.


@dataclass(frozen=True, slots=True)
class LeSetAdvertisingSetRandomAddress(Command[Returned]):
    """Set the random address of an advertising set (7.8.52)."""

    OPCODE: ClassVar[int] = 0x2035
    advertising_handle: int = u8()
    random_address: bytes = device_address()


@dataclass(frozen=True, slots=True)
class SelectedTxPower(Returned):
    """What the controller made of the wanted power."""

    selected_tx_power_dbm: int = i8()


@dataclass(frozen=True, slots=True)
class LeSetExtendedAdvertisingParameters(Command[SelectedTxPower]):
    """How an advertising set advertises (7.8.53)."""

    OPCODE: ClassVar[int] = 0x2036
    RETURNS: ClassVar[type[Returned]] = SelectedTxPower
    advertising_handle: int = u8()
    advertising_event_properties: int = u16()
    primary_advertising_interval_min: int = u24()
    primary_advertising_interval_max: int = u24()
    primary_advertising_channel_map: int = u8()
    own_address_type: int = u8()
    peer_address_type: int = u8()
    peer_address: bytes = device_address()
    advertising_filter_policy: int = u8()
    advertising_tx_power_dbm: int = i8()
    primary_advertising_phy: int = u8()
    secondary_advertising_max_skip: int = u8()
    secondary_advertising_phy: int = u8()
    advertising_sid: int = u8()
    scan_request_notification_enable: int = u8()


@dataclass(frozen=True, slots=True)
class LeSetExtendedAdvertisingData(Command[Returned]):
    """What an advertising set advertises (7.8.54)."""

    OPCODE: ClassVar[int] = 0x2037
    advertising_handle: int = u8()
    operation: int = u8()
    fragment_preference: int = u8()
    advertising_data: bytes = counted()


@dataclass(frozen=True, slots=True)
class LeSetExtendedScanResponseData(Command[Returned]):
    """What an advertising set tells those who ask (7.8.55)."""

    OPCODE: ClassVar[int] = 0x2038
    advertising_handle: int = u8()
    operation: int = u8()
    fragment_preference: int = u8()
    scan_response_data: bytes = counted()


@dataclass(frozen=True, slots=True)
class LeSetExtendedAdvertisingEnable(Command[Returned]):
    """Begin or end advertising of one set (7.8.56)."""

    OPCODE: ClassVar[int] = 0x2039
    enable: int = u8()
    num_sets: int = u8()
    advertising_handle: int = u8()
    duration: int = u16()
    max_extended_advertising_events: int = u8()


@dataclass(frozen=True, slots=True)
class LeSetExtendedScanParameters(Command[Returned]):
    """How to scan, on the 1M PHY alone (7.8.64)."""

    OPCODE: ClassVar[int] = 0x2041
    own_address_type: int = u8()
    scanning_filter_policy: int = u8()
    scanning_phys: int = u8()
    scan_type: int = u8()
    scan_interval: int = u16()
    scan_window: int = u16()


@dataclass(frozen=True, slots=True)
class LeSetExtendedScanEnable(Command[Returned]):
    """Begin or end scanning (7.8.65)."""

    OPCODE: ClassVar[int] = 0x2042
    enable: int = u8()
    filter_duplicates: int = u8()
    duration: int = u16()
    period: int = u16()


@dataclass(frozen=True, slots=True)
class LeExtendedCreateConnection(Command[Returned]):
    """Connect, on the 1M PHY alone (7.8.66)."""

    OPCODE: ClassVar[int] = 0x2043
    initiator_filter_policy: int = u8()
    own_address_type: int = u8()
    peer_address_type: int = u8()
    peer_address: bytes = device_address()
    initiating_phys: int = u8()
    scan_interval: int = u16()
    scan_window: int = u16()
    connection_interval_min: int = u16()
    connection_interval_max: int = u16()
    max_latency: int = u16()
    supervision_timeout: int = u16()
    min_ce_length: int = u16()
    max_ce_length: int = u16()
