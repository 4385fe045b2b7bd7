"""A table like the station's, and one more service whose UUIDs have 16 bytes.

Handles: 1-5 Generic Access (name 3, appearance 5), 6 Generic Attribute, 7-11 the alliance's (status 9, p2p 11),
12-16 the foreign one (readable 14, broken 16).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from stack.alliance.device_info import SERVICE_UUID, STATUS_UUID
from stack.alliance.link_info import P2P_UUID
from stack.ble.att import AttError, ErrorCode, Pdu, build_pdu, parse_pdu
from stack.ble.att_server import AttServer
from stack.ble.gatt import Attribute, Characteristic, Property, Service, attribute_table, generic_services

NAME, APPEARANCE, STATUS, P2P, FOREIGN, BROKEN = 3, 5, 9, 11, 14, 16
LAST = 16
FOREIGN_SERVICE = "00003331-0000-1000-8000-008123456789"
FOREIGN_UUID = "00003332-0000-1000-8000-008123456789"
BROKEN_UUID = "00003333-0000-1000-8000-008123456789"


@dataclass(slots=True)
class Values:
    """What is behind the table."""

    status: bytes = b'{"state":0}'
    foreign: bytes = b"foreign"
    written: list[tuple[int, bytes]] = field(default_factory=list)

    def services(self) -> Sequence[Service]:
        both = Property.READ | Property.WRITE
        alliance = (
            Characteristic(STATUS_UUID, both, read=lambda: self.status),
            Characteristic(P2P_UUID, both, write=lambda value: self.written.append((P2P, value))),
        )
        foreign = (
            Characteristic(
                FOREIGN_UUID,
                both,
                read=lambda: self.foreign,
                write=lambda value: self.written.append((FOREIGN, value)),
            ),
            Characteristic(BROKEN_UUID, both, read=_refuse_read, write=_refuse),
        )
        return *generic_services("NAS"), Service(SERVICE_UUID, alliance), Service(FOREIGN_SERVICE, foreign)

    def table(self) -> tuple[Attribute, ...]:
        return attribute_table(self.services())


def _refuse(value: bytes) -> None:
    raise AttError(ErrorCode.VALUE_NOT_ALLOWED)


def _refuse_read() -> bytes:
    raise AttError(ErrorCode.UNLIKELY_ERROR)


def served(values: Values, mtu: int = 23) -> AttServer:
    """Return a server for `values` that has agreed on `mtu`."""
    server = AttServer(values.table())
    server.mtu = mtu
    return server


def asked(server: AttServer, request: Pdu) -> Pdu:
    """Ask and return the answer, which must fit the MTU."""
    answer = server.receive(build_pdu(request))
    assert answer is not None
    assert len(answer) <= server.mtu
    return parse_pdu(answer)
