"""Bluetooth LE advertising data and scan response: bytes only (alliance protocol, 2).

Phones read fixed offsets, so what we build is exact to the byte: 31 and 31 bytes, all of them taken. What we parse may
come in any order, in parts, or broken; parsing never fails, it just finds less.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from board.errors import LocalProtocolError
from stack.alliance.brands import THIRD_PARTY
from stack.alliance.text import clean_text

ADVERTISED_UUID: Final = "00003331-0000-1000-8000-008123456789"
DEVICE_ID_BYTES: Final = 16
NAME_BYTES: Final = 16

# Flags of the Core Specification Supplement, part A, 1.3.
GENERAL_DISCOVERABLE: Final = 0x02
BR_EDR_NOT_SUPPORTED: Final = 0x04

NO_MODEL_CODE: Final = 0xFFFF

_FLAGS_TYPE = 0x01
_UUID128_LIST_TYPES = (0x06, 0x07)  # incomplete, complete
_COMPLETE_UUID128_LIST = 0x07
_SERVICE_DATA_UUID16 = 0x16

_UUID128_LE = bytes.fromhex(ADVERTISED_UUID.replace("-", ""))[::-1]
_UUID16_BYTES = 2
_HEAD_PAYLOAD_BYTES = 6  # the first bytes of the device id; the others are in the scan response
_TAIL_PAYLOAD_BYTES = 27
_NAME_OFFSET = DEVICE_ID_BYTES - _HEAD_PAYLOAD_BYTES
_TAIL_BYTE = b"\x01"
_SUPPORTS_5GHZ = 0x01
_CUT_MARK = b"\t"
_JOINERS = "\u200c\u200d"  # which show nothing by themselves
_SHORT_ID = re.compile(rb"[\x01-\x7f]{2}")


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a receiver says about itself over the air.

    `device_id` is 16 bytes, `model_code` the UUID of the scan response, where vendors put a model. Use `for_station`
    for an advertisement of our own; this class writes whatever a device of the alliance might.
    """

    name: str
    device_id: bytes
    brand: int = THIRD_PARTY
    supports_5ghz: bool = True
    model_code: int = NO_MODEL_CODE
    flags: int = GENERAL_DISCOVERABLE

    def advertising_data(self) -> bytes:
        """Build the 31 bytes of advertising data (alliance protocol, 2.1)."""
        flag_and_brand = bytes((self.brand, _SUPPORTS_5GHZ if self.supports_5ghz else 0))
        return b"".join(
            (
                _structure(_FLAGS_TYPE, bytes((self.flags,))),
                _structure(_COMPLETE_UUID128_LIST, _UUID128_LE),
                _structure(_SERVICE_DATA_UUID16, flag_and_brand + self.device_id[:_HEAD_PAYLOAD_BYTES]),
            )
        )

    def scan_response(self) -> bytes:
        """Build the 31 bytes of scan response (alliance protocol, 2.2)."""
        payload = self.device_id[_HEAD_PAYLOAD_BYTES:] + fit_name(self.name) + _TAIL_BYTE
        return _structure(_SERVICE_DATA_UUID16, self.model_code.to_bytes(2, "little") + payload)


@dataclass(frozen=True, slots=True)
class Head:
    """What the advertising data tells (alliance protocol, 2.1). `id_head` is the first 6 bytes of the device id."""

    brand: int
    supports_5ghz: bool
    id_head: bytes


@dataclass(frozen=True, slots=True)
class Tail:
    """What the scan response tells (alliance protocol, 2.2). `id_tail` is the last 10 bytes of the device id.

    `name` is fit for a screen, and `None` if it was no UTF-8; `name_was_cut` says that the device has a longer one.
    """

    model_code: int
    id_tail: bytes
    name: str | None
    name_was_cut: bool


@dataclass(frozen=True, slots=True)
class Sighting:
    """What has been heard of one device so far; `None` is "not yet".

    `listed` says whether the alliance's UUID was there: without it, it is somebody else's device.
    """

    listed: bool = False
    head: Head | None = None
    tail: Tail | None = None

    @property
    def device_id(self) -> bytes | None:
        """The 16 bytes of the device id, once both parts have been heard."""
        return self.head.id_head + self.tail.id_tail if self.head and self.tail else None

    @property
    def short_id(self) -> str | None:
        """The four hex digits that tell devices apart; list entries with equal ones are one device (2.3)."""
        return self.tail.id_tail[-2:].hex() if self.tail else None

    @property
    def label(self) -> str | None:
        """The name if there is a readable one, else the short id, else `None`."""
        return (self.tail.name if self.tail else None) or self.short_id

    def completed_by(self, other: "Sighting") -> "Sighting":
        """Merge with `other`, heard later from the same address. What it knows wins."""
        return Sighting(self.listed or other.listed, other.head or self.head, other.tail or self.tail)


