"""What a GATT client does, as procedures without I/O (Core specification, volume 3, part G, 4).

A procedure is a generator: it yields a request and is sent the response; an error response is thrown into it as
`AttError`. Who runs it owns the connection, the waiting and the time limit.
"""

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from board.errors import RemoteProtocolError
from stack.ble.att import (
    DEFAULT_MTU,
    MAX_MTU,
    MAX_VALUE_BYTES,
    AttError,
    ErrorCode,
    ExchangeMtuRequest,
    ExchangeMtuResponse,
    ExecuteWriteRequest,
    ExecuteWriteResponse,
    FindByTypeValueRequest,
    FindByTypeValueResponse,
    Pdu,
    PrepareWriteRequest,
    PrepareWriteResponse,
    ReadBlobRequest,
    ReadBlobResponse,
    ReadByTypeRequest,
    ReadByTypeResponse,
    ReadRequest,
    ReadResponse,
    WriteRequest,
    WriteResponse,
)
from stack.ble.gatt import Property
from stack.ble.uuids import CHARACTERISTIC, PRIMARY_SERVICE, octets_of, uuid_of

LAST_HANDLE: Final = 0xFFFF
_FORGET, _WRITE = 0, 1
_MAX_FOUND = 64  # phones have one or two services of the alliance, with two characteristics each

ResultT = TypeVar("ResultT")
PduT = TypeVar("PduT", bound=Pdu)
Procedure = Generator[Pdu, Pdu, ResultT]


class GattError(RemoteProtocolError):
    """The peer's GATT server answers what its protocol does not allow."""


@dataclass(frozen=True, slots=True)
class FoundService:
    """Where a service is."""

    first_handle: int
    last_handle: int


@dataclass(frozen=True, slots=True)
class FoundCharacteristic:
    """Where a characteristic's value is, and what may be done with it."""

    uuid: str
    properties: Property
    value_handle: int


def exchange_mtu() -> Procedure[int]:
    """Agree on the MTU (4.3.1). A server that cannot leaves it at 23."""
    try:
        response = _expect(ExchangeMtuResponse, (yield ExchangeMtuRequest(MAX_MTU)))
    except AttError:
        return DEFAULT_MTU
    return max(DEFAULT_MTU, min(response.server_rx_mtu, MAX_MTU))


def find_services(uuid: str) -> Procedure[list[FoundService]]:
    """Find the services with a UUID; a phone may have several (4.4.2)."""
    found: list[FoundService] = []
    start = 1
    while start <= LAST_HANDLE:
        try:
            response = yield FindByTypeValueRequest(start, LAST_HANDLE, PRIMARY_SERVICE, octets_of(uuid))
        except AttError as error:
            return _unless_not_found(error, found)
        data = _expect(FindByTypeValueResponse, response).handles_information
        found.extend(
            FoundService(_number(each), _number(each[2:])) for each in _equal_parts(data, 4) if _number(each) >= start
        )
        start = _beyond(start, found[-1].last_handle if found else 0, len(found))
    return found


def find_characteristics(service: FoundService) -> Procedure[list[FoundCharacteristic]]:
    """Find the characteristics of a service (4.6.1)."""
    found: list[FoundCharacteristic] = []
    start = service.first_handle
    while start <= service.last_handle:
        try:
            response = yield ReadByTypeRequest(start, service.last_handle, _octets(CHARACTERISTIC))
        except AttError as error:
            return _unless_not_found(error, found)
        listed = _expect(ReadByTypeResponse, response)
        if listed.length not in (7, 21):
            raise GattError("The peer lists characteristics of an impossible size.")
        entries = _equal_parts(listed.attribute_data, listed.length)
        found.extend(FoundCharacteristic(uuid_of(e[5:]), Property(e[2]), _number(e[3:])) for e in entries)
        start = _beyond(start, _number(entries[-1]), len(found))
    return found


def read_long(handle: int, mtu: int) -> Procedure[bytes]:
    """Read a value whole, in parts where it is longer than one PDU carries (4.8.1, 4.8.3)."""
    value = _expect(ReadResponse, (yield ReadRequest(handle))).value
    part = value
    while len(part) == mtu - 1 and len(value) < MAX_VALUE_BYTES:
        try:
            part = _expect(ReadBlobResponse, (yield ReadBlobRequest(handle, len(value)))).value
        except AttError:  # some servers say so when exactly nothing is left
            break
        value += part
    return value[:MAX_VALUE_BYTES]


def write_long(handle: int, value: bytes, mtu: int) -> Procedure[None]:
    """Write a value with response, in parts where it is longer than one PDU carries (4.9.3, 4.9.4)."""
    if len(value) <= mtu - 3:
        _expect(WriteResponse, (yield WriteRequest(handle, value)))
        return
    for offset in range(0, len(value), mtu - 5):
        part = PrepareWriteRequest(handle, offset, value[offset : offset + mtu - 5])
        try:
            queued = _expect(PrepareWriteResponse, (yield part))
        except AttError:
            yield from _forget_parts()
            raise
        if (queued.handle, queued.offset, queued.value) != (part.handle, part.offset, part.value):
            yield from _forget_parts()
            raise GattError("The peer's server repeats a part of a long write wrongly.")
    _expect(ExecuteWriteResponse, (yield ExecuteWriteRequest(_WRITE)))


def _forget_parts() -> Procedure[None]:
    """Empty the server's queue, whatever it says to that: what is left would become part of the next long write."""
    with suppress(AttError):
        yield ExecuteWriteRequest(_FORGET)


def _expect(kind: type[PduT], response: Pdu) -> PduT:
    if not isinstance(response, kind):
        raise GattError(f"The peer's server answers with {type(response).__name__} where {kind.__name__} is due.")
    return response


def _unless_not_found(error: AttError, found: list[ResultT]) -> list[ResultT]:
    """ "Not found" is how a server says that a list is complete."""
    if error.code != ErrorCode.ATTRIBUTE_NOT_FOUND:
        raise error
    return found


def _beyond(start: int, last: int, found: int) -> int:
    if last < start:
        raise GattError("The peer's server lists the same attributes again and again.")
    if found > _MAX_FOUND:
        raise GattError("The peer's server lists attributes without end.")
    return last + 1


def _equal_parts(data: bytes, size: int) -> list[bytes]:
    if not data or len(data) % size:
        raise GattError("The peer's server sends a list that does not come out even.")
    return [data[start : start + size] for start in range(0, len(data), size)]


def _number(octets: bytes) -> int:
    return int.from_bytes(octets[:2], "little")


def _octets(uuid16: int) -> bytes:
    return uuid16.to_bytes(2, "little")
