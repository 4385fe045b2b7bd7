"""Radio, connections and the central role over a fake controller: connecting in all ways, asking, and every end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from board import aio
from drivers.errors import RadioError
from drivers.hci.address import Address, AddressType
from drivers.hci.codes import ErrorCode
from drivers.hci.commands import (
    Disconnect,
    LeConnectionUpdate,
    LeCreateConnection,
    LeCreateConnectionCancel,
    LeReadLocalSupportedFeatures,
    LeSetRandomAddress,
    LeSetScanEnable,
    LeSetScanParameters,
)
from drivers.hci.errors import CommandError
from drivers.hci.events import (
    DisconnectionComplete,
    ExtendedReport,
    LeAdvertisingReport,
    LeConnectionComplete,
    LeExtendedAdvertisingReport,
    Report,
)
from drivers.hci.transport import TransportError
from drivers.hci.wire import PacketError
from stack.alliance.device_info import SERVICE_UUID
from stack.ble import connection as connection_module
from stack.ble.att import AttError, ErrorResponse, ReadRequest
from stack.ble.att import ErrorCode as AttErrorCode
from stack.ble.att_server import AttServer
from stack.ble.central import HciCentral, HciPeer, ValueTooLongError
from stack.ble.connection import Connection, ConnectionLostError, Role
from stack.ble.gatt import Property
from stack.ble.gatt_client import FoundCharacteristic, GattError, read_long, write_long
from stack.ble.radio import CONNECT_TIMEOUT_MS, Radio
from stack.ble.scanning import Heard
from tests.unit.ble.attributes import P2P, STATUS, Values, served
from tests.unit.ble.phone import Phone, answer_as, radio_on
from tests.unit.drivers.controller import OUR_ADDRESS, PHONE, FakeController, now_ms, run, settle

HANDLE = 0x0040
P2P_VALUE = FoundCharacteristic("", Property.WRITE, P2P)
BOTH_FAMILIES = pytest.mark.parametrize("in_sets", [False, True], ids=["legacy", "sets"])


def with_radio(test: Callable[[FakeController, Radio], Awaitable[Any]], **chip_options: Any) -> None:
    async def whole() -> None:
        chip = FakeController(**chip_options)
        async with radio_on(chip) as radio:
            chip.received.clear()
            await test(chip, radio)

    run(whole())


async def connected(chip: FakeController, radio: Radio, handle: int = HANDLE) -> Connection:
    """Connect to a phone that answers at once."""
    connecting = aio.create_task(radio.connect(PHONE))
    await settle()
    chip.connect(handle, role=0)
    return await connecting


# Start.


@BOTH_FAMILIES
def test_start_sets_our_address(in_sets: bool) -> None:
    async def test() -> None:
        chip = FakeController(in_sets=in_sets)
        async with radio_on(chip):
            assert chip.sent(LeSetRandomAddress) == [LeSetRandomAddress(OUR_ADDRESS.octets)]
        assert chip.closed

    run(test())


# Connecting.


CREATE = "01 0d20 19 6000 6000 00 01 a1a2a3a4a5e6 01 0c00 1800 0000 9001 0000 0000"
CREATE_EXTENDED = "01 4320 1a 00 01 01 a1a2a3a4a5e6 01 6000 6000 0c00 1800 0000 9001 0000 0000"


@pytest.mark.parametrize(("in_sets", "command"), [(False, CREATE), (True, CREATE_EXTENDED)])
def test_connect(in_sets: bool, command: str) -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection = await connected(chip, radio)
        assert chip.received == [bytes.fromhex(command)]
        assert (connection.handle, connection.peer, connection.role) == (HANDLE, PHONE, Role.CENTRAL)
        assert radio.connections == {HANDLE: connection}
        await connection.disconnect()
        assert connection.closed.is_set()
        assert connection.reason == ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST
        assert radio.connections == {}
        await connection.disconnect()
        assert len(chip.sent(Disconnect)) == 1, "it is over already"

    with_radio(test, in_sets=in_sets)


@BOTH_FAMILIES
def test_who_does_not_answer_is_given_up(in_sets: bool) -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        began_ms = now_ms()
        with pytest.raises(ConnectionLostError, match="could not be reached: it does not answer"):
            await radio.connect(PHONE)
        assert now_ms() - began_ms == CONNECT_TIMEOUT_MS
        assert len(chip.sent(LeCreateConnectionCancel)) == 1
        assert not chip.initiating
        await connected(chip, radio)

    with_radio(test, in_sets=in_sets)


def test_a_connection_that_fails_says_why() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connecting = aio.create_task(radio.connect(PHONE))
        await settle()
        chip.initiating = False
        failed = ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED
        chip.happen(LeConnectionComplete(failed, 0, 0, 0, bytes(6), 0, 0, 0, 0))
        with pytest.raises(ConnectionLostError, match="connection failed to be established"):
            await connecting

    with_radio(test)


def test_a_controller_that_refuses_to_connect() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        chip.refused[LeCreateConnection.OPCODE] = ErrorCode.CONNECTION_LIMIT_EXCEEDED
        began_ms = now_ms()
        with pytest.raises(CommandError, match="connection limit exceeded"):
            await radio.connect(PHONE)
        assert now_ms() == began_ms
        assert chip.sent(LeCreateConnectionCancel) == []

    with_radio(test)


class ConnectsInTheLastMoment(FakeController):
    """The connection comes up just before the cancellation, which is refused; `late` reports it only then."""

    late = False

    async def write(self, packet: bytes) -> None:
        if packet[1:3] != LeCreateConnectionCancel.OPCODE.to_bytes(2, "little"):
            return await super().write(packet)
        if self.late:
            self.initiating = False
            await super().write(packet)
        self.connect(HANDLE, role=0)
        if not self.late:
            await super().write(packet)
        return None


@pytest.mark.parametrize("late", [False, True])
def test_a_connection_in_the_last_moment_counts(late: bool) -> None:
    async def test() -> None:
        chip = ConnectsInTheLastMoment()
        chip.late = late
        async with radio_on(chip) as radio:
            connection = await radio.connect(PHONE)
            assert connection.handle == HANDLE
            assert chip.opcodes.count(LeCreateConnectionCancel.OPCODE) == 1

    run(test())


@pytest.mark.parametrize("late", [False, True])
def test_a_connection_that_nobody_wants_any_more_is_ended(late: bool) -> None:
    async def test() -> None:
        chip = ConnectsInTheLastMoment()
        chip.late = late
        async with radio_on(chip) as radio:
            connecting = aio.create_task(radio.connect(PHONE))
            await settle()
            connecting.cancel()
            with pytest.raises(aio.CancelledError):
                await connecting
            assert radio.connections == {}
            assert chip.links == {}

    run(test())


def test_connecting_can_be_cancelled() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connecting = aio.create_task(radio.connect(PHONE))
        await settle()
        assert chip.initiating
        connecting.cancel()
        with pytest.raises(aio.CancelledError):
            await connecting
        assert not chip.initiating
        await connected(chip, radio)

    with_radio(test)


def test_connecting_can_be_cancelled_before_the_controller_has_answered() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        chip.holds_answers = True
        connecting = aio.create_task(radio.connect(PHONE))
        await settle()
        connecting.cancel()
        await settle()
        chip.release()
        with pytest.raises(aio.CancelledError):
            await connecting
        assert not chip.initiating
        await connected(chip, radio)

    with_radio(test)


def test_a_controller_that_never_ends_a_cancelled_attempt_is_not_waited_for() -> None:
    class Forgets(FakeController):
        def happen(self, event: Any) -> None:
            if not isinstance(event, LeConnectionComplete):
                super().happen(event)

    async def test() -> None:
        async with radio_on(Forgets()) as radio:
            with pytest.raises(ConnectionLostError):
                await radio.connect(PHONE)

    run(test())


def test_two_connect_one_after_the_other() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        first, second = aio.create_task(radio.connect(PHONE)), aio.create_task(radio.connect(OUR_ADDRESS))
        await settle()
        assert len(chip.sent(LeCreateConnection)) == 1
        chip.connect(1, role=0)
        await settle()
        chip.connect(2, OUR_ADDRESS, role=0)
        assert [each.handle for each in (await first, await second)] == [1, 2]

    with_radio(test)


def test_a_phone_that_connects_to_us_meanwhile_is_not_the_one_we_call() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        came: list[Connection] = []
        radio.on_connected = came.append
        connecting = aio.create_task(radio.connect(PHONE))
        await settle()
        chip.advertising = True
        chip.connect(1)
        await settle()
        assert [each.handle for each in came] == [1]
        assert not connecting.done()
        chip.connect(2, role=0)
        assert (await connecting).handle == 2

    with_radio(test)


def test_a_disconnection_that_failed_ends_nothing() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection = await connected(chip, radio)
        chip.happen(DisconnectionComplete(ErrorCode.COMMAND_DISALLOWED, HANDLE, 0))
        chip.happen(DisconnectionComplete(0, 0x0123, 0x13))
        await settle()
        assert not connection.closed.is_set()
        assert radio.connections == {HANDLE: connection}

    with_radio(test)


def test_a_controller_that_does_not_disconnect_is_waited_for_only_so_long() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection = await connected(chip, radio)
        chip.refused[Disconnect.OPCODE] = ErrorCode.COMMAND_DISALLOWED
        began_ms = now_ms()
        await connection.disconnect()
        assert 10_000 <= now_ms() - began_ms <= 60_000

    with_radio(test)


def test_a_handle_that_comes_back_ends_the_connection_that_had_it() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        old = await connected(chip, radio)
        new = await connected(chip, radio)
        assert old.closed.is_set()
        assert radio.connections == {HANDLE: new}

    with_radio(test)


# Asking.


def test_a_whole_visit_to_a_phone() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        values = Values(status=bytes(range(256)) * 2)
        answer_as(chip, AttServer(values.table()))
        connecting = aio.create_task(HciCentral(radio).connect(PHONE))
        await settle()
        chip.connect(HANDLE, role=0)
        peer = await connecting
        ((status, p2p),) = await peer.characteristics(SERVICE_UUID)
        assert await peer.read(status) == values.status
        await peer.write(p2p, b"{}" * 256)
        await peer.write_without_response(p2p, bytes(514 - 2))
        await settle()
        assert values.written == [(P2P, b"{}" * 256), (P2P, bytes(512))]
        with pytest.raises(ValueTooLongError, match="at most 514 bytes"):
            await peer.write_without_response(p2p, bytes(515))
        with pytest.raises(AttError) as caught:
            await peer.read(p2p)
        assert caught.value.code == AttErrorCode.READ_NOT_PERMITTED
        await peer.disconnect()
        assert chip.links == {}

    with_radio(test)


def test_a_phone_that_leaves_during_the_mtu_exchange() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        chip.on_pdu = lambda handle, pdu: chip.disconnect(handle)
        connecting = aio.create_task(HciCentral(radio).connect(PHONE))
        await settle()
        chip.connect(HANDLE, role=0)
        with pytest.raises(ConnectionLostError, match="is gone: remote user terminated connection"):
            await connecting
        assert radio.connections == {}

    with_radio(test)


def test_a_phone_that_answers_nonsense_to_the_mtu_is_left() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        chip.on_pdu = lambda handle, pdu: Phone(chip, handle).say(bytes.fromhex("0b 00"))
        connecting = aio.create_task(HciCentral(radio).connect(PHONE))
        await settle()
        chip.connect(HANDLE, role=0)
        with pytest.raises(GattError):
            await connecting
        assert chip.links == {}

    with_radio(test)


def test_a_cancelled_visit_hangs_up() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connecting = aio.create_task(HciCentral(radio).connect(PHONE))
        await settle()
        chip.connect(HANDLE, role=0)
        await settle()
        connecting.cancel()
        with pytest.raises(aio.CancelledError):
            await connecting
        assert chip.links == {}

    with_radio(test)


def test_a_phone_that_leaves_in_the_middle_of_an_answer() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection = await connected(chip, radio)
        reading = aio.create_task(connection.run(read_long(STATUS, 23)))
        await settle()
        chip.disconnect(HANDLE, ErrorCode.CONNECTION_TIMEOUT)
        with pytest.raises(ConnectionLostError, match="connection timeout"):
            await reading
        ended_ms = now_ms()
        with pytest.raises(ConnectionLostError, match="is gone"):
            await connection.run(read_long(STATUS, 23))
        assert now_ms() == ended_ms, "it is known already"

    with_radio(test)


def test_a_phone_that_leaves_in_the_middle_of_a_long_write_leaves_nothing() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        values = Values()
        server, answers = AttServer(values.table()), iter(range(3))
        connection = await connected(chip, radio)

        def leave() -> None:
            if next(answers, None) is None and HANDLE in chip.links:
                chip.disconnect(HANDLE)

        answer_as(chip, server, leave)
        with pytest.raises(ConnectionLostError):
            await connection.run(write_long(P2P, bytes(200), 23))
        await settle()
        assert values.written == []
        assert radio.connections == {}

    with_radio(test)


def test_two_procedures_on_one_connection_go_one_after_the_other() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        values = Values(status=bytes(100))
        answer_as(chip, AttServer(values.table()))
        connection = await connected(chip, radio)
        reads = [aio.create_task(connection.run(read_long(STATUS, 23))) for _ in range(3)]
        assert await aio.gather(*reads) == [bytes(100)] * 3

    with_radio(test)


def test_silence_for_half_a_minute_ends_a_request() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection = await connected(chip, radio)
        began_ms = now_ms()
        with pytest.raises(ConnectionLostError, match="does not answer"):
            await connection.run(read_long(STATUS, 23))
        assert now_ms() - began_ms == connection_module.TRANSACTION_TIMEOUT_MS

    with_radio(test)


def test_a_write_without_response_waits_until_it_has_arrived() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection = await connected(chip, radio)
        chip.completes_packets = False
        writing = aio.create_task(HciPeer(connection).write_without_response(P2P_VALUE, b"{}"))
        await settle()
        assert not writing.done()
        chip.complete(HANDLE, 1)
        await writing
        began_ms = now_ms()
        with pytest.raises(ConnectionLostError, match="takes no data"):
            await HciPeer(connection).write_without_response(P2P_VALUE, b"{}")
        assert now_ms() - began_ms == connection_module.TRANSACTION_TIMEOUT_MS
        writing = aio.create_task(HciPeer(connection).write_without_response(P2P_VALUE, b"{}"))
        await settle()
        chip.disconnect(HANDLE)
        with pytest.raises(ConnectionLostError, match="is gone"):
            await writing
        with pytest.raises(ConnectionLostError, match="is gone"):
            await HciPeer(connection).write_without_response(P2P_VALUE, b"{}")

    with_radio(test)


def test_a_late_answer_is_not_taken_for_that_of_the_next_request() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection, phone = await connected(chip, radio), Phone(chip, HANDLE)
        given_up = aio.create_task(connection.run(read_long(STATUS, 23)))
        await settle()
        given_up.cancel()
        await settle()
        with pytest.raises(ConnectionLostError, match="does not answer"):
            await connection.run(read_long(P2P, 23))
        phone.say(bytes.fromhex("0b 6f6c64"))
        await settle()
        reading = aio.create_task(connection.run(read_long(P2P, 23)))
        await settle()
        phone.say(bytes.fromhex("0b 6e6577"))
        assert await reading == b"new"

    with_radio(test)


def test_what_nobody_asked_for_is_no_answer() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection, phone = await connected(chip, radio), Phone(chip, HANDLE)
        phone.say(bytes.fromhex("0b 6f6c64"))
        await settle()
        reading = aio.create_task(connection.run(read_long(STATUS, 23)))
        await settle()
        for unasked in ("1b 0900 01", "1d 0900 01", "23 0900 0100 01"):
            phone.say(bytes.fromhex(unasked))
        await settle()
        assert not reading.done()
        phone.say(bytes.fromhex("0b 6e6577"))
        phone.say(bytes.fromhex("0b 747769 6365"))
        assert await reading == b"new"

    with_radio(test)


def test_a_malformed_answer_is_the_peers_fault() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection, phone = await connected(chip, radio), Phone(chip, HANDLE)
        reading = aio.create_task(connection.run(read_long(STATUS, 23)))
        await settle()
        phone.say(bytes.fromhex("01 0a"))
        with pytest.raises(PacketError):
            await reading

    with_radio(test)


def test_both_sides_may_ask_at_the_same_time() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection, phone = await connected(chip, radio), Phone(chip, HANDLE)
        connection.server = served(Values())
        reading = aio.create_task(connection.run(read_long(STATUS, 23)))
        await settle()
        phone.say(ReadRequest(STATUS))
        await settle()
        phone.say(bytes.fromhex("0b 79"))
        assert await reading == b"y"
        assert [type(each).__name__ for each in phone.heard] == ["ReadRequest", "ReadResponse"]

    with_radio(test)


# L2CAP.


def test_other_channels_and_broken_pdus_are_ignored() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        await connected(chip, radio)
        phone = Phone(chip, HANDLE)
        phone.tell(6, bytes.fromhex("02 03"))  # a pairing response to no request
        phone.tell(0x40, b"dynamic")
        phone.tell(4, b"")
        phone.tell(5, b"")
        chip.hear(HANDLE, b"\5\0\4\0\2")
        await settle()
        assert phone.all_heard == []
        phone.say(ReadRequest(1))
        await settle()
        assert phone.heard == [ErrorResponse(0x0A, 1, AttErrorCode.INVALID_HANDLE)]

    with_radio(test)


def test_pairing_is_refused_at_once() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        await connected(chip, radio)
        phone = Phone(chip, HANDLE)
        phone.tell(6, bytes.fromhex("01 03 00 01 10 07 07"))
        await settle()
        assert phone.all_heard == [(6, b"\x05\x05")]

    with_radio(test)


def test_wishes_in_a_flood_cost_two_tasks_at_most() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        await connected(chip, radio)
        chip.received.clear()
        phone = Phone(chip, HANDLE)
        for number in range(1, 200):
            phone.tell(5, bytes((0x12, number, 8, 0)) + bytes.fromhex("0600 0c00 0000 c800"))
        assert len(asyncio.all_tasks()) < 20
        await settle()
        assert len(chip.sent(LeConnectionUpdate)) <= 3

    with_radio(test)


def test_a_controller_that_hangs_is_found_out() -> None:
    async def test() -> None:
        chip = FakeController()
        async with radio_on(chip) as radio:
            chip.silent.add(LeReadLocalSupportedFeatures.OPCODE)
            assert "did not answer" in str(await radio.death())

    run(test())


def test_waiting_ends_with_the_radio() -> None:
    async def test() -> None:
        chip = FakeController()
        async with radio_on(chip) as radio:
            waiting = aio.create_task(radio.wait_for(aio.Event(), 60_000))
            await settle()
            chip.die()
            with pytest.raises(RadioError):
                await waiting
            with pytest.raises(RadioError):
                await radio.wait_for(aio.Event(), 60_000)

    run(test())


@pytest.mark.parametrize("refused", [False, True])
def test_a_peripheral_may_wish_for_other_parameters(refused: bool) -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        if refused:
            chip.refused[LeConnectionUpdate.OPCODE] = ErrorCode.UNACCEPTABLE_CONNECTION_PARAMETERS
        await connected(chip, radio)
        phone = Phone(chip, HANDLE)
        phone.tell(5, bytes.fromhex("12 07 0800 0c00 1800 0000 9001"))
        await settle()
        assert phone.all_heard == [(5, bytes.fromhex("13 07 0200 0000"))]
        assert chip.sent(LeConnectionUpdate) == [LeConnectionUpdate(HANDLE, 12, 24, 0, 400, 0, 0)]
        assert phone.is_connected

    with_radio(test)


def test_who_asks_but_does_not_take_the_answers_is_dropped() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        connection, phone = await connected(chip, radio), Phone(chip, HANDLE)
        chip.completes_packets = False
        for _ in range(300):
            phone.say(ReadRequest(1))
        await settle()
        assert not phone.is_connected
        assert connection.closed.is_set()

    with_radio(test)


# Scanning.


@pytest.mark.parametrize(
    ("in_sets", "commands"),
    [
        (False, ["01 0b20 07 01 6000 6000 01 00", "01 0c20 02 01 00", "01 0c20 02 00 00"]),
        (True, ["01 4120 08 01 00 01 01 6000 6000", "01 4220 06 01 00 0000 0000", "01 4220 06 00 00 0000 0000"]),
    ],
)
def test_scanning_begins_and_ends(in_sets: bool, commands: list[str]) -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        async with radio.scanning(lambda heard: None):
            assert chip.scanning
        assert not chip.scanning
        assert chip.received == [bytes.fromhex(each) for each in commands]

    with_radio(test, in_sets=in_sets)


def test_legacy_reports_are_heard() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        heard: list[Heard] = []
        octets = PHONE.octets
        reports = [Report(kind, 1, octets, bytes((kind,)), -50 - kind) for kind in range(5)]
        async with radio.scanning(heard.append):
            chip.happen(LeAdvertisingReport(tuple(reports)))
            chip.happen(LeAdvertisingReport((Report(0, 2, octets, b"", -1),)))
            await settle()
        chip.happen(LeAdvertisingReport((reports[0],)))
        await settle()
        assert heard == [
            Heard(PHONE, b"\0", -50),
            Heard(PHONE, b"\1", -51),
            Heard(PHONE, b"\4", -54),
            Heard(Address(octets, AddressType.PUBLIC), b"", -1),
        ]

    with_radio(test)


def test_extended_reports_are_heard() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        heard: list[Heard] = []

        def report(kind: int, address_type: int = 1) -> ExtendedReport:
            data = bytes((kind,))
            return ExtendedReport(kind, address_type, PHONE.octets, 1, 0, 255, 127, -50, 0, 0, bytes(6), data)

        async with radio.scanning(heard.append):
            chip.happen(LeExtendedAdvertisingReport((report(0x13), report(0x1B), report(0x1A))))
            chip.happen(LeExtendedAdvertisingReport((report(0x10), report(0x12), report(0x13, 2), report(0x13, 3))))
            await settle()
        public = Address(PHONE.octets, AddressType.PUBLIC)
        assert heard == [
            Heard(PHONE, b"\x13", -50),
            Heard(PHONE, b"\x1b", -50),
            Heard(PHONE, b"\x1a", -50),
            Heard(public, b"\x13", -50),
            Heard(PHONE, b"\x13", -50),
        ]

    with_radio(test, in_sets=True)


@pytest.mark.parametrize("kind", [LeSetScanParameters, LeSetScanEnable])
def test_a_controller_that_refuses_to_scan(kind: type[LeSetScanParameters]) -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        chip.refused[kind.OPCODE] = ErrorCode.COMMAND_DISALLOWED
        with pytest.raises(CommandError):
            async with radio.scanning(lambda heard: None):
                raise AssertionError("it does not scan")
        chip.refused.clear()
        async with radio.scanning(lambda heard: None):
            assert chip.scanning

    with_radio(test)


def test_scanning_ends_when_the_block_fails() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        with pytest.raises(KeyError):
            async with radio.scanning(lambda heard: None):
                raise KeyError
        assert not chip.scanning

    with_radio(test)


# Death.


async def _connects(chip: FakeController, radio: Radio) -> None:
    await radio.connect(PHONE)


async def _reads(chip: FakeController, radio: Radio) -> None:
    connection = await connected(chip, radio)
    await connection.run(read_long(STATUS, 23))


async def _disconnects(chip: FakeController, radio: Radio) -> None:
    connection = await connected(chip, radio)
    chip.silent.add(Disconnect.OPCODE)
    chip.refused[Disconnect.OPCODE] = ErrorCode.CONTROLLER_BUSY
    await connection.disconnect()


async def _cancels(chip: FakeController, radio: Radio) -> None:
    chip.silent.add(LeCreateConnectionCancel.OPCODE)
    chip.refused[LeCreateConnectionCancel.OPCODE] = ErrorCode.CONTROLLER_BUSY
    await radio.connect(PHONE, timeout_ms=0)


async def _visits(chip: FakeController, radio: Radio) -> None:
    connecting = aio.create_task(HciCentral(radio).connect(PHONE))
    await settle()
    chip.connect(HANDLE, role=0)
    await connecting


async def _waits_for_it(chip: FakeController, radio: Radio) -> None:
    raise await radio.death()


async def _scans(chip: FakeController, radio: Radio) -> None:
    async with radio.scanning(lambda heard: None):
        raise await radio.death()


STATES = (_connects, _reads, _disconnects, _cancels, _visits, _waits_for_it, _scans)


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__.strip("_"))
@BOTH_FAMILIES
def test_the_controllers_death_ends_every_state(
    state: Callable[[FakeController, Radio], Awaitable[None]], in_sets: bool
) -> None:
    async def test() -> None:
        chip = FakeController(in_sets=in_sets)
        async with radio_on(chip) as radio:

            async def busy() -> None:
                await state(chip, radio)

            task = aio.create_task(busy())
            for _ in range(3):
                await settle()
            assert not task.done()
            died_ms = now_ms()
            chip.die()
            with pytest.raises(TransportError, match="unplugged"):
                await task
            assert now_ms() - died_ms <= 1
            assert radio.connections == {}
            with pytest.raises(TransportError):
                await radio.connect(PHONE)
            with pytest.raises(TransportError):
                async with radio.scanning(lambda heard: None):
                    pass
            assert await radio.death() is radio.host.death

    run(test())


def test_death_tells_each_connection_once() -> None:
    async def test(chip: FakeController, radio: Radio) -> None:
        ends: list[int] = []
        for handle in (1, 2, 3):
            connection = await connected(chip, radio, handle)
            connection.on_closed = lambda handle=handle: ends.append(handle)  # type: ignore[misc]
        chip.die()
        await settle()
        assert ends == [1, 2, 3]

    with_radio(test)
