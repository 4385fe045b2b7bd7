"""Which of those that were heard can be joined with a passphrase, the strongest first."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from stack.link.backend import Network
from stack.link.reasons import LinkError, Reason
from stack.wlan.bss import Bss, parse_bss

_PRIVACY: Final = 1 << 4
_WEAK_DBM: Final = -82  # below this, silence means distance


@dataclass(frozen=True, slots=True)
class Heard:
    """Who answered a scan. `elements` are those of its probe response, then those of its beacon.

    Some group owners tell in their beacons alone that they are one, or how they are protected.
    """

    bssid: bytes
    frequency_mhz: int
    signal_dbm: int
    capability: int
    elements: bytes


def joinable(ssid: bytes, answers: Iterable[Heard]) -> list[Network]:
    """Return the networks named `ssid`. Raises `LinkError` if it is there, but is none that can be joined."""
    ranked = sorted(answers, key=lambda each: -each.signal_dbm)
    named = [(answer, bss) for answer in ranked if (bss := parse_bss(answer.elements)).ssid == ssid]
    networks = [network for answer, bss in named if (network := _network(answer, bss))]
    if named and not networks:
        answer, bss = named[0]
        security = bss.security(privacy=bool(answer.capability & _PRIVACY))
        raise LinkError(Reason.NOT_WPA2, f"it is {security.value}")
    return networks


def reason_of_silence(network: Network) -> Reason:
    """Say why a network that was heard does not answer."""
    return Reason.TOO_WEAK if network.signal_dbm < _WEAK_DBM else Reason.TIMED_OUT


def _network(answer: Heard, bss: Bss) -> Network | None:
    """Return the network if it takes a station that has a passphrase and CCMP."""
    if bss.ssid is None or bss.rsn_element is None or bss.rsn is None or not bss.rsn.admits_psk_ccmp:
        return None
    return Network(bss.ssid, answer.bssid, answer.frequency_mhz, answer.signal_dbm, bss.rsn_element)
