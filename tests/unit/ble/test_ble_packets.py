"""L2CAP and ATT as bytes: vectors from the Core specification's layout (volume 3, parts A and F), and both ways."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.hci.wire import Packet, PacketError, build, parse, show
from stack.ble import att
from stack.ble.l2cap import (
    CommandReject,
    ConnectionParameterUpdateRequest,
    ConnectionParameterUpdateResponse,
    Signal,
    answer_signal,
    build_pdu,
    split_pdu,
)
from stack.ble.uuids import octets_of, short_uuid, uuid_of
from tests.fuzz.declared import packets

ALLIANCE = "00003331-0000-1000-8000-008123456789"

VECTORS: dict[str, tuple[att.Pdu, str]] = {
    "Error Response": (att.ErrorResponse(0x0A, 0x0003, 0x02), "01 0a 0300 02"),
    "Exchange MTU Request": (att.ExchangeMtuRequest(517), "02 0502"),
    "Exchange MTU Response": (att.ExchangeMtuResponse(23), "03 1700"),
    "Find Information Request": (att.FindInformationRequest(1, 0xFFFF), "04 0100 ffff"),
    "Find Information Response": (att.FindInformationResponse(1, bytes.fromhex("01000028")), "05 01 0100 0028"),
    "Find By Type Value Request": (
        att.FindByTypeValueRequest(1, 0xFFFF, 0x2800, bytes.fromhex("5599")),
        "06 0100 ffff 0028 5599",
    ),
    "Find By Type Value Response": (att.FindByTypeValueResponse(bytes.fromhex("07000b00")), "07 0700 0b00"),
    "Read By Type Request": (att.ReadByTypeRequest(7, 11, bytes.fromhex("0328")), "08 0700 0b00 0328"),
    "Read By Type Response": (
        att.ReadByTypeResponse(7, bytes.fromhex("08000a09005499")),
        "09 07 0800 0a 0900 5499",
    ),
    "Read Request": (att.ReadRequest(9), "0a 0900"),
    "Read Response": (att.ReadResponse(b"{}"), "0b 7b7d"),
    "Read Blob Request": (att.ReadBlobRequest(9, 22), "0c 0900 1600"),
    "Read Blob Response": (att.ReadBlobResponse(b""), "0d"),
    "Read By Group Type Request": (att.ReadByGroupTypeRequest(1, 0xFFFF, b"\x00\x28"), "10 0100 ffff 0028"),
    "Read By Group Type Response": (
        att.ReadByGroupTypeResponse(6, bytes.fromhex("010005000018")),
        "11 06 0100 0500 0018",
    ),
    "Write Request": (att.WriteRequest(11, b"{}"), "12 0b00 7b7d"),
    "Write Response": (att.WriteResponse(), "13"),
    "Write Command": (att.WriteCommand(11, b"{}"), "52 0b00 7b7d"),
    "Prepare Write Request": (att.PrepareWriteRequest(11, 18, b"ab"), "16 0b00 1200 6162"),
    "Prepare Write Response": (att.PrepareWriteResponse(11, 18, b"ab"), "17 0b00 1200 6162"),
    "Execute Write Request": (att.ExecuteWriteRequest(1), "18 01"),
    "Execute Write Response": (att.ExecuteWriteResponse(), "19"),
}


@pytest.mark.parametrize(("pdu", "octets"), VECTORS.values(), ids=VECTORS)
def test_att_vectors(pdu: att.Pdu, octets: str) -> None:
    assert att.build_pdu(pdu) == bytes.fromhex(octets)
    assert att.parse_pdu(bytes.fromhex(octets)) == pdu


def test_every_att_pdu_has_a_vector() -> None:
    assert {type(pdu) for pdu, _ in VECTORS.values()} == set(att.REQUESTS + att.RESPONSES)


DECLARED: list[type[Packet]] = [*att.REQUESTS, *att.RESPONSES, CommandReject, ConnectionParameterUpdateRequest]


@pytest.mark.parametrize("kind", [*DECLARED, ConnectionParameterUpdateResponse, Signal], ids=lambda kind: kind.__name__)
def test_every_declaration_reads_what_it_writes_and_prints_it(kind: type[Packet]) -> None:
    @settings(max_examples=20)
    @given(packets(kind))
    def both_ways(packet: Packet) -> None:
        assert parse(kind, build(packet), exact=True) == packet
        assert show(packet).startswith(kind.__name__)

    both_ways()


@pytest.mark.parametrize("octets", ["", "00", "0205", "020502 00", "0a", "0a0900 00", "1e 00", "ff", "18", "1300"])
def test_malformed_pdus_are_refused(octets: str) -> None:
    with pytest.raises(PacketError):
        att.parse_pdu(bytes.fromhex(octets))


def test_who_a_pdu_is_for() -> None:
    for_client = {0x01, 0x03, 0x05, 0x07, 0x09, 0x0B, 0x0D, 0x11, 0x13, 0x17, 0x19, 0x1B, 0x1D, 0x23}
    assert {opcode for opcode in range(256) if att.is_for_client(bytes((opcode,)))} == for_client
    responses = {opcode for opcode in range(256) if att.is_response(bytes((opcode,)))}
    assert responses == for_client - {0x1B, 0x1D, 0x23}
    assert not att.is_for_client(b"")
    assert not att.is_response(b"")


def test_commands_and_confirmations_want_no_answer() -> None:
    silent = {opcode for opcode in range(256) if not att.wants_answer(bytes((opcode,)))}
    assert silent == {0x1E} | {opcode for opcode in range(256) if opcode & 0x40}


def test_att_errors_say_what_and_where() -> None:
    assert str(att.AttError(0x02, 7)) == "The request for attribute 7 was answered by: read not permitted"
    assert str(att.AttError(0x80, 7)).endswith("error 0x80")


# L2CAP.


def test_l2cap_vectors() -> None:
    assert build_pdu(4, b"\x02\x05\x02") == bytes.fromhex("0300 0400 020502")
    assert split_pdu(bytes.fromhex("0300 0400 020502")) == (4, b"\x02\x05\x02")
    assert split_pdu(bytes.fromhex("0000 0600")) == (6, b"")


@pytest.mark.parametrize("pdu", ["", "00", "000004", "0100 0400", "0100 0400 0102"])
def test_a_pdu_that_lies_about_its_length_is_refused(pdu: str) -> None:
    with pytest.raises(PacketError):
        split_pdu(bytes.fromhex(pdu))


UPDATE = "12 07 0800 0c00 1800 0000 9001"  # 15 to 30 ms, no latency, 4 s
# What came, what goes back to it as central, and whether parameters are set.
SIGNALS: dict[str, tuple[str, str | None, bool]] = {
    "update": (UPDATE, "13 07 0200 0000", True),
    "update, silly": ("12 07 0800 0c00 1800 f401 9001", "13 07 0200 0100", False),
    "update, too short": ("12 07 0600 0c00 1800 0000", "01 07 0200 0000", False),
    "update, too long": ("12 07 0a00 0c00 1800 0000 9001 0000", "01 07 0200 0000", False),
    "update, cut": ("12 07 0800 0c00 1800", "01 07 0200 0000", False),
    "credit based connection": ("14 01 0a00 2500 4000 0002 f700 0a00", "01 01 0200 0000", False),
    "unknown": ("7f 09 0000", "01 09 0200 0000", False),
    "longer than the MTU": ("7f 09 1400" + "00" * 20, "01 09 0400 0100 1700", False),
    "a reject": ("01 09 0200 0000", None, False),
    "a response": ("13 09 0200 0000", None, False),
    "identifier 0": ("12 00 0800 0c00 1800 0000 9001", None, False),
    "no header": ("12 07 08", None, False),
    "nothing": ("", None, False),
}


@pytest.mark.parametrize(("came", "answer", "updates"), SIGNALS.values(), ids=SIGNALS)
def test_signals(came: str, answer: str | None, updates: bool) -> None:
    sent, update = answer_signal(bytes.fromhex(came), is_central=True)
    assert sent == (None if answer is None else bytes.fromhex(answer))
    assert (update == ConnectionParameterUpdateRequest(12, 24, 0, 400)) is updates


def test_a_peripheral_does_not_understand_updates() -> None:
    assert answer_signal(bytes.fromhex(UPDATE), is_central=False) == (bytes.fromhex("01 07 0200 0000"), None)


# The limits of 4.20, each on its edge: interval_min, interval_max, latency, timeout.
ALLOWED = [(6, 6, 0, 10), (3200, 3200, 0, 3200), (6, 3200, 2, 3200), (6, 6, 499, 752), (6, 24, 0, 10)]
NOT_ALLOWED = [
    (5, 6, 0, 10),
    (7, 6, 0, 10),
    (6, 3201, 0, 3200),
    (6, 6, 500, 3200),
    (6, 6, 0, 9),
    (6, 6, 0, 3201),
    (6, 6, 499, 750),  # 500 times 7.5 ms, doubled, is the timeout itself
    (3200, 3200, 3, 3200),
]


@pytest.mark.parametrize("values", ALLOWED)
def test_allowed_parameters(values: tuple[int, int, int, int]) -> None:
    assert ConnectionParameterUpdateRequest(*values).is_allowed


@pytest.mark.parametrize("values", NOT_ALLOWED)
def test_parameters_that_no_connection_could_live_with(values: tuple[int, int, int, int]) -> None:
    assert not ConnectionParameterUpdateRequest(*values).is_allowed


# UUIDs.


def test_uuids() -> None:
    assert octets_of(short_uuid(0x9955)) == b"\x55\x99"
    assert uuid_of(b"\x55\x99") == "00009955-0000-1000-8000-00805f9b34fb"
    assert octets_of(ALLIANCE) == bytes.fromhex("8967452381000080001000003133 0000")
    assert octets_of("12345678-0000-1000-8000-00805f9b34fb")[-4:] == bytes.fromhex("78563412")


@given(st.binary(min_size=16, max_size=16) | st.binary(min_size=2, max_size=2))
def test_uuids_come_back(octets: bytes) -> None:
    again = octets_of(uuid_of(octets))
    assert uuid_of(again) == uuid_of(octets)
