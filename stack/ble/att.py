"""Attribute protocol PDUs (Core specification, volume 3, part F): bytes only."""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from board.errors import RemoteProtocolError
from drivers.hci.wire import Packet, PacketError, build, parse, rest, u8, u16

DEFAULT_MTU: Final = 23
MAX_MTU: Final = 517  # what carries an attribute of 512 bytes in one PDU
MAX_VALUE_BYTES: Final = 512  # 3.2.9

_COMMAND_FLAG = 0x40


class ErrorCode(IntEnum):
    """Why a request was not served (3.4.1.1)."""

    INVALID_HANDLE = 0x01
    READ_NOT_PERMITTED = 0x02
    WRITE_NOT_PERMITTED = 0x03
    INVALID_PDU = 0x04
    REQUEST_NOT_SUPPORTED = 0x06
    INVALID_OFFSET = 0x07
    PREPARE_QUEUE_FULL = 0x09
    ATTRIBUTE_NOT_FOUND = 0x0A
    INVALID_ATTRIBUTE_VALUE_LENGTH = 0x0D
    UNLIKELY_ERROR = 0x0E
    UNSUPPORTED_GROUP_TYPE = 0x10
    VALUE_NOT_ALLOWED = 0x13


class AttError(RemoteProtocolError):
    """A request was answered by an error: the peer's to us, or ours to the peer."""

    def __init__(self, code: int, handle: int = 0) -> None:
        known = ErrorCode(code).name.replace("_", " ").lower() if code in set(ErrorCode) else f"error 0x{code:02x}"
        super().__init__(f"The request for attribute {handle} was answered by: {known}")
        self.code = code
        self.handle = handle


class Pdu(Packet):
    """A PDU; its first byte is `OPCODE`."""

    __slots__ = ()
    OPCODE: ClassVar[int]


@dataclass(frozen=True, slots=True)
class ErrorResponse(Pdu):
    """A request was not served (3.4.1.1)."""

    OPCODE: ClassVar[int] = 0x01
    request_opcode: int = u8()
    handle: int = u16()
    error_code: int = u8()


@dataclass(frozen=True, slots=True)
class ExchangeMtuRequest(Pdu):
    """How much the client can take (3.4.2.1)."""

    OPCODE: ClassVar[int] = 0x02
    client_rx_mtu: int = u16()


@dataclass(frozen=True, slots=True)
class ExchangeMtuResponse(Pdu):
    """How much the server can take (3.4.2.2)."""

    OPCODE: ClassVar[int] = 0x03
    server_rx_mtu: int = u16()


@dataclass(frozen=True, slots=True)
class FindInformationRequest(Pdu):
    """Which handles have which types (3.4.3.1)."""

    OPCODE: ClassVar[int] = 0x04
    starting_handle: int = u16()
    ending_handle: int = u16()


@dataclass(frozen=True, slots=True)
class FindInformationResponse(Pdu):
    """Pairs of handle and UUID; format 1 has UUIDs of 2 bytes, 2 of 16 (3.4.3.2)."""

    OPCODE: ClassVar[int] = 0x05
    format: int = u8()
    information_data: bytes = rest()


@dataclass(frozen=True, slots=True)
class FindByTypeValueRequest(Pdu):
    """Which attributes have this type and value (3.4.3.3)."""

    OPCODE: ClassVar[int] = 0x06
    starting_handle: int = u16()
    ending_handle: int = u16()
    attribute_type: int = u16()
    attribute_value: bytes = rest()


@dataclass(frozen=True, slots=True)
class FindByTypeValueResponse(Pdu):
    """Pairs of found handle and group end handle (3.4.3.4)."""

    OPCODE: ClassVar[int] = 0x07
    handles_information: bytes = rest()


@dataclass(frozen=True, slots=True)
class ReadByTypeRequest(Pdu):
    """The values of attributes of one type, whose UUID has 2 or 16 bytes (3.4.4.1)."""

    OPCODE: ClassVar[int] = 0x08
    starting_handle: int = u16()
    ending_handle: int = u16()
    attribute_type: bytes = rest()


@dataclass(frozen=True, slots=True)
class ReadByTypeResponse(Pdu):
    """Handles and values, each pair of the same length (3.4.4.2)."""

    OPCODE: ClassVar[int] = 0x09
    length: int = u8()
    attribute_data: bytes = rest()


@dataclass(frozen=True, slots=True)
class ReadRequest(Pdu):
    """The beginning of a value (3.4.4.3)."""

    OPCODE: ClassVar[int] = 0x0A
    handle: int = u16()


@dataclass(frozen=True, slots=True)
class ReadResponse(Pdu):
    """The beginning of a value (3.4.4.4)."""

    OPCODE: ClassVar[int] = 0x0B
    value: bytes = rest()


