"""Packets of one ethertype on one interface, past the kernel's IP and its firewall (packet(7)).

The kernel hands a copy of each packet to such a socket before netfilter's hooks of IP see it, and what is sent goes
straight to the interface. So this works while the firewall lets nothing pass, and before there is an address.
Nothing that comes from here has been checked by anybody.
"""

import ctypes
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Final

from board import aio
from board.errors import LocalProtocolError
from drivers.errors import RadioError
from drivers.packet.filters import Instruction, assemble

BROADCAST: Final = b"\xff" * 6

_MAC_BYTES = 6
_HEADER: Final = struct.Struct(">6s6sH")  # destination, source, ethertype
_FRAME_BYTES = 4096  # no Wi-Fi frame is longer (IEEE 802.11-2020, 9.2.4.7)
_RECEIVE_BUFFER_BYTES = 1 << 16  # a flood is dropped by the kernel
_SO_ATTACH_FILTER = 26


class Ethertype(IntEnum):
    """What is in a frame."""

    IPV4 = 0x0800
    ARP = 0x0806
    EAPOL = 0x888E


class PacketSocketError(RadioError):
    """The interface does not take or give packets."""


class PacketSocket:
    """Packets of one ethertype on one interface that is up. One task reads at a time.

    `address` is the interface's own MAC.
    """

    def __init__(self, interface: str, ethertype: Ethertype, program: Sequence[Instruction] = ()) -> None:
        """Receive from now on what `program` takes; the empty one takes everything. Raises `PacketSocketError`."""
        self._interface = interface
        self._ethertype = ethertype
        try:
            self._socket, self.address = _opened(interface, ethertype, program)
        except OSError as error:
            raise self._failure(error) from None
        self._stream = aio.Stream(self._socket)

    async def read(self) -> tuple[bytes, bytes]:
        """Wait for a packet and return it with the sender's MAC. Raises `PacketSocketError`, also after `close`."""
        frame = b""
        while len(frame) < _HEADER.size:
            try:
                frame = await self._stream.read(_FRAME_BYTES)
            except OSError as error:
                raise self._failure(error) from None
        _, source, _ = _HEADER.unpack_from(frame)
        return frame[_HEADER.size :], source

    def write(self, payload: bytes, destination: bytes) -> None:
        """Send a packet to a MAC. What the interface has no room for is lost, as on the air: it has to be repeated.

        Raises `PacketSocketError`.
        """
        if len(destination) != _MAC_BYTES:
            raise LocalProtocolError("A MAC has six bytes.")
        try:
            with suppress(BlockingIOError):
                self._socket.send(_HEADER.pack(destination, self.address, self._ethertype) + payload)
        except OSError as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Stop. A waiting `read` ends with `PacketSocketError`. Harmless when repeated."""
        self._stream.close()

    def _failure(self, error: OSError) -> PacketSocketError:
        reason = os.strerror(error.errno) if error.errno else str(error)
        failure = PacketSocketError(f"Packets cannot be exchanged on {self._interface}: {reason}.")
        if isinstance(error, PermissionError):
            failure.remedy = "Run it as root, or with the capability CAP_NET_RAW."
        return failure


def _opened(interface: str, ethertype: Ethertype, program: Sequence[Instruction]) -> tuple[socket.socket, bytes]:
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    opened = socket.socket(socket.AF_PACKET, kind, 0)  # of no protocol yet: nothing comes past the filter
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        if program:
            attach_filter(opened, program)
        opened.bind((interface, ethertype))
        return opened, opened.getsockname()[4]
    except BaseException:
        opened.close()
        raise


def attach_filter(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Let `sock` receive only what `program` takes. Raises `OSError`."""
    code = ctypes.create_string_buffer(assemble(program))
    described = struct.pack("@HP", len(program), ctypes.addressof(code))  # struct sock_fprog
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
