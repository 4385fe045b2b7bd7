"""The contract of `tests/unit/nl80211/contract.py` over the kernel, on every road and kind of interface it can play.

hwsim has neither a FullMAC's limits nor its handshake, but CONNECT, EAPOL by a packet socket and a P2P client under a
P2P device are the same requests there.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from board import aio
from board.clock import boottime_ms
from drivers.netlink.channel import GENERIC, Netlink
from drivers.nl80211.capabilities import wiphys
from drivers.nl80211.constants import InterfaceType
from drivers.nl80211.errors import DisconnectedError, JoinTimeoutError
from drivers.nl80211.interfaces import Interface, Plan, destroy, interfaces, plan, sweep
from drivers.nl80211.radio import Nl80211, open_nl80211
from drivers.nl80211.regulatory import domain, set_country
from drivers.nl80211.road import Road, road_of
from drivers.nl80211.station import EapolSocket
from drivers.packet.packet_socket import Ethertype, PacketSocket
from tests.lab.inside import world
from tests.lab.inside.station import joined as joined_by_wpa_supplicant
from tests.lab.inside.supplicant import Supplicant
from tests.unit.nl80211 import contract

STEPS = Road(by_steps=True, offloads_handshake=False, has_control_port=True, tells_ack=True)
ROADS = {
    "steps": STEPS,
    "connect": replace(STEPS, by_steps=False),
    "connect_by_packet_socket": Road(by_steps=False, offloads_handshake=False, has_control_port=False, tells_ack=False),
}
PLANS = {
    "station": Plan(InterfaceType.STATION, makes_p2p_device=False),
    "p2p_client": Plan(InterfaceType.P2P_CLIENT, makes_p2p_device=True),
}


class KernelWorld:
    """The lab's appliance radio and its phone."""

    home = world.APPLIANCE_WLAN
    ssid = world.USUAL_GROUP.ssid.encode()
    passphrase = world.USUAL_GROUP.psk
    frequency_mhz = world.USUAL_GROUP.frequency_mhz

    def __init__(self, netlink: Netlink, radio: Nl80211, road: Road, way: Plan | None) -> None:
        """Use `road` whatever the chip would suggest."""
        self.netlink = netlink
        self.radio = radio
        self.road = road
        self.forced_plan = way

    async def look(self) -> None:
        self.wiphy = next(each for each in await wiphys(self.radio) if each.name == "appliance")

    def now_ms(self) -> int:
        return boottime_ms()

    async def up(self, interface: Interface) -> None:
        world.run("ip", "link", "set", interface.name, "up")

    def open_socket(self, interface: Interface) -> EapolSocket:
        return PacketSocket(interface.name, Ethertype.EAPOL)

    async def drop(self, address: bytes) -> None:
        with Supplicant(world.RUN / "phone") as phone:
            group = next(each for each in phone.request("INTERFACES").split() if each.startswith("p2p-wlan0-"))
            phone.request(f"IFNAME={group} DEAUTHENTICATE {address.hex(':')}")

    async def take_away(self, name: str) -> None:
        world.run("iw", "dev", name, "del")

    def names(self) -> set[str]:
        return set(os.listdir("/sys/class/net"))

    async def die(self) -> None:
        self.netlink.close()
        world.wait_until(lambda: not any(each.startswith("ferry") for each in self.names()), "the kernel's cleaning up")


async def kernel_world(road: Road, way: Plan | None) -> KernelWorld:
    """Open a socket to the kernel, and begin without what an earlier test left."""
    netlink = Netlink(GENERIC)
    netlink.start()
    here = KernelWorld(netlink, await open_nl80211(netlink), road, way)
    await here.look()
    await sweep(here.radio)
    return here


