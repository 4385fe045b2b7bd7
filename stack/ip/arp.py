"""ARP packets for IPv4 over Ethernet: bytes only (RFC 826)."""

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address
from struct import Struct
from typing import Final

from stack.ip.frames import (
    BROADCAST_MAC,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    EthernetFrame,
    FrameError,
    build_ethernet,
    parse_ethernet,
)

NO_ADDRESS: Final = IPv4Address(0)

_NO_MAC = bytes(6)
_PACKET = Struct("!HHBBH6s4s6s4s")
_ETHERNET_AND_IPV4 = (1, ETHERTYPE_IPV4, 6, 4)  # types and lengths of hardware and protocol addresses


class Operation(IntEnum):
    """What an ARP packet is."""

    REQUEST = 1
    REPLY = 2


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """One ARP packet."""

    operation: Operation
    sender_mac: bytes
    sender_address: IPv4Address
    target_mac: bytes
    target_address: IPv4Address


@dataclass(frozen=True, slots=True)
class SendArp:
    """What the machines of ARP want done: send `frame`, a whole Ethernet frame."""

    frame: bytes


def parse_arp(frame: bytes) -> ArpPacket:
    """Parse an Ethernet frame with an ARP packet. Raises `FrameError`, for any other frame too."""
    payload = parse_ethernet(frame, ETHERTYPE_ARP).payload
    if len(payload) < _PACKET.size:
        raise FrameError("The frame is too short for ARP.")
    *kind, operation, sender_mac, sender, target_mac, target = _PACKET.unpack_from(payload)
    if tuple(kind) != _ETHERNET_AND_IPV4 or operation not in (Operation.REQUEST, Operation.REPLY):
        raise FrameError("The ARP packet is not about IPv4 over Ethernet.")
    return ArpPacket(Operation(operation), sender_mac, IPv4Address(sender), target_mac, IPv4Address(target))


def build_arp(packet: ArpPacket) -> bytes:
    """Build the Ethernet frame of an ARP packet: a request goes to everybody, a reply to its target."""
    payload = _PACKET.pack(
        *_ETHERNET_AND_IPV4,
        packet.operation,
        packet.sender_mac,
        packet.sender_address.packed,
        packet.target_mac,
        packet.target_address.packed,
    )
    destination = BROADCAST_MAC if packet.operation is Operation.REQUEST else packet.target_mac
    return build_ethernet(EthernetFrame(destination, packet.sender_mac, ETHERTYPE_ARP, payload))


def who_has(wanted: IPv4Address, mac: bytes, address: IPv4Address = NO_ADDRESS) -> bytes:
    """Build the request that asks for `wanted`. Without an address of ours it is a probe (RFC 5227, 1.1)."""
    return build_arp(ArpPacket(Operation.REQUEST, mac, address, _NO_MAC, wanted))