@dataclass(frozen=True, slots=True)
class ReadBlobRequest(Pdu):
    """A value from an offset on (3.4.4.5)."""

    OPCODE: ClassVar[int] = 0x0C
    handle: int = u16()
    offset: int = u16()


@dataclass(frozen=True, slots=True)
class ReadBlobResponse(Pdu):
    """A value from an offset on (3.4.4.6)."""

    OPCODE: ClassVar[int] = 0x0D
    value: bytes = rest()


@dataclass(frozen=True, slots=True)
class ReadByGroupTypeRequest(Pdu):
    """The values of groups of one type: services (3.4.4.9)."""

    OPCODE: ClassVar[int] = 0x10
    starting_handle: int = u16()
    ending_handle: int = u16()
    group_type: bytes = rest()


@dataclass(frozen=True, slots=True)
class ReadByGroupTypeResponse(Pdu):
    """Handles, group end handles and values, each of the same length (3.4.4.10)."""

    OPCODE: ClassVar[int] = 0x11
    length: int = u8()
    attribute_data: bytes = rest()


@dataclass(frozen=True, slots=True)
class WriteRequest(Pdu):
    """Write, and say that it is done (3.4.5.1)."""

    OPCODE: ClassVar[int] = 0x12
    handle: int = u16()
    value: bytes = rest()


@dataclass(frozen=True, slots=True)
class WriteResponse(Pdu):
    """Done (3.4.5.2)."""

    OPCODE: ClassVar[int] = 0x13


@dataclass(frozen=True, slots=True)
class WriteCommand(Pdu):
    """Write without an answer (3.4.5.3)."""

    OPCODE: ClassVar[int] = 0x52
    handle: int = u16()
    value: bytes = rest()


@dataclass(frozen=True, slots=True)
class PrepareWriteRequest(Pdu):
    """Queue a part of a value (3.4.6.1)."""

    OPCODE: ClassVar[int] = 0x16
    handle: int = u16()
    offset: int = u16()
    value: bytes = rest()


@dataclass(frozen=True, slots=True)
class PrepareWriteResponse(Pdu):
    """What was queued (3.4.6.2)."""

    OPCODE: ClassVar[int] = 0x17
    handle: int = u16()
    offset: int = u16()
    value: bytes = rest()


@dataclass(frozen=True, slots=True)
class ExecuteWriteRequest(Pdu):
    """Write what is queued (1), or forget it (0) (3.4.6.3)."""

    OPCODE: ClassVar[int] = 0x18
    flags: int = u8()


@dataclass(frozen=True, slots=True)
class ExecuteWriteResponse(Pdu):
    """Done (3.4.6.4)."""

    OPCODE: ClassVar[int] = 0x19


REQUESTS: Final[tuple[type[Pdu], ...]] = (
    ExchangeMtuRequest,
    FindInformationRequest,
    FindByTypeValueRequest,
    ReadByTypeRequest,
    ReadRequest,
    ReadBlobRequest,
    ReadByGroupTypeRequest,
    WriteRequest,
    WriteCommand,
    PrepareWriteRequest,
    ExecuteWriteRequest,
)
RESPONSES: Final[tuple[type[Pdu], ...]] = (
    ErrorResponse,
    ExchangeMtuResponse,
    FindInformationResponse,
    FindByTypeValueResponse,
    ReadByTypeResponse,
    ReadResponse,
    ReadBlobResponse,
    ReadByGroupTypeResponse,
    WriteResponse,
    PrepareWriteResponse,
    ExecuteWriteResponse,
)
_BY_OPCODE: Final = {kind.OPCODE: kind for kind in REQUESTS + RESPONSES}
_RESPONSE_OPCODES: Final = frozenset(kind.OPCODE for kind in RESPONSES)
# Notifications and indications of a server: we never ask for them.
_UNASKED_OPCODES: Final = frozenset({0x1B, 0x1D, 0x23})


def build_pdu(pdu: Pdu) -> bytes:
    """Build a PDU, its opcode first."""
    return bytes((pdu.OPCODE,)) + build(pdu)


def parse_pdu(data: bytes) -> Pdu:
    """Parse a PDU. Raises `PacketError` for one that is malformed or of no known kind."""
    kind = _BY_OPCODE.get(data[0]) if data else None
    if kind is None:
        raise PacketError("An ATT PDU is of no kind that we know.")
    return parse(kind, data[1:], exact=True)


def is_response(data: bytes) -> bool:
    """Whether a PDU answers a request."""
    return bool(data) and data[0] in _RESPONSE_OPCODES


def is_for_client(data: bytes) -> bool:
    """Whether a PDU comes from a server: an answer, or a value that changed."""
    return is_response(data) or (bool(data) and data[0] in _UNASKED_OPCODES)


def wants_answer(data: bytes) -> bool:
    """Whether a PDU for the server is a request; commands and confirmations get no answer (3.3)."""
    return bool(data) and not data[0] & _COMMAND_FLAG and data[0] != 0x1E