def over_the_kernel(test: Callable[[KernelWorld], Coroutine[Any, Any, None]], road: Road, way: Plan | None) -> None:
    """Run `test` with a socket of its own, whose end takes its interfaces with it."""

    async def whole() -> None:
        here = await kernel_world(road, way)
        try:
            await test(here)
        finally:
            await here.die()

    aio.run(whole())


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
@pytest.mark.parametrize("way", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("each", contract.CONTRACTS, ids=lambda each: each.__name__)
def test_contract(each: Callable[[contract.World], Coroutine[Any, Any, None]], road: Road, way: Plan) -> None:
    over_the_kernel(each, road, way)


def test_the_road_and_the_plan_of_this_chip_are_the_first_ones() -> None:
    async def test(here: KernelWorld) -> None:
        assert road_of(here.wiphy) == STEPS
        chosen = plan(here.wiphy, await interfaces(here.radio), here.frequency_mhz)
        assert chosen == PLANS["station"]

    over_the_kernel(test, STEPS, None)


@pytest.mark.parametrize("way", [PLANS["station"], Plan(InterfaceType.P2P_CLIENT, makes_p2p_device=False)])
def test_the_home_connection_stays_while_the_phones_group_is_joined_and_left(way: Plan) -> None:
    async def test(here: KernelWorld) -> None:
        # wpa_supplicant has made a P2P device, and the chip has no second one.
        assert any(each.type is InterfaceType.P2P_DEVICE for each in await interfaces(here.radio))
        made = await contract.link(here)
        station, _ = await contract.joined(here, made[-1])
        world.run("ping", "-c", "1", "-W", "5", "-I", at_home, world.HOUSE_ADDRESS)
        at_once = {each.frequency_mhz for each in await interfaces(here.radio) if each.frequency_mhz}
        assert at_once == {2412, here.frequency_mhz}
        await station.leave()
        for each in reversed(made):
            await destroy(here.radio, each)
        world.run("ping", "-c", "1", "-W", "5", "-I", at_home, world.HOUSE_ADDRESS)

    with joined_by_wpa_supplicant(world.HOUSE_SSID, world.HOUSE_PSK, 2412) as at_home:
        over_the_kernel(test, STEPS, way)


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
@pytest.mark.parametrize("way", PLANS.values(), ids=PLANS)
def test_packets_flow_and_are_counted(road: Road, way: Plan) -> None:
    async def test(here: KernelWorld) -> None:
        interface = (await contract.link(here))[-1]
        station, _ = await contract.joined(here, interface)
        before = await station.statistics()
        reach(world.PHONE_ADDRESS, interface)
        after = await station.statistics()
        assert after.tx_bytes > before.tx_bytes
        assert after.rx_bytes > before.rx_bytes
        assert after.tx_kbit_s >= 1_000
        await station.leave()

    over_the_kernel(test, road, way)


def reach(address: str, interface: Interface) -> None:
    """Ping a peer from an address of its network, whose neighbour entry takes a broadcast in each direction."""
    world.run("ip", "address", "add", f"{address.rpartition('.')[0]}.200/24", "dev", interface.name)
    world.run("ping", "-c", "1", "-W", "5", "-I", interface.name, address)


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
def test_a_new_group_key_is_taken(road: Road) -> None:
    async def test(here: KernelWorld) -> None:
        here.ssid, here.passphrase, here.frequency_mhz = world.HOUSE_SSID.encode(), world.HOUSE_PSK, 2412
        interface = (await contract.link(here))[-1]
        bss = await contract.find(here, interface)
        station = contract.station_on(here, interface)
        await station.join(contract.network_of(here, bss, here.passphrase))
        supplicant = await contract.shake_hands(here, station, interface, bss, here.passphrase)
        assert supplicant
        with Supplicant(world.RUN / "house" / world.HOUSE_WLAN) as house:
            house.request("REKEY_GTK")
            for effect in supplicant.frame_received(
                await aio.wait_for_ms(station.receive_eapol(), 5_000), boottime_ms()
            ):
                await contract.carry_out(station, supplicant, effect)
            # hostapd goes on to the next state when it has read our answer.
            told = f"STA {interface.address.hex(':')}"
            world.wait_until(
                lambda: "hostapdWPAPTKGroupState=0" in house.request(told), "the end of the group handshake"
            )
            assert "flags=[AUTH][ASSOC][AUTHORIZED]" in house.request(told)
        reach(world.HOUSE_ADDRESS, interface)
        await station.leave()

    over_the_kernel(test, road, PLANS["station"])


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
def test_a_phone_that_ends_its_group_is_noticed(road: Road, phone: world.Phone) -> None:
    async def test(here: KernelWorld) -> None:
        station, _ = await contract.joined(here, (await contract.link(here))[-1])
        phone.leave_group()
        end = await aio.wait_for_ms(station.lost(), 10_000)
        assert isinstance(end, DisconnectedError)
        assert end.by_peer
        await station.leave()

    over_the_kernel(test, road, PLANS["station"])


@pytest.fixture
def reach_of_phone() -> Iterator[Path]:
    """The file whose number tells which radios hear the phone; afterwards all do."""
    if not os.path.ismount("/sys/kernel/debug"):
        world.run("mount", "-t", "debugfs", "none", "/sys/kernel/debug")
    reach_of_phone = Path("/sys/kernel/debug/ieee80211/phone/hwsim/group")
    yield reach_of_phone
    reach_of_phone.write_text("1")


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS)
def test_a_phone_out_of_reach_is_noticed_and_cannot_be_joined(road: Road, reach_of_phone: Path) -> None:
    async def test(here: KernelWorld) -> None:
        interface = (await contract.link(here))[-1]
        station, bss = await contract.joined(here, interface)
        reach_of_phone.write_text("2")
        end = await aio.wait_for_ms(station.lost(), 20_000)
        assert isinstance(end, DisconnectedError)
        assert not end.by_peer
        with pytest.raises(JoinTimeoutError):
            await station.join(contract.network_of(here, bss, here.passphrase))

    over_the_kernel(test, road, PLANS["station"])


