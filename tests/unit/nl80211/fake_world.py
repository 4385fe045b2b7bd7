"""The contract's world over a fake chip."""

from collections.abc import Awaitable, Callable
from typing import Any

from board import aio
from drivers.nl80211.capabilities import wiphys
from drivers.nl80211.interfaces import Interface, Plan
from drivers.nl80211.radio import Nl80211, open_nl80211
from drivers.nl80211.road import road_of
from drivers.nl80211.station import EapolSocket
from tests.unit.nl80211.access_point import AccessPoint
from tests.unit.nl80211.chip import Chip, ChipNetlink, FakeEapolSocket, Kind

PEER_LEAVES = 3


class FakeWorld:
    """A chip, a phone in its reach, and a socket to the chip's kernel."""

    forced_plan: Plan | None = None
    home = "wlan0"

    def __init__(self, chip: Chip, phone: AccessPoint, netlink: ChipNetlink, radio: Nl80211) -> None:
        """Made by `fake_world`."""
        self.chip = chip
        self.phone = phone
        self.netlink = netlink
        self.radio = radio
        self.ssid = phone.ssid
        self.passphrase = phone.passphrase
        self.frequency_mhz = phone.frequency_mhz

    async def look(self) -> None:
        """Learn what the chip can do."""
        (self.wiphy,) = await wiphys(self.radio)
        self.road = road_of(self.wiphy)

    def now_ms(self) -> int:
        return self.chip.now_ms

    async def up(self, interface: Interface) -> None:
        self.chip.interface(interface.name).is_up = True

    def open_socket(self, interface: Interface) -> EapolSocket:
        return FakeEapolSocket(self.chip.interface(interface.name))

    async def drop(self, address: bytes) -> None:
        self.phone.deauthenticate(PEER_LEAVES)

    async def take_away(self, name: str) -> None:
        self.chip.take_away(name)

    def names(self) -> set[str]:
        return self.chip.names()

    async def die(self) -> None:
        self.netlink.close()


async def fake_world(kind: Kind) -> FakeWorld:
    """Make a chip and the world around it."""
    phone = AccessPoint()
    chip = Chip(kind, air=[phone])
    netlink = ChipNetlink(chip)
    netlink.start()
    world = FakeWorld(chip, phone, netlink, await open_nl80211(netlink))
    await world.look()
    return world


def with_chip(kind: Kind, test: Callable[[FakeWorld], Awaitable[Any]]) -> None:
    """Run `test` in a world of its own."""

    async def whole() -> None:
        world = await fake_world(kind)
        await test(world)
        world.netlink.close()

    aio.run(whole())
