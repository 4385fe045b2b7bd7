"""The ATT server: every request at its edges, long reads and writes, errors to the byte, and anything at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stack.ble.att import (
    AttError,
    ErrorCode,
    ErrorResponse,
    ExchangeMtuRequest,
    ExchangeMtuResponse,
    ExecuteWriteRequest,
    ExecuteWriteResponse,
    FindByTypeValueRequest,
    FindByTypeValueResponse,
    FindInformationRequest,
    FindInformationResponse,
    Pdu,
    PrepareWriteRequest,
    PrepareWriteResponse,
    ReadBlobRequest,
    ReadBlobResponse,
    ReadByGroupTypeRequest,
    ReadByGroupTypeResponse,
    ReadByTypeRequest,
    ReadByTypeResponse,
    ReadRequest,
    ReadResponse,
    WriteRequest,
    WriteResponse,
    build_pdu,
    parse_pdu,
)
from stack.ble.att_server import MAX_PREPARED, MAX_PREPARED_BYTES, AttServer
from stack.ble.gatt import attribute_table
from stack.ble.uuids import octets_of
from tests.unit.ble.attributes import BROKEN, FOREIGN, FOREIGN_UUID, LAST, NAME, P2P, STATUS, Values, asked, served

PRIMARY, CHARACTERISTIC = b"\x00\x28", b"\x03\x28"
MTUS = (23, 24, 64, 185, 247, 512, 517)


def answer_to(octets: str, mtu: int = 23, values: Values | None = None) -> str | None:
    answer = served(values or Values(), mtu).receive(bytes.fromhex(octets))
    return None if answer is None else answer.hex()


def error_of(server: AttServer, request: Pdu) -> tuple[int, int]:
    """Return the error's code and handle; it must name the request."""
    answer = asked(server, request)
    assert isinstance(answer, ErrorResponse)
    assert answer.request_opcode == request.OPCODE
    return answer.error_code, answer.handle


# To the byte.