def test_a_group_on_5_ghz_is_joined(country: None, phone: world.Phone) -> None:
    async def test(here: KernelWorld) -> None:
        here.frequency_mhz = 5180
        await set_country(here.radio, here.wiphy, "DE")
        phone.host_group(world.Group(frequency_mhz=5180))
        interface = (await contract.link(here))[-1]
        station, _ = await contract.joined(here, interface)
        reach(world.PHONE_ADDRESS, interface)
        await station.leave()

    over_the_kernel(test, STEPS, None)


def test_the_country_opens_channels(country: None) -> None:
    async def test(here: KernelWorld) -> None:
        before = await domain(here.radio, here.wiphy)
        assert before.refusal_to_own(5180) == "5180 MHz is for listening only while no country is set"
        after = await set_country(here.radio, here.wiphy, "DE")
        assert (after.country, after.refusal_to_own(5180)) == ("DE", None)
        assert after.refusal_to_own(5260) == "5260 MHz is shared with radar in DE"
        assert await set_country(here.radio, here.wiphy, "DE") == after
        await here.look()
        assert not here.wiphy.channels[5180].no_ir
        assert here.wiphy.channels[5260].has_radar

    over_the_kernel(test, STEPS, None)


def test_a_process_that_is_killed_leaves_no_interface() -> None:
    program = "\n".join(
        (
            "from tests.lab.test_lab_nl80211 import *",
            "async def main():",
            "    here = await kernel_world(STEPS, PLANS['p2p_client'])",
            "    interface = (await contract.link(here))[-1]",
            "    await contract.joined(here, interface)",
            "    os.kill(os.getpid(), 9)",
            "aio.run(main())",
        )
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == -9, done.stderr
    world.wait_until(lambda: not any(each.startswith("ferry") for each in os.listdir("/sys/class/net")), "its end")
