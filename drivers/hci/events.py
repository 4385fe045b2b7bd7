"""The events that Ferry understands (Core specification, volume 4, part E, 7.7). Others are ignored."""

from dataclasses import dataclass
from typing import ClassVar, Final

from drivers.hci.packet import Event, Indicator
from drivers.hci.wire import Packet, PacketError, build, counted, device_address, i8, parse, repeated, rest, u8, u16

LE_META: Final = 0x3E


@dataclass(frozen=True, slots=True)
class DisconnectionComplete(Event):
    """A connection is over (7.7.5)."""

    CODE: ClassVar[int] = 0x05
    status: int = u8()
    connection_handle: int = u16()
    reason: int = u8()


@dataclass(frozen=True, slots=True)
class CommandComplete(Event):
    """The answer to a command (7.7.14). Opcode 0: none, only the count is meant."""

    CODE: ClassVar[int] = 0x0E
    num_hci_command_packets: int = u8()
    command_opcode: int = u16()
    return_parameters: bytes = rest()


@dataclass(frozen=True, slots=True)
class CommandStatus(Event):
    """A command has begun, or failed (7.7.15)."""

    CODE: ClassVar[int] = 0x0F
    status: int = u8()
    num_hci_command_packets: int = u8()
    command_opcode: int = u16()


@dataclass(frozen=True, slots=True)
class HardwareError(Event):
    """The controller is broken (7.7.16)."""

    CODE: ClassVar[int] = 0x10
    hardware_code: int = u8()


@dataclass(frozen=True, slots=True)
class CompletedPackets(Packet):
    """How many ACL packets of one connection have left the controller's buffers."""

    connection_handle: int = u16()
    num_completed_packets: int = u16()


@dataclass(frozen=True, slots=True)
class NumberOfCompletedPackets(Event):
    """Buffers are free again (7.7.19)."""

    CODE: ClassVar[int] = 0x13
    handles: tuple[CompletedPackets, ...] = repeated(CompletedPackets)


@dataclass(frozen=True, slots=True)
class LeConnectionComplete(Event):
    """A connection is there, or could not be made (7.7.65.1). Role 0 is central, 1 peripheral."""

    CODE: ClassVar[int] = LE_META
    SUBEVENT: ClassVar[int | None] = 0x01
    status: int = u8()
    connection_handle: int = u16()
    role: int = u8()
    peer_address_type: int = u8()
    peer_address: bytes = device_address()
    connection_interval: int = u16()
    peripheral_latency: int = u16()
    supervision_timeout: int = u16()
    central_clock_accuracy: int = u8()


@dataclass(frozen=True, slots=True)
class Report(Packet):
    """One advertisement heard: 0 ADV_IND, 1 directed, 2 scannable, 3 not connectable, 4 scan response."""

    event_type: int = u8()
    address_type: int = u8()
    address: bytes = device_address()
    data: bytes = counted()
    rssi_dbm: int = i8()


@dataclass(frozen=True, slots=True)
class LeAdvertisingReport(Event):
    """Advertisements heard by a legacy scan (7.7.65.2)."""

    CODE: ClassVar[int] = LE_META
    SUBEVENT: ClassVar[int | None] = 0x02
    reports: tuple[Report, ...] = repeated(Report)


@dataclass(frozen=True, slots=True)
class ExtendedReport(Packet):
    """One advertisement heard. Of `event_type` bit 0 is connectable, bit 3 scan response, bit 4 legacy PDU."""

    event_type: int = u16()
    address_type: int = u8()
    address: bytes = device_address()
    primary_phy: int = u8()
    secondary_phy: int = u8()
    advertising_sid: int = u8()
    tx_power_dbm: int = i8()
    rssi_dbm: int = i8()
    periodic_advertising_interval: int = u16()
    direct_address_type: int = u8()
    direct_address: bytes = device_address()
    data: bytes = counted()


@dataclass(frozen=True, slots=True)
class LeExtendedAdvertisingReport(Event):
    """Advertisements heard by an extended scan (7.7.65.13)."""

    CODE: ClassVar[int] = LE_META
    SUBEVENT: ClassVar[int | None] = 0x0D
    reports: tuple[ExtendedReport, ...] = repeated(ExtendedReport)


EVENTS: Final[tuple[type[Event], ...]] = (
    DisconnectionComplete,
    CommandComplete,
    CommandStatus,
    HardwareError,
    NumberOfCompletedPackets,
    LeConnectionComplete,
    LeAdvertisingReport,
    LeExtendedAdvertisingReport,
)
_BY_CODE: Final = {(kind.CODE, kind.SUBEVENT): kind for kind in EVENTS}


def parse_event(data: bytes) -> Event | None:
    """Parse an event as it comes from the transport, its indicator first; `None` for one that we do not know.

    Raises `PacketError`.
    """
    if len(data) < 3 or data[0] != Indicator.EVENT or len(data) != 3 + data[2]:
        raise PacketError("An HCI event does not have the length that it says.")
    code, parameters = data[1], data[3:]
    subevent = None
    if code == LE_META:
        subevent, parameters = parameters[0] if parameters else None, parameters[1:]
    kind = _BY_CODE.get((code, subevent))
    return parse(kind, parameters) if kind else None


def build_event(event: Event) -> bytes:
    """Build an event as a controller sends it."""
    parameters = build(event) if event.SUBEVENT is None else bytes((event.SUBEVENT,)) + build(event)
    return bytes((Indicator.EVENT, event.CODE, len(parameters))) + parameters
