"""Elements of 802.11 management frames: bytes only (IEEE 802.11-2020, 9.4.2).

What comes from the air is walked within bounds: an element that runs past the end ends the walk. What the elements
of a BSS say together is in `bss`, the RSN element in `rsn`, the one of Wi-Fi Direct in `p2p`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from board.errors import LocalProtocolError, RemoteProtocolError

SSID_BYTES: Final = 32
ADDRESS_BYTES: Final = 6
# What a P2P device may use: no 802.11b (Wi-Fi Direct 2.4.1). A group owner ignores a probe that lists only that.
OFDM_RATES_500KBPS: Final = (12, 18, 24, 36, 48, 72, 96, 108)

_HEAD_BYTES = 2
_BODY_BYTES = 255
_OUI_BYTES = 3
_BASIC_RATE = 0x80
_RATES_IN_FIRST_ELEMENT = 8


class ElementError(RemoteProtocolError):
    """An element of the peer does not hold what its declaration asks for."""


class ElementId(IntEnum):
    """The elements that are read or written here (table 9-92)."""

    SSID = 0
    SUPPORTED_RATES = 1
    DS_PARAMETER_SET = 3
    RSN = 48
    EXTENDED_SUPPORTED_RATES = 50
    HT_OPERATION = 61
    VENDOR_SPECIFIC = 221


@dataclass(frozen=True, slots=True)
class Element:
    """One element: its id and what follows the length."""

    id: int
    body: bytes

    @property
    def whole(self) -> bytes:
        """The element as it was on the air, id and length included: what must be repeated byte for byte."""
        return build_element(self.id, self.body)

    @property
    def vendor_type(self) -> bytes:
        """OUI and type of a vendor specific element, 4 bytes; empty for any other."""
        return self.body[: _OUI_BYTES + 1] if self.id == ElementId.VENDOR_SPECIFIC else b""

    @property
    def vendor_body(self) -> bytes:
        """What follows OUI and type."""
        return self.body[_OUI_BYTES + 1 :]


class Reader:
    """Takes bytes from the front of an element's body."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        """Start at the first byte."""
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Take exactly `count` bytes. Raises `ElementError`."""
        if count > self.left:
            raise ElementError(f"An element ends {count - self.left} bytes too early.")
        self._at += count
        return self._data[self._at - count : self._at]

    def u16(self) -> int:
        """Take a number of two bytes, the lowest first."""
        return int.from_bytes(self.take(2), "little")


def walk(data: bytes) -> Iterator[Element]:
    """Walk elements up to the end or to the first that is broken. Never raises."""
    start = 0
    while start + _HEAD_BYTES <= len(data):
        body = start + _HEAD_BYTES
        end = body + data[start + 1]
        if end > len(data):
            return
        yield Element(data[start], data[body:end])
        start = end


def build_element(element_id: int, body: bytes) -> bytes:
    """Build one element. Raises `LocalProtocolError` for a body over 255 bytes."""
    if len(body) > _BODY_BYTES:
        raise LocalProtocolError(f"An element holds {_BODY_BYTES} bytes, not {len(body)}.")
    return bytes((element_id, len(body))) + body


def build_vendor_element(vendor_type: bytes, body: bytes) -> bytes:
    """Build a vendor specific element; `vendor_type` is OUI and type, 4 bytes (9.4.2.25)."""
    return build_element(ElementId.VENDOR_SPECIFIC, vendor_type + body)


def build_ssid(ssid: bytes) -> bytes:
    """Build the SSID element (9.4.2.2). Raises `LocalProtocolError` for a name over 32 bytes."""
    if len(ssid) > SSID_BYTES:
        raise LocalProtocolError(f"An SSID has at most {SSID_BYTES} bytes, not {len(ssid)}.")
    return build_element(ElementId.SSID, ssid)


def read_rates(bodies: Iterable[bytes]) -> tuple[int, ...]:
    """Read (extended) supported rates, in units of 500 kbit/s, whether basic or not (9.4.2.3, 9.4.2.13)."""
    return tuple(rate & ~_BASIC_RATE for body in bodies for rate in body)


def build_rates(rates_500kbps: Iterable[int]) -> bytes:
    """Build the supported rates element, and the extended one if there are more than eight."""
    rates = bytes(rates_500kbps)
    first = build_element(ElementId.SUPPORTED_RATES, rates[:_RATES_IN_FIRST_ELEMENT])
    others = rates[_RATES_IN_FIRST_ELEMENT:]
    return first + build_element(ElementId.EXTENDED_SUPPORTED_RATES, others) if others else first
