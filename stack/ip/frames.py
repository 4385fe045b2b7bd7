"""Ethernet, IPv4 and UDP as far as DHCP and ARP need them: bytes only (RFC 894, 791, 768).

For a packet socket: a station has no address yet, so the kernel's own UDP cannot speak for it.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct
from typing import Final

from board.errors import LocalProtocolError, RemoteProtocolError

BROADCAST_MAC: Final = b"\xff" * 6
ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_ARP: Final = 0x0806

_ETHERNET = Struct("!6s6sH")  # destination, source, type
# Version and header length, service, total length, id, fragment, time to live, protocol, checksum, addresses.
_IPV4 = Struct("!BBHHHBBH4s4s")
_UDP = Struct("!HHHH")  # source port, destination port, length, checksum
_PSEUDO_HEADER = Struct("!4s4sBBH")

_VERSION_4 = 4
_FRAGMENT_BITS = 0x3FFF  # more fragments, and the offset
_TIME_TO_LIVE = 64
_PROTOCOL_UDP = 17
_NO_CHECKSUM = 0
_MAC_BYTES = 6
_GROUP_BIT = 1


class FrameError(RemoteProtocolError):
    """A frame is broken, or not of the kind that was asked for."""


@dataclass(frozen=True, slots=True)
class EthernetFrame:
    """One Ethernet II frame. The payload may have padding behind it."""

    destination: bytes
    source: bytes
    ethertype: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram in one IPv4 packet."""

    source: IPv4Address
    destination: IPv4Address
    source_port: int
    destination_port: int
    payload: bytes


def parse_ethernet(frame: bytes, ethertype: int) -> EthernetFrame:
    """Parse a frame of `ethertype`. Raises `FrameError`, for another type too."""
    if len(frame) < _ETHERNET.size:
        raise FrameError("The frame is too short for Ethernet.")
    destination, source, found = _ETHERNET.unpack_from(frame)
    if found != ethertype:
        raise FrameError(f"Ethertype 0x{found:04x} is not 0x{ethertype:04x}.")
    return EthernetFrame(destination, source, found, frame[_ETHERNET.size :])


def build_ethernet(frame: EthernetFrame) -> bytes:
    """Build a frame. No padding: the driver knows what its medium needs."""
    return _ETHERNET.pack(frame.destination, frame.source, frame.ethertype) + frame.payload


def parse_datagram(packet: bytes) -> Datagram:
    """Parse an IPv4 packet with a UDP datagram, checksums included. Raises `FrameError`."""
    source, destination, segment = _parse_ipv4(packet)
    if len(segment) < _UDP.size:
        raise FrameError("The packet is too short for UDP.")
    source_port, destination_port, length, checksum = _UDP.unpack_from(segment)
    if not _UDP.size <= length <= len(segment):
        raise FrameError(f"The UDP length {length} does not fit its packet.")
    if checksum != _NO_CHECKSUM and internet_checksum(_pseudo(source, destination, length) + segment[:length]):
        raise FrameError("The UDP checksum is wrong.")
    payload = segment[_UDP.size : length]
    return Datagram(IPv4Address(source), IPv4Address(destination), source_port, destination_port, payload)


def build_datagram(datagram: Datagram) -> bytes:
    """Build the IPv4 packet of a datagram, checksums included."""
    source, destination = datagram.source.packed, datagram.destination.packed
    length = _UDP.size + len(datagram.payload)
    ports = datagram.source_port, datagram.destination_port
    blank = _UDP.pack(*ports, length, _NO_CHECKSUM) + datagram.payload
    # A sum of zero is sent as ones, because zero says that there is none (RFC 768).
    checksum = internet_checksum(_pseudo(source, destination, length) + blank) or 0xFFFF
    return _ipv4_header(source, destination, length) + _UDP.pack(*ports, length, checksum) + datagram.payload


def internet_checksum(data: bytes) -> int:
    """Compute the checksum of RFC 1071; over data that holds a right one it is 0."""
    total: int = sum(Struct(f"!{(len(data) + 1) // 2}H").unpack(data + b"\0" * (len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def check_mac(mac: bytes) -> None:
    """Raise `LocalProtocolError` unless `mac` is the address of one station."""
    if not is_station(mac):
        raise LocalProtocolError(f"{mac.hex(':')} is not the address of one station.")


def is_station(mac: bytes) -> bool:
    """Say whether `mac` is the address of one station: no group, not all zeros."""
    return len(mac) == _MAC_BYTES and any(mac) and not mac[0] & _GROUP_BIT


def _parse_ipv4(packet: bytes) -> tuple[bytes, bytes, bytes]:
    if len(packet) < _IPV4.size:
        raise FrameError("The packet is too short for IPv4.")
    first, _, total, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(packet)
    version, header_bytes = first >> 4, 4 * (first & 0xF)
    if version != _VERSION_4 or not _IPV4.size <= header_bytes <= total <= len(packet):
        raise FrameError("The IPv4 header contradicts itself.")
    if internet_checksum(packet[:header_bytes]):
        raise FrameError("The IPv4 checksum is wrong.")
    if protocol != _PROTOCOL_UDP or fragment & _FRAGMENT_BITS:
        raise FrameError("The packet is no whole UDP datagram.")
    return source, destination, packet[header_bytes:total]


def _ipv4_header(source: bytes, destination: bytes, payload_bytes: int) -> bytes:
    first = _VERSION_4 << 4 | _IPV4.size // 4
    total = _IPV4.size + payload_bytes
    if total > 0xFFFF:
        raise LocalProtocolError(f"{payload_bytes} bytes do not fit an IPv4 packet.")
    blank = first, 0, total, 0, 0, _TIME_TO_LIVE, _PROTOCOL_UDP
    checksum = internet_checksum(_IPV4.pack(*blank, 0, source, destination))
    return _IPV4.pack(*blank, checksum, source, destination)


def _pseudo(source: bytes, destination: bytes, length: int) -> bytes:
    return _PSEUDO_HEADER.pack(source, destination, 0, _PROTOCOL_UDP, length)