DIALOGUE: dict[str, tuple[str, str]] = {
    "MTU": ("02 0502", "03 0502"),
    "services, first page": ("10 0100 ffff 0028", "11 06 0100 0500 0018 0600 0600 0118 0700 0b00 5599"),
    "services, the long one": (
        "10 0c00 ffff 0028",
        "11 14 0c00 1000 89674523810000800010000031330000",
    ),
    "services, end": ("10 1100 ffff 0028", "01 10 1100 0a"),
    "service by UUID": ("06 0100 ffff 0028 5599", "07 0700 0b00"),
    "service by the same UUID in 16 bytes": (
        "06 0100 ffff 0028 fb349b5f80000080001000005599 0000",
        "07 0700 0b00",
    ),
    "service by a long UUID": ("06 0100 ffff 0028 89674523810000800010000031330000", "07 0c00 1000"),
    "service that is not there": ("06 0100 ffff 0028 ab12", "01 06 0100 0a"),
    "service beyond its place": ("06 0800 ffff 0028 5599", "01 06 0800 0a"),
    "service by nothing": ("06 0100 ffff 0028", "01 06 0100 0a"),
    "value of another type": ("06 0100 ffff 0328 5599", "01 06 0100 0a"),
    "characteristics": ("08 0700 0b00 0328", "09 07 0800 0a 0900 5499 0a00 0a 0b00 5399"),
    "characteristics by 16 bytes": (
        "08 0700 0b00 fb349b5f80000080001000000328 0000",
        "09 07 0800 0a 0900 5499 0a00 0a 0b00 5399",
    ),
    "a long characteristic": ("08 0c00 0e00 0328", "09 15 0d00 0a 0e00 89674523810000800010000032330000"),
    "characteristics, end": ("08 0b00 0b00 0328", "01 08 0b00 0a"),
    "value by its type": ("08 0100 ffff 002a", "09 05 0300 4e4153"),
    "value by a type of 3 bytes": ("08 0100 ffff 002a00", "01 08 0000 04"),
    "value by no type": ("08 0100 ffff", "01 08 0000 04"),
    "value that may not be read, by its type": ("08 0100 ffff 5399", "01 08 0b00 02"),
    "information": ("04 0100 0300", "05 01 0100 0028 0200 0328 0300 002a"),
    "information, 16 bytes": ("04 0e00 ffff", "05 02 0e00 89674523810000800010000032330000"),
    "information, mixed": ("04 0d00 0e00", "05 01 0d00 0328"),
    "information, end": ("04 1100 ffff", "01 04 1100 0a"),
    "information from 0": ("04 0000 ffff", "01 04 0000 01"),
    "information backwards": ("04 0300 0200", "01 04 0300 01"),
    "services from 0": ("10 0000 ffff 0028", "01 10 0000 01"),
    "services backwards": ("10 0300 0200 0028", "01 10 0300 01"),
    "values from 0": ("08 0000 ffff 0328", "01 08 0000 01"),
    "service by UUID from 0": ("06 0000 ffff 0028 5599", "01 06 0000 01"),
    "groups that are not services": ("10 0100 ffff 0328", "01 10 0100 10"),
    "read": ("0a 0300", "0b 4e4153"),
    "read a declaration": ("0a 0800", "0b 0a 0900 5499"),
    "read handle 0": ("0a 0000", "01 0a 0000 01"),
    "read behind the end": ("0a 1100", "01 0a 1100 01"),
    "read p2p": ("0a 0b00", "01 0a 0b00 02"),
    "read refused by who has it": ("0a 1000", "01 0a 1000 0e"),
    "blob of p2p": ("0c 0b00 0000", "01 0c 0b00 02"),
    "blob behind the end": ("0c 1100 0000", "01 0c 1100 01"),
    "write": ("12 0b00 7b7d", "13"),
    "write nothing": ("12 0b00", "13"),
    "write status": ("12 0900 7b7d", "01 12 0900 03"),
    "write a declaration": ("12 0800 00", "01 12 0800 03"),
    "write handle 0": ("12 0000 00", "01 12 0000 01"),
    "write refused by who has it": ("12 1000 00", "01 12 1000 13"),
    "prepare": ("16 0b00 1200 6162", "17 0b00 1200 6162"),
    "prepare status": ("16 0900 0000 61", "01 16 0900 03"),
    "prepare handle 0": ("16 0000 0000 61", "01 16 0000 01"),
    "execute nothing": ("18 01", "19"),
    "cancel nothing": ("18 00", "19"),
    "read cut": ("0a 03", "01 0a 0000 04"),
    "read too long": ("0a 0300 00", "01 0a 0000 04"),
    "MTU cut": ("02 05", "01 02 0000 04"),
    "execute cut": ("18", "01 18 0000 04"),
    "read multiple": ("0e 0300 0500", "01 0e 0000 06"),
    "read multiple variable": ("20 0300 0500", "01 20 0000 06"),
    "unknown request": ("3f", "01 3f 0000 06"),
    "opcode 0": ("00", "01 00 0000 06"),
}
SILENCE = {
    "nothing": "",
    "write command": "52 0b00 7b7d",
    "write command to status": "52 0900 7b7d",
    "write command to nobody": "52 ffff 7b7d",
    "write command cut": "52 0b",
    "write command refused by who has it": "52 1000 00",
    "signed write command": "d2 0b00 7b7d 000000000000000000000000",
    "unknown command": "7f 00",
    "confirmation": "1e",
}


@pytest.mark.parametrize(("request_", "answer"), DIALOGUE.values(), ids=DIALOGUE)
def test_requests_and_their_answers(request_: str, answer: str) -> None:
    assert answer_to(request_) == bytes.fromhex(answer).hex()


@pytest.mark.parametrize("request_", SILENCE.values(), ids=SILENCE)
def test_what_gets_no_answer(request_: str) -> None:
    assert answer_to(request_) is None


def test_a_write_command_is_heard_and_a_bad_one_is_not() -> None:
    values = Values()
    for request in SILENCE.values():
        answer_to(request, values=values)
    assert values.written == [(P2P, b"{}")]


