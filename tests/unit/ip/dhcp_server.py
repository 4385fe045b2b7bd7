"""A DHCP server that does what it is told, and the frames it makes."""

from collections.abc import Mapping
from ipaddress import IPv4Address

from stack.ip.dhcp import (
    CLIENT_PORT,
    SERVER_PORT,
    DhcpMessage,
    MessageType,
    Op,
    Option,
    build_dhcp,
    parse_dhcp,
)
from stack.ip.frames import (
    ETHERTYPE_IPV4,
    Datagram,
    EthernetFrame,
    build_datagram,
    build_ethernet,
    parse_datagram,
    parse_ethernet,
)

MAC = bytes.fromhex("020000000110")
SERVER_MAC = bytes.fromhex("060000000000")
XID = 0x3903F326
SERVER = IPv4Address("192.168.49.1")
CLIENT = IPv4Address("192.168.49.61")


def heard(frame: bytes) -> DhcpMessage:
    """What a client sent, as a server hears it; checks everything around it."""
    ethernet = parse_ethernet(frame, ETHERTYPE_IPV4)
    assert (ethernet.destination, ethernet.source) == (b"\xff" * 6, MAC)
    datagram = parse_datagram(ethernet.payload)
    assert (datagram.source, datagram.destination) == (IPv4Address("0.0.0.0"), IPv4Address("255.255.255.255"))
    assert (datagram.source_port, datagram.destination_port) == (CLIENT_PORT, SERVER_PORT)
    assert len(datagram.payload) >= 300
    return parse_dhcp(datagram.payload)


def saying(
    message_type: MessageType,
    *,
    address: str = str(CLIENT),
    server: str = str(SERVER),
    mask: str = "255.255.255.0",
    lease_s: int = 3600,
    options: Mapping[int, bytes | None] | None = None,
    xid: int = XID,
    mac: bytes = MAC,
    op: Op = Op.REPLY,
) -> bytes:
    """Build what a server says as a frame. `options` come on top; `None` takes one away."""
    said: dict[int, bytes | None] = {
        Option.MESSAGE_TYPE: bytes((message_type,)),
        Option.SERVER_IDENTIFIER: IPv4Address(server).packed,
        Option.LEASE_TIME: lease_s.to_bytes(4, "big"),
        Option.SUBNET_MASK: IPv4Address(mask).packed,
        3: IPv4Address("10.66.66.66").packed,  # a router and a name server, as evil owners offer them
        6: IPv4Address("10.66.66.66").packed,
        **(options or {}),
    }
    present = {number: value for number, value in said.items() if value is not None}
    message = DhcpMessage(op, xid, mac, present, yiaddr=IPv4Address(address))
    return in_frame(build_dhcp(message), server=server)


def in_frame(payload: bytes, *, server: str = str(SERVER), source_port: int = SERVER_PORT) -> bytes:
    """Put bytes into a frame from a server to a client."""
    datagram = Datagram(IPv4Address(server), CLIENT, source_port, CLIENT_PORT, payload)
    return build_ethernet(EthernetFrame(MAC, SERVER_MAC, ETHERTYPE_IPV4, build_datagram(datagram)))
