"""A GATT server's attributes (Core specification, volume 3, part G, 3): services as declared, and as ATT sees them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from stack.ble.uuids import CHARACTERISTIC, PRIMARY_SERVICE, octets_of, short_uuid

GENERIC_ACCESS: Final = short_uuid(0x1800)
DEVICE_NAME: Final = short_uuid(0x2A00)
APPEARANCE: Final = short_uuid(0x2A01)
GENERIC_ATTRIBUTE: Final = short_uuid(0x1801)


class Property(IntFlag):
    """What a characteristic's declaration allows (3.3.1.1)."""

    READ = 0x02
    WRITE_WITHOUT_RESPONSE = 0x04
    WRITE = 0x08


Read = Callable[[], bytes]
Write = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Characteristic:
    """A value. `read` and `write` may raise `AttError`; without one the access is not permitted."""

    uuid: str
    properties: Property
    read: Read | None = None
    write: Write | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A primary service."""

    uuid: str
    characteristics: Sequence[Characteristic] = ()


@dataclass(frozen=True, slots=True)
class Attribute:
    """A row of the table. `type` is the UUID's bytes; `group_end` is that of the service which a declaration opens."""

    handle: int
    type: bytes
    read: Read | None
    write: Write | None = None
    group_end: int = 0


def generic_services(name: str) -> tuple[Service, Service]:
    """Declare the two services that every server has (3, and part C, 12)."""
    shown = name.encode()
    access = (
        Characteristic(DEVICE_NAME, Property.READ, lambda: shown),
        Characteristic(APPEARANCE, Property.READ, lambda: bytes(2)),
    )
    return Service(GENERIC_ACCESS, access), Service(GENERIC_ATTRIBUTE)


def attribute_table(services: Sequence[Service]) -> tuple[Attribute, ...]:
    """Lay `services` out as attributes; handles begin at 1 and have no gaps."""
    table: list[Attribute] = []
    for service in services:
        table.extend(_rows_of(service, len(table) + 1))
    return tuple(table)


def _rows_of(service: Service, first: int) -> Iterator[Attribute]:
    end = first + 2 * len(service.characteristics)
    yield Attribute(first, _type(PRIMARY_SERVICE), _constant(octets_of(service.uuid)), group_end=end)
    for number, each in enumerate(service.characteristics):
        declaration = first + 1 + 2 * number
        uuid, value_handle = octets_of(each.uuid), declaration + 1
        declared = bytes((each.properties,)) + value_handle.to_bytes(2, "little") + uuid
        yield Attribute(declaration, _type(CHARACTERISTIC), _constant(declared))
        yield Attribute(value_handle, uuid, each.read, each.write)


def _type(uuid16: int) -> bytes:
    return uuid16.to_bytes(2, "little")


def _constant(value: bytes) -> Read:
    return lambda: value
