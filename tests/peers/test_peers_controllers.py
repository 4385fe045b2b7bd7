"""The virtual controllers behave like chips: what Bumble's own do otherwise has its test here, named by the mending."""

import contextlib
import json
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.station.demo.controllers import ControllersError, VirtualAir
from tests.peers.bumble.phone import ReceivingPhone, SendingPhone
from tests.peers.bumble.raw_host import (
    ACL,
    ADVERTISING_REPORT,
    ALL_BUT_ENHANCED,
    ALL_EVENTS,
    COMPLETED_PACKETS,
    CONNECTION_COMPLETE,
    DISCONNECT,
    DISCONNECTION_COMPLETE,
    ENHANCED_CONNECTION_COMPLETE,
    EXTENDED_REPORT,
    HARDWARE_ERROR,
    LE_META,
    LE_SET_EVENT_MASK,
    OVERFLOW,
    RESET,
    SET_EVENT_MASK,
    SET_TERMINATED,
    RawHost,
)

# The worked example of the protocol (2.6).
ADVERTISING_DATA = bytes.fromhex("02010211078967452381000080001000003133000009161e011c5e00000000")
SCAN_RESPONSE = bytes.fromhex("1e16ffff00000000000000001c5e4e41532de785a7e7898700000000000001")
OFFER = {"id": "1c5e", "ssid": "DIRECT-ab", "psk": "radiolab123", "mac": "02:00:00:00:00:00", "port": 8443}

PUBLIC, RANDOM = 0, 1
ADV_IND, SCAN_RSP = 0, 4
ADDRESS = bytes.fromhex("0a00000000c0")
OTHER_ADDRESS = bytes.fromhex("0b00000000c0")
ABSENT = bytes.fromhex("0c00000000c0")

SUCCESS, UNKNOWN_COMMAND, UNKNOWN_CONNECTION, MEMORY_FULL = b"\x00", b"\x01", b"\x02", b"\x07"
TIMED_OUT, ALREADY_CONNECTED, DISALLOWED, INVALID, BY_REMOTE, BY_US = 0x08, b"\x0b", b"\x0c", b"\x12", 0x13, 0x16
UNSUPPORTED, UNSUPPORTED_REMOTE, UNKNOWN_SET = b"\x11", b"\x1a", b"\x42"

SET_RANDOM_ADDRESS, PARAMETERS, DATA, RESPONSE, ENABLE = 0x2005, 0x2006, 0x2008, 0x2009, 0x200A
SCAN_PARAMETERS, SCAN_ENABLE, CREATE, CANCEL = 0x200B, 0x200C, 0x200D, 0x200E
CLEAR_LIST, ADD_TO_LIST, REMOVE_FROM_LIST = 0x2010, 0x2011, 0x2012
UPDATE, SET_ADDRESS, SET_PARAMETERS, SET_DATA, SET_RESPONSE, SET_ENABLE = 0x2013, 0x2035, 0x2036, 0x2037, 0x2038, 0x2039
REMOVE_SET, CLEAR_SETS, EXTENDED_SCAN_PARAMETERS, EXTENDED_SCAN_ENABLE = 0x203C, 0x203D, 0x2041, 0x2042
UNKNOWN_OPCODE = 0xFC99


@pytest.fixture(scope="module")
def air() -> Iterator[VirtualAir]:
    with VirtualAir(3, legacy_tcp=1) as virtual_air:
        yield virtual_air


