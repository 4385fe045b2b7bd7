r"""What is asked of wpa_supplicant, as text. Pure.

Nothing of a stranger's choice goes out as text: names of networks and keys are hex digits, so nothing needs escaping.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from board.errors import LocalProtocolError

ATTACH: Final = "ATTACH"
DETACH: Final = "DETACH"
INTERFACES: Final = "INTERFACES"
PING: Final = "PING"
STATUS: Final = "STATUS"
ADD_NETWORK: Final = "ADD_NETWORK"
REMOVE_NETWORKS: Final = "REMOVE_NETWORK all"
NO_POWER_SAVE: Final = "SET ps 0"

_INTERFACE = re.compile(r"[\w.-]{1,15}", re.ASCII)
_BSSID_BYTES = 6
_PMK_BYTES = 32
_SSID_BYTES = 32
# id, bssid, freq, capabilities, level, ie and beacon_ie: what `wire.parse_table` reads, and no more, because an
# answer has room for 4 KiB.
_BSS_FIELDS: Final = 0x800497


def on(interface: str, request: str) -> str:
    """Address a request to one interface."""
    return f"IFNAME={_checked(interface)} {request}"


def interface_add(interface: str) -> str:
    """Make an interface for a station on the chip of one that is there; without a configuration or socket of its own.

    The fields are name, configuration, driver, control interface, driver parameters, bridge, create, type.
    """
    return "INTERFACE_ADD " + "\t".join((_checked(interface), "", "nl80211", "", "", "", "create", "sta"))


def interface_remove(interface: str) -> str:
    """Leave what it is connected to, and take away an interface, the kernel's too if wpa_supplicant has made it."""
    return f"INTERFACE_REMOVE {_checked(interface)}"


def scan(ssid: bytes, frequencies_mhz: Sequence[int]) -> str:
    """Ask for a network and connect to none; the answer is the number by which the end of the scan is told.

    Results are only those that are heard now: the kernel's table remembers others for half a minute.
    """
    frequencies = ",".join(map(str, frequencies_mhz))
    return f"SCAN TYPE=ONLY freq={frequencies} use_id=1 only_new=1 ssid {_ssid(ssid)}"


def heard(first_id: int) -> str:
    """List who was heard, from an id on. An answer has room for some whole entries; go on after the last one's id."""
    return f"BSS RANGE={first_id}- MASK={_BSS_FIELDS:#x}"


def network_settings(number: int, ssid: bytes, pmk: bytes, bssid: bytes, frequency_mhz: int) -> Iterator[str]:
    """Describe a network with WPA2 and a passphrase, of which one access point is meant, for a MAC of chance."""
    if len(pmk) != _PMK_BYTES or len(bssid) != _BSSID_BYTES:
        raise LocalProtocolError("A PMK has 32 bytes, a BSSID six.")
    values = {
        "ssid": _ssid(ssid),
        "scan_ssid": "1",
        "bssid": bssid.hex(":"),
        "scan_freq": str(frequency_mhz),
        "freq_list": str(frequency_mhz),
        "psk": pmk.hex(),
        "key_mgmt": "WPA-PSK",
        "proto": "RSN",
        "pairwise": "CCMP",
        "group": "CCMP",
        "mac_addr": "1",
    }
    for name, value in values.items():
        yield f"SET_NETWORK {number} {name} {value}"


def select_network(number: int) -> str:
    """Connect to a network, and to no other."""
    return f"SELECT_NETWORK {number}"


def command_of(request: str) -> str:
    """Return the word that says what is asked: fit for a message, because no key is in it."""
    words = request.split()
    return words[1] if words[0].startswith("IFNAME=") else words[0]


def _checked(interface: str) -> str:
    if not _INTERFACE.fullmatch(interface):
        raise LocalProtocolError(f"{interface!r} is no name for an interface.")
    return interface


def _ssid(ssid: bytes) -> str:
    if not 0 < len(ssid) <= _SSID_BYTES:
        raise LocalProtocolError("The name of a network has 1 to 32 bytes.")
    return ssid.hex()
