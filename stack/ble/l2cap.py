"""L2CAP on LE links: the basic header and the signalling channel (Core specification, volume 3, part A).

There are fixed channels only. A signalling packet that we do not serve is rejected, as clause 4.1 wants it.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from drivers.hci.wire import Packet, PacketError, build, parse, rest, u8, u16

MAX_SIGNALLING_BYTES: Final = 23  # the LE signalling MTU (4)


class Channel(IntEnum):
    """The fixed channels of an LE link (2.1)."""

    ATT = 0x0004
    SIGNALLING = 0x0005
    SECURITY_MANAGER = 0x0006


def split_pdu(pdu: bytes) -> tuple[int, bytes]:
    """Return a PDU's channel and payload. Raises `PacketError`."""
    if len(pdu) < 4 or len(pdu) != 4 + int.from_bytes(pdu[:2], "little"):
        raise PacketError("An L2CAP PDU does not have the length that it says.")
    return int.from_bytes(pdu[2:4], "little"), pdu[4:]


def build_pdu(channel: int, payload: bytes) -> bytes:
    """Build a PDU with its basic header (3.1)."""
    return len(payload).to_bytes(2, "little") + channel.to_bytes(2, "little") + payload


@dataclass(frozen=True, slots=True)
class Signal(Packet):
    """The header of a signalling packet (4)."""

    code: int = u8()
    identifier: int = u8()
    length: int = u16()
    data: bytes = rest()


@dataclass(frozen=True, slots=True)
class CommandReject(Packet):
    """Reason 0: not understood, 1: too long, then with the MTU (4.1)."""

    CODE: ClassVar[int] = 0x01
    reason: int = u16()
    reason_data: bytes = rest()


@dataclass(frozen=True, slots=True)
class ConnectionParameterUpdateRequest(Packet):
    """A peripheral wants other parameters; intervals in 1.25 ms, the timeout in 10 ms (4.20)."""

    CODE: ClassVar[int] = 0x12
    interval_min: int = u16()
    interval_max: int = u16()
    latency: int = u16()
    timeout: int = u16()

    @property
    def is_allowed(self) -> bool:
        """Whether the values are those of a connection that can live (4.20)."""
        longest_silence_ms = (1 + self.latency) * self.interval_max * 5 // 2
        return (
            6 <= self.interval_min <= self.interval_max <= 3200
            and self.latency <= 499
            and 10 <= self.timeout <= 3200
            and self.timeout * 10 > longest_silence_ms
        )


@dataclass(frozen=True, slots=True)
class ConnectionParameterUpdateResponse(Packet):
    """Result 0: accepted, 1: rejected (4.21)."""

    CODE: ClassVar[int] = 0x13
    result: int = u16()


_RESPONSES = frozenset({CommandReject.CODE, ConnectionParameterUpdateResponse.CODE, 0x15, 0x18, 0x1A})
_NOT_UNDERSTOOD, _MTU_EXCEEDED = 0, 1
_PAIRING_REQUEST, _PAIRING_FAILED, _PAIRING_NOT_SUPPORTED = 0x01, 0x05, 0x05


def answer_signal(payload: bytes, *, is_central: bool) -> tuple[bytes | None, ConnectionParameterUpdateRequest | None]:
    """Answer what came on the signalling channel: the payload to send back, and the parameters to set, if any."""
    try:
        signal = parse(Signal, payload)
    except PacketError:
        return None, None  # not even an identifier to answer to
    if signal.code in _RESPONSES or not signal.identifier:
        return None, None
    if len(payload) > MAX_SIGNALLING_BYTES:
        return _reject(signal, _MTU_EXCEEDED, MAX_SIGNALLING_BYTES.to_bytes(2, "little")), None
    if signal.code != ConnectionParameterUpdateRequest.CODE or not is_central:
        return _reject(signal, _NOT_UNDERSTOOD), None
    return _answer_update(signal)


def answer_pairing(payload: bytes) -> bytes | None:
    """Refuse to pair, so that a phone which tries does not wait for us (part H, 3.5.5). Nothing here needs it."""
    return bytes((_PAIRING_FAILED, _PAIRING_NOT_SUPPORTED)) if payload[:1] == bytes((_PAIRING_REQUEST,)) else None


def _answer_update(signal: Signal) -> tuple[bytes, ConnectionParameterUpdateRequest | None]:
    try:
        wanted = parse(ConnectionParameterUpdateRequest, signal.data[: signal.length], exact=True)
    except PacketError:
        return _reject(signal, _NOT_UNDERSTOOD), None
    response = ConnectionParameterUpdateResponse(0 if wanted.is_allowed else 1)
    return _signal(response.CODE, signal.identifier, build(response)), wanted if wanted.is_allowed else None


def _reject(signal: Signal, reason: int, data: bytes = b"") -> bytes:
    return _signal(CommandReject.CODE, signal.identifier, build(CommandReject(reason, data)))


def _signal(code: int, identifier: int, data: bytes) -> bytes:
    return build(Signal(code, identifier, len(data), data))
