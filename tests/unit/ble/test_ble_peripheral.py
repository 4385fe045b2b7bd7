"""The peripheral over a fake controller: on the air to the byte, and visible again whatever those who connect do."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from board import aio
from board.errors import LocalProtocolError
from drivers.hci.codes import ErrorCode
from drivers.hci.commands import (
    Disconnect,
    LeSetAdvertisingData,
    LeSetAdvertisingEnable,
    LeSetExtendedAdvertisingEnable,
)
from drivers.hci.errors import CommandError
from drivers.hci.events import LeConnectionComplete
from drivers.hci.transport import TransportError
from stack.ble.advertising import Advertising
from stack.ble.att import ErrorCode as AttErrorCode
from stack.ble.att import (
    ErrorResponse,
    ExchangeMtuRequest,
    ExchangeMtuResponse,
    ExecuteWriteRequest,
    PrepareWriteRequest,
    ReadRequest,
    ReadResponse,
    WriteRequest,
    WriteResponse,
)
from stack.ble.connection import Connection
from stack.ble.gatt import Service
from stack.ble.peripheral import DEFAULT_LIMITS, Limits, Peripheral
from stack.ble.radio import Radio
from tests.unit.ble.attributes import NAME, P2P, Values
from tests.unit.ble.phone import Phone, radio_on
from tests.unit.drivers.controller import OUR_ADDRESS, FakeController, run, settle

ADV = bytes.fromhex("02010611078967452381000080001000003133000009161e011c5e00000000")
SCAN_RSP = bytes.fromhex("1e16ffff00000000000000001c5e4e41532de785a7e7898700000000000001")
ADVERTISING = Advertising(ADV, SCAN_RSP, OUR_ADDRESS)
IDLE_MS = DEFAULT_LIMITS.idle_ms
BOTH_FAMILIES = pytest.mark.parametrize("in_sets", [False, True], ids=["legacy", "sets"])
LOW_RESOURCES = ErrorCode.REMOTE_DEVICE_TERMINATED_CONNECTION_DUE_TO_LOW_RESOURCES

LEGACY_START = [
    "01 0620 0f a000 a000 00 01 00 000000000000 07 00",
    "01 0820 20 1f" + ADV.hex(),
    "01 0920 20 1f" + SCAN_RSP.hex(),
    "01 0a20 01 01",
]
SET_START = [
    "01 3620 19 00 1300 a00000 a00000 07 01 00 000000000000 00 7f 01 00 01 00 00",
    "01 3520 07 00 0102030405c6",
    "01 3720 23 00 03 01 1f" + ADV.hex(),
    "01 3820 23 00 03 01 1f" + SCAN_RSP.hex(),
    "01 3920 06 01 01 00 0000 00",
]
ENABLES = {False: "01 0a20 01 01", True: "01 3920 06 01 01 00 0000 00"}
DISABLES = {False: "01 0a20 01 00", True: "01 3920 06 00 01 00 0000 00"}


class Station:
    """A peripheral on a fake controller, and what it was asked to serve."""

    def __init__(self, chip: FakeController, radio: Radio, limits: Limits, advertising: Advertising) -> None:
        self.chip, self.radio = chip, radio
        self.values = Values()
        self.served: list[Connection] = []
        self.peripheral = Peripheral(radio, advertising, self._serve, limits)

    def _serve(self, connection: Connection) -> Sequence[Service]:
        self.served.append(connection)
        return self.values.services()

    async def arrive(self, handle: int) -> Phone:
        phone = Phone(self.chip, handle).arrive()
        await settle()
        return phone


@asynccontextmanager
async def station_on(
    chip: FakeController, limits: Limits = DEFAULT_LIMITS, advertising: Advertising = ADVERTISING
) -> AsyncIterator[Station]:
    async with radio_on(chip) as radio:
        chip.received.clear()
        station = Station(chip, radio, limits, advertising)
        await station.peripheral.start()
        yield station
        if radio.host.death is None:
            await station.peripheral.stop()


def with_station(
    test: Callable[[FakeController, Station], Awaitable[Any]], limits: Limits = DEFAULT_LIMITS, **chip_options: Any
) -> None:
    async def whole() -> None:
        chip = FakeController(**chip_options)
        async with station_on(chip, limits) as station:
            await test(chip, station)

    run(whole())


def enables(chip: FakeController) -> int:
    """How often advertising was enabled."""
    legacy = [each for each in chip.sent(LeSetAdvertisingEnable) if each.advertising_enable]
    return len(legacy) + len([each for each in chip.sent(LeSetExtendedAdvertisingEnable) if each.enable])


# On the air.


@pytest.mark.parametrize(("in_sets", "commands"), [(False, LEGACY_START), (True, SET_START)])
def test_the_commands_to_the_byte(in_sets: bool, commands: list[str]) -> None:
    async def test(chip: FakeController, station: Station) -> None:
        assert chip.received == [bytes.fromhex(each) for each in commands]
        assert chip.advertising
        await station.peripheral.stop()
        assert chip.received[-1] == bytes.fromhex(DISABLES[in_sets])
        assert not chip.advertising

    with_station(test, in_sets=in_sets)


@pytest.mark.parametrize(("interval_ms", "units"), [(20, "2000"), (100, "a000"), (1285, "0808"), (10_240, "0040")])
def test_the_interval_is_in_units_of_the_specification(interval_ms: int, units: str) -> None:
    async def test() -> None:
        chip = FakeController()
        async with station_on(chip, advertising=Advertising(ADV, SCAN_RSP, OUR_ADDRESS, interval_ms)):
            assert chip.received[0][4:8] == bytes.fromhex(units + units)

    run(test())


@pytest.mark.parametrize(("power_dbm", "octet"), [(None, 0x7F), (8, 8), (-20, 0xEC)])
def test_the_wanted_power_goes_to_controllers_with_sets(power_dbm: int | None, octet: int) -> None:
    async def test() -> None:
        chip = FakeController(in_sets=True)
        async with station_on(chip, advertising=Advertising(ADV, SCAN_RSP, OUR_ADDRESS, tx_power_dbm=power_dbm)):
            assert chip.received[0][23] == octet

    run(test())


def test_a_controller_that_refuses_the_data_is_told_at_once() -> None:
    async def test() -> None:
        chip = FakeController()
        chip.refused[LeSetAdvertisingData.OPCODE] = ErrorCode.INVALID_HCI_COMMAND_PARAMETERS
        with pytest.raises(CommandError, match="LeSetAdvertisingData"):
            async with station_on(chip):
                pass

    run(test())


# Visits.


@BOTH_FAMILIES
def test_a_connection_makes_us_advertise_again_at_once(in_sets: bool) -> None:
    async def test(chip: FakeController, station: Station) -> None:
        chip.received.clear()
        await station.arrive(1)
        assert chip.advertising
        assert chip.received == [bytes.fromhex(ENABLES[in_sets])]
        assert [each.peer for each in station.served] == [Phone(chip, 1).address]

    with_station(test, in_sets=in_sets)


def test_a_phone_reads_and_writes() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        phone = await station.arrive(1)
        phone.say(ExchangeMtuRequest(185))
        phone.say(ReadRequest(NAME))
        phone.say(WriteRequest(P2P, b"{}"))
        await settle()
        assert phone.heard == [ExchangeMtuResponse(517), ReadResponse(b"NAS"), WriteResponse()]
        assert station.values.written == [(P2P, b"{}")]

    with_station(test)


def test_each_connection_has_its_own_server() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        first = await station.arrive(1)
        first.say(PrepareWriteRequest(P2P, 0, b"half"))
        await settle()
        chip.disconnect(1)
        await settle()
        for handle in (1, 2):
            phone = await station.arrive(handle)
            phone.say(ExecuteWriteRequest(1))
            await settle()
        assert station.values.written == []

    with_station(test)


def test_nobody_there_nothing_runs() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        await station.arrive(1)
        chip.disconnect(1)
        await settle()
        chip.received.clear()
        await aio.sleep_ms(24 * 3600 * 1000)
        assert chip.received == []
        assert chip.advertising

    with_station(test)


@BOTH_FAMILIES
def test_who_says_nothing_is_dropped_after_its_time_and_not_before(in_sets: bool) -> None:
    async def test(chip: FakeController, station: Station) -> None:
        phone = await station.arrive(1)
        await aio.sleep_ms(IDLE_MS - 10)
        assert phone.is_connected
        await aio.sleep_ms(20)
        assert not phone.is_connected
        assert chip.sent(Disconnect) == [Disconnect(1, ErrorCode.REMOTE_USER_TERMINATED_CONNECTION)]
        assert chip.advertising

    with_station(test, in_sets=in_sets)


def test_the_idle_time_is_what_phones_take_between_reading_and_writing() -> None:
    assert IDLE_MS == 30_000


def test_nobody_stays_for_ever() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        phone = await station.arrive(1)
        for _ in range(DEFAULT_LIMITS.stay_ms // 10_000):
            assert phone.is_connected
            phone.say(ReadRequest(NAME))
            await aio.sleep_ms(10_000)
        await settle()
        assert not phone.is_connected

    with_station(test)


def test_a_connection_that_fails_makes_us_advertise_again() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        chip.advertising = False
        chip.happen(LeConnectionComplete(0x3E, 0, 1, 1, bytes(6), 0, 0, 0, 0))
        await settle()
        assert chip.advertising

    with_station(test)


def test_a_controller_that_was_busy_once_is_asked_again_while_a_phone_stays() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        chip.refused[LeSetAdvertisingEnable.OPCODE] = ErrorCode.CONTROLLER_BUSY
        phone = await station.arrive(1)
        assert not chip.advertising
        chip.refused.clear()
        for _ in range(2):
            await aio.sleep_ms(10_000)
            phone.say(ReadRequest(NAME))
        assert chip.advertising
        assert phone.is_connected

    with_station(test)


def test_one_slot_is_none() -> None:
    with pytest.raises(LocalProtocolError, match="one slot"):
        Limits(slots=1)


def test_traffic_keeps_a_connection() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        phone = await station.arrive(1)
        await aio.sleep_ms(500)
        phone.say(ReadRequest(NAME))
        await aio.sleep_ms(IDLE_MS - 100)
        assert phone.is_connected
        phone.say(ReadRequest(NAME))
        await aio.sleep_ms(IDLE_MS - 10)
        phone.say(ReadRequest(NAME))
        await aio.sleep_ms(IDLE_MS - 10)
        assert phone.is_connected
        await aio.sleep_ms(30)
        assert not phone.is_connected

    with_station(test)


def test_the_last_slot_costs_the_one_that_has_been_silent_longest() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        phones = []
        for handle in (1, 2, 3):
            phones.append(await station.arrive(handle))
            await aio.sleep_ms(100)
        phones[0].say(ReadRequest(NAME))
        await settle()
        assert all(phone.is_connected for phone in phones)
        phones.append(await station.arrive(4))
        assert [phone.is_connected for phone in phones] == [True, False, True, True]
        assert chip.sent(Disconnect) == [Disconnect(2, LOW_RESOURCES)]
        assert chip.advertising

    with_station(test)


def test_who_does_not_go_does_not_shield_the_others() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        chip.keeps.add(1)  # told to go, but out of range: only its supervision timeout ends it
        phones = []
        for handle in range(1, 8):
            phones.append(await station.arrive(handle))
            await aio.sleep_ms(100)
        assert [phone.is_connected for phone in phones] == [True, False, False, False, True, True, True]
        assert chip.advertising

    with_station(test)


def test_who_is_leaving_is_room_enough() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        chip.keeps.add(1)
        phones = []
        for handle in (1, 2, 3, 4):
            phones.append(await station.arrive(handle))
            await aio.sleep_ms(100)
        assert not chip.advertising, "the controller has no slot"
        chip.disconnect(1)
        await settle()
        assert [phone.is_connected for phone in phones] == [False, True, True, True]
        assert chip.advertising

    with_station(test, slots=4)


def test_fewer_slots_than_we_thought_cost_a_connection_too() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        first = await station.arrive(1)
        await aio.sleep_ms(100)
        second = await station.arrive(2)
        assert not first.is_connected
        assert second.is_connected
        assert chip.advertising

    with_station(test, slots=2)


@BOTH_FAMILIES
def test_a_controller_that_is_busy_is_asked_again(in_sets: bool) -> None:
    async def test(chip: FakeController, station: Station) -> None:
        opcode = LeSetExtendedAdvertisingEnable.OPCODE if in_sets else LeSetAdvertisingEnable.OPCODE
        chip.refused[opcode] = ErrorCode.CONTROLLER_BUSY
        await station.arrive(1)
        chip.disconnect(1)
        await aio.sleep_ms(10_000)
        tries = enables(chip)
        assert 5 <= tries <= 20, "it is asked again, but not for ever and ever"
        chip.refused.clear()
        await aio.sleep_ms(2_000)
        assert chip.advertising
        tries = enables(chip)
        await aio.sleep_ms(10_000)
        assert enables(chip) == tries

    with_station(test, in_sets=in_sets)


@BOTH_FAMILIES
def test_a_flood_of_connections_leaves_us_visible(in_sets: bool) -> None:
    async def test(chip: FakeController, station: Station) -> None:
        for number in range(200):
            phone = await station.arrive(1 + number % 50)
            if number % 3 == 0:
                phone.say(ReadRequest(NAME))
            if number % 7 == 0 and phone.is_connected:
                chip.disconnect(phone.handle)
            await settle()
            assert chip.advertising
            assert len(chip.links) < DEFAULT_LIMITS.slots
        await aio.sleep_ms(2 * IDLE_MS)
        assert chip.links == {}
        assert chip.advertising
        assert station.radio.connections == {}

    with_station(test, in_sets=in_sets)


def test_a_flood_within_one_moment_leaves_us_visible() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        for number in range(200):
            chip.advertising = True  # faster than we could say so
            chip.connect(1 + number)
        await aio.sleep_ms(2 * IDLE_MS)
        assert chip.links == {}
        assert chip.advertising
        assert station.radio.connections == {}

    with_station(test, slots=1000)


def test_who_leaves_at_once_leaves_nothing() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        for handle in (1, 2, 3):
            chip.advertising = True
            chip.connect(handle)
            chip.disconnect(handle)
        await settle()
        assert station.radio.connections == {}
        assert chip.advertising
        assert chip.sent(Disconnect) == []

    with_station(test)


def test_stop_leaves_those_who_are_connected() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        phone = await station.arrive(1)
        await station.peripheral.stop()
        assert not chip.advertising
        chip.received.clear()
        phone.say(ReadRequest(NAME))
        await settle()
        assert phone.heard == [ReadResponse(b"NAS")]
        chip.disconnect(1)
        await aio.sleep_ms(5_000)
        assert not chip.advertising
        assert enables(chip) == 0

    with_station(test)


def test_stop_in_the_moment_of_a_connection_ends_invisible() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        chip.holds_answers = True
        await station.arrive(1)
        stopping = aio.create_task(station.peripheral.stop())
        await settle()
        chip.release()
        await stopping
        assert not chip.advertising

    with_station(test)


def test_start_again_after_stop() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        await station.peripheral.stop()
        await station.peripheral.start()
        assert chip.advertising
        await station.arrive(1)
        assert chip.advertising

    with_station(test)


def test_who_asks_for_what_is_not_there_is_told_and_stays() -> None:
    async def test(chip: FakeController, station: Station) -> None:
        phone = await station.arrive(1)
        for request in (b"", b"\xff", b"\x0a", bytes(600), b"\x16" + bytes(600)):
            phone.say(request)
        phone.say(ReadRequest(99))
        await settle()
        assert phone.is_connected
        assert phone.heard[-1] == ErrorResponse(0x0A, 99, AttErrorCode.INVALID_HANDLE)

    with_station(test)


# Death.


@BOTH_FAMILIES
@pytest.mark.parametrize("phones", [0, 1, 3, 4])
def test_death_ends_everything(in_sets: bool, phones: int) -> None:
    async def test() -> None:
        chip = FakeController(in_sets=in_sets)
        async with station_on(chip) as station:
            for handle in range(1, phones + 1):
                await station.arrive(handle)
            chip.die()
            await settle()
            assert all(connection.closed.is_set() for connection in station.served)
            with pytest.raises(TransportError):
                await station.peripheral.stop()

    run(test())


def test_the_end_of_the_radio_ends_the_peripheral_without_a_stop() -> None:
    async def test() -> None:
        chip = FakeController()
        async with radio_on(chip) as radio:
            station = Station(chip, radio, DEFAULT_LIMITS, ADVERTISING)
            await station.peripheral.start()
            await station.arrive(1)

    run(test())


def test_death_while_it_waits_for_room() -> None:
    async def test() -> None:
        chip = FakeController()
        async with station_on(chip) as station:
            chip.refused[LeSetAdvertisingEnable.OPCODE] = ErrorCode.CONTROLLER_BUSY
            await station.arrive(1)
            chip.disconnect(1)
            await settle()
            chip.die()
            await aio.sleep_ms(5_000)

    run(test())


def test_death_while_someone_is_dropped() -> None:
    async def test() -> None:
        chip = FakeController()
        async with station_on(chip, Limits(slots=2)) as station:
            chip.silent.add(Disconnect.OPCODE)
            chip.refused[Disconnect.OPCODE] = ErrorCode.CONTROLLER_BUSY
            await station.arrive(1)
            await station.arrive(2)
            chip.die()
            await settle()
            assert all(connection.closed.is_set() for connection in station.served)

    run(test())
