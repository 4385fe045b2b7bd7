"""How a connection is made on a given chip: who walks the steps, who does the handshake, how EAPOL travels. Pure."""

from dataclasses import dataclass

from drivers.nl80211.capabilities import Wiphy
from drivers.nl80211.constants import AKM_PSK, CIPHER_CCMP, AuthType, Command, ExtFeature, WpaVersion
from drivers.nl80211.declarations import Attrs


@dataclass(frozen=True, slots=True)
class Road:
    """The choices for one chip.

    `by_steps`: we ask for AUTHENTICATE and ASSOCIATE (mac80211), else for CONNECT and the chip walks.
    `offloads_handshake`: the chip takes the PMK and does the 4-way handshake itself.
    `has_control_port`: EAPOL goes through nl80211, else through a packet socket; `tells_ack`: and we hear what arrived.
    """

    by_steps: bool
    offloads_handshake: bool
    has_control_port: bool
    tells_ack: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Whom to join: WPA2-PSK with CCMP. `elements` go into the association request, RSN first; `pmk` is 32 bytes."""

    ssid: bytes
    bssid: bytes
    frequency_mhz: int
    elements: bytes
    pmk: bytes


def road_of(wiphy: Wiphy) -> Road:
    """Choose the road for a chip. All have CONNECT, which cfg80211 provides where the driver has AUTHENTICATE."""
    by_steps = wiphy.supports(Command.AUTHENTICATE) and wiphy.supports(Command.ASSOCIATE)
    return Road(
        by_steps=by_steps,
        offloads_handshake=not by_steps and wiphy.has(ExtFeature.HANDSHAKE_STA_PSK),
        has_control_port=wiphy.has(ExtFeature.CONTROL_PORT_OVER_NL80211),
        tells_ack=wiphy.has(ExtFeature.CONTROL_PORT_OVER_NL80211_TX_STATUS),
    )


def authenticate_request(ifindex: int, network: Network) -> Attrs:
    """Ask for open authentication."""
    return Attrs(
        ifindex=ifindex,
        mac=network.bssid,
        ssid=network.ssid,
        wiphy_freq=network.frequency_mhz,
        auth_type=AuthType.OPEN_SYSTEM,
    )


def associate_request(ifindex: int, network: Network, road: Road) -> Attrs:
    """Ask for the association that follows. It ends with our socket."""
    return _request(ifindex, network, road, auth_type=None, pmk=None)


def connect_request(ifindex: int, network: Network, road: Road) -> Attrs:
    """Ask for the whole connection. It ends with our socket."""
    pmk = network.pmk if road.offloads_handshake else None
    return _request(ifindex, network, road, auth_type=AuthType.OPEN_SYSTEM, pmk=pmk)


def _request(ifindex: int, network: Network, road: Road, *, auth_type: AuthType | None, pmk: bytes | None) -> Attrs:
    is_ours = not road.offloads_handshake
    return Attrs(
        ifindex=ifindex,
        mac=network.bssid,
        ssid=network.ssid,
        wiphy_freq=network.frequency_mhz,
        auth_type=auth_type,
        ie=network.elements,
        privacy=True,
        wpa_versions=WpaVersion.WPA2,
        cipher_suites_pairwise=(CIPHER_CCMP,),
        cipher_suite_group=CIPHER_CCMP,
        akm_suites=(AKM_PSK,),
        # The port stays shut until SET_STATION says authorised.
        control_port=is_ours,
        control_port_over_nl80211=is_ours and road.has_control_port,
        socket_owner=True,
        pmk=pmk,
    )
