"""A station where it gets difficult: refusals, silence, lost events, what each road asks of the driver, statistics."""

import errno

import pytest

from board import aio
from board.errors import LocalProtocolError
from drivers.errors import RadioError
from drivers.netlink.message import NetlinkError, OverrunError
from drivers.nl80211.connection import State
from drivers.nl80211.constants import Command
from drivers.nl80211.errors import DisconnectedError, HandshakeOffloadError, JoinTimeoutError, RejectedError
from drivers.nl80211.interfaces import Interface
from drivers.nl80211.station import EapolSocket, LinkStatistics, Station
from stack.wlan.eapol import KeyFrame, KeyInformation, build_key_frame
from tests.unit.nl80211.access_point import GTK
from tests.unit.nl80211.chip import FakeInterface, Kind
from tests.unit.nl80211.contract import find, joined, link, network_of, shake_hands, station_on
from tests.unit.nl80211.fake_world import FakeWorld, with_chip

ROOM, TIMED_OUT = 17, 16
KINDS = list(Kind)


async def ready(world: FakeWorld) -> tuple[Station, Interface]:
    interface = (await link(world))[-1]
    return station_on(world, interface), interface


def driver_of(world: FakeWorld, interface: Interface) -> FakeInterface:
    return world.chip.interface(interface.name)


@pytest.mark.parametrize("kind", [Kind.SOFTMAC, Kind.FULLMAC])
def test_the_access_points_refusal_is_told_in_words(kind: Kind) -> None:
    async def test(world: FakeWorld) -> None:
        world.phone.status = ROOM
        station, interface = await ready(world)
        with pytest.raises(RejectedError, match="no room for more stations") as caught:
            await station.join(network_of(world, await find(world, interface), world.passphrase))
        assert caught.value.status == ROOM
        assert driver_of(world, interface).associated is None

    with_chip(kind, test)


def test_silence_is_told_by_the_step_it_came_in() -> None:
    async def test(world: FakeWorld) -> None:
        station, interface = await ready(world)
        bss = await find(world, interface)
        world.phone.is_silent = True
        with pytest.raises(JoinTimeoutError, match="did not answer to the authentication"):
            await station.join(network_of(world, bss, world.passphrase))

    with_chip(Kind.SOFTMAC, test)


def test_a_driver_that_tells_nothing_is_given_up() -> None:
    async def test(world: FakeWorld) -> None:
        station, interface = await ready(world)
        bss = await find(world, interface)
        world.netlink.groups.clear()  # no event comes
        with pytest.raises(JoinTimeoutError):
            await station.join(network_of(world, bss, world.passphrase), timeout_ms=20)
        assert driver_of(world, interface).associated is None

    with_chip(Kind.FULLMAC, test)


def test_a_chip_that_does_the_handshake_says_little_about_a_wrong_passphrase() -> None:
    async def test(world: FakeWorld) -> None:
        station, interface = await ready(world)
        assert not station.needs_handshake
        with pytest.raises(HandshakeOffloadError) as caught:
            await station.join(network_of(world, await find(world, interface), "not the one"))
        assert caught.value.status == TIMED_OUT
        assert "passphrase may be wrong" in caught.value.explain()

    with_chip(Kind.FULLMAC_OFFLOAD, test)


@pytest.mark.parametrize("kind", KINDS)
def test_what_each_road_asks_of_the_driver(kind: Kind) -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        station, _ = await joined(world, interface)
        driver = driver_of(world, interface)
        asked = dict(world.chip.asked)
        request = asked.get(Command.CONNECT) or asked[Command.ASSOCIATE]
        assert world.phone.is_secured
        assert request.socket_owner
        assert (request.pmk is not None) is (kind is Kind.FULLMAC_OFFLOAD)
        assert bool(request.control_port) is (kind is not Kind.FULLMAC_OFFLOAD)
        assert bool(request.control_port_over_nl80211) is (kind is Kind.SOFTMAC)
        assert (driver.socket is not None) is (kind is Kind.FULLMAC)
        assert driver.is_authorized is (kind is not Kind.FULLMAC_OFFLOAD)
        if kind is not Kind.FULLMAC_OFFLOAD:
            assert driver.keys[False, 1] == GTK
            assert len(driver.keys[True, 0]) == 16
        await station.leave()
        assert not world.phone.is_secured
        assert driver.socket is None
        assert (Command.DEAUTHENTICATE in dict(world.chip.asked)) is (kind is Kind.SOFTMAC)

    with_chip(kind, test)


def test_a_frame_is_acknowledged_only_where_the_driver_tells() -> None:
    async def test(world: FakeWorld) -> None:
        station, interface = await ready(world)
        await station.join(network_of(world, await find(world, interface), world.passphrase))
        m1 = await station.receive_eapol()
        assert await station.send_eapol(m1) is (True if world.chip.is_softmac else None)

    for kind in (Kind.SOFTMAC, Kind.FULLMAC):
        with_chip(kind, test)


def test_frames_of_later_handshakes_are_encrypted() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        station, bss = await joined(world, interface)
        frame = build_key_frame(KeyFrame(KeyInformation.PAIRWISE | KeyInformation.ACK, 9))
        await station.send_eapol(frame)
        await station.leave()
        await station.join(network_of(world, bss, world.passphrase))
        await station.send_eapol(frame)
        sent = [attrs for command, attrs in world.chip.asked if command is Command.CONTROL_PORT_FRAME]
        assert [attrs.control_port_no_encrypt for attrs in sent[-2:]] == [None, True]

    with_chip(Kind.SOFTMAC, test)