# The MTU.


@pytest.mark.parametrize(("client", "agreed"), [(0, 23), (22, 23), (23, 23), (100, 100), (517, 517), (0xFFFF, 517)])
def test_the_mtu_is_the_smaller_one_and_never_below_the_least(client: int, agreed: int) -> None:
    server = AttServer(())
    assert asked(server, ExchangeMtuRequest(client)) == ExchangeMtuResponse(517)
    assert server.mtu == agreed


@pytest.mark.parametrize("mtu", MTUS)
def test_a_read_fills_the_mtu_and_not_more(mtu: int) -> None:
    for length in (mtu - 2, mtu - 1, mtu, 512, 600):
        values = Values(status=bytes(index & 0xFF for index in range(length)))
        answer = asked(served(values, mtu), ReadRequest(STATUS))
        assert answer == ReadResponse(values.status[: min(512, mtu - 1)])


@pytest.mark.parametrize(("mtu", "listed"), [(23, 19), (257, 253), (258, 253), (517, 253)])
def test_a_listed_value_is_cut_to_what_its_length_can_count(mtu: int, listed: int) -> None:
    values = Values(foreign=bytes(range(256)) * 2)
    answer = asked(served(values, mtu), ReadByTypeRequest(1, 0xFFFF, octets_of(FOREIGN_UUID)))
    assert answer == ReadByTypeResponse(2 + listed, FOREIGN.to_bytes(2, "little") + values.foreign[:listed])


# Discovery, as a client that knows nothing does it.


@pytest.mark.parametrize("mtu", MTUS)
def test_all_handles_and_types_can_be_found(mtu: int) -> None:
    values = Values()
    server, found, start = served(values, mtu), dict[int, bytes](), 1
    while isinstance(page := asked(server, FindInformationRequest(start, 0xFFFF)), FindInformationResponse):
        size = {1: 4, 2: 18}[page.format]
        for at in range(0, len(page.information_data), size):
            entry = page.information_data[at : at + size]
            found[int.from_bytes(entry[:2], "little")] = entry[2:]
        start = max(found) + 1
    assert page == ErrorResponse(0x04, LAST + 1, ErrorCode.ATTRIBUTE_NOT_FOUND)
    assert found == {row.handle: row.type for row in values.table()}


@pytest.mark.parametrize("mtu", MTUS)
def test_all_services_can_be_found(mtu: int) -> None:
    server, found, start = served(Values(), mtu), list[tuple[int, int]](), 1
    while isinstance(page := asked(server, ReadByGroupTypeRequest(start, 0xFFFF, PRIMARY)), ReadByGroupTypeResponse):
        for at in range(0, len(page.attribute_data), page.length):
            entry = page.attribute_data[at : at + page.length]
            found.append((int.from_bytes(entry[:2], "little"), int.from_bytes(entry[2:4], "little")))
        start = found[-1][1] + 1
    assert found == [(1, 5), (6, 6), (7, 11), (12, 16)]


@pytest.mark.parametrize("mtu", MTUS)
def test_all_characteristics_can_be_found(mtu: int) -> None:
    server, found, start = served(Values(), mtu), list[int](), 1
    while isinstance(page := asked(server, ReadByTypeRequest(start, 0xFFFF, CHARACTERISTIC)), ReadByTypeResponse):
        for at in range(0, len(page.attribute_data), page.length):
            found.append(int.from_bytes(page.attribute_data[at : at + 2], "little"))
        start = found[-1] + 1
    assert found == [2, 4, 8, 10, 13, 15]


def test_an_empty_table_has_nothing() -> None:
    server = AttServer(())
    for request in (
        FindInformationRequest(1, 0xFFFF),
        FindByTypeValueRequest(1, 0xFFFF, 0x2800, b"\x55\x99"),
        ReadByTypeRequest(1, 0xFFFF, CHARACTERISTIC),
        ReadByGroupTypeRequest(1, 0xFFFF, PRIMARY),
    ):
        assert error_of(server, request) == (ErrorCode.ATTRIBUTE_NOT_FOUND, 1)
    assert error_of(server, ReadRequest(1)) == (ErrorCode.INVALID_HANDLE, 1)


