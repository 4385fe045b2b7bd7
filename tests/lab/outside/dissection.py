"""A capture of the air as Wireshark reads it, decrypted with the group's passphrase: who sent what when."""

import base64
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.inside.world import Group

_LIMIT_S = 60
_FIELDS = (
    *("frame.time_epoch", "wlan.ta", "wlan.ra", "wlan.fc.type_subtype", "wlan.fc.retry", "radiotap.channel.freq"),
    *("wlan.ssid", "wlan_rsna_eapol.keydes.msgnr", "dhcp.option.dhcp", "arp.opcode", "tcp.flags", "tcp.stream"),
    *("_ws.col.Protocol", "_ws.col.Info"),
)

# Types and subtypes of IEEE 802.11-2020, table 9-1, as one number.
_SUBTYPES = {
    0x00: "association request",
    0x01: "association response",
    0x04: "probe request",
    0x05: "probe response",
    0x0A: "disassociation",
    0x0B: "authentication",
    0x0C: "deauthentication",
    0x0D: "action",
    0x18: "block ack request",
    0x24: "null",
    0x2C: "null",
}
_DHCP = {1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM"}
_SYN, _ACK = 0x02, 0x10


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `what` is like `probe request`, `EAPOL 1/4`, `DHCP ACK`, `TCP SYN`, else Wireshark's own words."""

    at_s: float
    sender: str
    receiver: str
    what: str
    is_repeated: bool
    frequency_mhz: int
    ssid: str
    flow: str


def frames_of(capture: str, group: Group) -> list[Frame]:
    """Read a capture in Base64. Acknowledgements, which name no sender, are left out."""
    key = f'uat:80211_keys:"wpa-pwd","{group.psk}:{group.ssid}"'
    columns = [argument for name in _FIELDS for argument in ("-e", name)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "air.pcap"
        path.write_bytes(base64.b64decode(capture))
        command = ["tshark", "-n", "-r", str(path), "-o", "wlan.enable_decryption:TRUE", "-o", key, "-T", "fields"]
        done = subprocess.run([*command, *columns], capture_output=True, text=True, timeout=_LIMIT_S, check=True)
    lines = (line.split("\t") for line in done.stdout.splitlines())
    return [_frame(dict(zip(_FIELDS, line, strict=True))) for line in lines if line[1]]


def sent_by(frames: Iterable[Frame], station: str) -> list[Frame]:
    """Return what one radio sent, not what others passed on for it."""
    return [each for each in frames if each.sender == station]


def _frame(field: dict[str, str]) -> Frame:
    return Frame(
        float(field["frame.time_epoch"]),
        field["wlan.ta"],
        field["wlan.ra"],
        _what(field),
        field["wlan.fc.retry"] in ("1", "True"),
        int(field["radiotap.channel.freq"]),
        _text(field["wlan.ssid"]),
        field["tcp.stream"],
    )


def _what(field: dict[str, str]) -> str:
    if number := field["wlan_rsna_eapol.keydes.msgnr"]:
        return f"EAPOL {number}/4"
    if number := field["dhcp.option.dhcp"]:
        return f"DHCP {_DHCP[int(number)]}"
    if field["arp.opcode"]:
        return "ARP"
    if flags := field["tcp.flags"]:
        names = [name for bit, name in ((_SYN, "SYN"), (_ACK, "ACK")) if int(flags, 0) & bit]
        return " ".join(["TCP", *names])
    otherwise = f"{field['_ws.col.Protocol']}: {field['_ws.col.Info']}"
    return _SUBTYPES.get(int(field["wlan.fc.type_subtype"], 0), otherwise)


def _text(ssid: str) -> str:
    """Decode what Wireshark prints as hexadecimal bytes."""
    return bytes.fromhex(ssid.replace(":", "")).decode()
