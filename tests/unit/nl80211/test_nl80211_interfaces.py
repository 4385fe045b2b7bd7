"""Virtual interfaces: the plan beside what there is, made, undone, swept; and a machine without Wi-Fi."""

import errno
from dataclasses import replace

import pytest

from board import aio
from board.errors import LocalProtocolError
from drivers.netlink.message import NetlinkError
from drivers.nl80211.constants import Command, InterfaceType
from drivers.nl80211.errors import NoRoomError, NoWifiError
from drivers.nl80211.interfaces import (
    Interface,
    Plan,
    create,
    create_for_link,
    destroy,
    interfaces,
    local_address,
    plan,
    sweep,
)
from drivers.nl80211.radio import open_nl80211
from tests.unit.nl80211.chip import HOME_ADDRESS, HOME_INDEX, ChipNetlink, Kind
from tests.unit.nl80211.fake_world import FakeWorld, with_chip

STATION, CLIENT, DEVICE = InterfaceType.STATION, InterfaceType.P2P_CLIENT, InterfaceType.P2P_DEVICE
ENTROPY = (bytes(range(6)), bytes(range(10, 16)))
ADDRESS = bytes.fromhex("0a0b0c0d0e0f")


def test_a_chip_that_takes_two_stations_gets_one_more() -> None:
    async def test(world: FakeWorld) -> None:
        existing = await interfaces(world.radio)
        assert existing == [Interface(1, HOME_INDEX, "wlan0", STATION, 1, HOME_ADDRESS, 2412)]
        way = plan(world.wiphy, existing, 2437)
        assert way == Plan(STATION, makes_p2p_device=False)
        (made,) = await create_for_link(world.radio, world.wiphy, way, ENTROPY)
        assert (made.name, made.type, made.address) == ("ferry0", STATION, ADDRESS)

    with_chip(Kind.SOFTMAC, test)


def test_the_boards_chip_gets_a_p2p_client_under_a_started_p2p_device() -> None:
    async def test(world: FakeWorld) -> None:
        way = plan(world.wiphy, await interfaces(world.radio), 2437)
        assert way == Plan(CLIENT, makes_p2p_device=True)
        device, client = await create_for_link(world.radio, world.wiphy, way, ENTROPY)
        assert (device.type, device.index, client.type) == (DEVICE, 0, CLIENT)
        assert (device.address, client.address) == (bytes.fromhex("020102030405"), ADDRESS)
        commands = [command for command, _ in world.chip.asked if command is not Command.GET_INTERFACE]
        assert commands[-3:] == [Command.NEW_INTERFACE, Command.START_P2P_DEVICE, Command.NEW_INTERFACE]
        assert all(attrs.socket_owner for command, attrs in world.chip.asked if command is Command.NEW_INTERFACE)

    with_chip(Kind.FULLMAC, test)


def test_a_p2p_device_of_another_program_is_used_and_not_taken_over() -> None:
    async def test(world: FakeWorld) -> None:
        supplicant = ChipNetlink(world.chip)
        theirs = await create(await open_nl80211(supplicant), 1, DEVICE, HOME_ADDRESS)
        world.chip.interfaces[theirs.wdev].is_up = False
        way = plan(world.wiphy, await interfaces(world.radio), 2437)
        assert way == Plan(CLIENT, makes_p2p_device=False)
        made = await create_for_link(world.radio, world.wiphy, way, ENTROPY)
        assert [each.type for each in made] == [CLIENT]
        await world.die()
        assert [each.wdev for each in world.chip.interfaces.values()] == [1, theirs.wdev]

    with_chip(Kind.FULLMAC, test)


def test_no_room_is_told_with_the_chips_reason() -> None:
    async def test(world: FakeWorld) -> None:
        await create_for_link(world.radio, world.wiphy, Plan(CLIENT, makes_p2p_device=True), ENTROPY)
        with pytest.raises(NoRoomError, match="cannot be P2P client beside what it is already"):
            plan(world.wiphy, await interfaces(world.radio), 2437)

    with_chip(Kind.FULLMAC, test)