def test_several_services_of_one_kind_are_listed_together() -> None:
    values = Values()
    services = values.services()
    server = AttServer(attribute_table((*services[2:3], *services[2:3])))
    found = asked(server, FindByTypeValueRequest(1, 0xFFFF, 0x2800, b"\x55\x99"))
    assert found == FindByTypeValueResponse(bytes.fromhex("01000500 06000a00"))


# Long reads.


@pytest.mark.parametrize("mtu", [23, 517])
@pytest.mark.parametrize("length", [0, 1, 22, 23, 183, 512])
def test_a_blob_at_every_offset(mtu: int, length: int) -> None:
    value = bytes(index & 0xFF for index in range(length))
    server = served(Values(status=value), mtu)
    for offset in range(length + 1):
        assert asked(server, ReadBlobRequest(STATUS, offset)) == ReadBlobResponse(value[offset : offset + mtu - 1])
    for offset in (length + 1, length + 100, 0xFFFF):
        assert error_of(server, ReadBlobRequest(STATUS, offset)) == (ErrorCode.INVALID_OFFSET, STATUS)


def test_a_value_that_changes_stays_what_it_was_until_it_is_read_anew() -> None:
    values = Values(status=b"a" * 60)
    server = served(values)
    assert asked(server, ReadRequest(STATUS)) == ReadResponse(b"a" * 22)
    values.status = b"b" * 30
    assert asked(server, ReadBlobRequest(STATUS, 22)) == ReadBlobResponse(b"a" * 22)
    assert asked(server, ReadBlobRequest(STATUS, 44)) == ReadBlobResponse(b"a" * 16)
    assert asked(server, ReadBlobRequest(STATUS, 60)) == ReadBlobResponse(b"")
    assert asked(server, ReadBlobRequest(STATUS, 0)) == ReadBlobResponse(b"b" * 22)
    values.status = b"c" * 30
    assert asked(server, ReadRequest(STATUS)) == ReadResponse(b"c" * 22)


def test_reading_something_else_or_writing_ends_a_long_read() -> None:
    values = Values(status=b"a" * 60)
    server = served(values)
    for between in (ReadRequest(NAME), WriteRequest(P2P, b"x")):
        values.status = b"a" * 60
        asked(server, ReadRequest(STATUS))
        asked(server, between)
        values.status = b"b" * 60
        assert asked(server, ReadBlobRequest(STATUS, 22)) == ReadBlobResponse(b"b" * 22)


# Writes.


@pytest.mark.parametrize("mtu", MTUS)
def test_a_write_as_long_as_the_mtu_lets_it(mtu: int) -> None:
    values = Values()
    value = bytes(index & 0xFF for index in range(min(512, mtu - 3)))
    assert asked(served(values, mtu), WriteRequest(P2P, value)) == WriteResponse()
    assert values.written == [(P2P, value)]


@pytest.mark.parametrize("length", [513, 514])
def test_a_value_over_512_bytes_is_refused(length: int) -> None:
    values = Values()
    code = error_of(served(values, 517), WriteRequest(P2P, bytes(length)))
    assert code == (ErrorCode.INVALID_ATTRIBUTE_VALUE_LENGTH, P2P)
    assert values.written == []


def prepare(server: AttServer, value: bytes, handle: int = P2P, offset: int = 0) -> None:
    """Prepare `value` in the parts that the MTU wants."""
    size = server.mtu - 5
    for at in range(0, len(value), size):
        part = PrepareWriteRequest(handle, offset + at, value[at : at + size])
        assert asked(server, part) == PrepareWriteResponse(part.handle, part.offset, part.value)