def test_events_lost_while_joining_end_the_attempt() -> None:
    async def test(world: FakeWorld) -> None:
        station, interface = await ready(world)
        network = network_of(world, await find(world, interface), world.passphrase)
        world.chip.events_to_lose = 1
        with pytest.raises(OverrunError):
            await station.join(network)
        assert driver_of(world, interface).associated is None
        await station.join(network)
        assert station.state is State.CONNECTED

    with_chip(Kind.FULLMAC, test)


@pytest.mark.parametrize("kind", KINDS)
def test_events_lost_while_connected_are_asked_for(kind: Kind) -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        station, _ = await joined(world, interface)
        world.netlink.on_overrun()
        for _ in range(5):
            await aio.sleep_ms(0)
        assert Command.GET_STATION in dict(world.chip.asked)
        assert (await station.statistics()).connected_s == 5
        world.chip.events_to_lose = 2  # the deauthentication and the disconnection
        await world.drop(interface.address)
        end = await aio.wait_for_ms(station.lost(), 1_000)
        assert str(end) == "The radio ended the connection: the chip does not say why."

    with_chip(kind, test)


def test_a_dead_netlink_socket_ends_what_waits() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        station, _ = await joined(world, interface)
        world.netlink.close()
        with pytest.raises(RadioError, match="closed"):
            await station.statistics()
        await station.leave()

    with_chip(Kind.SOFTMAC, test)


def test_a_packet_socket_that_fails_is_told_by_its_cause() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        station, _ = await joined(world, interface)
        socket = driver_of(world, interface).socket
        assert socket
        socket.fail(RadioError("Network is down."))  # which is read before the events are
        world.chip.take_away(interface.name)
        assert str(await aio.wait_for_ms(station.lost(), 1_000)) == "The radio ended the connection: it is leaving."

    with_chip(Kind.FULLMAC, test)


def test_a_packet_socket_that_cannot_be_opened_ends_the_attempt() -> None:
    async def test(world: FakeWorld) -> None:
        def refuse(interface: Interface) -> EapolSocket:
            raise RadioError(f"No packets on {interface.name}.")

        interface = (await link(world))[-1]
        bss = await find(world, interface)
        station = Station(world.radio, interface, world.road, refuse)
        with pytest.raises(RadioError, match="No packets on ferry0"):
            await station.join(network_of(world, bss, world.passphrase))
        assert Command.CONNECT not in dict(world.chip.asked)
        assert station.state is State.LOST

    with_chip(Kind.FULLMAC, test)


def test_a_packet_socket_that_fails_alone_ends_the_connection() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        station, _ = await joined(world, interface)
        socket = driver_of(world, interface).socket
        assert socket
        socket.fail(RadioError("No buffers."))
        assert str(await aio.wait_for_ms(station.lost(), 1_000)) == "No buffers."

    with_chip(Kind.FULLMAC, test)


def test_statistics() -> None:
    async def test(world: FakeWorld) -> None:
        station, _ = await joined(world, (await link(world))[-1])
        assert await station.statistics() == LinkStatistics(
            signal_dbm=-42,
            tx_kbit_s=54_000,
            rx_kbit_s=7_000_000,
            tx_packets=10,
            tx_retries=3,
            tx_failed=1,
            tx_bytes=2000,
            rx_bytes=1 << 33,
            beacon_loss=2,
            connected_s=5,
        )
        await station.leave()
        with pytest.raises(NetlinkError) as caught:
            await station.statistics()
        assert caught.value.code == errno.ENOENT

    with_chip(Kind.FULLMAC, test)


def test_power_save_stays_as_it_is_where_the_driver_has_no_choice() -> None:
    async def test(world: FakeWorld) -> None:
        station, interface = await ready(world)
        await station.set_power_save(enabled=False)
        assert not driver_of(world, interface).power_save
        await station.set_power_save(enabled=True)
        assert driver_of(world, interface).power_save
        world.chip.refused[Command.SET_POWER_SAVE] = errno.EOPNOTSUPP
        await station.set_power_save(enabled=False)
        world.chip.refused[Command.SET_POWER_SAVE] = errno.EPERM
        with pytest.raises(NetlinkError):
            await station.set_power_save(enabled=False)

    with_chip(Kind.FULLMAC, test)


def test_a_station_joins_one_group_at_a_time() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        station, bss = await joined(world, interface)
        with pytest.raises(LocalProtocolError):
            await station.join(network_of(world, bss, world.passphrase))
        assert station.state is State.CONNECTED

    with_chip(Kind.FULLMAC, test)


@pytest.mark.parametrize("kind", [Kind.SOFTMAC, Kind.FULLMAC])
def test_leaving_wakes_who_waits_and_may_be_repeated(kind: Kind) -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        station, bss = await joined(world, interface)
        waiting = aio.create_task(station.receive_eapol())
        await aio.sleep_ms(0)
        await station.leave()
        with pytest.raises(DisconnectedError):
            await waiting
        await station.leave()
        assert not world.radio._listeners
        await station.join(network_of(world, bss, world.passphrase))
        await shake_hands(world, station, interface, bss, world.passphrase)
        assert world.phone.is_secured

    with_chip(kind, test)


def test_a_station_that_never_joined_leaves_without_a_word() -> None:
    async def test(world: FakeWorld) -> None:
        station, _ = await ready(world)
        before = len(world.chip.asked)
        await station.leave()
        assert len(world.chip.asked) == before

    with_chip(Kind.SOFTMAC, test)


def test_the_events_of_another_interface_are_not_ours() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        station, _ = await joined(world, interface)
        other = (await link(world))[-1]
        world.chip.take_away(other.name)
        for _ in range(5):
            await aio.sleep_ms(0)
        assert station.state is State.CONNECTED

    with_chip(Kind.SOFTMAC, test)
