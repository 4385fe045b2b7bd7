"""The p2p JSON: the way to the sender's Wi-Fi group (alliance protocol, 3.4).

Whatever is parsed here has been validated: it may go to a driver, but still never into a shell or a configuration file.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from board.errors import LocalProtocolError, RemoteProtocolError
from stack.alliance.jsonobject import JsonObject, parse_object
from stack.alliance.quirks import outermost_braces
from stack.alliance.text import clean_text

if TYPE_CHECKING:  # cryptography is heavy, and offers in clear do not need it
    from stack.alliance.cipher import KeyPair

P2P_UUID: Final = "00009953-0000-1000-8000-00805f9b34fb"
MAX_BYTES: Final = 1024

_MAX_SSID_BYTES = 32
_MAX_ID_CHARS = 64
_P2P_SSID = re.compile(r"DIRECT-[A-Za-z0-9]{2}", re.ASCII)
_PASSPHRASE = re.compile(r"[ -~]{8,63}|[0-9A-Fa-f]{64}", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PORTS = range(1, 65536)
_WIFI_MHZ = (range(2412, 2485), range(4915, 7126))


class LinkInfoError(RemoteProtocolError):
    """The peer's offer of a Wi-Fi group cannot be used."""

    remedy = "Share again. If it happens every time, report the phone's model and app version."


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """A Wi-Fi group and the server in it.

    `mac` is the group owner's P2P device address, lower case; a receiver needs it for nothing, so a malformed one is
    `None`. `freq_mhz` is the channel, if the sender told one. `sender_id` is a hint for a log, not proof.
    """

    ssid: str
    psk: str = field(repr=False)
    port: int
    mac: str | None = None
    sender_id: str | None = None
    freq_mhz: int | None = None

    @property
    def has_p2p_ssid(self) -> bool:
        """Whether the SSID has the form that Android enforces, `DIRECT-xy...`. Worth a line in the log if not."""
        return _P2P_SSID.match(self.ssid) is not None


def build_link_info(info: LinkInfo, keys: "KeyPair", peer_key: str | None) -> bytes:
    """Build the value to write; `peer_key` is the `key` of the receiver's status, `None` writes in clear.

    Raises `LocalProtocolError` for values that a receiver would refuse, `PeerKeyError` for a bad `peer_key`.
    """
    problem = _problem_of(info)
    if problem or not info.mac or not _MAC.fullmatch(info.mac):
        raise LocalProtocolError(problem or "A sender must tell its device address, in lower case.")
    secrets = {"ssid": info.ssid, "psk": info.psk, "mac": info.mac}
    fields: dict[str, object] = {"id": info.sender_id, **secrets, "port": info.port}
    if peer_key:
        cipher = keys.cipher_with(peer_key)
        fields |= {name: cipher.encrypt(value) for name, value in secrets.items()}
        fields["key"] = keys.public_key
    if info.freq_mhz is not None:
        fields["freq"] = info.freq_mhz
    return JsonObject(fields).to_json().encode()


def parse_link_info(data: bytes, keys: "KeyPair") -> LinkInfo:
    """Parse, decrypt and validate what a sender wrote. `keys` are those whose public half it has read.

    Raises:
        RemoteProtocolError: `JsonError`, `PeerKeyError`, `FieldError` or `LinkInfoError`, by what is wrong.
    """
    fields = parse_object(outermost_braces(data), MAX_BYTES)
    ssid, psk, mac = _open_secrets(fields, keys)
    info = LinkInfo(
        ssid=ssid,
        psk=psk,
        port=fields.integer("port") or 0,
        mac=mac.lower() if _MAC.fullmatch(mac.lower()) else None,
        sender_id=clean_text(fields.text("id") or "", _MAX_ID_CHARS) or None,
        freq_mhz=_plausible_mhz(fields.integer("freq")),
    )
    problem = _problem_of(info)
    if problem:
        raise LinkInfoError(problem)
    return info


def _open_secrets(fields: JsonObject, keys: "KeyPair") -> tuple[str, str, str]:
    ssid, psk, mac = (fields.text(name) or "" for name in ("ssid", "psk", "mac"))
    peer_key = fields.text("key")
    if not peer_key:
        return ssid, psk, mac
    cipher = keys.cipher_with(peer_key)
    return cipher.decrypt(ssid), cipher.decrypt(psk), cipher.decrypt(mac)


def _problem_of(info: LinkInfo) -> str | None:
    if not 1 <= len(info.ssid.encode("utf-8", "replace")) <= _MAX_SSID_BYTES:
        return f"The SSID is not 1 to {_MAX_SSID_BYTES} bytes long."
    if _CONTROL.search(info.ssid):
        return "The SSID holds control characters."
    if not _PASSPHRASE.fullmatch(info.psk):
        return "The passphrase is not 8 to 63 printable ASCII characters, nor 64 hex digits."
    if info.port not in _PORTS:
        return "The port is not 1 to 65535."
    return None


def _plausible_mhz(freq: int | None) -> int | None:
    """Pass a channel that Wi-Fi has; which ones this country allows is the link's business."""
    return freq if any(freq in band for band in _WIFI_MHZ) else None