@pytest.mark.parametrize("mtu", MTUS)
@pytest.mark.parametrize("length", [1, 18, 19, 256, 512])
def test_a_long_write(mtu: int, length: int) -> None:
    values = Values()
    value = bytes(index & 0xFF for index in range(length))
    server = served(values, mtu)
    prepare(server, value)
    assert values.written == []
    assert asked(server, ExecuteWriteRequest(1)) == ExecuteWriteResponse()
    assert values.written == [(P2P, value)]
    asked(server, ExecuteWriteRequest(1))
    assert len(values.written) == 1, "it is executed once"


def test_a_cancelled_long_write_leaves_nothing() -> None:
    values = Values()
    server = served(values)
    prepare(server, b"x" * 40)
    assert asked(server, ExecuteWriteRequest(0)) == ExecuteWriteResponse()
    assert asked(server, ExecuteWriteRequest(1)) == ExecuteWriteResponse()
    assert values.written == []


def test_parts_may_overlap_and_come_again() -> None:
    values = Values()
    server = served(values)
    prepare(server, b"abcdef")
    prepare(server, b"XY", offset=2)
    prepare(server, b"abcdef")
    prepare(server, b"Z!", offset=6)
    asked(server, ExecuteWriteRequest(1))
    assert values.written == [(P2P, b"abcdefZ!")]


def test_a_gap_is_an_invalid_offset_and_everything_is_forgotten() -> None:
    values = Values()
    server = served(values)
    prepare(server, b"abc", FOREIGN)
    prepare(server, b"abc")
    prepare(server, b"def", offset=4)
    assert error_of(server, ExecuteWriteRequest(1)) == (ErrorCode.INVALID_OFFSET, P2P)
    asked(server, ExecuteWriteRequest(1))
    assert values.written == [], "all or none"


def test_a_value_over_512_bytes_in_parts_is_refused() -> None:
    values = Values()
    server = served(values, 517)
    prepare(server, bytes(512))
    prepare(server, b"x", offset=512)
    assert error_of(server, ExecuteWriteRequest(1)) == (ErrorCode.INVALID_ATTRIBUTE_VALUE_LENGTH, P2P)
    assert values.written == []


def test_two_attributes_in_one_queue() -> None:
    values = Values()
    server = served(values)
    prepare(server, b"one", FOREIGN)
    prepare(server, b"two")
    prepare(server, b"ONE", FOREIGN, offset=3)
    asked(server, ExecuteWriteRequest(1))
    assert values.written == [(FOREIGN, b"oneONE"), (P2P, b"two")]


def test_who_has_the_value_may_refuse_a_long_write() -> None:
    server = served(Values())
    prepare(server, b"x", BROKEN)
    assert error_of(server, ExecuteWriteRequest(1)) == (ErrorCode.VALUE_NOT_ALLOWED, BROKEN)


def test_the_queue_is_bounded_by_its_parts() -> None:
    values = Values()
    server = served(values)
    for _ in range(MAX_PREPARED):
        prepare(server, b"x")
    assert error_of(server, PrepareWriteRequest(P2P, 0, b"y")) == (ErrorCode.PREPARE_QUEUE_FULL, P2P)
    asked(server, ExecuteWriteRequest(1))
    assert values.written == [(P2P, b"x")]
    prepare(server, b"again")


