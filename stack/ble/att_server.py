"""The server's end of ATT on one connection: a request in, its answer out (Core specification, volume 3, part F).

The law: every request is answered at once by exactly one PDU, a command by none, and nothing that a peer sends raises.
A value that is read in parts stays what it was at offset 0. Prepared writes are held up to fixed bounds and written
all or none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from drivers.hci.wire import PacketError
from stack.ble.att import (
    DEFAULT_MTU,
    MAX_MTU,
    MAX_VALUE_BYTES,
    AttError,
    ErrorCode,
    ErrorResponse,
    ExchangeMtuRequest,
    ExchangeMtuResponse,
    ExecuteWriteRequest,
    ExecuteWriteResponse,
    FindByTypeValueRequest,
    FindByTypeValueResponse,
    FindInformationRequest,
    FindInformationResponse,
    Pdu,
    PrepareWriteRequest,
    PrepareWriteResponse,
    ReadBlobRequest,
    ReadBlobResponse,
    ReadByGroupTypeRequest,
    ReadByGroupTypeResponse,
    ReadByTypeRequest,
    ReadByTypeResponse,
    ReadRequest,
    ReadResponse,
    WriteCommand,
    WriteRequest,
    WriteResponse,
    build_pdu,
    parse_pdu,
    wants_answer,
)
from stack.ble.gatt import Attribute
from stack.ble.uuids import PRIMARY_SERVICE, short_uuid, uuid_of

# A value of 512 bytes in parts of 18, as they fit the smallest MTU, takes 29 of them.
MAX_PREPARED: Final = 32
MAX_PREPARED_BYTES: Final = 2048

_MAX_LISTED_VALUE_BYTES = 253  # a length field of one byte counts the value and up to two handles
_PRIMARY_SERVICE_UUID = short_uuid(PRIMARY_SERVICE)
_FORGET, _WRITE = 0, 1


@dataclass(frozen=True, slots=True)
class _Part:
    """A prepared write."""

    attribute: Attribute
    offset: int
    value: bytes


class AttServer:
    """One connection's server over an attribute table."""

    def __init__(self, table: Sequence[Attribute]) -> None:
        """Serve `table`, whose handles are 1, 2, 3, ..."""
        self.mtu = DEFAULT_MTU
        self._table = table
        self._being_read: tuple[int, bytes] | None = None
        self._prepared: list[_Part] = []

    def receive(self, data: bytes) -> bytes | None:
        """Serve one PDU of the client; return the PDU to send, if any."""
        try:
            answer = self._serve(parse_pdu(data))
        except PacketError:
            known = bool(data) and data[0] in _KNOWN_OPCODES
            code = ErrorCode.INVALID_PDU if known else ErrorCode.REQUEST_NOT_SUPPORTED
            answer = ErrorResponse(data[0] if data else 0, 0, code)
        except AttError as error:
            answer = ErrorResponse(data[0], error.handle, error.code)
        return build_pdu(answer) if answer and wants_answer(data) else None

    def _serve(self, request: Pdu) -> Pdu | None:
        serve = _SERVED.get(type(request))
        if serve is None:
            raise AttError(ErrorCode.REQUEST_NOT_SUPPORTED)
        return serve(self, request)

    def _exchange_mtu(self, request: ExchangeMtuRequest) -> Pdu:
        self.mtu = max(DEFAULT_MTU, min(request.client_rx_mtu, MAX_MTU))
        return ExchangeMtuResponse(MAX_MTU)

    def _find_information(self, request: FindInformationRequest) -> Pdu:
        found = list(self._in_range(request.starting_handle, request.ending_handle))
        if not found:
            raise AttError(ErrorCode.ATTRIBUTE_NOT_FOUND, request.starting_handle)
        size = len(found[0].type)
        entries = [_handle(each.handle) + each.type for each in _leading(found, lambda row: len(row.type) == size)]
        return FindInformationResponse(1 if size == 2 else 2, self._fitting(entries, 2))

    def _find_by_type_value(self, request: FindByTypeValueRequest) -> Pdu:
        wanted = short_uuid(request.attribute_type)
        if wanted != _PRIMARY_SERVICE_UUID:
            raise AttError(ErrorCode.ATTRIBUTE_NOT_FOUND, request.starting_handle)
        entries = [
            _handle(each.handle) + _handle(each.group_end)
            for each in self._of_type(wanted, request.starting_handle, request.ending_handle)
            if _same_uuid(self._value(each), request.attribute_value)
        ]
        if not entries:
            raise AttError(ErrorCode.ATTRIBUTE_NOT_FOUND, request.starting_handle)
        return FindByTypeValueResponse(self._fitting(entries, 1))

    def _read_by_type(self, request: ReadByTypeRequest) -> Pdu:
        rows = self._of_type(_uuid(request.attribute_type), request.starting_handle, request.ending_handle)
        room = min(self.mtu - 4, _MAX_LISTED_VALUE_BYTES)
        length, data = self._list([(_handle(each.handle), each) for each in rows], room, request.starting_handle)
        return ReadByTypeResponse(length, data)

    def _read_by_group_type(self, request: ReadByGroupTypeRequest) -> Pdu:
        wanted = _uuid(request.group_type)
        if wanted != _PRIMARY_SERVICE_UUID:
            raise AttError(ErrorCode.UNSUPPORTED_GROUP_TYPE, request.starting_handle)
        rows = self._of_type(wanted, request.starting_handle, request.ending_handle)
        heads = [(_handle(each.handle) + _handle(each.group_end), each) for each in rows]
        return ReadByGroupTypeResponse(*self._list(heads, self.mtu - 6, request.starting_handle))

    def _list(self, rows: Sequence[tuple[bytes, Attribute]], room: int, start: int) -> tuple[int, bytes]:
        """Build the list of both kinds of Read By: entries of the length of the first one, as many as fit."""
        entries: list[bytes] = []
        for head, row in rows:
            try:
                entry = head + self._value(row)[:room]
            except AttError:
                if not entries:
                    raise
                break
            if entries and len(entry) != len(entries[0]):
                break
            entries.append(entry)
        if not entries:
            raise AttError(ErrorCode.ATTRIBUTE_NOT_FOUND, start)
        return len(entries[0]), self._fitting(entries, 2)

    def _read(self, request: ReadRequest) -> Pdu:
        value = self._value(self._at(request.handle))
        self._being_read = request.handle, value
        return ReadResponse(value[: self.mtu - 1])

    def _read_blob(self, request: ReadBlobRequest) -> Pdu:
        attribute = self._at(request.handle)
        if self._being_read is None or self._being_read[0] != request.handle or not request.offset:
            self._being_read = request.handle, self._value(attribute)
        value = self._being_read[1]
        if request.offset > len(value):
            raise AttError(ErrorCode.INVALID_OFFSET, request.handle)
        return ReadBlobResponse(value[request.offset : request.offset + self.mtu - 1])

    def _write(self, request: WriteRequest) -> Pdu:
        self._store(self._writable(request.handle), request.value)
        return WriteResponse()

    def _write_silently(self, request: WriteCommand) -> None:
        self._store(self._writable(request.handle), request.value)

    def _prepare_write(self, request: PrepareWriteRequest) -> Pdu:
        part = _Part(self._writable(request.handle), request.offset, request.value)
        if len(part.value) > self.mtu - 5:  # longer than the PDU that repeats it
            raise AttError(ErrorCode.INVALID_PDU, request.handle)
        held = sum(len(each.value) for each in self._prepared)
        if len(self._prepared) >= MAX_PREPARED or held + len(part.value) > MAX_PREPARED_BYTES:
            raise AttError(ErrorCode.PREPARE_QUEUE_FULL, request.handle)
        self._prepared.append(part)
        return PrepareWriteResponse(request.handle, request.offset, request.value)

    def _execute_write(self, request: ExecuteWriteRequest) -> Pdu:
        if request.flags not in (_FORGET, _WRITE):
            raise AttError(ErrorCode.INVALID_PDU)
        parts, self._prepared = self._prepared, []
        if request.flags == _WRITE:
            for attribute, value in _joined(parts):
                self._store(attribute, value)
        return ExecuteWriteResponse()

    def _at(self, handle: int) -> Attribute:
        if not 1 <= handle <= len(self._table):
            raise AttError(ErrorCode.INVALID_HANDLE, handle)
        return self._table[handle - 1]

    def _writable(self, handle: int) -> Attribute:
        attribute = self._at(handle)
        if attribute.write is None:
            raise AttError(ErrorCode.WRITE_NOT_PERMITTED, handle)
        return attribute

    def _in_range(self, first: int, last: int) -> Iterator[Attribute]:
        if not 1 <= first <= last:
            raise AttError(ErrorCode.INVALID_HANDLE, first)
        return iter(self._table[first - 1 : last])

    def _of_type(self, uuid: str, first: int, last: int) -> list[Attribute]:
        return [each for each in self._in_range(first, last) if uuid_of(each.type) == uuid]

    def _value(self, attribute: Attribute) -> bytes:
        if attribute.read is None:
            raise AttError(ErrorCode.READ_NOT_PERMITTED, attribute.handle)
        try:
            return attribute.read()[:MAX_VALUE_BYTES]
        except AttError as error:
            raise AttError(error.code, attribute.handle) from None

    def _store(self, attribute: Attribute, value: bytes) -> None:
        if len(value) > MAX_VALUE_BYTES:
            raise AttError(ErrorCode.INVALID_ATTRIBUTE_VALUE_LENGTH, attribute.handle)
        assert attribute.write is not None, "only writable attributes come here"
        self._being_read = None  # what was read may have changed
        try:
            attribute.write(value)
        except AttError as error:
            raise AttError(error.code, attribute.handle) from None

    def _fitting(self, entries: Sequence[bytes], header_bytes: int) -> bytes:
        """Join as many of the equally long `entries` as one PDU carries."""
        return b"".join(entries[: max(1, (self.mtu - header_bytes) // len(entries[0]))])


def _joined(parts: Sequence[_Part]) -> list[tuple[Attribute, bytes]]:
    """Put the parts of each attribute together by offset. Raises `AttError` for a gap or a value that is too long."""
    values: dict[int, tuple[Attribute, bytearray]] = {}
    for part in parts:
        attribute, value = values.setdefault(part.attribute.handle, (part.attribute, bytearray()))
        if part.offset > len(value):
            raise AttError(ErrorCode.INVALID_OFFSET, attribute.handle)
        value[part.offset : part.offset + len(part.value)] = part.value
        if len(value) > MAX_VALUE_BYTES:
            raise AttError(ErrorCode.INVALID_ATTRIBUTE_VALUE_LENGTH, attribute.handle)
    return [(attribute, bytes(value)) for attribute, value in values.values()]


def _leading(rows: Sequence[Attribute], belongs: Callable[[Attribute], bool]) -> Sequence[Attribute]:
    return rows[: next((number for number, each in enumerate(rows) if not belongs(each)), len(rows))]


def _handle(value: int) -> bytes:
    return value.to_bytes(2, "little")


def _uuid(octets: bytes) -> str:
    if len(octets) not in (2, 16):
        raise PacketError("A UUID in ATT has 2 or 16 bytes.")
    return uuid_of(octets)


def _same_uuid(one: bytes, other: bytes) -> bool:
    return len(other) in (2, 16) and uuid_of(one) == uuid_of(other)


# The value takes any kind of request, but each function gets only its own.
_SERVED: Final[Mapping[type[Pdu], Callable[[AttServer, Any], Pdu | None]]] = {
    ExchangeMtuRequest: AttServer._exchange_mtu,
    FindInformationRequest: AttServer._find_information,
    FindByTypeValueRequest: AttServer._find_by_type_value,
    ReadByTypeRequest: AttServer._read_by_type,
    ReadByGroupTypeRequest: AttServer._read_by_group_type,
    ReadRequest: AttServer._read,
    ReadBlobRequest: AttServer._read_blob,
    WriteRequest: AttServer._write,
    WriteCommand: AttServer._write_silently,
    PrepareWriteRequest: AttServer._prepare_write,
    ExecuteWriteRequest: AttServer._execute_write,
}
_KNOWN_OPCODES: Final = frozenset(kind.OPCODE for kind in _SERVED)
