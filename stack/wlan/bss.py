"""What a beacon or probe response says of its BSS, and what that means for joining it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from stack.wlan.elements import SSID_BYTES, Element, ElementError, ElementId, read_rates, walk
from stack.wlan.p2p import P2p, read_p2p
from stack.wlan.rsn import Akm, Cipher, Rsn, RsnCapability, parse_rsn

_WPA1_VENDOR_TYPE = bytes.fromhex("0050f201")


class Security(Enum):
    """How a BSS is protected, in words for a log and a screen."""

    OPEN = "open"
    WEP = "WEP"
    WPA1 = "WPA1"
    WPA2_PSK = "WPA2-PSK"
    WPA2_TKIP = "WPA2-PSK with the old cipher TKIP"
    WPA2_PMF = "WPA2-PSK that demands protected management frames"
    WPA3_SAE = "WPA3-SAE only"
    TRANSITION = "WPA2-PSK or WPA3-SAE"
    ENTERPRISE = "enterprise"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Bss:
    """The elements of a beacon or probe response; `None` is "not said".

    `rsn_element` is whole, as it was on the air: the handshake compares it. Of repeated elements the first counts.
    """

    ssid: bytes | None = None
    rates_500kbps: tuple[int, ...] = ()
    channel: int | None = None
    rsn_element: bytes | None = None
    has_wpa1: bool = False
    p2p: P2p | None = None

    @property
    def rsn(self) -> Rsn | None:
        """The RSN element, or `None` if there is none that can be read."""
        try:
            return parse_rsn(self.rsn_element) if self.rsn_element else None
        except ElementError:
            return None

    def security(self, *, privacy: bool) -> Security:
        """Classify the protection. `privacy` is bit 4 of the capability field (9.4.1.4)."""
        if self.rsn_element is not None:
            return _rsn_security(self.rsn)
        if self.has_wpa1:
            return Security.WPA1
        return Security.WEP if privacy else Security.OPEN


def parse_bss(data: bytes) -> Bss:
    """Read the elements of a beacon or probe response. Never raises: it just finds less.

    Give those of both, one after the other, if both were heard: a group owner that was probed by a station without
    Wi-Fi Direct speaks of Wi-Fi Direct in its beacon only.
    """
    elements = list(walk(data))
    rsn = _first(elements, ElementId.RSN)
    return Bss(
        ssid=_read_ssid(_first(elements, ElementId.SSID)),
        rates_500kbps=_read_rates(elements),
        channel=_read_channel(elements),
        rsn_element=rsn.whole if rsn else None,
        has_wpa1=any(each.vendor_type == _WPA1_VENDOR_TYPE for each in elements),
        p2p=read_p2p(elements),
    )


def _first(elements: list[Element], element_id: int) -> Element | None:
    return next((each for each in elements if each.id == element_id), None)


def _read_ssid(element: Element | None) -> bytes | None:
    """A hidden network has an SSID of no bytes, or of zeros only (9.4.2.2)."""
    if element is None or len(element.body) > SSID_BYTES or not any(element.body):
        return None
    return element.body


def _read_rates(elements: list[Element]) -> tuple[int, ...]:
    said = (_first(elements, each) for each in (ElementId.SUPPORTED_RATES, ElementId.EXTENDED_SUPPORTED_RATES))
    return read_rates(each.body for each in said if each)


def _read_channel(elements: list[Element]) -> int | None:
    """The DS parameter set says it on 2.4 GHz, the primary channel of the HT operation element on both bands."""
    said = (_first(elements, each) for each in (ElementId.DS_PARAMETER_SET, ElementId.HT_OPERATION))
    return next((each.body[0] for each in said if each and each.body), None)


def _rsn_security(rsn: Rsn | None) -> Security:
    if rsn is None:
        return Security.UNKNOWN
    families = frozenset(_FAMILIES[akm] for akm in rsn.akms if akm in _FAMILIES)
    if Security.WPA2_PSK in families:
        return _psk_security(rsn, has_sae=Security.WPA3_SAE in families)
    return next((each for each in (Security.WPA3_SAE, Security.ENTERPRISE) if each in families), Security.UNKNOWN)


def _psk_security(rsn: Rsn, *, has_sae: bool) -> Security:
    """The group cipher is the weakest of the pairwise ones."""
    if rsn.group_cipher == Cipher.TKIP:
        return Security.WPA2_TKIP
    if rsn.capabilities & RsnCapability.MANAGEMENT_FRAME_PROTECTION_REQUIRED:
        return Security.WPA2_PMF
    return Security.TRANSITION if has_sae else Security.WPA2_PSK


_FAMILIES: Final[Mapping[int, Security]] = {
    **dict.fromkeys((Akm.PSK, Akm.FT_PSK, Akm.PSK_SHA256), Security.WPA2_PSK),
    **dict.fromkeys((Akm.SAE, Akm.FT_SAE, Akm.SAE_GROUP_DEPENDENT, Akm.FT_SAE_GROUP_DEPENDENT), Security.WPA3_SAE),
    **dict.fromkeys((Akm.IEEE_802_1X, Akm.FT_IEEE_802_1X, Akm.IEEE_802_1X_SHA256), Security.ENTERPRISE),
    **dict.fromkeys((Akm.SUITE_B, Akm.SUITE_B_192, Akm.FT_IEEE_802_1X_SHA384), Security.ENTERPRISE),
}
