"""HCI packets: bytes as the Core specification lays them out (volume 4, part E, 7), and every declaration both ways."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from drivers.hci import commands as c
from drivers.hci import events as e
from drivers.hci.address import Address, AddressType
from drivers.hci.packet import Command, Event, Indicator, Returned, build_command
from drivers.hci.wire import Packet, PacketError, build, counted, i8, parse, show, u8, u16, u24
from tests.fuzz.declared import COMMANDS, packets

PEER = bytes.fromhex("665544332211")  # 11:22:33:44:55:66 on the air
NOBODY = bytes(6)
ADV = bytes.fromhex("02010211078967452381000080001000003133000009161e011c5e00000000")
SCAN_RSP = bytes.fromhex("1e16ffff00000000000000001c5e4e41532de785a7e78987000000000000" + "01")

BUILT: dict[str, tuple[Command[Any], str]] = {
    "Reset": (c.Reset(), "030c 00"),
    "Set Event Mask": (c.SetEventMask(1 << 4 | 1 << 61), "010c 08 1000000000000020"),
    "Write LE Host Support": (c.WriteLeHostSupport(1, 0), "6d0c 02 01 00"),
    "Read Buffer Size": (c.ReadBufferSize(), "0510 00"),
    "Disconnect": (c.Disconnect(0x0040, 0x13), "0604 03 4000 13"),
    "LE Set Event Mask": (c.LeSetEventMask(0x1007), "0120 08 0710000000000000"),
    "LE Read Buffer Size": (c.LeReadBufferSize(), "0220 00"),
    "LE Read Local Supported Features": (c.LeReadLocalSupportedFeatures(), "0320 00"),
    "LE Set Random Address": (c.LeSetRandomAddress(PEER), "0520 06 665544332211"),
    "LE Set Advertising Parameters": (
        c.LeSetAdvertisingParameters(0xA0, 0xA0, 0, 1, 0, NOBODY, 7, 0),
        "0620 0f a000 a000 00 01 00 000000000000 07 00",
    ),
    "LE Set Advertising Data": (c.LeSetAdvertisingData(ADV), "0820 20 1f" + ADV.hex()),
    "LE Set Advertising Data, shorter": (c.LeSetAdvertisingData(b"\2\1\6"), "0820 20 03 020106" + "00" * 28),
    "LE Set Scan Response Data": (c.LeSetScanResponseData(SCAN_RSP), "0920 20 1f" + SCAN_RSP.hex()),
    "LE Set Advertising Enable": (c.LeSetAdvertisingEnable(1), "0a20 01 01"),
    "LE Set Scan Parameters": (c.LeSetScanParameters(1, 0x60, 0x30, 1, 0), "0b20 07 01 6000 3000 01 00"),
    "LE Set Scan Enable": (c.LeSetScanEnable(1, 0), "0c20 02 01 00"),
    "LE Create Connection": (
        c.LeCreateConnection(0x60, 0x30, 0, 1, PEER, 1, 12, 24, 0, 400, 0, 0),
        "0d20 19 6000 3000 00 01 665544332211 01 0c00 1800 0000 9001 0000 0000",
    ),
    "LE Create Connection Cancel": (c.LeCreateConnectionCancel(), "0e20 00"),
    "LE Connection Update": (
        c.LeConnectionUpdate(0x40, 6, 12, 1, 300, 2, 3),
        "1320 0e 4000 0600 0c00 0100 2c01 0200 0300",
    ),
    "LE Set Advertising Set Random Address": (c.LeSetAdvertisingSetRandomAddress(0, PEER), "3520 07 00 665544332211"),
    "LE Set Extended Advertising Parameters, legacy ADV_IND": (
        c.LeSetExtendedAdvertisingParameters(0, 0x0013, 0xA0, 0xA0, 7, 1, 0, NOBODY, 0, 127, 1, 0, 1, 0, 0),
        "3620 19 00 1300 a00000 a00000 07 01 00 000000000000 00 7f 01 00 01 00 00",
    ),
    "LE Set Extended Advertising Parameters, negative power": (
        c.LeSetExtendedAdvertisingParameters(1, 0x0013, 0x20, 0x123456, 7, 1, 0, PEER, 0, -20, 1, 0, 1, 2, 0),
        "3620 19 01 1300 200000 563412 07 01 00 665544332211 00 ec 01 00 01 02 00",
    ),
    "LE Set Extended Advertising Data": (
        c.LeSetExtendedAdvertisingData(0, 3, 1, ADV),
        "3720 23 00 03 01 1f" + ADV.hex(),
    ),
    "LE Set Extended Scan Response Data": (
        c.LeSetExtendedScanResponseData(0, 3, 1, SCAN_RSP),
        "3820 23 00 03 01 1f" + SCAN_RSP.hex(),
    ),
    "LE Set Extended Advertising Enable": (
        c.LeSetExtendedAdvertisingEnable(1, 1, 0, 0, 0),
        "3920 06 01 01 00 0000 00",
    ),
    "LE Set Extended Scan Parameters": (
        c.LeSetExtendedScanParameters(1, 0, 1, 1, 0x60, 0x30),
        "4120 08 01 00 01 01 6000 3000",
    ),
    "LE Set Extended Scan Enable": (c.LeSetExtendedScanEnable(1, 0, 0, 0), "4220 06 01 00 0000 0000"),
    "LE Extended Create Connection": (
        c.LeExtendedCreateConnection(0, 1, 1, PEER, 1, 0x60, 0x30, 12, 24, 0, 400, 0, 0),
        "4320 1a 00 01 01 665544332211 01 6000 3000 0c00 1800 0000 9001 0000 0000",
    ),
}

RETURNED: dict[str, tuple[Returned, str]] = {
    "status": (Returned(0x0C), "0c"),
    "buffer size": (c.BufferSize(0, 1021, 64, 8, 4), "00 fd03 40 0800 0400"),
    "LE buffer size": (c.LeBufferSize(0, 251, 15), "00 fb00 0f"),
    "LE features": (c.LeFeatures(0, 1 << 12 | 1), "00 0110000000000000"),
    "selected power": (c.SelectedTxPower(0, -3), "00 fd"),
}

REPORTS = (e.Report(0, 1, PEER, b"\2\1\6", -60), e.Report(4, 0, bytes(range(6)), b"", 127))
HAPPENED: dict[str, tuple[Event, str]] = {
    "Disconnection Complete": (e.DisconnectionComplete(0, 0x40, 0x13), "05 04 00 4000 13"),
    "Command Complete": (e.CommandComplete(1, 0x0C03, b"\0"), "0e 04 01 030c 00"),
    "Command Complete, no command": (e.CommandComplete(1, 0, b""), "0e 03 01 0000"),
    "Command Complete with parameters": (
        e.CommandComplete(2, 0x1009, b"\0" + PEER),
        "0e 0a 02 0910 00 665544332211",
    ),
    "Command Status": (e.CommandStatus(0x0C, 1, 0x200D), "0f 04 0c 01 0d20"),
    "Hardware Error": (e.HardwareError(0x42), "10 01 42"),
    "Number Of Completed Packets, two handles": (
        e.NumberOfCompletedPackets((e.CompletedPackets(0x40, 2), e.CompletedPackets(0x41, 1))),
        "13 09 02 4000 0200 4100 0100",
    ),
    "LE Connection Complete": (
        e.LeConnectionComplete(0, 0x40, 1, 1, PEER, 24, 0, 400, 5),
        "3e 13 01 00 4000 01 01 665544332211 1800 0000 9001 05",
    ),
    "LE Advertising Report, two reports": (
        e.LeAdvertisingReport(REPORTS),
        "3e 19 02 02 00 01 665544332211 03 020106 c4 04 00 000102030405 00 7f",
    ),
    "LE Extended Advertising Report, two reports": (
        e.LeExtendedAdvertisingReport(
            (
                e.ExtendedReport(0x0013, 1, PEER, 1, 0, 0xFF, 127, -70, 0, 0, NOBODY, b"\2\1\6"),
                e.ExtendedReport(0x001B, 1, PEER, 1, 0, 0xFF, -1, -71, 0, 0, NOBODY, b""),
            )
        ),
        "3e 35 0d 02 1300 01 665544332211 01 00 ff 7f ba 0000 00 000000000000 03 020106"
        "        1b00 01 665544332211 01 00 ff ff b9 0000 00 000000000000 00",
    ),
}


@pytest.mark.parametrize(("command", "octets"), BUILT.values(), ids=BUILT)
def test_command_vectors(command: Command[Any], octets: str) -> None:
    packet = b"\x01" + bytes.fromhex(octets)
    assert build_command(command) == packet
    assert parse(type(command), packet[4:], exact=True) == command


@pytest.mark.parametrize(("returned", "octets"), RETURNED.values(), ids=RETURNED)
def test_return_parameter_vectors(returned: Returned, octets: str) -> None:
    assert build(returned) == bytes.fromhex(octets)
    assert parse(type(returned), bytes.fromhex(octets), exact=True) == returned


@pytest.mark.parametrize(("event", "octets"), HAPPENED.values(), ids=HAPPENED)
def test_event_vectors(event: Event, octets: str) -> None:
    packet = b"\x04" + bytes.fromhex(octets)
    assert e.build_event(event) == packet
    assert e.parse_event(packet) == event


def test_every_command_and_event_has_a_vector() -> None:
    assert {type(command) for command, _ in BUILT.values()} == set(COMMANDS)
    assert {type(event) for event, _ in HAPPENED.values()} == set(e.EVENTS)
    assert {type(returned) for returned, _ in RETURNED.values()} == {kind.RETURNS for kind in COMMANDS}


DECLARED: list[type[Packet]] = [*COMMANDS, *sorted({k.RETURNS for k in COMMANDS}, key=lambda k: k.__name__), *e.EVENTS]


@pytest.mark.parametrize("kind", DECLARED, ids=lambda kind: kind.__name__)
def test_every_declaration_reads_what_it_writes_and_prints_it(kind: type[Packet]) -> None:
    @settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
    @given(packets(kind))
    def both_ways(packet: Packet) -> None:
        assert parse(kind, build(packet), exact=True) == packet
        assert show(packet).startswith(kind.__name__)
        assert "\n" not in show(packet)

    both_ways()


@pytest.mark.parametrize("kind", e.EVENTS, ids=lambda kind: kind.__name__)
def test_every_proper_prefix_of_an_event_is_the_controllers_fault(kind: type[Event]) -> None:
    octets = next(octets for event, octets in HAPPENED.values() if type(event) is kind)
    packet = b"\x04" + bytes.fromhex(octets)
    fixed = 3 if kind is e.CommandComplete else len(packet) - 3 - (kind.SUBEVENT is not None)
    for kept in range(fixed):
        parameters = packet[3 + (kind.SUBEVENT is not None) :][:kept]
        with pytest.raises(PacketError):
            parse(kind, parameters)


def test_an_event_that_lies_about_its_length() -> None:
    for packet in ("", "04", "0410", "041000 42", "041002 42", "021001 42"):
        with pytest.raises(PacketError):
            e.parse_event(bytes.fromhex(packet))


def test_unknown_events_are_nothing() -> None:
    assert e.parse_event(bytes.fromhex("04ff020102")) is None
    assert e.parse_event(bytes.fromhex("043e0199")) is None
    assert e.parse_event(bytes.fromhex("043e00")) is None


def test_more_than_was_declared_is_ignored_unless_all_must_fit() -> None:
    assert parse(e.HardwareError, b"\1\2\3") == e.HardwareError(1)
    with pytest.raises(PacketError, match="2 bytes follow the end of a HardwareError"):
        parse(e.HardwareError, b"\1\2\3", exact=True)


def test_padding_that_says_too_much_is_the_peers_fault() -> None:
    assert parse(c.LeSetAdvertisingData, b"\x1f" + ADV).advertising_data == ADV
    with pytest.raises(PacketError, match="31 bytes says that it holds 32"):
        parse(c.LeSetAdvertisingData, b"\x20" + ADV)


@dataclass(frozen=True, slots=True)
class Sample(Packet):
    """One field of each kind that has a bound."""

    one: int = u8()
    two: int = u16()
    three: int = u24()
    signed: int = i8()
    bytes_: bytes = counted()


FITTING = Sample(255, 65535, 0xFFFFFF, -128, bytes(255))


def test_the_largest_values_fit() -> None:
    assert parse(Sample, build(FITTING), exact=True) == FITTING


@pytest.mark.parametrize(
    "sample",
    [
        Sample(256, 0, 0, 0, b""),
        Sample(-1, 0, 0, 0, b""),
        Sample(0, 0x10000, 0, 0, b""),
        Sample(0, 0, 0x1000000, 0, b""),
        Sample(0, 0, 0, 128, b""),
        Sample(0, 0, 0, -129, b""),
        Sample(0, 0, 0, 0, bytes(256)),
        c.LeSetRandomAddress(bytes(5)),
        c.LeSetAdvertisingData(bytes(32)),
        e.NumberOfCompletedPackets((e.CompletedPackets(1, 1),) * 256),
    ],
)
def test_our_own_values_must_fit(sample: Packet) -> None:
    with pytest.raises(LocalProtocolError):
        build(sample)


def test_packets_print_as_people_read_them() -> None:
    assert show(c.LeSetRandomAddress(PEER)) == "LeSetRandomAddress random_address=11:22:33:44:55:66"
    assert show(HAPPENED["Number Of Completed Packets, two handles"][0]) == (
        "NumberOfCompletedPackets handles=[CompletedPackets connection_handle=0x0040 num_completed_packets=0x0002, "
        "CompletedPackets connection_handle=0x0041 num_completed_packets=0x0001]"
    )
    assert show(c.SelectedTxPower(0, -3)) == "SelectedTxPower status=0x00 selected_tx_power_dbm=-3"


# Addresses.


def test_addresses_are_written_highest_byte_first() -> None:
    address = Address.parse("C0:11:22:33:44:55")
    assert address == Address(bytes.fromhex("5544332211c0"), AddressType.RANDOM)
    assert str(address) == "C0:11:22:33:44:55"
    assert Address.parse("001122334455", AddressType.PUBLIC).type is AddressType.PUBLIC


@pytest.mark.parametrize("text", ["", "C0:11:22:33:44", "C0:11:22:33:44:55:66", "zz:11:22:33:44:55"])
def test_what_is_no_address_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Address.parse(text)


@given(st.binary(min_size=6, max_size=6))
def test_random_static_addresses_have_their_two_highest_bits_set(entropy: bytes) -> None:
    if len(set(entropy)) == 1:
        with pytest.raises(LocalProtocolError):
            Address.random_static(entropy)
        return
    address = Address.random_static(entropy)
    assert address.octets[5] & 0xC0 == 0xC0
    assert address.octets[:5] == entropy[:5]
    assert address.type is AddressType.RANDOM


def test_indicators_are_those_of_h4() -> None:
    assert cast("list[int]", list(Indicator)) == [1, 2, 3, 4, 5]
