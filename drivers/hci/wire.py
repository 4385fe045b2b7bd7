"""Packets as data: the metadata of a dataclass field is its wire format, and one walker parses, builds and prints.

    @dataclass(frozen=True, slots=True)
    class NumberOfPackets(Packet):
        connection_handle: int = u16()
        num_packets: int = u16()

    parse(NumberOfPackets, b"\\x40\\x00\\x01\\x00") == NumberOfPackets(0x40, 1)

All numbers are little endian, as everywhere in Bluetooth. What a peer sent wrong raises `PacketError`; a value of our
own that does not fit its field raises `LocalProtocolError`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from board.errors import LocalProtocolError, RemoteProtocolError


class PacketError(RemoteProtocolError):
    """A packet is shorter or longer than its declaration allows, or of no known kind."""


class Packet:
    """A dataclass whose fields were declared with the functions of this module."""

    __slots__ = ()


PacketT = TypeVar("PacketT", bound=Packet)


class Reader:
    """Takes bytes from the front of a packet."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        """Start at the first byte."""
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Take exactly `count` bytes. Raises `PacketError`."""
        end = self._at + count
        if end > len(self._data):
            raise PacketError(f"A packet ends {end - len(self._data)} bytes too early.")
        taken, self._at = self._data[self._at : end], end
        return taken

    def rest(self) -> bytes:
        """Take all that is left."""
        return self.take(len(self._data) - self._at)

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at


@dataclass(frozen=True, slots=True)
class Format:
    """The wire format of one field."""

    parse: Callable[[Reader], Any]
    build: Callable[[Any], bytes]
    show: Callable[[Any], str]


def parse(kind: type[PacketT], data: bytes, *, exact: bool = False) -> PacketT:
    """Parse `data`. What follows the last field is ignored, or with `exact` an error. Raises `PacketError`."""
    reader = Reader(data)
    packet = _parse_fields(kind, reader)
    if exact and reader.left:
        raise PacketError(f"{reader.left} bytes follow the end of a {kind.__name__}.")
    return packet


def build(packet: Packet) -> bytes:
    """Build the bytes of `packet`. Raises `LocalProtocolError` for a value that its field cannot hold."""
    return b"".join(each.build(getattr(packet, name)) for name, each in formats(type(packet)))


def show(packet: Packet) -> str:
    """Print `packet` on one line, for a log or a transcript."""
    shown = (f"{name}={each.show(getattr(packet, name))}" for name, each in formats(type(packet)))
    return " ".join((type(packet).__name__, *shown))


def formats(kind: type[Packet]) -> tuple[tuple[str, Format], ...]:
    """Return the fields' names and formats, in wire order."""
    found = _FORMATS.get(kind)
    if found is None:
        declared = fields(kind)  # type: ignore[arg-type]
        found = _FORMATS[kind] = tuple((each.name, each.metadata["wire"]) for each in declared)
    return found


def number(octets: int, *, signed: bool = False) -> Any:
    """Declare a number of `octets` bytes."""
    return _declare(_number(octets, signed))


def u8() -> Any:
    """Declare a number of one byte."""
    return number(1)


def i8() -> Any:
    """Declare a signed number of one byte."""
    return number(1, signed=True)


def u16() -> Any:
    """Declare a number of two bytes."""
    return number(2)


def u24() -> Any:
    """Declare a number of three bytes."""
    return number(3)


def u64() -> Any:
    """Declare a number of eight bytes."""
    return number(8)


def octets(count: int) -> Any:
    """Declare exactly `count` bytes."""
    return _declare(Format(lambda reader: reader.take(count), lambda value: _exactly(value, count), bytes.hex))


def device_address() -> Any:
    """Declare a device address: six bytes, the lowest first."""
    return _declare(Format(lambda reader: reader.take(6), lambda value: _exactly(value, 6), show_address))


def counted() -> Any:
    """Declare bytes after a one-byte count."""
    return _declare(_COUNTED)


def padded(count: int) -> Any:
    """Declare a one-byte count and `count` bytes, of which that many count and the others are zero."""

    def read(reader: Reader) -> bytes:
        used, held = reader.take(1)[0], reader.take(count)
        if used > count:
            raise PacketError(f"A field of {count} bytes says that it holds {used}.")
        return held[:used]

    return _declare(
        Format(read, lambda value: _COUNTED.build(_at_most(value, count)).ljust(1 + count, b"\0"), bytes.hex)
    )


def rest() -> Any:
    """Declare all bytes up to the end of the packet."""
    return _declare(Format(Reader.rest, bytes, bytes.hex))


def repeated(kind: type[Packet]) -> Any:
    """Declare a tuple of `kind` after a one-byte count."""

    def read(reader: Reader) -> tuple[Packet, ...]:
        return tuple(_parse_fields(kind, reader) for _ in range(reader.take(1)[0]))

    def write(value: tuple[Packet, ...]) -> bytes:
        return _U8.build(len(value)) + b"".join(map(build, value))

    return _declare(Format(read, write, lambda value: f"[{', '.join(map(show, value))}]"))


def show_address(value: bytes) -> str:
    """Print a device address as people write it: the highest byte first."""
    return value[::-1].hex(":").upper()


def _declare(wire: Format) -> Any:
    return field(metadata={"wire": wire})


def _parse_fields(kind: type[PacketT], reader: Reader) -> PacketT:
    return kind(*[each.parse(reader) for _, each in formats(kind)])


def _number(octets: int, signed: bool) -> Format:
    def write(value: int) -> bytes:
        try:
            return value.to_bytes(octets, "little", signed=signed)
        except OverflowError:
            raise LocalProtocolError(f"{value} does not fit a field of {octets} bytes.") from None

    return Format(
        lambda reader: int.from_bytes(reader.take(octets), "little", signed=signed),
        write,
        str if signed else lambda value: f"0x{value:0{2 * octets}x}",
    )


def _exactly(value: bytes, count: int) -> bytes:
    if len(value) != count:
        raise LocalProtocolError(f"{len(value)} bytes are given where {count} belong.")
    return value


def _at_most(value: bytes, count: int) -> bytes:
    if len(value) > count:
        raise LocalProtocolError(f"{len(value)} bytes are given where {count} fit.")
    return value


_FORMATS: dict[type[Packet], tuple[tuple[str, Format], ...]] = {}
_U8 = _number(1, signed=False)
_COUNTED = Format(
    lambda reader: reader.take(reader.take(1)[0]),
    lambda value: _U8.build(len(value)) + value,
    bytes.hex,
)
