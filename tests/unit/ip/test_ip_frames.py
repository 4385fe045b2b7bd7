"""Ethernet, IPv4, UDP and ARP: bytes written out by hand, and broken ones."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from stack.ip.arp import ArpPacket, Operation, build_arp, parse_arp, who_has
from stack.ip.frames import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    Datagram,
    EthernetFrame,
    FrameError,
    build_datagram,
    build_ethernet,
    check_mac,
    internet_checksum,
    is_station,
    parse_datagram,
    parse_ethernet,
)

MAC = bytes.fromhex("020000000110")
SERVER = IPv4Address("192.168.49.1")
CLIENT = IPv4Address("192.168.49.61")
HELLO = Datagram(SERVER, CLIENT, 67, 68, b"hello")
HELLO_BYTES = bytes.fromhex(
    "45 00 0021 0000 0000 40 11 973d c0a83101 c0a8313d"  # the sum of the header without its checksum is 0x268c0
    "0043 0044 000d d7eb 68656c6c6f"
)


def test_the_checksum_of_rfc_1071_3() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF
    assert internet_checksum(b"") == 0xFFFF
    assert internet_checksum(b"\xff\xff\x00\x01") == 0xFFFE
    assert internet_checksum(b"\x01") == 0x0100 ^ 0xFFFF
    assert internet_checksum(b"\xff\xff" * 40_000) == 0


def test_a_datagram_is_built_and_read() -> None:
    assert build_datagram(HELLO) == HELLO_BYTES
    assert parse_datagram(HELLO_BYTES) == HELLO
    assert parse_datagram(HELLO_BYTES + bytes(12)) == HELLO, "Ethernet pads short frames"


def test_a_datagram_without_a_checksum_is_read() -> None:
    assert parse_datagram(HELLO_BYTES[:26] + b"\0\0" + HELLO_BYTES[28:]) == HELLO


def test_a_checksum_of_zero_is_sent_as_ones() -> None:
    plain = build_datagram(replace(HELLO, payload=b"\0\0"))
    zero = build_datagram(replace(HELLO, payload=plain[26:28]))
    assert zero[26:28] == b"\xff\xff"
    assert parse_datagram(zero).payload == plain[26:28]


def test_options_of_a_header_are_passed_over() -> None:
    header = b"\x46\x00\x00\x25" + HELLO_BYTES[4:10] + b"\0\0" + HELLO_BYTES[12:20] + b"\x01\x01\x01\x00"
    summed = header[:10] + internet_checksum(header).to_bytes(2, "big") + header[12:]
    assert parse_datagram(summed + HELLO_BYTES[20:]) == HELLO


def test_a_datagram_cut_anywhere_is_refused() -> None:
    for size in range(len(HELLO_BYTES)):
        with pytest.raises(FrameError):
            parse_datagram(HELLO_BYTES[:size])


def with_header(at: int, value: bytes) -> bytes:
    """Change the header, and make its checksum right again."""
    header = HELLO_BYTES[:10] + b"\0\0" + HELLO_BYTES[12:20]
    header = header[:at] + value + header[at + len(value) :]
    return header[:10] + internet_checksum(header).to_bytes(2, "big") + header[12:] + HELLO_BYTES[20:]


@pytest.mark.parametrize(
    ("packet", "sentence"),
    [
        (with_header(0, b"\x65"), "contradicts itself"),
        (with_header(0, b"\x44"), "contradicts itself"),
        (with_header(2, b"\x00\x13"), "contradicts itself"),
        (with_header(2, b"\x00\x22"), "contradicts itself"),
        (with_header(2, b"\x00\x1b"), "too short for UDP"),
        (with_header(6, b"\x20\x00"), "no whole UDP"),
        (with_header(6, b"\x00\x01"), "no whole UDP"),
        (with_header(9, b"\x06"), "no whole UDP"),
        (HELLO_BYTES[:10] + b"\x97\x3e" + HELLO_BYTES[12:], "IPv4 checksum"),
        (HELLO_BYTES[:-1] + b"O", "UDP checksum"),
        (HELLO_BYTES[:24] + b"\x00\x0e" + HELLO_BYTES[26:], "UDP length 14"),
        (HELLO_BYTES[:24] + b"\x00\x07" + HELLO_BYTES[26:], "UDP length 7"),
    ],
)
def test_a_packet_that_contradicts_itself_is_refused(packet: bytes, sentence: str) -> None:
    with pytest.raises(FrameError, match=sentence):
        parse_datagram(packet)


def test_dont_fragment_is_no_fragment() -> None:
    assert parse_datagram(with_header(6, b"\x40\x00")) == HELLO


def test_what_does_not_fit_a_packet_is_our_bug() -> None:
    with pytest.raises(LocalProtocolError, match="do not fit"):
        build_datagram(replace(HELLO, payload=bytes(65_508)))
    assert len(build_datagram(replace(HELLO, payload=bytes(65_507)))) == 65_535


def test_ethernet_frames_are_of_the_type_that_was_asked_for() -> None:
    frame = EthernetFrame(b"\xff" * 6, MAC, ETHERTYPE_IPV4, b"packet")
    data = bytes.fromhex("ffffffffffff0200000001100800") + b"packet"
    assert build_ethernet(frame) == data
    assert parse_ethernet(data, ETHERTYPE_IPV4) == frame
    assert parse_ethernet(data[:14], ETHERTYPE_IPV4) == replace(frame, payload=b"")
    with pytest.raises(FrameError, match="0x0800 is not 0x0806"):
        parse_ethernet(data, ETHERTYPE_ARP)
    with pytest.raises(FrameError, match="too short"):
        parse_ethernet(data[:13], ETHERTYPE_IPV4)


@pytest.mark.parametrize("mac", [bytes(6), b"\xff" * 6, bytes.fromhex("01005e000001"), MAC[:5], MAC + b"\0"])
def test_only_the_address_of_one_station_is_one(mac: bytes) -> None:
    assert not is_station(mac)
    assert is_station(MAC)
    with pytest.raises(LocalProtocolError, match="one station"):
        check_mac(mac)


REQUEST_BYTES = bytes.fromhex(
    "ffffffffffff 020000000110 0806  0001 0800 06 04 0001  020000000110 c0a8313d 000000000000 c0a83101"
)


def test_arp_is_built_and_read() -> None:
    request = ArpPacket(Operation.REQUEST, MAC, CLIENT, bytes(6), SERVER)
    assert who_has(SERVER, MAC, CLIENT) == build_arp(request) == REQUEST_BYTES
    assert parse_arp(REQUEST_BYTES + bytes(18)) == request
    assert parse_arp(who_has(SERVER, MAC)).sender_address == IPv4Address("0.0.0.0")
    reply = ArpPacket(Operation.REPLY, b"server", SERVER, MAC, CLIENT)
    assert build_arp(reply)[:6] == MAC
    assert parse_arp(build_arp(reply)) == reply


@pytest.mark.parametrize(
    ("at", "value"),
    [(14, b"\0\x06"), (16, b"\x86\xdd"), (18, b"\x08"), (19, b"\x10"), (20, b"\0\x03"), (12, b"\x08\0")],
)
def test_other_arp_is_refused(at: int, value: bytes) -> None:
    with pytest.raises(FrameError):
        parse_arp(REQUEST_BYTES[:at] + value + REQUEST_BYTES[at + len(value) :])


def test_arp_cut_anywhere_is_refused() -> None:
    for size in range(len(REQUEST_BYTES)):
        with pytest.raises(FrameError):
            parse_arp(REQUEST_BYTES[:size])


ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address)
PORTS = st.integers(0, 0xFFFF)


@given(st.builds(Datagram, ADDRESSES, ADDRESSES, PORTS, PORTS, st.binary(max_size=64)))
def test_what_is_built_is_read_again(datagram: Datagram) -> None:
    assert parse_datagram(build_datagram(datagram)) == datagram


@given(st.binary(max_size=80))
def test_nothing_from_the_air_raises_anything_else(data: bytes) -> None:
    for parse in (parse_datagram, parse_arp):
        try:
            parse(data)
        except FrameError:
            continue
