"""What every chip has to do for Ferry: the same tests run over the fake chips and, in the lab, over the kernel.

Each takes a `World`: a radio with the board's own Wi-Fi on it, and a phone's group in its reach.
"""

import os
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import pytest

from board import aio
from board.clock import boottime_ms
from drivers.errors import RadioError
from drivers.nl80211.capabilities import Wiphy
from drivers.nl80211.connection import State
from drivers.nl80211.errors import DisconnectedError, HandshakeOffloadError, InterfaceGoneError
from drivers.nl80211.interfaces import Interface, Plan, create_for_link, destroy, interfaces, plan, sweep
from drivers.nl80211.radio import Nl80211
from drivers.nl80211.road import Network, Road
from drivers.nl80211.scan import Bss, ScanRequest, scan
from drivers.nl80211.station import EapolSocket, Station
from stack.wlan import handshake
from stack.wlan.bss import parse_bss
from stack.wlan.handshake import Association, Supplicant
from stack.wlan.keys import PmkCache

OWN_RSN = bytes.fromhex("30140100000fac040100000fac040100000fac020000")
ATTEMPTS = 10
# A derivation between association and handshake would let messages 1 pile up, which means a wrong passphrase.
PMKS = PmkCache()
WRONG_PASSPHRASE = "not the one"


class World(Protocol):
    """What the tests stand on. The home connection, if there is one, is another program's."""

    radio: Nl80211
    wiphy: Wiphy
    road: Road
    ssid: bytes
    passphrase: str
    frequency_mhz: int
    home: str
    forced_plan: Plan | None

    def now_ms(self) -> int:
        """Read the clock that the kernel's ages are of."""
        ...

    async def up(self, interface: Interface) -> None:
        """Bring an interface up, as rtnetlink does."""

    def open_socket(self, interface: Interface) -> EapolSocket:
        """Open a packet socket for EAPOL."""
        ...

    async def drop(self, address: bytes) -> None:
        """Let the phone deauthenticate us."""

    async def take_away(self, name: str) -> None:
        """Let another program delete an interface."""

    def names(self) -> set[str]:
        """Say which interfaces there are, without asking through `radio`."""
        ...

    async def die(self) -> None:
        """Close the netlink socket, as the end of the process does, and wait until the kernel has cleaned up."""


async def link(world: World) -> list[Interface]:
    """Make what a link needs beside what there is; the last one is the link's, and up."""
    way = world.forced_plan or plan(world.wiphy, await interfaces(world.radio), world.frequency_mhz)
    made = await create_for_link(world.radio, world.wiphy, way, (os.urandom(6), os.urandom(6)))
    await world.up(made[-1])
    return made


async def find(world: World, interface: Interface) -> Bss:
    """Find the phone's group. An answer to a probe may get lost, so the last scan of several counts."""
    request = ScanRequest(ssids=[world.ssid], frequencies_mhz=[world.frequency_mhz])
    for _ in range(ATTEMPTS):
        for each in await scan(world.radio, interface.index, request, world.now_ms):
            if parse_bss(each.elements).ssid == world.ssid:
                return each
    raise AssertionError(f"{world.ssid!r} was not heard in {ATTEMPTS} scans")


def network_of(world: World, bss: Bss, passphrase: str) -> Network:
    """Describe the phone's group."""
    pmk = PMKS.pmk(world.ssid, passphrase)
    return Network(ssid=world.ssid, bssid=bss.bssid, frequency_mhz=bss.frequency_mhz, elements=OWN_RSN, pmk=pmk)


async def shake_hands(
    world: World, station: Station, interface: Interface, bss: Bss, passphrase: str
) -> Supplicant | None:
    """Do the 4-way handshake, if it is ours. Raises what ended the connection, `PermissionError` for a failure."""
    if not station.needs_handshake:
        return None
    rsn = parse_bss(bss.elements).rsn_element
    assert rsn
    association = Association(network_of(world, bss, passphrase).pmk, interface.address, bss.bssid, OWN_RSN, rsn)
    supplicant = Supplicant(association, lambda: os.urandom(32), now=boottime_ms())
    while supplicant.state is not handshake.State.AUTHORISED:
        for effect in supplicant.frame_received(await station.receive_eapol(), boottime_ms()):
            await carry_out(station, supplicant, effect)
    return supplicant


async def carry_out(station: Station, supplicant: Supplicant, effect: handshake.Effect) -> None:
    """Do what the supplicant wants."""
    match effect:
        case handshake.SendEapol():
            if await station.send_eapol(effect.frame):
                supplicant.frame_acknowledged()
        case handshake.InstallPairwise():
            await station.install_pairwise_key(effect.key)
        case handshake.InstallGroup():
            await station.install_group_key(effect.key, effect.index, effect.rsc)
        case handshake.Authorised():
            await station.authorize()
        case handshake.Failed():
            raise PermissionError(effect.reason)


def station_on(world: World, interface: Interface) -> Station:
    """Make a station that goes the road of the world's chip."""
    return Station(world.radio, interface, world.road, world.open_socket)


async def joined(world: World, interface: Interface) -> tuple[Station, Bss]:
    """Join the phone's group, keys and all."""
    bss = await find(world, interface)
    station = station_on(world, interface)
    await station.join(network_of(world, bss, world.passphrase))
    await shake_hands(world, station, interface, bss, world.passphrase)
    return station, bss


