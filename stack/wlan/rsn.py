"""The RSN element: which ciphers and key management a network has or a station wants (IEEE 802.11-2020, 9.4.2.24)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, Final

from stack.wlan.elements import ElementError, ElementId, Reader, build_element

_VERSION = 1
_SUITE_BYTES = 4
_PMKID_BYTES = 16


class Cipher(IntEnum):
    """Cipher suite selectors, OUI and type as one number, as nl80211 has them (table 9-149)."""

    TKIP = 0x000FAC02
    CCMP = 0x000FAC04


class Akm(IntEnum):
    """Authentication and key management suite selectors (table 9-151)."""

    IEEE_802_1X = 0x000FAC01
    PSK = 0x000FAC02
    FT_IEEE_802_1X = 0x000FAC03
    FT_PSK = 0x000FAC04
    IEEE_802_1X_SHA256 = 0x000FAC05
    PSK_SHA256 = 0x000FAC06
    SAE = 0x000FAC08
    FT_SAE = 0x000FAC09
    SUITE_B = 0x000FAC0B
    SUITE_B_192 = 0x000FAC0C
    FT_IEEE_802_1X_SHA384 = 0x000FAC0D
    SAE_GROUP_DEPENDENT = 0x000FAC18
    FT_SAE_GROUP_DEPENDENT = 0x000FAC19


class RsnCapability(IntFlag):
    """RSN capabilities that decide something here (figure 9-289)."""

    MANAGEMENT_FRAME_PROTECTION_REQUIRED = 1 << 6
    MANAGEMENT_FRAME_PROTECTION_CAPABLE = 1 << 7


@dataclass(frozen=True, slots=True)
class Rsn:
    """An RSN element. Every part but the version may be missing; the defaults are the standard's (9.4.2.24.1)."""

    group_cipher: int = Cipher.CCMP
    pairwise_ciphers: tuple[int, ...] = (Cipher.CCMP,)
    akms: tuple[int, ...] = (Akm.IEEE_802_1X,)
    capabilities: int = 0
    pmkids: tuple[bytes, ...] = ()
    group_management_cipher: int | None = None

    @property
    def admits_psk_ccmp(self) -> bool:
        """Whether a station that sends `PSK_CCMP_ELEMENT` may join."""
        return (
            self.group_cipher == Cipher.CCMP
            and Cipher.CCMP in self.pairwise_ciphers
            and Akm.PSK in self.akms
            and not self.capabilities & RsnCapability.MANAGEMENT_FRAME_PROTECTION_REQUIRED
        )


def parse_rsn(element: bytes) -> Rsn:
    """Parse a whole RSN element, id and length included. What follows the last known part is ignored.

    It may end after any part, not inside one. Raises `ElementError`.
    """
    if element[:2] != bytes((ElementId.RSN, len(element) - 2 & 0xFF)):
        raise ElementError("That is no RSN element, or not a whole one.")
    reader = Reader(element[2:])
    if (version := reader.u16()) != _VERSION:
        raise ElementError(f"RSN version {version} is not known.")
    found: dict[str, Any] = {}
    for name, take in _PARTS:
        if not reader.left:
            break
        found[name] = take(reader)
    return Rsn(**found)


def build_rsn(rsn: Rsn) -> bytes:
    """Build a whole RSN element. PMKIDs and the group management cipher are left out if there are none."""
    body = _VERSION.to_bytes(2, "little") + _suite(rsn.group_cipher)
    body += _suites(rsn.pairwise_ciphers) + _suites(rsn.akms) + rsn.capabilities.to_bytes(2, "little")
    if rsn.pmkids or rsn.group_management_cipher is not None:
        body += len(rsn.pmkids).to_bytes(2, "little") + b"".join(rsn.pmkids)
    if rsn.group_management_cipher is not None:
        body += _suite(rsn.group_management_cipher)
    return build_element(ElementId.RSN, body)


def _take_suite(reader: Reader) -> int:
    return int.from_bytes(reader.take(_SUITE_BYTES), "big")


def _take_suites(reader: Reader) -> tuple[int, ...]:
    count = reader.u16()
    if not count:
        raise ElementError("An RSN element lists no suite where at least one belongs.")
    return tuple(_take_suite(reader) for _ in range(count))


def _take_pmkids(reader: Reader) -> tuple[bytes, ...]:
    return tuple(reader.take(_PMKID_BYTES) for _ in range(reader.u16()))


def _suite(selector: int) -> bytes:
    return selector.to_bytes(_SUITE_BYTES, "big")


def _suites(selectors: tuple[int, ...]) -> bytes:
    return len(selectors).to_bytes(2, "little") + b"".join(map(_suite, selectors))


_PARTS: Final[tuple[tuple[str, Callable[[Reader], Any]], ...]] = (
    ("group_cipher", _take_suite),
    ("pairwise_ciphers", _take_suites),
    ("akms", _take_suites),
    ("capabilities", Reader.u16),
    ("pmkids", _take_pmkids),
    ("group_management_cipher", _take_suite),
)

# What we send in an association request, and again, byte for byte, in message 2.
PSK_CCMP_ELEMENT: Final = build_rsn(Rsn(akms=(Akm.PSK,)))