def test_the_queue_is_bounded_by_its_bytes() -> None:
    server = served(Values(), 517)
    for _ in range(MAX_PREPARED_BYTES // 512):
        prepare(server, bytes(512))
    assert error_of(server, PrepareWriteRequest(P2P, 0, b"y")) == (ErrorCode.PREPARE_QUEUE_FULL, P2P)
    assert error_of(server, PrepareWriteRequest(FOREIGN, 0, b"y")) == (ErrorCode.PREPARE_QUEUE_FULL, FOREIGN)
    prepare(server, b"")


def test_the_longest_value_fits_the_queue_at_the_smallest_mtu() -> None:
    values = Values()
    server = served(values)
    prepare(server, bytes(512))
    asked(server, ExecuteWriteRequest(1))
    assert values.written == [(P2P, bytes(512))]


def test_a_part_longer_than_its_answer_could_be_is_refused() -> None:
    server = served(Values())
    request = PrepareWriteRequest(P2P, 0, bytes(19))
    assert error_of(server, request) == (ErrorCode.INVALID_PDU, P2P)


def test_another_connection_knows_nothing_of_it() -> None:
    values = Values()
    prepare(served(values), b"half")
    asked(served(values), ExecuteWriteRequest(1))
    assert values.written == []


def test_who_has_the_value_need_not_know_its_handle() -> None:
    server = served(Values())
    assert error_of(server, ReadRequest(BROKEN)) == (ErrorCode.UNLIKELY_ERROR, BROKEN)
    assert AttError(ErrorCode.UNLIKELY_ERROR).handle == 0


# Anything at all: see tests/fuzz for longer dialogues.


HANDLES = st.integers(0, LAST + 1)
OFFSETS = st.integers(0, 40) | st.integers(500, 520) | st.just(0xFFFF)


class PrepareQueueAgainstModel(RuleBasedStateMachine):
    """Parts are kept as a list; executing joins them, attribute by attribute, or does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.values = Values()
        self.server = served(self.values, 64)
        self.parts: list[tuple[int, int, bytes]] = []
        self.expected: list[tuple[int, bytes]] = []

    @rule(handle=HANDLES, offset=OFFSETS, value=st.binary(max_size=59))
    def prepare(self, handle: int, offset: int, value: bytes) -> None:
        answer = asked(self.server, PrepareWriteRequest(handle, offset, value))
        writable = handle in (P2P, FOREIGN, BROKEN)
        fits = len(self.parts) < MAX_PREPARED and sum(len(part[2]) for part in self.parts) + len(value) <= 2048
        assert isinstance(answer, PrepareWriteResponse) == (writable and fits)
        if isinstance(answer, PrepareWriteResponse):
            assert answer == PrepareWriteResponse(handle, offset, value)
            self.parts.append((handle, offset, value))

    @rule(value=st.binary(max_size=59))
    def append(self, value: bytes) -> None:
        """Continue where the last value ends, as phones do."""
        self.prepare(P2P, sum(len(part[2]) for part in self.parts if part[0] == P2P), value)

    @rule()
    def cancel(self) -> None:
        assert asked(self.server, ExecuteWriteRequest(0)) == ExecuteWriteResponse()
        self.parts.clear()

    @rule()
    def execute(self) -> None:
        answer = asked(self.server, ExecuteWriteRequest(1))
        joined = self.joined()
        if joined is None:
            assert isinstance(answer, ErrorResponse)
        else:
            for handle, value in joined.items():
                if handle == BROKEN:
                    assert answer == ErrorResponse(0x18, BROKEN, ErrorCode.VALUE_NOT_ALLOWED)
                    break
                self.expected.append((handle, value))
            else:
                assert answer == ExecuteWriteResponse()
        self.parts.clear()

    def joined(self) -> dict[int, bytes] | None:
        values: dict[int, bytes] = {}
        for handle, offset, part in self.parts:
            before = values.get(handle, b"")
            if offset > len(before):
                return None
            values[handle] = before[:offset] + part + before[offset + len(part) :]
            if len(values[handle]) > 512:
                return None
        return values

    @rule(data=st.binary(min_size=1, max_size=59))
    def write(self, data: bytes) -> None:
        """A plain write does not touch the queue."""
        asked(self.server, WriteRequest(P2P, data))
        self.expected.append((P2P, data))

    @invariant()
    def what_was_written_is_what_should_be(self) -> None:
        assert self.values.written == self.expected


TestPrepareQueueAgainstModel = PrepareQueueAgainstModel.TestCase


@given(st.binary(max_size=64), st.sampled_from(MTUS))
def test_any_bytes_get_an_answer_or_none(data: bytes, mtu: int) -> None:
    server = served(Values(), mtu)
    answer = server.receive(data)
    if answer is not None:
        assert len(answer) <= max(server.mtu, mtu)
        assert build_pdu(parse_pdu(answer)) == answer