@pytest.fixture
def hosts(air: VirtualAir) -> Iterator[list[RawHost]]:
    """Hosts at three controllers with extended advertising and one without; leaving them switches the radios off."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(RawHost(each)).start() for each in air.hci]


def padded(data: bytes) -> bytes:
    return bytes((len(data),)) + data.ljust(31, b"\0")


def advertising_parameters(kind: int = ADV_IND, own: int = RANDOM, slots: int = 0x20, policy: int = 0) -> bytes:
    return struct.pack("<HHBBB6sBB", slots, slots, kind, own, 0, bytes(6), 7, policy)


def set_parameters(handle: int = 1, properties: int = 0x13, own: int = RANDOM) -> bytes:
    interval = (0x20).to_bytes(3, "little")
    return struct.pack(
        "<BH3s3sBBB6sBbBBBBB", handle, properties, interval, interval, 7, own, 0, bytes(6), 0, 127, 1, 0, 1, 5, 0
    )


def connection_parameters(peer: bytes, kind: int = RANDOM, policy: int = 0, timeout: int = 200) -> bytes:
    return struct.pack("<HHBB6sBHHHHHH", 16, 16, policy, kind, peer, PUBLIC, 24, 40, 0, timeout, 0, 0)


def advertise(host: RawHost, own: int = RANDOM, slots: int = 0x20, policy: int = 0) -> None:
    if own == RANDOM:
        assert host.ask(SET_RANDOM_ADDRESS, ADDRESS) == SUCCESS
    assert host.ask(PARAMETERS, advertising_parameters(own=own, slots=slots, policy=policy)) == SUCCESS
    assert host.ask(DATA, padded(ADVERTISING_DATA)) == SUCCESS
    assert host.ask(RESPONSE, padded(SCAN_RESPONSE)) == SUCCESS
    assert host.ask(ENABLE, b"\1") == SUCCESS


def advertise_set(host: RawHost, properties: int = 0x13) -> None:
    assert host.ask(SET_PARAMETERS, set_parameters(properties=properties))[:1] == SUCCESS
    assert host.ask(SET_ADDRESS, b"\1" + ADDRESS) == SUCCESS
    assert host.ask(SET_DATA, bytes((1, 3, 1, 31)) + ADVERTISING_DATA) == SUCCESS
    assert host.ask(SET_RESPONSE, bytes((1, 3, 1, 31)) + SCAN_RESPONSE) == SUCCESS
    assert host.ask(SET_ENABLE, bytes((1, 1, 1, 0, 0, 0))) == SUCCESS


def scan(host: RawHost, active: bool = True, policy: int = 0, filter_duplicates: int = 0) -> None:
    assert host.ask(SCAN_PARAMETERS, struct.pack("<BHHBB", active, 16, 16, PUBLIC, policy)) == SUCCESS
    assert host.ask(SCAN_ENABLE, bytes((1, filter_duplicates))) == SUCCESS


def scan_extended(host: RawHost, active: bool = True) -> None:
    assert host.ask(EXTENDED_SCAN_PARAMETERS, struct.pack("<BBBBHH", PUBLIC, 0, 1, active, 16, 16)) == SUCCESS
    assert host.ask(EXTENDED_SCAN_ENABLE, bytes((1, 0, 0, 0, 0, 0))) == SUCCESS


def connect(central: RawHost, peripheral: RawHost, peer: bytes = ADDRESS, kind: int = RANDOM) -> tuple[int, int]:
    """Connect to what advertises already; return the handles of both ends."""
    assert central.ask(CREATE, connection_parameters(peer, kind)) == SUCCESS
    ends = [central.meta(CONNECTION_COMPLETE), peripheral.meta(CONNECTION_COMPLETE)]
    assert [end[:1] for end in ends] == [SUCCESS, SUCCESS]
    return int.from_bytes(ends[0][1:3], "little"), int.from_bytes(ends[1][1:3], "little")


def acl(handle: int, data: bytes, boundary: int = 0) -> bytes:
    return struct.pack("<BHH", ACL, handle | boundary << 12, len(data)) + data


def reports(packets: list[bytes]) -> list[bytes]:
    return [each for each in packets if each[1] == LE_META and each[3] in (ADVERTISING_REPORT, EXTENDED_REPORT)]


def wait_for_events(host: RawHost, count: int = 2) -> list[bytes]:
    """Wait until `count` advertisements came, return all reports by then."""
    first = [host.wait(lambda each: bool(reports([each])) and each[5] in (ADV_IND, 0x13)) for _ in range(count)]
    return first + reports(host.settle())


def others_heard(scanner: RawHost, witness: RawHost) -> set[bytes]:
    """Return the addresses that `scanner` hears in five intervals of `witness`, without that one's."""
    public_address = witness.ask(0x1009)[1:]
    advertise(witness, own=PUBLIC)
    for _ in range(10):  # with scan responses
        scanner.wait(lambda each: bool(reports([each])) and each[7:13] == public_address)
    return {each[7:13] for each in reports(scanner.settle())} - {public_address}


