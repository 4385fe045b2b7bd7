"""The P2P element: what a Wi-Fi Direct device says of itself and its group (Wi-Fi Direct specification, 4.1).

Parsing never fails: an attribute that is broken or runs past the end is as good as none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from stack.wlan.elements import ADDRESS_BYTES, Element, ElementError, Reader, build_vendor_element

P2P_VENDOR_TYPE: Final = bytes.fromhex("506f9a09")

_CLIENT_INFO_BYTES = 2 * ADDRESS_BYTES  # device address, interface address; what follows is not needed
_DEVICE_NAME_TLV = 0x1011  # of Wi-Fi Simple Configuration, big endian as all of it
_NO_SECONDARY_TYPES = b"\0"


class Attribute(IntEnum):
    """The attributes that are read or written here (table 6)."""

    CAPABILITY = 2
    DEVICE_ID = 3
    DEVICE_INFO = 13
    GROUP_INFO = 14


class GroupCapability(IntFlag):
    """Bits of the group capability bitmap that decide something (table 13)."""

    GROUP_OWNER = 1 << 0
    IP_ADDRESS_ALLOCATION = 1 << 7


@dataclass(frozen=True, slots=True)
class P2p:
    """What P2P elements tell. `device_address` is the device's own, not the BSSID; `clients` are device addresses."""

    device_capability: int = 0
    group_capability: int = 0
    device_address: bytes | None = None
    clients: tuple[bytes, ...] = ()

    @property
    def is_group_owner(self) -> bool:
        """Whether the sender owns the group."""
        return bool(self.group_capability & GroupCapability.GROUP_OWNER)


def read_p2p(elements: list[Element]) -> P2p | None:
    """Read the P2P elements among `elements`; their attributes may run on from one to the next (4.1.1)."""
    bodies = [each.vendor_body for each in elements if each.vendor_type == P2P_VENDOR_TYPE]
    return parse_attributes(b"".join(bodies)) if bodies else None


def parse_attributes(data: bytes) -> P2p:
    """Parse the attributes of a P2P element. Of several with the same id the first counts. Never raises."""
    found: dict[int, bytes] = {}
    for attribute, body in _attributes(data):
        found.setdefault(attribute, body)
    capability = found.get(Attribute.CAPABILITY, b"").ljust(2, b"\0")
    address = found.get(Attribute.DEVICE_INFO, found.get(Attribute.DEVICE_ID, b""))[:ADDRESS_BYTES]
    return P2p(
        device_capability=capability[0],
        group_capability=capability[1],
        device_address=address if len(address) == ADDRESS_BYTES else None,
        clients=tuple(_clients(found.get(Attribute.GROUP_INFO, b""))),
    )


def build_p2p(*attributes: bytes) -> bytes:
    """Build a P2P element of attributes built here. Raises `LocalProtocolError` if it gets too long."""
    return build_vendor_element(P2P_VENDOR_TYPE, b"".join(attributes))


def capability(device_capability: int, group_capability: int) -> bytes:
    """Build the capability attribute (4.1.4)."""
    return _attribute(Attribute.CAPABILITY, bytes((device_capability, group_capability)))


def device_id(address: bytes) -> bytes:
    """Build the device id attribute that beacons carry (4.1.5)."""
    return _attribute(Attribute.DEVICE_ID, address)


def device_info(address: bytes, name: str, *, config_methods: int, primary_type: bytes) -> bytes:
    """Build the device info attribute (4.1.15). `primary_type` is category, OUI and subcategory, 8 bytes."""
    name_tlv = _DEVICE_NAME_TLV.to_bytes(2, "big") + len(name.encode()).to_bytes(2, "big") + name.encode()
    body = address + config_methods.to_bytes(2, "big") + primary_type + _NO_SECONDARY_TYPES + name_tlv
    return _attribute(Attribute.DEVICE_INFO, body)


def _attribute(attribute: Attribute, body: bytes) -> bytes:
    return bytes((attribute,)) + len(body).to_bytes(2, "little") + body


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    reader = Reader(data)
    try:
        while reader.left:
            attribute = reader.take(1)[0]
            yield attribute, reader.take(reader.u16())
    except ElementError:
        return


def _clients(group_info: bytes) -> Iterator[bytes]:
    """Walk the client info descriptors (4.1.16): a length, then device address, interface address and more."""
    reader = Reader(group_info)
    try:
        while reader.left:
            descriptor = reader.take(reader.take(1)[0])
            if len(descriptor) >= _CLIENT_INFO_BYTES:
                yield descriptor[:ADDRESS_BYTES]
    except ElementError:
        return
