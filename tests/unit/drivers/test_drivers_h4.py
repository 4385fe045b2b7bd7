"""H4 framing: packets out of any stream of bytes, however it is cut and wherever it begins."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.hci.acl import build_acl
from drivers.hci.h4 import MAX_ACL_BYTES, H4Parser

LONGEST_PACKET_BYTES = 5 + MAX_ACL_BYTES
RESET_DONE = bytes.fromhex("040e0401030c00")
PACKETS_SENT = bytes.fromhex("0413050140000100")

EVENTS = st.builds(
    lambda code, parameters: bytes((4, code, len(parameters))) + parameters,
    st.integers(1, 0x3F) | st.integers(0x41, 0x5F) | st.just(0xFF),
    st.binary(max_size=255),
)
DATA = st.builds(build_acl, st.integers(0, 0x0EFF), st.sampled_from((1, 2)), st.binary(max_size=300))
PACKETS = st.lists(EVENTS | DATA, min_size=1, max_size=8)
# No indicator of a controller is in it, so that nothing in it looks like a packet.
NOISE = st.lists(st.sampled_from([0, 1, 3, 5, 0x7F, 0xFF]), max_size=40).map(bytes)


def fed(parser: H4Parser, stream: bytes, cuts: list[int]) -> list[bytes]:
    """Feed `stream` in pieces that end at `cuts`."""
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [packet for first, last in pairwise(edges) for packet in parser.feed(stream[first:last])]


def held_bytes(parser: H4Parser) -> int:
    """How much the parser keeps."""
    return len(parser._held)


@given(PACKETS, st.lists(st.integers(0, 5000), max_size=20))
def test_any_cutting_gives_the_packets(packets: list[bytes], cuts: list[int]) -> None:
    parser = H4Parser()
    assert fed(parser, b"".join(packets), cuts) == packets
    assert parser.skipped_bytes == 0
    assert held_bytes(parser) == 0


@given(PACKETS)
def test_byte_by_byte_gives_the_packets(packets: list[bytes]) -> None:
    parser = H4Parser()
    stream = b"".join(packets)
    assert [packet for byte in stream for packet in parser.feed(bytes((byte,)))] == packets


@given(st.lists(st.tuples(NOISE, EVENTS | DATA), min_size=1, max_size=6), st.lists(st.integers(0, 5000), max_size=20))
def test_noise_between_packets_is_skipped_and_counted(pairs: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    parser = H4Parser()
    stream = b"".join(noise + packet for noise, packet in pairs)
    assert fed(parser, stream, cuts) == [packet for _, packet in pairs]
    assert parser.skipped_bytes == sum(len(noise) for noise, _ in pairs)


@given(st.binary(max_size=2000), st.lists(st.integers(0, 5000), max_size=20))
def test_after_any_noise_the_parser_finds_its_way_back(noise: bytes, cuts: list[int]) -> None:
    parser = H4Parser()
    # What looked like a header takes at most one packet's length; after that, quiet, and then a packet.
    stream = noise + bytes(LONGEST_PACKET_BYTES) + RESET_DONE
    assert fed(parser, stream, cuts)[-1] == RESET_DONE


@pytest.mark.parametrize("start", range(1, len(RESET_DONE)))
def test_a_stream_that_begins_within_a_packet(start: int) -> None:
    parser = H4Parser()
    # The packet after the torn one may be lost with it, the one after that may not.
    assert parser.feed(RESET_DONE[start:] + PACKETS_SENT + RESET_DONE)[-1] == RESET_DONE


@pytest.mark.parametrize("pattern", [b"\x02", b"\x04", b"\x00", b"\xff", b"\x02\xff\x0e\x00\x10", b"\x04\x0e\xff"])
def test_a_megabyte_of_garbage_takes_no_memory(pattern: bytes) -> None:
    parser = H4Parser()
    garbage = (pattern * (2**20 // len(pattern) + 1))[: 2**20]
    found_bytes = 0
    for start in range(0, len(garbage), 4096):
        found_bytes += sum(map(len, parser.feed(garbage[start : start + 4096])))
        assert held_bytes(parser) < LONGEST_PACKET_BYTES
    assert found_bytes + parser.skipped_bytes + held_bytes(parser) == len(garbage)


@given(st.binary(max_size=4000))
def test_every_byte_is_in_a_packet_or_skipped_or_held(stream: bytes) -> None:
    parser = H4Parser()
    packets = parser.feed(stream)
    assert sum(map(len, packets)) + parser.skipped_bytes + held_bytes(parser) == len(stream)
    assert all(packet[0] in (2, 4) for packet in packets)


@pytest.mark.parametrize(
    "header",
    [
        "01030c00",  # a command, which no controller sends
        "0300000000",  # synchronous data, which LE has not
        "0500000000",
        "040000",  # event code 0
        "044000",
        "046000",
        "04fe00",
        "0200300000",  # a broadcast flag
        "02ffff0000",
        "0200200110",  # 4097 bytes
    ],
)
def test_what_no_controller_sends_begins_no_packet(header: str) -> None:
    parser = H4Parser()
    assert parser.feed(bytes.fromhex(header)) == []
    assert parser.feed(RESET_DONE) == [RESET_DONE]


@pytest.mark.parametrize("packet", ["040100", "043f00", "045f00", "04ff00", "0200200000", "02ff2e0000"])
def test_what_a_controller_may_send(packet: str) -> None:
    assert H4Parser().feed(bytes.fromhex(packet)) == [bytes.fromhex(packet)]


def test_the_longest_packet() -> None:
    packet = build_acl(0x0040, 2, bytes(MAX_ACL_BYTES))
    parser = H4Parser()
    assert parser.feed(packet[:-1]) == []
    assert held_bytes(parser) == LONGEST_PACKET_BYTES - 1
    assert parser.feed(packet[-1:]) == [packet]
