"""UUIDs of Bluetooth (Core specification, volume 3, part B, 2.5.1): 2 or 16 bytes on the air, the lowest first."""

from typing import Final

PRIMARY_SERVICE: Final = 0x2800
CHARACTERISTIC: Final = 0x2803

_BASE_TAIL = "-0000-1000-8000-00805f9b34fb"


def uuid_of(octets: bytes) -> str:
    """Print 2 or 16 bytes as the long form that people and the alliance write."""
    text = octets[::-1].hex()
    if len(octets) == 2:
        return f"0000{text}{_BASE_TAIL}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def octets_of(uuid: str) -> bytes:
    """Return a UUID's bytes, two of them where the Bluetooth base allows it."""
    if uuid.startswith("0000") and uuid.endswith(_BASE_TAIL):
        return bytes.fromhex(uuid[4:8])[::-1]
    return bytes.fromhex(uuid.replace("-", ""))[::-1]


def short_uuid(value: int) -> str:
    """Write a 16-bit UUID in the long form."""
    return f"{value:08x}{_BASE_TAIL}"
