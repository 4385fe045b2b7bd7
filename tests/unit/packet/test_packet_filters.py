"""The filter of a packet socket, run by the kernel on a pair of sockets that any user may have."""

import socket
import struct
from collections.abc import Iterator

import pytest

from drivers.packet.filters import DHCP_CLIENT, assemble
from drivers.packet.packet_socket import attach_filter

ETHERNET = bytes.fromhex("ffffffffffff 020000000199 0800")


def datagram(
    port: int = 68, protocol: int = 17, fragment: int = 0, options: bytes = b"", content: bytes = b""
) -> bytes:
    """An Ethernet frame with an IPv4 datagram (RFC 791, 3.1) of UDP."""
    udp = struct.pack(">HHHH", 67, port, 8 + len(content), 0) + content
    first = 0x45 + len(options) // 4
    head = struct.pack(">BBHHHBBH8x", first, 0, 20 + len(options) + len(udp), 0, fragment, 64, protocol, 0)
    return ETHERNET + head + options + udp


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A sender, and a receiver behind the filter."""
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        receiver.setblocking(False)
        attach_filter(receiver, DHCP_CLIENT)
        yield sender, receiver


TAKEN = {
    "an answer of a server": datagram(),
    "one with IP options": datagram(options=bytes(40)),
    "a long one": datagram(content=bytes(1400)),
    "one that must not be cut up": datagram(fragment=0x4000),
}
DROPPED = {
    "for the server": datagram(port=67),
    "for a port that looks like it": datagram(port=68 << 8),
    "of TCP": datagram(protocol=6),
    "a first part": datagram(fragment=0x2000),
    "a last part": datagram(fragment=0x0001),
    "with the port where options are": datagram(port=67, options=bytes(4), content=b"\0\x44\0\x44"),
    "cut off in the Ethernet header": ETHERNET[:10],
    "cut off in the IP header": datagram()[:20],
    "cut off before the port": datagram()[:36],
}


@pytest.mark.parametrize("frame", TAKEN.values(), ids=TAKEN)
def test_what_a_dhcp_client_gets(ends: tuple[socket.socket, socket.socket], frame: bytes) -> None:
    sender, receiver = ends
    sender.send(frame)
    assert receiver.recv(4096) == frame


@pytest.mark.parametrize("frame", DROPPED.values(), ids=DROPPED)
def test_what_a_dhcp_client_does_not_get(ends: tuple[socket.socket, socket.socket], frame: bytes) -> None:
    sender, receiver = ends
    # Some kernels tell the sender of a Unix socket that the filter dropped its message, others do not.
    try:
        sender.send(frame)
    except PermissionError:
        return
    with pytest.raises(BlockingIOError):
        receiver.recv(4096)


def test_an_instruction_is_eight_bytes() -> None:
    assert assemble(DHCP_CLIENT)[:16].hex() == "3000000017000000" + "1500000611000000"
    assert len(assemble(DHCP_CLIENT)) == 8 * len(DHCP_CLIENT)
