"""EAPOL-Key frames: bytes only (IEEE 802.1X-2010, 11.3; IEEE 802.11-2020, 12.7.2).

Both roles: the supplicant reads messages 1, 3 and group 1, the authenticator 2, 4 and group 2. A message is known by
the bits of its key information; who it was made by is known by its MIC only.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntFlag
from struct import Struct
from typing import Final

from board.errors import LocalProtocolError, RemoteProtocolError
from stack.wlan.elements import ElementId, build_element, walk

# What our own frames say. Peers take any version; 1 is what wpa_supplicant sends and phones are tested with.
PROTOCOL_VERSION: Final = 1
HMAC_SHA1_AES: Final = 2  # key descriptor versions (12.7.2, b 1): MIC by HMAC-SHA1-128 and AES key wrap,
AES_CMAC: Final = 3  # or MIC by AES-128-CMAC and AES key wrap

_EAPOL_KEY = 3
_RSN_DESCRIPTOR = 2
_HEAD = Struct("!BBH")  # protocol version, packet type, length of what follows
# Descriptor type, key information, key length, replay counter, nonce, IV, RSC, reserved, MIC, key data length.
_BODY = Struct("!BHHQ32s16s8s8s16sH")
_MIC_BYTES = 16
_KEY_DATA_LENGTH_BYTES = 2
_MIC_END = _HEAD.size + _BODY.size - _KEY_DATA_LENGTH_BYTES
_MIC = slice(_MIC_END - _MIC_BYTES, _MIC_END)
_VERSION_BITS = 0x0007

_IEEE_OUI = bytes.fromhex("000fac")
_GTK_TYPE = _IEEE_OUI + b"\x01"
_GTK_HEAD_BYTES = 2
_GTK_INDEX_BITS = 0x03
_KEY_DATA_BLOCK_BYTES = 8
_KEY_DATA_LEAST_BYTES = 16


class EapolError(RemoteProtocolError):
    """An EAPOL frame is broken, of no known kind, or not made by who it should be."""


class KeyInformation(IntFlag):
    """The bits of the key information field; its lowest three hold the descriptor version (figure 12-33)."""

    PAIRWISE = 1 << 3
    INSTALL = 1 << 6
    ACK = 1 << 7
    MIC = 1 << 8
    SECURE = 1 << 9
    ERROR = 1 << 10
    REQUEST = 1 << 11
    ENCRYPTED_KEY_DATA = 1 << 12
    SMK_MESSAGE = 1 << 13


class Message(Enum):
    """The messages of the 4-way and the group key handshake (12.7.6, 12.7.7)."""

    M1 = "message 1"
    M2 = "message 2"
    M3 = "message 3"
    M4 = "message 4"
    GROUP_1 = "group message 1"
    GROUP_2 = "group message 2"


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """One EAPOL-Key frame. `rsc` is 8 bytes, the lowest first; `key_data` may be wrapped, see `information`."""

    information: KeyInformation
    replay_counter: int
    nonce: bytes = bytes(32)
    key_length: int = 0
    rsc: bytes = bytes(8)
    mic: bytes = bytes(_MIC_BYTES)
    key_data: bytes = b""
    iv: bytes = bytes(16)
    reserved: bytes = bytes(8)
    descriptor_version: int = HMAC_SHA1_AES
    protocol_version: int = PROTOCOL_VERSION


@dataclass(frozen=True, slots=True)
class Gtk:
    """A group key as its KDE carries it (12.7.2, figure 12-35)."""

    index: int
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyData:
    """What key data tells: the whole RSN element and the group key. Anything else in it is passed over."""

    rsn_element: bytes | None = None
    gtk: Gtk | None = None


def parse_key_frame(data: bytes) -> KeyFrame:
    """Parse a frame from the EAPOL header on. What follows its length is padding. Raises `EapolError`."""
    data = _without_padding(data)
    version, packet_type, _ = _HEAD.unpack_from(data)
    if packet_type != _EAPOL_KEY or len(data) < _HEAD.size + _BODY.size:
        raise EapolError("The frame is no EAPOL-Key frame, or a short one.")
    kind, info, key_length, counter, nonce, iv, rsc, reserved, mic, size = _BODY.unpack_from(data, _HEAD.size)
    if kind != _RSN_DESCRIPTOR:
        raise EapolError(f"Key descriptor type {kind} is not the RSN one.")
    key_data = data[_HEAD.size + _BODY.size :]
    if size > len(key_data):
        raise EapolError("The key data is cut off.")
    return KeyFrame(
        information=KeyInformation(info & ~_VERSION_BITS),
        replay_counter=counter,
        nonce=nonce,
        key_length=key_length,
        rsc=rsc,
        mic=mic,
        key_data=key_data[:size],
        iv=iv,
        reserved=reserved,
        descriptor_version=info & _VERSION_BITS,
        protocol_version=version,
    )


def build_key_frame(frame: KeyFrame) -> bytes:
    """Build a frame from the EAPOL header on, with the MIC that it has."""
    body = _BODY.pack(
        _RSN_DESCRIPTOR,
        frame.information | frame.descriptor_version,
        frame.key_length,
        frame.replay_counter,
        frame.nonce,
        frame.iv,
        frame.rsc,
        frame.reserved,
        frame.mic,
        len(frame.key_data),
    )
    head = _HEAD.pack(frame.protocol_version, _EAPOL_KEY, len(body) + len(frame.key_data))
    return head + body + frame.key_data


def build_signed(frame: KeyFrame, kck: bytes) -> bytes:
    """Build a frame and put its MIC in, over whatever `frame` has there."""
    data = build_key_frame(frame)
    return data[: _MIC.start] + compute_mic(kck, frame.descriptor_version, data) + data[_MIC.stop :]


def message_of(frame: KeyFrame) -> Message:
    """Tell which message this is. Raises `EapolError` if it is none of them."""
    message = _MESSAGES.get(frame.information)
    if message is None:
        raise EapolError(f"Key information 0x{frame.information:04x} belongs to no message of a handshake.")
    # The secure bit does not tell 2 from 4, it is set in both when keys are renewed; key data does (12.7.6.5).
    if message in (Message.M2, Message.M4):
        return Message.M2 if frame.key_data else Message.M4
    return message


def compute_mic(kck: bytes, descriptor_version: int, data: bytes) -> bytes:
    """Compute the MIC of a whole frame, 16 bytes, whatever its MIC field holds. Raises `EapolError`."""
    data = _without_padding(data)
    blanked = data[: _MIC.start] + bytes(_MIC_BYTES) + data[_MIC.stop :]
    if descriptor_version == HMAC_SHA1_AES:
        return hmac.digest(kck, blanked, "sha1")[:_MIC_BYTES]
    if descriptor_version == AES_CMAC:
        return _aes_cmac(kck, blanked)
    raise EapolError(f"Key descriptor version {descriptor_version} is not supported.")


def has_good_mic(kck: bytes, data: bytes) -> bool:
    """Say whether a frame that parses was made by somebody who has `kck`. Raises `EapolError`."""
    frame = parse_key_frame(data)
    return hmac.compare_digest(compute_mic(kck, frame.descriptor_version, data), frame.mic)


def parse_key_data(data: bytes) -> KeyData:
    """Read unwrapped key data: elements, KDEs, padding. Of several of a kind the first counts. Never raises."""
    rsn_element: bytes | None = None
    gtk: Gtk | None = None
    for element in walk(data):
        if element.id == ElementId.RSN and rsn_element is None:
            rsn_element = element.whole
        elif element.vendor_type == _GTK_TYPE and gtk is None:
            gtk = _read_gtk(element.vendor_body)
        elif element.id == ElementId.VENDOR_SPECIFIC and not element.body:
            break  # padding
    return KeyData(rsn_element, gtk)


def build_key_data(data: KeyData) -> bytes:
    """Build key data for `wrap_key_data`: the RSN element, the group key, the padding that wrapping needs."""
    built = data.rsn_element or b""
    if data.gtk is not None:
        head = bytes((data.gtk.index, 0))
        built += build_element(ElementId.VENDOR_SPECIFIC, _GTK_TYPE + head + data.gtk.key)
    if len(built) < _KEY_DATA_LEAST_BYTES or len(built) % _KEY_DATA_BLOCK_BYTES:
        built += bytes((ElementId.VENDOR_SPECIFIC,))
    padded_bytes = max(_KEY_DATA_LEAST_BYTES, -(-len(built) // _KEY_DATA_BLOCK_BYTES) * _KEY_DATA_BLOCK_BYTES)
    return built.ljust(padded_bytes, b"\0")


def unwrap_key_data(kek: bytes, wrapped: bytes) -> bytes:
    """Unwrap key data by AES key wrap (RFC 3394). Raises `EapolError` if it was not wrapped with `kek`."""
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

    try:
        return aes_key_unwrap(kek, wrapped)
    except InvalidUnwrap:
        raise EapolError("The key data does not unwrap.") from None


def wrap_key_data(kek: bytes, data: bytes) -> bytes:
    """Wrap key data that `build_key_data` built. Raises `LocalProtocolError` for a length that cannot be wrapped."""
    from cryptography.hazmat.primitives.keywrap import aes_key_wrap

    try:
        return aes_key_wrap(kek, data)
    except ValueError as error:
        raise LocalProtocolError(f"The key data cannot be wrapped: {error}.") from None


def _without_padding(data: bytes) -> bytes:
    end = _HEAD.size + int.from_bytes(data[2:4], "big")
    if end > len(data):
        raise EapolError(f"An EAPOL frame ends {end - len(data)} bytes too early.")
    return data[:end]


def _read_gtk(body: bytes) -> Gtk | None:
    if len(body) <= _GTK_HEAD_BYTES:
        return None
    return Gtk(body[0] & _GTK_INDEX_BITS, body[_GTK_HEAD_BYTES:])


def _aes_cmac(key: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.cmac import CMAC

    cmac = CMAC(AES(key))
    cmac.update(data)
    return cmac.finalize()


_PROTECTED = KeyInformation.MIC | KeyInformation.SECURE
_MESSAGES: Final[Mapping[KeyInformation, Message]] = {
    KeyInformation.PAIRWISE | KeyInformation.ACK: Message.M1,
    KeyInformation.PAIRWISE | KeyInformation.MIC: Message.M2,
    KeyInformation.PAIRWISE
    | _PROTECTED
    | KeyInformation.INSTALL
    | KeyInformation.ACK
    | KeyInformation.ENCRYPTED_KEY_DATA: Message.M3,
    KeyInformation.PAIRWISE | _PROTECTED: Message.M4,
    _PROTECTED | KeyInformation.ACK | KeyInformation.ENCRYPTED_KEY_DATA: Message.GROUP_1,
    _PROTECTED: Message.GROUP_2,
}
