"""A packet socket that speaks whole Ethernet frames, as the machines of `stack.ip` do."""

from typing import Protocol

from drivers.packet.filters import DHCP_CLIENT
from drivers.packet.packet_socket import Ethertype, PacketSocket
from stack.link.addressing import Wire

_HEADER_BYTES = 14
_MAC_BYTES = 6


class ClosableWire(Wire, Protocol):
    """A wire that is opened for a while."""

    def close(self) -> None:
        """Stop. Harmless when repeated."""


class FrameWire:
    """Frames of one ethertype on one interface. What is received was for us or for everybody: we see it as for us."""

    def __init__(self, socket: PacketSocket, ethertype: Ethertype) -> None:
        """Take over `socket`."""
        self._socket = socket
        self._ethertype = ethertype.to_bytes(2, "big")

    async def read(self) -> bytes:
        """Wait for a frame. Raises `RadioError`."""
        payload, source = await self._socket.read()
        return self._socket.address + source + self._ethertype + payload

    def write(self, frame: bytes) -> None:
        """Send a frame. Raises `RadioError`."""
        self._socket.write(frame[_HEADER_BYTES:], frame[:_MAC_BYTES])

    def close(self) -> None:
        """Stop. Harmless when repeated."""
        self._socket.close()


def open_dhcp(interface: str) -> FrameWire:
    """Hear what is for DHCP clients. Raises `RadioError`."""
    return FrameWire(PacketSocket(interface, Ethertype.IPV4, DHCP_CLIENT), Ethertype.IPV4)


def open_arp(interface: str) -> FrameWire:
    """Hear ARP. Raises `RadioError`."""
    return FrameWire(PacketSocket(interface, Ethertype.ARP), Ethertype.ARP)