def for_station(name: str, short_id: bytes, brand: int = THIRD_PARTY, *, supports_5ghz: bool = True) -> Advertisement:
    """Describe our own station. `short_id` is two bytes in 01..7F, random, fixed while the station runs (2.3).

    Raises `LocalProtocolError` for a name without visible characters (CatShare's scanner would throw on it) and for
    an id that CatShare would misprint.
    """
    shown = clean_text(name, NAME_BYTES + 1)  # one more, so that a cut still shows
    if not shown.strip(_JOINERS):
        raise LocalProtocolError("A station needs a name of at least one visible character.")
    if not _SHORT_ID.fullmatch(short_id):
        raise LocalProtocolError("A station's short id is two bytes, each in 01..7F.")
    # LE only, or phones that see a public address may try to connect over BR/EDR (2.5).
    flags = GENERAL_DISCOVERABLE | BR_EDR_NOT_SUPPORTED
    return Advertisement(shown, repeated_id(short_id), brand, supports_5ghz, flags=flags)


def repeated_id(short_id: bytes) -> bytes:
    """Spread two bytes to a 16-byte device id the way CatShare and Xiaomi do (alliance protocol, 2.3)."""
    return short_id.ljust(_HEAD_PAYLOAD_BYTES, b"\0") + short_id.rjust(_NAME_OFFSET, b"\0")


def fit_name(name: str) -> bytes:
    """Encode `name` into its 16 bytes; a longer one is cut at a character and marked with a TAB (2.4)."""
    encoded = name.encode("utf-8", "replace")
    if len(encoded) > NAME_BYTES:
        whole = encoded[: NAME_BYTES - len(_CUT_MARK)].decode("utf-8", "ignore")
        encoded = whole.encode() + _CUT_MARK
    return encoded.ljust(NAME_BYTES, b"\0")


def parse_sighting(data: bytes) -> Sighting:
    """Read advertising data, a scan response, or both one after the other. Never raises (alliance protocol, 2.7).

    Structures are told apart by their length, as CatShare does, whatever their order. One that is broken ends the walk.
    """
    structures = list(_structures(data))
    service_data = [content for kind, content in structures if kind == _SERVICE_DATA_UUID16]
    heads = [content for content in service_data if len(content) == _UUID16_BYTES + _HEAD_PAYLOAD_BYTES]
    tails = [content for content in service_data if len(content) == _UUID16_BYTES + _TAIL_PAYLOAD_BYTES]
    return Sighting(
        listed=any(_lists_our_uuid(kind, content) for kind, content in structures),
        head=_read_head(heads) if heads else None,
        tail=_read_tail(tails[0]) if tails else None,
    )


def _read_head(candidates: list[bytes]) -> Head:
    # The high byte of a registered 16-bit UUID is neither 00 nor 01: that would be another service.
    content = next((each for each in candidates if each[1] in (0, 1)), candidates[0])
    return Head(content[0], bool(content[1] & _SUPPORTS_5GHZ), content[_UUID16_BYTES:])


def _read_tail(content: bytes) -> Tail:
    payload = content[_UUID16_BYTES:]
    name, was_cut = _read_name(payload[_NAME_OFFSET : _NAME_OFFSET + NAME_BYTES])
    return Tail(int.from_bytes(content[:_UUID16_BYTES], "little"), payload[:_NAME_OFFSET], name, was_cut)


def _read_name(field: bytes) -> tuple[str | None, bool]:
    encoded = field.split(b"\0", 1)[0]
    try:
        name = encoded.decode()
    except UnicodeDecodeError:
        return None, False
    return clean_text(name, NAME_BYTES), encoded.endswith(_CUT_MARK)


def _lists_our_uuid(kind: int, content: bytes) -> bool:
    uuids = (content[start : start + len(_UUID128_LE)] for start in range(0, len(content), len(_UUID128_LE)))
    return kind in _UUID128_LIST_TYPES and _UUID128_LE in uuids


def _structures(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk the AD structures (Core Specification, volume 3, part C, 11): length, type, content."""
    start = 0
    while start < len(data) and data[start]:
        end = start + 1 + data[start]
        if end > len(data):
            return
        yield data[start + 1], data[start + 2 : end]
        start = end


def _structure(kind: int, content: bytes) -> bytes:
    return bytes((1 + len(content), kind)) + content
