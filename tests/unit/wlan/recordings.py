"""What real peers said over simulated radios: `tests/vectors/wifi.json`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORDED: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors/wifi.json").read_text())
# The RSN element that every station here sends.
OWN_RSN = bytes.fromhex("30140100000fac040100000fac040100000fac020000")


@dataclass(frozen=True)
class Recording:
    """One recorded handshake. `frames` are (sent by the supplicant, frame)."""

    values: dict[str, Any]
    supplicant_is: str

    def __getattr__(self, name: str) -> bytes:
        return bytes.fromhex(self.values[name])

    @property
    def frames(self) -> list[tuple[bool, bytes]]:
        return [(each["dir"] == self.supplicant_is, bytes.fromhex(each["eapol"])) for each in self.values["frames"]]

    @property
    def peer_rsn(self) -> bytes:
        return self.m3_key_data[:22]


RECORDINGS = {
    "wpa_supplicant as group owner": Recording(RECORDED["station_with_wpa_supplicant_group_owner"], "tx"),
    "hostapd, with rekeys": Recording(RECORDED["station_with_hostapd_rekey"], "tx"),
    "wpa_supplicant as P2P client": Recording(RECORDED["group_owner_with_wpa_supplicant_p2p_client"], "rx"),
}


def attribute(message: str, kind: int, start: str) -> bytes:
    """Cut the attribute of `kind` whose value starts with `start` out of a recorded netlink message."""
    at = message.index(f"{kind:02x}00{start}") - 4
    size_bytes = int.from_bytes(bytes.fromhex(message[at : at + 4]), "little")
    return bytes.fromhex(message[at + 8 : at + 2 * size_bytes])
