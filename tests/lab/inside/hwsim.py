"""Makes simulated radios: `mac80211_hwsim` over generic netlink, as its kernel header `mac80211_hwsim.h` has it.

What of a real chip can be imitated: the number of channels at once, the types of interface, the name, the address.
What cannot: how many interfaces of each type there may be (2048, always) and the offload of the 4-way handshake.
"""

import os
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import Self

_NETLINK_GENERIC = 16
_REQUEST_ACK = 0x5
_ERROR = 2
_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
_ALIGN = 4

_CONTROLLER = 16
_GET_FAMILY = 3
_FAMILY_ID, _FAMILY_NAME = 1, 2

_NEW_RADIO, _DELETE_RADIO = 4, 5
_CHANNELS, _RADIO_ID, _USE_CHANCTX, _RADIO_NAME, _PERM_ADDR, _IFTYPE_SUPPORT = 9, 10, 15, 17, 22, 23
_SUPPORT_P2P_DEVICE = 14


class InterfaceType(IntEnum):
    """`enum nl80211_iftype`"""

    STATION = 2
    AP = 3
    P2P_CLIENT = 8
    P2P_GO = 9
    P2P_DEVICE = 10


_BY_FLAG = {InterfaceType.P2P_DEVICE}  # among the other types the driver refuses it


@dataclass(frozen=True, slots=True)
class Radio:
    """A radio to be made. With one channel it can be at one frequency at a time."""

    name: str
    address: str
    channels: int = 1
    types: frozenset[InterfaceType] = frozenset(InterfaceType)


class Hwsim:
    """The way to the driver. The module is loaded."""

    def __init__(self) -> None:
        """Find the driver. Raises `OSError` if it is not there."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_GENERIC)
        self._socket.bind((0, 0))
        self._family = self._find(b"MAC80211_HWSIM\0")

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the driver. Its radios stay."""
        self._socket.close()

    def make(self, radio: Radio) -> int:
        """Make a radio with one interface, wlanN, and return its number."""
        attributes = [
            _attribute(_CHANNELS, struct.pack("=I", radio.channels)),
            _attribute(_RADIO_NAME, radio.name.encode() + b"\0"),
            _attribute(_PERM_ADDR, bytes.fromhex(radio.address.replace(":", ""))),
            _attribute(_IFTYPE_SUPPORT, struct.pack("=I", sum(1 << kind for kind in radio.types - _BY_FLAG))),
        ]
        if radio.channels > 1:
            attributes.append(_attribute(_USE_CHANCTX))
        if InterfaceType.P2P_DEVICE in radio.types:
            attributes.append(_attribute(_SUPPORT_P2P_DEVICE))
        return self._ask(self._family, _NEW_RADIO, attributes)

    def remove(self, number: int) -> None:
        """Remove a radio, with its interfaces."""
        self._ask(self._family, _DELETE_RADIO, [_attribute(_RADIO_ID, struct.pack("=I", number))])

    def _find(self, name: bytes) -> int:
        self._send(_CONTROLLER, _GET_FAMILY, [_attribute(_FAMILY_NAME, name)])
        answer = self._socket.recv(65_536)
        _raise_error(answer)
        self._socket.recv(65_536)  # the acknowledgement
        return int.from_bytes(_find_attribute(answer[_HEADER.size + _GENERIC.size :], _FAMILY_ID), "little")

    def _ask(self, family: int, command: int, attributes: list[bytes]) -> int:
        self._send(family, command, attributes)
        return _raise_error(self._socket.recv(65_536))

    def _send(self, family: int, command: int, attributes: list[bytes]) -> None:
        body = _GENERIC.pack(command, 1, 0) + b"".join(attributes)
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), family, _REQUEST_ACK, 1, 0) + body)


def _raise_error(answer: bytes) -> int:
    """Raise what an error message says, if it is one; return its number otherwise: the driver's answers are there."""
    (_, kind, _, _, _) = _HEADER.unpack_from(answer)
    if kind != _ERROR:
        return 0
    (number,) = struct.unpack_from("=i", answer, _HEADER.size)
    if number < 0:
        raise OSError(-number, f"mac80211_hwsim: {os.strerror(-number)}")
    return int(number)


def _attribute(kind: int, value: bytes = b"") -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % _ALIGN)


def _find_attribute(attributes: bytes, wanted: int) -> bytes:
    at = 0
    while at < len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, at)
        if kind == wanted:
            return attributes[at + _ATTRIBUTE.size : at + length]
        at += length + -length % _ALIGN
    raise LookupError(f"no attribute {wanted}")