def test_a_chip_without_p2p_is_not_blamed_for_that() -> None:
    async def test(world: FakeWorld) -> None:
        wiphy = replace(world.wiphy, interface_types=frozenset({STATION}))
        with pytest.raises(NoRoomError, match="cannot be station beside what it is already"):
            plan(wiphy, await interfaces(world.radio), 2437)

    with_chip(Kind.FULLMAC, test)


def test_cancelled_while_it_is_made_an_interface_is_taken_away_again() -> None:
    async def test(world: FakeWorld) -> None:
        making = aio.create_task(create(world.radio, 1, STATION, HOME_ADDRESS))
        while Command.NEW_INTERFACE not in [command for command, _ in world.chip.asked]:
            await aio.sleep_ms(0)
        making.cancel()
        with pytest.raises(aio.CancelledError):
            await making
        assert world.names() == {"wlan0"}

    with_chip(Kind.SOFTMAC, test)


def test_interfaces_of_other_chips_take_no_room() -> None:
    async def test(world: FakeWorld) -> None:
        elsewhere = [Interface(9, 9, "wlan9", STATION, 2, HOME_ADDRESS, 5180)]
        assert plan(world.wiphy, elsewhere, 2437) == Plan(STATION, makes_p2p_device=False)

    with_chip(Kind.FULLMAC, test)


@pytest.mark.parametrize("command", [Command.START_P2P_DEVICE, Command.NEW_INTERFACE])
def test_a_half_done_plan_is_undone(command: Command) -> None:
    async def test(world: FakeWorld) -> None:
        way = Plan(CLIENT, makes_p2p_device=True)
        if command is Command.START_P2P_DEVICE:
            world.chip.refused[command] = errno.EBUSY
        else:
            world.chip.refuses_clients = True
        with pytest.raises(NetlinkError) as caught:
            await create_for_link(world.radio, world.wiphy, way, ENTROPY)
        assert caught.value.code == errno.EBUSY
        assert list(world.chip.interfaces) == [1]

    with_chip(Kind.FULLMAC, test)


def test_names_are_the_first_free_ones() -> None:
    async def test(world: FakeWorld) -> None:
        made = [await create(world.radio, 1, STATION, HOME_ADDRESS) for _ in range(3)]
        await destroy(world.radio, made[1])
        again = await create(world.radio, 1, STATION, HOME_ADDRESS)
        assert [each.name for each in (*made, again)] == ["ferry0", "ferry1", "ferry2", "ferry1"]

    with_chip(Kind.SOFTMAC, test)


def test_only_our_own_names_are_swept() -> None:
    async def test(world: FakeWorld) -> None:
        made = [await create(world.radio, 1, STATION, HOME_ADDRESS) for _ in range(2)]
        world.chip.interface(made[0].name).name = "ferryman"
        assert await sweep(world.radio) == [made[1].name]
        assert world.names() == {"wlan0", "ferryman"}

    with_chip(Kind.SOFTMAC, test)


def test_destroying_raises_what_is_not_the_interfaces_absence() -> None:
    async def test(world: FakeWorld) -> None:
        made = await create(world.radio, 1, STATION, HOME_ADDRESS)
        await destroy(world.radio, made)
        await destroy(world.radio, made)
        world.chip.refused[Command.DEL_INTERFACE] = errno.EPERM
        with pytest.raises(NetlinkError):
            await destroy(world.radio, made)

    with_chip(Kind.SOFTMAC, test)


def test_addresses_are_local_and_individual() -> None:
    assert local_address(b"\xff" * 6) == bytes.fromhex("feffffffffff")
    assert local_address(bytes(6)) == bytes.fromhex("020000000000")
    with pytest.raises(LocalProtocolError):
        local_address(bytes(5))


def test_a_machine_without_wifi_is_told() -> None:
    async def test() -> None:
        with pytest.raises(NoWifiError) as caught:
            await open_nl80211(ChipNetlink(None))
        assert "driver and firmware" in caught.value.explain()

    aio.run(test())
