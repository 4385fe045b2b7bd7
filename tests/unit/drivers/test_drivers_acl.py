"""ACL data: pieces and wholes, and the queue against a model of a controller that counts."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from drivers.hci.acl import (
    MAX_PDU_BYTES,
    MAX_QUEUED_PACKETS,
    AclPacket,
    AclQueue,
    QueueFullError,
    Reassembler,
    build_acl,
    fragments,
    parse_acl,
)
from drivers.hci.wire import PacketError
from stack.ble.l2cap import build_pdu

PDU = build_pdu(4, bytes(range(100)))
LARGEST = build_pdu(4, bytes(MAX_PDU_BYTES - 4))


def first(data: bytes) -> AclPacket:
    return AclPacket(1, True, data)


def continuing(data: bytes) -> AclPacket:
    return AclPacket(1, False, data)


def test_acl_vectors() -> None:
    assert build_acl(0x0040, 0b00, b"\1\2\3") == bytes.fromhex("02 4000 0300 010203")
    assert build_acl(0x0EFF, 0b01, b"") == bytes.fromhex("02 ff1e 0000")
    assert parse_acl(bytes.fromhex("02 4020 0200 aabb")) == AclPacket(0x0040, True, b"\xaa\xbb")
    assert parse_acl(bytes.fromhex("02 4010 0200 aabb")) == AclPacket(0x0040, False, b"\xaa\xbb")
    assert parse_acl(bytes.fromhex("02 4000 0000")).is_first


@pytest.mark.parametrize("packet", ["", "02", "02402002", "02 4020 0300 aabb", "02 4020 0100 aabb"])
def test_a_length_that_lies_is_refused(packet: str) -> None:
    with pytest.raises(PacketError):
        parse_acl(bytes.fromhex(packet))


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 4, 5, 23, 27, 251, 1021, 5000])
@pytest.mark.parametrize("length", [0, 1, 22, 23, 24, 27, 243, 517, MAX_PDU_BYTES - 4])
def test_cut_and_put_together_is_the_same(length: int, piece_bytes: int) -> None:
    pdu = build_pdu(4, bytes(index & 0xFF for index in range(length)))
    reassembler = Reassembler()
    pieces = fragments(0x0040, pdu, piece_bytes)
    assert all(len(piece) <= 5 + piece_bytes for piece in pieces)
    *parts, whole = [reassembler.feed(parse_acl(piece)) for piece in pieces]
    assert not any(parts)
    assert whole == pdu


@given(st.lists(st.integers(0, MAX_PDU_BYTES - 4), min_size=1, max_size=5), st.integers(1, 300))
def test_one_after_the_other(lengths: list[int], piece_bytes: int) -> None:
    pdus = [build_pdu(4, bytes(length)) for length in lengths]
    reassembler = Reassembler()
    pieces = [piece for pdu in pdus for piece in fragments(1, pdu, piece_bytes)]
    assert [pdu for piece in pieces if (pdu := reassembler.feed(parse_acl(piece)))] == pdus


BROKEN: dict[str, list[AclPacket]] = {
    "a continuation first": [continuing(PDU[50:])],
    "first inside first": [first(PDU[:30])],
    "first twice inside first": [first(PDU[:3]), first(PDU[:30])],
    "more than the length says": [first(PDU[:50]), continuing(PDU[50:] + b"x")],
    "more than the length says at once": [first(PDU + b"x")],
    "a length beyond any PDU": [first(build_pdu(4, bytes(65535))[:27]), continuing(bytes(27))],
    "one byte too long": [first(build_pdu(4, bytes(MAX_PDU_BYTES - 3)))],
    "a continuation after the end": [first(PDU), continuing(b"x")],
    "nothing at all": [first(b""), continuing(b"")],
    "half a header": [first(b"\1"), continuing(b"\0")],
}


@pytest.mark.parametrize("pieces", BROKEN.values(), ids=BROKEN)
def test_broken_sequences_are_dropped_and_the_next_pdu_is_whole(pieces: list[AclPacket]) -> None:
    reassembler = Reassembler()
    assert [pdu for piece in pieces if (pdu := reassembler.feed(piece))] in ([], [PDU])
    assert reassembler.feed(continuing(b"y")) is None
    assert reassembler.feed(first(PDU[:27])) is None
    assert reassembler.feed(continuing(PDU[27:])) == PDU


def test_a_pdu_that_would_be_too_long_is_not_collected() -> None:
    reassembler = Reassembler()
    reassembler.feed(first(b"\xff\xff\4\0"))
    for _ in range(100):
        assert reassembler.feed(continuing(bytes(251))) is None
    assert len(reassembler._held) <= MAX_PDU_BYTES


def test_the_largest_pdu_passes() -> None:
    assert Reassembler().feed(first(LARGEST)) == LARGEST


@given(st.lists(st.builds(AclPacket, st.just(1), st.booleans(), st.binary(max_size=600)), max_size=30))
def test_any_pieces_are_bounded_and_what_comes_out_is_whole(pieces: list[AclPacket]) -> None:
    reassembler = Reassembler()
    for piece in pieces:
        pdu = reassembler.feed(piece)
        assert pdu is None or len(pdu) == 4 + int.from_bytes(pdu[:2], "little") <= MAX_PDU_BYTES
        assert len(reassembler._held) <= MAX_PDU_BYTES + 600


# Whose turn it is.


def drained(queue: AclQueue) -> Iterator[AclPacket]:
    while packet := queue.take():
        yield parse_acl(packet)


def test_connections_take_turns() -> None:
    queue = AclQueue(4, 100)
    for handle, pieces in ((1, 5), (2, 2), (3, 3)):
        queue.opened(handle)
        queue.put(handle, bytes(4 * pieces))
    assert [packet.connection_handle for packet in drained(queue)] == [1, 2, 3, 1, 2, 3, 1, 3, 1, 1]


def test_a_busy_connection_does_not_keep_another_from_its_turn() -> None:
    queue = AclQueue(4, 1)
    queue.opened(1)
    queue.put(1, bytes(40))
    assert [packet.connection_handle for packet in drained(queue)] == [1]
    queue.opened(2)
    queue.put(2, b"x")
    turns = []
    for _ in range(4):
        queue.completed(1, 1)
        queue.completed(2, 1)
        turns += [packet.connection_handle for packet in drained(queue)]
    assert 2 in turns[:2]


def test_a_connection_that_ends_gives_its_buffers_back() -> None:
    queue = AclQueue(4, 3)
    queue.opened(1)
    queue.opened(2)
    queue.put(1, bytes(40))
    assert len(list(drained(queue))) == 3
    queue.put(2, bytes(40))
    assert queue.take() is None
    queue.closed(1)
    assert [packet.connection_handle for packet in drained(queue)] == [2, 2, 2]
    queue.completed(1, 3)
    assert queue.take() is None


def test_completed_packets_that_were_never_taken_create_no_buffers() -> None:
    queue = AclQueue(4, 2)
    queue.opened(1)
    queue.completed(1, 0xFFFF)
    queue.completed(9, 0xFFFF)
    queue.put(1, bytes(40))
    assert len(list(drained(queue))) == 2
    queue.completed(1, 0xFFFF)
    assert len(list(drained(queue))) == 2


def test_the_queue_is_bounded() -> None:
    queue = AclQueue(27, 0)
    queue.opened(1)
    for _ in range(MAX_QUEUED_PACKETS):
        queue.put(1, b"x")
    with pytest.raises(QueueFullError):
        queue.put(1, b"x")
    queue.closed(1)
    queue.put(1, b"nobody")
    queue.opened(1)
    queue.put(1, b"x")


class QueueAgainstModel(RuleBasedStateMachine):
    """A controller that may lie about what it has sent, but has only so many buffers."""

    BUFFERS, PIECE_BYTES = 4, 10
    handles = Bundle("handles")

    def __init__(self) -> None:
        super().__init__()
        self.queue = AclQueue(self.PIECE_BYTES, self.BUFFERS)
        self.waiting: dict[int, list[bytes]] = {}
        self.in_controller: Counter[int] = Counter()
        self.since_its_turn: dict[int, int] = defaultdict(int)

    @rule(target=handles, handle=st.integers(1, 5))
    def opened(self, handle: int) -> int:
        self.queue.opened(handle)
        self.waiting[handle] = []
        del self.in_controller[handle]
        return handle

    @rule(handle=handles)
    def closed(self, handle: int) -> None:
        self.queue.closed(handle)
        self.waiting.pop(handle, None)
        del self.in_controller[handle]
        self.since_its_turn.pop(handle, None)

    @rule(handle=handles, pdu=st.binary(min_size=1, max_size=45))
    def put(self, handle: int, pdu: bytes) -> None:
        self.queue.put(handle, pdu)
        if handle in self.waiting:
            self.waiting[handle] += [pdu[at : at + self.PIECE_BYTES] for at in range(0, len(pdu), self.PIECE_BYTES)]

    @rule(handle=handles, count=st.integers(0, 9))
    def completed(self, handle: int, count: int) -> None:
        self.queue.completed(handle, count)
        self.in_controller[handle] = max(0, self.in_controller[handle] - count)

    @rule()
    def take(self) -> None:
        packet = self.queue.take()
        hopeful = {handle for handle, pieces in self.waiting.items() if pieces}
        if packet is None:
            assert not hopeful or self.in_controller.total() == self.BUFFERS
            return
        taken = parse_acl(packet)
        handle = taken.connection_handle
        assert taken.data == self.waiting[handle].pop(0)
        self.in_controller[handle] += 1
        for other in hopeful - {handle}:
            self.since_its_turn[other] += 1
        self.since_its_turn[handle] = 0

    @invariant()
    def buffers_are_never_overdrawn(self) -> None:
        assert self.in_controller.total() <= self.BUFFERS

    @invariant()
    def nobody_waits_for_more_than_one_turn_of_each_other(self) -> None:
        assert all(turns <= len(self.waiting) for turns in self.since_its_turn.values())


TestQueueAgainstModel = QueueAgainstModel.TestCase