class TestScanning:
    def test_active_scanner_hears_the_exact_advertisement_and_scan_response(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        for scanner in hosts[1:]:
            scan(scanner)
            head = bytes((1, ADV_IND, RANDOM)) + ADDRESS + b"\x1f"
            assert scanner.meta(ADVERTISING_REPORT)[:-1] == head + ADVERTISING_DATA
            head = bytes((1, SCAN_RSP, RANDOM)) + ADDRESS + b"\x1f"
            assert scanner.meta(ADVERTISING_REPORT)[:-1] == head + SCAN_RESPONSE

    def test_passive_scanner_hears_no_scan_response(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        scan(hosts[1], active=False)
        assert {each[5] for each in wait_for_events(hosts[1])} == {ADV_IND}

    @pytest.mark.parametrize("in_a_set", [False, True])
    def test_extended_scanner_sees_legacy_advertising_as_such(self, hosts: list[RawHost], in_a_set: bool) -> None:
        advertise_set(hosts[0]) if in_a_set else advertise(hosts[0])
        scan_extended(hosts[1])
        # After the address: primary PHY 1M, no secondary one, no set, no power, an RSSI.
        radio = bytes((1, 0, 0xFF, 0x7F))
        for event_type, data in ((0x13, ADVERTISING_DATA), (0x1B, SCAN_RESPONSE)):
            report = hosts[1].meta(EXTENDED_REPORT)
            assert report[:10] == struct.pack("<BHB6s", 1, event_type, RANDOM, ADDRESS)
            assert report[10:14] == radio
            assert report[24:] == b"\x1f" + data

    def test_legacy_scanner_hears_a_set_with_legacy_pdus(self, hosts: list[RawHost]) -> None:
        advertise_set(hosts[0])
        scan(hosts[3])
        heard = [hosts[3].meta(ADVERTISING_REPORT)[1:-1] for _ in range(2)]
        assert heard == [
            bytes((ADV_IND, RANDOM)) + ADDRESS + b"\x1f" + ADVERTISING_DATA,
            bytes((SCAN_RSP, RANDOM)) + ADDRESS + b"\x1f" + SCAN_RESPONSE,
        ]

    def test_legacy_commands_do_not_hear_extended_pdus(self, hosts: list[RawHost]) -> None:
        advertise_set(hosts[0], properties=0x01)
        scan(hosts[3])
        assert hosts[2].ask(CREATE, connection_parameters(ADDRESS)) == SUCCESS
        scan_extended(hosts[1])
        hosts[1].meta(EXTENDED_REPORT)
        hosts[1].meta(EXTENDED_REPORT)
        assert not reports(hosts[3].settle())
        assert hosts[2].ask(CANCEL) == SUCCESS

    def test_passive_extended_scanner_hears_no_scan_response(self, hosts: list[RawHost]) -> None:
        advertise_set(hosts[0])
        scan_extended(hosts[1], active=False)
        assert {each[5] for each in wait_for_events(hosts[1])} == {0x13}

    def test_duplicates_are_filtered_until_scanning_starts_again(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        scan(hosts[1], filter_duplicates=1)
        scan(hosts[2])
        wait_for_events(hosts[2], 4)
        assert [each[5] for each in reports(hosts[1].settle())] == [ADV_IND, SCAN_RSP]
        assert hosts[1].ask(SCAN_ENABLE, b"\1\1") == SUCCESS
        hosts[1].meta(ADVERTISING_REPORT)

    def test_scanner_with_a_filter_hears_only_its_accept_list(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        assert hosts[1].ask(ADD_TO_LIST, b"\1" + OTHER_ADDRESS) == SUCCESS
        scan(hosts[1], policy=1)
        scan(hosts[2])
        wait_for_events(hosts[2])
        assert not reports(hosts[1].settle())
        assert hosts[1].ask(ADD_TO_LIST, b"\1" + ADDRESS) == SUCCESS
        hosts[1].meta(ADVERTISING_REPORT)
        assert hosts[1].ask(REMOVE_FROM_LIST, b"\1" + ADDRESS) == SUCCESS
        hosts[1].settle()
        wait_for_events(hosts[2])
        assert not reports(hosts[1].settle())

    def test_accept_list_is_finite(self, hosts: list[RawHost]) -> None:
        answers = [hosts[0].ask(ADD_TO_LIST, bytes((1, number, 0, 0, 0, 0, 0xC0))) for number in range(9)]
        assert answers == [SUCCESS] * 8 + [MEMORY_FULL]
        assert hosts[0].ask(CLEAR_LIST) == SUCCESS
        assert hosts[0].ask(ADD_TO_LIST, b"\1" + ADDRESS) == SUCCESS

    def test_legacy_interval_is_in_slots(self, hosts: list[RawHost]) -> None:
        scan(hosts[1], active=False)
        advertise(hosts[0], slots=0xA0)
        hosts[1].meta(ADVERTISING_REPORT)
        start = time.monotonic()
        for _ in range(4):
            hosts[1].meta(ADVERTISING_REPORT)
        assert 0.38 < time.monotonic() - start < 0.60


class TestConnecting:
    @pytest.mark.parametrize("own", [PUBLIC, RANDOM])
    def test_data_flows_both_ways_whatever_the_address(self, hosts: list[RawHost], own: int) -> None:
        peer = ADDRESS if own else hosts[0].ask(0x1009)[1:]
        advertise(hosts[0], own=own)
        handles = connect(hosts[1], hosts[0], peer, own)
        hosts[1].send(acl(handles[0], b"\3\0\4\0abc"))
        assert hosts[0].acl() == acl(handles[1], b"\3\0\4\0abc", 0b10)[1:]
        hosts[0].send(acl(handles[1], b"\3\0\4\0def"))
        assert hosts[1].acl() == acl(handles[0], b"\3\0\4\0def", 0b10)[1:]

    def test_connection_survives_a_new_random_address(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        handles = connect(hosts[1], hosts[0])
        assert hosts[0].ask(SET_RANDOM_ADDRESS, OTHER_ADDRESS) == SUCCESS
        hosts[0].send(acl(handles[1], b"\3\0\4\0abc"))
        assert hosts[1].acl()[4:] == b"\3\0\4\0abc"

    def test_both_ends_learn_the_timing_that_the_central_chose(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        hosts[1].ask(CREATE, connection_parameters(ADDRESS))
        ends = [each.meta(CONNECTION_COMPLETE) for each in hosts[:2]]
        assert [end[11:17] for end in ends] == [struct.pack("<HHH", 40, 0, 200)] * 2

    def test_enhanced_event_replaces_the_plain_one_unless_masked(self, hosts: list[RawHost]) -> None:
        assert hosts[1].ask(LE_SET_EVENT_MASK, ALL_EVENTS) == SUCCESS
        advertise(hosts[0])
        hosts[1].ask(CREATE, connection_parameters(ADDRESS))
        assert hosts[1].meta(ENHANCED_CONNECTION_COMPLETE)[:1] == SUCCESS
        assert not [each for each in hosts[1].settle() if each[3] == CONNECTION_COMPLETE]
        hosts[0].meta(CONNECTION_COMPLETE)

    def test_advertising_ends_with_a_connection_and_starts_again_beside_it(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        scan(hosts[2])
        first = connect(hosts[1], hosts[0])
        hosts[2].settle()
        assert hosts[0].ask(PARAMETERS, advertising_parameters()) == SUCCESS  # which is not allowed while it runs
        assert others_heard(hosts[2], hosts[3]) == set()
        assert hosts[0].ask(ENABLE, b"\1") == SUCCESS
        second = connect(hosts[2], hosts[0])
        assert first[1] != second[1]
        hosts[0].send(acl(second[1], b"\1\0\4\0b"))
        hosts[0].send(acl(first[1], b"\1\0\4\0a"))
        assert (hosts[1].acl()[4:], hosts[2].acl()[4:]) == (b"\1\0\4\0a", b"\1\0\4\0b")

    def test_set_is_told_to_have_ended(self, hosts: list[RawHost]) -> None:
        advertise_set(hosts[0])
        handles = connect(hosts[3], hosts[0])
        assert hosts[0].meta(SET_TERMINATED) == struct.pack("<BBHB", 0, 1, handles[1], 0)

    def test_of_two_centrals_one_connects(self, hosts: list[RawHost]) -> None:
        for central in hosts[1:3]:
            assert central.ask(CREATE, connection_parameters(ADDRESS)) == SUCCESS
        advertise(hosts[0])
        hosts[0].meta(CONNECTION_COMPLETE)
        connected = [
            any(each[1] == LE_META and each[3] == CONNECTION_COMPLETE for each in central.settle())
            for central in hosts[1:3]
        ]
        assert sorted(connected) == [False, True]

    def test_what_cannot_be_connected_to_is_not(self, hosts: list[RawHost]) -> None:
        advertise_set(hosts[0], properties=0x12)
        scan(hosts[3])
        assert hosts[3].ask(CREATE, connection_parameters(ADDRESS)) == SUCCESS
        hosts[3].meta(ADVERTISING_REPORT)
        hosts[3].meta(ADVERTISING_REPORT)
        assert not [each for each in hosts[3].settle() if each[3] == CONNECTION_COMPLETE]

    def test_connects_by_the_accept_list(self, hosts: list[RawHost]) -> None:
        assert hosts[1].ask(ADD_TO_LIST, b"\1" + ADDRESS) == SUCCESS
        assert hosts[1].ask(CREATE, connection_parameters(ABSENT, policy=1)) == SUCCESS
        advertise(hosts[0])
        assert hosts[1].meta(CONNECTION_COMPLETE)[5:11] == ADDRESS

    def test_advertiser_with_a_filter_connects_its_accept_list_only(self, hosts: list[RawHost]) -> None:
        assert hosts[0].ask(ADD_TO_LIST, b"\0" + hosts[2].ask(0x1009)[1:]) == SUCCESS
        advertise(hosts[0], policy=2)
        assert hosts[1].ask(CREATE, connection_parameters(ADDRESS)) == SUCCESS
        scan(hosts[1])
        wait_for_events(hosts[1])
        connect(hosts[2], hosts[0])
        assert hosts[1].ask(CANCEL) == SUCCESS

    def test_nobody_connects_twice(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        connect(hosts[1], hosts[0])
        assert hosts[1].ask(CREATE, connection_parameters(ADDRESS)) == ALREADY_CONNECTED

    def test_absent_device_is_waited_for_until_cancelled(self, hosts: list[RawHost]) -> None:
        assert hosts[1].ask(CANCEL) == DISALLOWED
        assert hosts[1].ask(CREATE, connection_parameters(ADDRESS)) == SUCCESS
        assert hosts[1].ask(CREATE, connection_parameters(ABSENT)) == DISALLOWED
        assert hosts[1].ask(CANCEL) == SUCCESS
        assert hosts[1].meta(CONNECTION_COMPLETE)[:1] == UNKNOWN_CONNECTION
        scan(hosts[1])
        advertise(hosts[0])
        wait_for_events(hosts[1])
        assert not [each for each in hosts[0].settle() if each[1] == LE_META]


class TestDisconnecting:
    def test_each_end_gets_its_own_reason(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        handles = connect(hosts[1], hosts[0])
        assert hosts[1].ask(DISCONNECT, struct.pack("<HB", handles[0], BY_REMOTE)) == SUCCESS
        assert hosts[1].event(DISCONNECTION_COMPLETE) == struct.pack("<BHB", 0, handles[0], BY_US)
        assert hosts[0].event(DISCONNECTION_COMPLETE) == struct.pack("<BHB", 0, handles[1], BY_REMOTE)

    def test_last_packet_arrives_before_the_end(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        handles = connect(hosts[1], hosts[0])
        hang_up = struct.pack("<BHBHB", 1, DISCONNECT, 3, handles[0], BY_REMOTE)
        hosts[1].send(acl(handles[0], b"\1\0\4\0a") + hang_up)
        hosts[0].event(DISCONNECTION_COMPLETE)
        assert hosts[0].acl()[4:] == b"\1\0\4\0a"

    def test_wrong_handles_and_reasons_are_refused(self, hosts: list[RawHost]) -> None:
        assert hosts[0].ask(DISCONNECT, struct.pack("<HB", 7, BY_REMOTE)) == UNKNOWN_CONNECTION
        advertise(hosts[0])
        handles = connect(hosts[1], hosts[0])
        assert hosts[0].ask(DISCONNECT, struct.pack("<HB", handles[1], TIMED_OUT)) == INVALID

    def test_reset_silences_the_radio_and_forgets(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        handles = connect(hosts[1], hosts[0])
        assert hosts[0].ask(ENABLE, b"\1") == SUCCESS
        assert hosts[0].ask(RESET) == SUCCESS
        assert hosts[1].event(DISCONNECTION_COMPLETE) == struct.pack("<BHB", 0, handles[0], TIMED_OUT)
        hosts[1].settle()
        scan(hosts[1])
        assert others_heard(hosts[1], hosts[3]) == set()
        assert not [each for each in hosts[0].settle() if each[1] == DISCONNECTION_COMPLETE]

    def test_advertising_has_defaults_after_a_reset(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        assert hosts[0].ask(RESET) == SUCCESS
        scan(hosts[1])
        assert hosts[0].ask(ENABLE, b"\1") == SUCCESS
        public_address = hosts[0].ask(0x1009)[1:]
        assert hosts[1].meta(ADVERTISING_REPORT)[:-1] == bytes((1, ADV_IND, PUBLIC)) + public_address + b"\0"
        assert hosts[1].meta(ADVERTISING_REPORT)[1] == SCAN_RSP
        assert others_heard(hosts[1], hosts[3]) == set()  # for its interval is 1.28 s

    def test_client_that_leaves_takes_links_and_advertising_along(self, air: VirtualAir) -> None:
        with RawHost(air.hci[1]) as other:
            with RawHost(air.hci[0]) as leaving:
                advertise(leaving.start())
                handles = connect(other.start(), leaving)
                assert leaving.ask(ENABLE, b"\1") == SUCCESS
            assert other.event(DISCONNECTION_COMPLETE) == struct.pack("<BHB", 0, handles[0], TIMED_OUT)
            scan(other)
            with RawHost(air.hci[2]) as witness:
                assert others_heard(other, witness.start()) == set()
            with RawHost(air.hci[0]) as later:
                assert later.ask(DISCONNECT, struct.pack("<HB", handles[1], BY_REMOTE)) == UNKNOWN_CONNECTION

    def test_second_client_waits_for_the_first(self, air: VirtualAir) -> None:
        with RawHost(air.hci[0]) as first:
            first.start()
            second = RawHost(air.hci[0])
            second.send(struct.pack("<BHB", 1, RESET, 0))
            advertise(first)
        with second:
            assert second.answer(RESET) == SUCCESS
            assert second.ask(SET_RANDOM_ADDRESS, OTHER_ADDRESS) == SUCCESS  # which is not allowed while it advertises


class TestFlowControl:
    def test_fragments_stay_fragments_and_are_completed(self, hosts: list[RawHost]) -> None:
        assert hosts[0].ask(0x2002) == SUCCESS + struct.pack("<HB", 27, 8)
        advertise(hosts[0])
        handles = connect(hosts[1], hosts[0])
        pieces = [b"\x26\0\4\0" + bytes(23), bytes(15)]
        hosts[1].send(acl(handles[0], pieces[0]) + acl(handles[0], pieces[1], 0b01))
        assert hosts[0].acl() == acl(handles[1], pieces[0], 0b10)[1:]
        assert hosts[0].acl() == acl(handles[1], pieces[1], 0b01)[1:]
        for _ in pieces:
            assert hosts[1].event(COMPLETED_PACKETS) == struct.pack("<BHH", 1, handles[0], 1)

    def test_too_many_packets_overflow(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        handles = connect(hosts[1], hosts[0])
        hosts[1].send(b"".join(acl(handles[0], b"\1\0\4\0" + bytes((number,))) for number in range(9)))
        assert hosts[1].event(OVERFLOW) == b"\1"
        assert [hosts[0].acl()[8] for _ in range(8)] == list(range(8))
        for _ in range(8):
            hosts[1].event(COMPLETED_PACKETS)
        assert not [each for each in hosts[0].settle() if each[0] == ACL]

    def test_too_long_packets_overflow(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        handles = connect(hosts[1], hosts[0])
        hosts[1].send(acl(handles[0], b"\x18\0\4\0" + bytes(24)))
        assert hosts[1].event(OVERFLOW) == b"\1"


class TestCommands:
    def test_le_events_are_masked_until_asked_for(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        for mask, le_mask in ((bytes(8), ALL_BUT_ENHANCED), (ALL_EVENTS, bytes(8))):
            assert hosts[1].ask(RESET) == SUCCESS
            assert hosts[1].ask(SET_EVENT_MASK, mask) == SUCCESS
            assert hosts[1].ask(LE_SET_EVENT_MASK, le_mask) == SUCCESS
            scan(hosts[1])
            scan(hosts[2])
            wait_for_events(hosts[2])
            assert not reports(hosts[1].settle())
            assert hosts[2].ask(SCAN_ENABLE, b"\0\0") == SUCCESS
        assert hosts[1].ask(RESET) == SUCCESS  # by default, LE events are masked as a whole
        scan(hosts[1])
        scan(hosts[2])
        wait_for_events(hosts[2])
        assert not reports(hosts[1].settle())

    def test_claims_are_true(self, hosts: list[RawHost]) -> None:
        extended, legacy = hosts[0], hosts[3]
        assert [each.ask(0x2003)[1:] for each in (extended, legacy)] == [
            struct.pack("<Q", 1 << 0 | 1 << 3 | 1 << 12),
            struct.pack("<Q", 1 << 0 | 1 << 3),
        ]
        assert (extended.ask(0x1001)[1], legacy.ask(0x1001)[1]) == (9, 8)
        assert extended.ask(0x203A) == SUCCESS + struct.pack("<H", 31)
        for host in (extended, legacy):
            commands = host.ask(0x1002)[1:]
            assert commands[5] >> 7 & 1  # Reset
            assert not commands[35] >> 6 & 1  # LE Set PHY, without a handler in Bumble
            assert commands[36] >> 2 & 1 == (host is extended)  # LE Set Extended Advertising Parameters
            states = int.from_bytes(host.ask(0x201C)[1:], "little")
            assert states >> 38 & 1  # connectable advertising as a peripheral
            assert states >> 41 & 1  # initiating as a peripheral
            assert not states >> 3 & 1  # directed advertising
            features = int.from_bytes(host.ask(0x1003)[1:], "little")
            assert features == 1 << 37 | 1 << 38  # no BR/EDR, LE; no extended features, which Linux would ask for

    def test_legacy_controller_knows_no_extended_command(self, hosts: list[RawHost]) -> None:
        assert hosts[3].ask(SET_PARAMETERS, set_parameters()) == UNKNOWN_COMMAND
        assert hosts[3].ask(0x2043, bytes(26)) == UNKNOWN_COMMAND

    def test_legacy_and_extended_commands_do_not_mix(self, hosts: list[RawHost]) -> None:
        scan(hosts[0])
        assert hosts[0].ask(SET_PARAMETERS, set_parameters()) == DISALLOWED
        scan_extended(hosts[1])
        assert hosts[1].ask(PARAMETERS, advertising_parameters()) == DISALLOWED
        assert hosts[1].ask(CREATE, connection_parameters(ADDRESS)) == DISALLOWED
        assert hosts[1].ask(RESET) == SUCCESS
        assert hosts[1].ask(PARAMETERS, advertising_parameters()) == SUCCESS

    def test_whatever_is_sent_is_answered(self, hosts: list[RawHost]) -> None:
        assert hosts[0].ask(UNKNOWN_OPCODE) == UNKNOWN_COMMAND
        assert hosts[0].ask(0x2032, bytes(7)) == UNKNOWN_COMMAND  # LE Set PHY
        assert hosts[0].ask(PARAMETERS, b"\0") == INVALID
        assert hosts[0].ask(CREATE, b"\0") == INVALID
        hosts[0].send(b"\xff")
        assert hosts[0].event(HARDWARE_ERROR) == b"\0"
        assert hosts[0].ask(RESET) == SUCCESS

    def test_what_runs_cannot_be_changed(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        scan(hosts[1])
        advertise_set(hosts[2])
        assert hosts[0].ask(SET_RANDOM_ADDRESS, OTHER_ADDRESS) == DISALLOWED
        assert hosts[0].ask(PARAMETERS, advertising_parameters()) == DISALLOWED
        assert hosts[1].ask(SET_RANDOM_ADDRESS, OTHER_ADDRESS) == DISALLOWED
        assert hosts[2].ask(SET_PARAMETERS, set_parameters()) == DISALLOWED
        assert hosts[2].ask(SET_ADDRESS, b"\1" + OTHER_ADDRESS) == DISALLOWED
        assert hosts[2].ask(REMOVE_SET, b"\1") == DISALLOWED
        assert hosts[2].ask(CLEAR_SETS) == DISALLOWED
        scan_extended(hosts[2])
        scan_again = struct.pack("<BBBBHH", PUBLIC, 0, 1, 1, 16, 16)
        assert hosts[2].ask(EXTENDED_SCAN_PARAMETERS, scan_again) == DISALLOWED

    @pytest.mark.parametrize(
        ("opcode", "parameters", "error"),
        [
            (PARAMETERS, advertising_parameters(slots=0x1F), INVALID),
            (PARAMETERS, advertising_parameters(kind=1), INVALID),
            (DATA, ADVERTISING_DATA, INVALID),
            (DATA, b"\x20" + bytes(31), INVALID),
            (RESPONSE, b"\x1f" + bytes(30), INVALID),
            (SCAN_PARAMETERS, struct.pack("<BHHBB", 1, 16, 17, 0, 0), INVALID),
            (CREATE, connection_parameters(ADDRESS, timeout=10), INVALID),
            (SET_ADDRESS, b"\1" + ADDRESS, UNKNOWN_SET),
            (SET_ENABLE, bytes((1, 1, 1, 0, 0, 0)), UNKNOWN_SET),
            (SET_PARAMETERS, set_parameters(properties=0x03), INVALID),
            (SET_ENABLE, b"\1\0", INVALID),
            (REMOVE_SET, b"\1", UNKNOWN_SET),
            (EXTENDED_SCAN_PARAMETERS, bytes(3), INVALID),
            (EXTENDED_SCAN_PARAMETERS, struct.pack("<BBBBHHBHH", 0, 0, 5, 1, 16, 16, 1, 16, 16), UNSUPPORTED),
        ],
    )
    def test_wrong_parameters_are_refused(
        self, hosts: list[RawHost], opcode: int, parameters: bytes, error: bytes
    ) -> None:
        assert hosts[0].ask(opcode, parameters) == error

    def test_random_addresses_must_be_set_before_use(self, hosts: list[RawHost]) -> None:
        assert hosts[0].ask(PARAMETERS, advertising_parameters(own=RANDOM)) == SUCCESS
        assert hosts[0].ask(ENABLE, b"\1") == INVALID
        assert hosts[1].ask(SET_PARAMETERS, set_parameters(own=RANDOM))[:1] == SUCCESS
        assert hosts[1].ask(SET_ENABLE, bytes((1, 1, 1, 0, 0, 0))) == INVALID

    def test_sets_are_finite(self, hosts: list[RawHost]) -> None:
        answers = [hosts[0].ask(SET_PARAMETERS, set_parameters(handle=number))[:1] for number in range(5)]
        assert answers == [SUCCESS] * 4 + [MEMORY_FULL]
        assert hosts[0].ask(0x203B) == SUCCESS + b"\4"

    def test_peripheral_may_not_update_the_connection(self, hosts: list[RawHost]) -> None:
        advertise(hosts[0])
        handles = connect(hosts[1], hosts[0])
        timing = struct.pack("<HHHHHH", 24, 40, 0, 200, 0, 0)
        assert hosts[0].ask(UPDATE, struct.pack("<H", handles[1]) + timing) == UNSUPPORTED_REMOTE
        assert hosts[1].ask(UPDATE, struct.pack("<H", handles[0]) + timing) == SUCCESS


class TestProcess:
    @pytest.mark.parametrize("signal_number", [None, signal.SIGTERM, signal.SIGINT])
    def test_ends_cleanly(self, tmp_path: Path, signal_number: signal.Signals | None) -> None:
        link = tmp_path / "hci"
        command = [sys.executable, "-m", "stack.station.demo.controllers", "--tcp", "1", "--pty", str(link)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with child:
            assert child.stdout
            tcp, uart = json.loads(child.stdout.readline())["hci"]
            assert uart == f"uart:{link}"
            with RawHost(tcp) as one, RawHost(uart) as two:
                advertise(one.start())
                connect(two.start(), one)
                if signal_number:
                    child.send_signal(signal_number)
                out, err = child.communicate(timeout=10)
        assert (child.returncode, out, err) == (0, b"", b"")
        assert not link.is_symlink()

    def test_link_that_is_taken_stops_the_start(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "hci").touch()
        with pytest.raises(ControllersError, match="did not start"), VirtualAir(pty=[tmp_path / "hci"]):
            pass
        assert capfd.readouterr().err == f"controllers: {tmp_path / 'hci'} cannot be made: File exists\n"
        assert (tmp_path / "hci").exists()

    def test_link_of_a_run_that_died_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "hci").symlink_to("/dev/pts/nothing")
        with VirtualAir(pty=[tmp_path / "hci"]) as air:
            assert air.hci == [f"uart:{tmp_path / 'hci'}"]

    def test_says_what_to_do_without_bumble(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "bumble", None)
        with pytest.raises(ControllersError, match="need Bumble") as caught, VirtualAir(1):
            pass
        assert "pip install bumble" in caught.value.explain()

    def test_parent_imports_no_bumble(self) -> None:
        program = "import sys, stack.station.demo.controllers; print('bumble' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout == "False\n"


class TestPhones:
    """Two of Bumble's hosts, over all kinds of controllers."""

    def test_share_over_modern_controllers(self, air: VirtualAir) -> None:
        with (
            ReceivingPhone(air.hci[0], ADVERTISING_DATA, SCAN_RESPONSE, public=True, status_bytes=700) as receiver,
            SendingPhone(air.hci[1]) as sender,
        ):
            share(sender, receiver, [0x13, 0x1B])

    def test_share_from_a_legacy_scanner(self, air: VirtualAir) -> None:
        with (
            ReceivingPhone(air.hci[0], ADVERTISING_DATA, SCAN_RESPONSE, without_response=True) as receiver,
            SendingPhone(air.hci[3]) as sender,
        ):
            share(sender, receiver, [ADV_IND, SCAN_RSP])

    def test_share_over_a_uart(self, tmp_path: Path) -> None:
        with (
            VirtualAir(legacy_tcp=1, pty=[tmp_path / "hci"]) as air,
            ReceivingPhone(air.hci[0], ADVERTISING_DATA, SCAN_RESPONSE) as receiver,
            SendingPhone(air.hci[1]) as sender,
        ):
            share(sender, receiver, [0x13, 0x1B])


def share(sender: SendingPhone, receiver: ReceivingPhone, event_types: list[int]) -> None:
    """Do what a phone does, in every way that it may write."""
    found = sender.scan()
    assert bytes.fromhex(found["advertising_data"]) == ADVERTISING_DATA
    assert bytes.fromhex(found["scan_response"]) == SCAN_RESPONSE
    assert found["event_types"] == event_types
    for mtu in (23, 517):
        sender.scan()
        sender.connect()
        if mtu > 23:
            assert sender.mtu(mtu) == mtu
        sender.discover()
        status = json.loads(sender.read())
        assert receiver.expect("read")["mtu"] == mtu
        offer = sender.seal(OFFER, status["key"])
        for how in ["request", "long", "pieces"] + ["command"] * (mtu > 23):
            sender.write(offer, how)
            written = receiver.expect("written")
            while written["fields"] is None:
                written = receiver.expect("written")
            assert written["fields"].items() >= OFFER.items()
        assert sender.raw(b"\x0a\xff\x00") == [b"\x01\x0a\xff\x00\x01"]
        assert sender.disconnect() == BY_US
        assert receiver.expect("disconnected")["reason"] == BY_REMOTE
