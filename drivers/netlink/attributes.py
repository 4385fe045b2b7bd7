"""Netlink attributes as data: the metadata of a dataclass field is the attribute's number and format.

    @dataclass(frozen=True, slots=True)
    class Link(Attributes):
        ifname: str | None = attribute(3, STRING)
        mtu: int | None = attribute(4, U32)

    parse(Link, build(Link(ifname="wlan0"))) == Link(ifname="wlan0")

What is absent is `None`. Attributes that are not declared are skipped, as newer kernels send them; of one that comes
twice the last counts. Numbers are in the machine's byte order, which is little endian on every board of ours, or
big endian where the format says so. What the kernel sends broken raises `NetlinkFormatError`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

from board.errors import LocalProtocolError, RemoteProtocolError
from drivers.errors import RadioError

NESTED_FLAG: Final = 0x8000
_TYPE_MASK = 0x3FFF
_HEADER_BYTES = 4
_MAX_PAYLOAD_BYTES = 0xFFFF - _HEADER_BYTES


class NetlinkFormatError(RadioError, RemoteProtocolError):
    """A message or an attribute is shorter than it says, or not of the declared size."""


class Attributes:
    """A dataclass whose fields were declared with `attribute`; each is a value or `None`."""

    __slots__ = ()


AttributesT = TypeVar("AttributesT", bound=Attributes)


@dataclass(frozen=True, slots=True)
class Format:
    """How one attribute's payload is read and written. `is_nested` sets the flag that newer families insist on."""

    parse: Callable[[bytes], Any]
    build: Callable[[Any], bytes]
    is_nested: bool = False


def attribute(number: int, form: Format) -> Any:
    """Declare the attribute `number`."""
    return field(default=None, metadata={"attribute": (number, form)})


def parse(kind: type[AttributesT], data: bytes) -> AttributesT:
    """Parse a sequence of attributes. Raises `NetlinkFormatError`."""
    declared = _declared(kind)
    values: dict[str, Any] = {}
    for number, payload in split(data):
        known = declared.get(number)
        if known:
            name, form = known
            values[name] = form.parse(payload)
    return kind(**values)


def build(attributes: Attributes) -> bytes:
    """Build the attributes that are present, in the order of their declaration."""
    parts = []
    for number, (name, form) in _declared(type(attributes)).items():
        value = getattr(attributes, name)
        if value is not None and value is not False:
            parts.append(join(number | NESTED_FLAG if form.is_nested else number, form.build(value)))
    return b"".join(parts)


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk attributes: number and payload. Raises `NetlinkFormatError`."""
    at = 0
    while at + _HEADER_BYTES <= len(data):
        length = int.from_bytes(data[at : at + 2], "little")
        if length < _HEADER_BYTES or at + length > len(data):
            raise NetlinkFormatError("A netlink attribute is longer than its message.")
        yield int.from_bytes(data[at + 2 : at + 4], "little") & _TYPE_MASK, data[at + _HEADER_BYTES : at + length]
        at += aligned(length)


def join(number: int, payload: bytes) -> bytes:
    """Build one attribute, padded to the next boundary."""
    if len(payload) > _MAX_PAYLOAD_BYTES:
        raise LocalProtocolError(f"An attribute of {len(payload)} bytes does not fit.")
    length = _HEADER_BYTES + len(payload)
    head = length.to_bytes(2, "little") + number.to_bytes(2, "little")
    return (head + payload).ljust(aligned(length), b"\0")


def aligned(length: int) -> int:
    """Round up to the boundary of four bytes at which everything in netlink begins."""
    return length + 3 & ~3


def number(octets: int, *, signed: bool = False, big_endian: bool = False) -> Format:
    """Make the format of a number."""
    order = "big" if big_endian else "little"

    def read(payload: bytes) -> int:
        if len(payload) != octets:
            raise NetlinkFormatError(f"A netlink number has {len(payload)} bytes where {octets} are due.")
        return int.from_bytes(payload, order, signed=signed)  # type: ignore[arg-type]

    def write(value: int) -> bytes:
        try:
            return value.to_bytes(octets, order, signed=signed)  # type: ignore[arg-type]
        except OverflowError:
            raise LocalProtocolError(f"{value} does not fit a netlink number of {octets} bytes.") from None

    return Format(read, write)


def nested(kind: type[Attributes]) -> Format:
    """Make the format of attributes inside an attribute."""
    return Format(lambda payload: parse(kind, payload), build, is_nested=True)


def array_of(form: Format) -> Format:
    """Make the format of a list whose elements are attributes numbered 1, 2, 3, ... whatever the kernel calls them."""

    def write(values: Any) -> bytes:
        flag = NESTED_FLAG if form.is_nested else 0
        return b"".join(join(index | flag, form.build(value)) for index, value in enumerate(values, start=1))

    return Format(lambda payload: tuple(form.parse(each) for _, each in split(payload)), write, is_nested=True)


def list_of(form: Format) -> Format:
    """Make the format of a list whose elements are all numbered 1, as nf_tables wants them."""

    def write(values: Any) -> bytes:
        flag = NESTED_FLAG if form.is_nested else 0
        return b"".join(join(1 | flag, form.build(value)) for value in values)

    return Format(lambda payload: tuple(form.parse(each) for _, each in split(payload)), write, is_nested=True)


def indexed(form: Format) -> Format:
    """Make the format of a dictionary: the attributes' numbers are its keys."""

    def read(payload: bytes) -> dict[int, Any]:
        return {index: form.parse(each) for index, each in split(payload)}

    def write(values: Any) -> bytes:
        flag = NESTED_FLAG if form.is_nested else 0
        return b"".join(join(index | flag, form.build(value)) for index, value in values.items())

    return Format(read, write, is_nested=True)


def packed(octets: int) -> Format:
    """Make the format of a list of numbers without headers."""

    def read(payload: bytes) -> tuple[int, ...]:
        if len(payload) % octets:
            raise NetlinkFormatError("A netlink list of numbers does not come out even.")
        starts = range(0, len(payload), octets)
        return tuple(int.from_bytes(payload[start : start + octets], "little") for start in starts)

    return Format(read, lambda values: b"".join(value.to_bytes(octets, "little") for value in values))


def _read_string(payload: bytes) -> str:
    return payload.rstrip(b"\0").decode("utf-8", "replace")


U8: Final = number(1)
U16: Final = number(2)
U32: Final = number(4)
U64: Final = number(8)
S8: Final = number(1, signed=True)
S32: Final = number(4, signed=True)
BE16: Final = number(2, big_endian=True)
BE32: Final = number(4, big_endian=True)
BE64: Final = number(8, big_endian=True)
BYTES: Final = Format(bytes, bytes)
STRING: Final = Format(_read_string, lambda value: value.encode() + b"\0")
FLAG: Final = Format(lambda payload: True, lambda value: b"")
# The numbers of present attributes, where only their presence counts.
NUMBERS: Final = Format(
    lambda payload: frozenset(index for index, _ in split(payload)),
    lambda values: b"".join(join(index, b"") for index in sorted(values)),
    is_nested=True,
)

_DECLARED: dict[type[Attributes], dict[int, tuple[str, Format]]] = {}


def _declared(kind: type[Attributes]) -> dict[int, tuple[str, Format]]:
    found = _DECLARED.get(kind)
    if found is None:
        found = {}
        for each in fields(kind):  # type: ignore[arg-type]
            index, form = each.metadata["attribute"]
            found[index] = (each.name, form)
        _DECLARED[kind] = found
    return found