# The contracts.


async def a_scan_hears_the_group_and_nothing_older(world: World) -> None:
    interface = (await link(world))[-1]
    bss = await find(world, interface)
    assert bss.frequency_mhz == world.frequency_mhz
    assert len(bss.bssid) == 6
    assert -10_000 < bss.signal_mbm < 0
    request = ScanRequest(ssids=[b"nobody has this"], frequencies_mhz=[world.frequency_mhz + 25])
    assert bss.bssid not in [each.bssid for each in await scan(world.radio, interface.index, request, world.now_ms)]


async def two_scans_at_once_wait_for_each_other(world: World) -> None:
    interface = (await link(world))[-1]
    found = await aio.gather(find(world, interface), find(world, interface))
    assert found[0].bssid == found[1].bssid


async def the_road_leads_to_an_authorised_link_and_back(world: World) -> None:
    made = await link(world)
    station, _ = await joined(world, made[-1])
    assert station.state is State.CONNECTED
    statistics = await station.statistics()
    assert -100 < statistics.signal_dbm < 0
    assert statistics.tx_failed < 10
    await station.set_power_save(enabled=False)
    beside = {each.name: each for each in await interfaces(world.radio)}
    assert beside[made[-1].name].frequency_mhz == world.frequency_mhz
    assert world.home in beside
    await station.leave()
    assert isinstance(await station.lost(), DisconnectedError)
    for each in reversed(made):
        await destroy(world.radio, each)
    assert not {name for name in world.names() if name.startswith("ferry")}
    assert world.home in world.names()


async def a_wrong_passphrase_is_found_out_and_the_right_one_works_after_it(world: World) -> None:
    interface = (await link(world))[-1]
    bss = await find(world, interface)
    station = station_on(world, interface)
    with pytest.raises((PermissionError, DisconnectedError, HandshakeOffloadError)):
        await _join_with(world, station, interface, bss, WRONG_PASSPHRASE)
    await station.leave()
    await _join_with(world, station, interface, bss, world.passphrase)
    assert station.state is State.CONNECTED
    await station.leave()


async def _join_with(world: World, station: Station, interface: Interface, bss: Bss, passphrase: str) -> None:
    await station.join(network_of(world, bss, passphrase))
    await shake_hands(world, station, interface, bss, passphrase)


async def a_group_that_is_not_there_cannot_be_joined(world: World) -> None:
    interface = (await link(world))[-1]
    nobody = Network(
        ssid=b"DIRECT-nobody",
        bssid=bytes.fromhex("0600000000ee"),
        frequency_mhz=world.frequency_mhz,
        elements=OWN_RSN,
        pmk=bytes(32),
    )
    station = station_on(world, interface)
    with pytest.raises(RadioError):
        await station.join(nobody)
    station, _ = await joined(world, interface)
    await station.leave()


async def the_phone_ends_the_connection(world: World) -> None:
    interface = (await link(world))[-1]
    station, _ = await joined(world, interface)
    await world.drop(interface.address)
    end = await aio.wait_for_ms(station.lost(), 5_000)
    assert isinstance(end, DisconnectedError)
    assert end.by_peer
    with pytest.raises(DisconnectedError):
        await station.receive_eapol()
    await station.leave()


async def the_interface_is_taken_away(world: World) -> None:
    interface = (await link(world))[-1]
    station, _ = await joined(world, interface)
    await world.take_away(interface.name)
    end = await aio.wait_for_ms(station.lost(), 5_000)
    assert isinstance(end, InterfaceGoneError | DisconnectedError)
    await station.leave()
    await destroy(world.radio, interface)  # as good as done


async def a_join_that_is_cancelled_leaves_the_radio_idle(world: World) -> None:
    interface = (await link(world))[-1]
    bss = await find(world, interface)
    station = station_on(world, interface)
    joining = aio.create_task(station.join(network_of(world, bss, world.passphrase)))
    await aio.sleep_ms(0)
    joining.cancel()
    with pytest.raises(aio.CancelledError):
        await joining
    assert station.state is State.LOST
    station, _ = await joined(world, interface)
    await station.leave()


async def a_dead_process_leaves_neither_connection_nor_interface(world: World) -> None:
    interface = (await link(world))[-1]
    station, _ = await joined(world, interface)
    assert interface.name in world.names()
    await world.die()
    await station.leave()  # closes what else the process held
    assert interface.name not in world.names()
    assert world.home in world.names()


async def what_a_dead_run_left_is_swept(world: World) -> None:
    interface = (await link(world))[-1]
    assert await sweep(world.radio) == [interface.name]
    assert interface.name not in world.names()
    assert await sweep(world.radio) == []


CONTRACTS: list[Callable[[World], Coroutine[Any, Any, None]]] = [
    a_scan_hears_the_group_and_nothing_older,
    two_scans_at_once_wait_for_each_other,
    the_road_leads_to_an_authorised_link_and_back,
    a_wrong_passphrase_is_found_out_and_the_right_one_works_after_it,
    a_group_that_is_not_there_cannot_be_joined,
    the_phone_ends_the_connection,
    the_interface_is_taken_away,
    a_join_that_is_cancelled_leaves_the_radio_idle,
    a_dead_process_leaves_neither_connection_nor_interface,
    what_a_dead_run_left_is_swept,
]
