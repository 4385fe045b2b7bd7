"""What a person notices of a link is the same whoever owns the radio: both backends, on one board."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from board import aio
from drivers.netlink.ipv4 import AddressAttributes, NeighbourAttributes, RouteAttributes
from drivers.nl80211.capabilities import Wiphy, wiphys
from drivers.nl80211.known_radios import Radios
from drivers.nl80211.radio import Nl80211
from stack.link.backend import Backend, Offer
from stack.link.machine import State
from stack.link.manager import Link, LinkManager
from stack.link.plan import Memory
from stack.link.reasons import LinkError, Reason
from stack.link.settings import DEFAULT_SETTINGS, WifiSettings
from tests.unit.drivers.controller import run
from tests.unit.ip.dhcp_server import CLIENT, SERVER
from tests.unit.link.fake_kernel import FakeBoard
from tests.unit.link.supplicant_board import SupplicantBoard
from tests.unit.nl80211.access_point import AccessPoint
from tests.unit.nl80211.chip import Kind

OFFER = Offer("DIRECT-ab-phone", "radiolab123", 4711, 2437)
_TURNS = 150  # more than it takes to be up
_WPA1 = bytes.fromhex("dd160050f20101000050f20201000050f20201000050f202")


@dataclass
class World:
    """One board, and how Ferry starts on it."""

    board: FakeBoard
    start: Callable[..., AbstractAsyncContextManager[Backend]]

    @asynccontextmanager
    async def joined(
        self,
        offer: Offer = OFFER,
        told: Callable[[State], None] = lambda state: None,
        radios: Radios = wiphys,
        settings: WifiSettings = DEFAULT_SETTINGS,
    ) -> AsyncIterator[Link]:
        """Start, and join."""
        async with self.start(settings, radios) as backend:
            manager = LinkManager(backend, Memory(), told, now_ms=self.board.now_ms)
            async with manager.joined(offer) as link:
                yield link

    async def refused(self, offer: Offer = OFFER, radios: Radios = wiphys) -> LinkError:
        """Try to join, and return why it did not work."""
        with pytest.raises(LinkError) as caught:
            async with self.joined(offer, radios=radios):
                pass
        return caught.value


Test = Callable[[World], Awaitable[Any]]


def by_ourselves(test: Test) -> None:
    async def whole() -> None:
        board = FakeBoard(Kind.SOFTMAC)
        await test(World(board, board.ferry))
        board.machine.assert_no_trace()

    run(whole())


def through_supplicant(test: Test) -> None:
    async def whole() -> None:
        board = SupplicantBoard()
        try:
            await test(World(board, board.through_supplicant))
            board.machine.assert_no_trace()
            assert board.daemon.names == ["p2p-dev-wlan0", "wlan0"]
            assert not board.daemon.monitors
        finally:
            board.switch_off()

    run(whole())


both = pytest.mark.parametrize("within", [by_ourselves, through_supplicant], ids=["ourselves", "supplicant"])
Within = Callable[[Test], None]


@both
def test_there_and_back(within: Within) -> None:
    async def test(world: World) -> None:
        states: list[State] = []
        async with world.joined(told=states.append) as link:
            ours = world.board.chip.interface(link.interface)
            assert (link.addresses.local, link.addresses.peer, link.frequency_mhz) == (CLIENT, SERVER, 2437)
            assert world.board.phone.is_secured
            assert not ours.power_save
            assert ours.name in world.board.machine.isolated
            on_link = [type(told) for index, told in world.board.machine.on_links if index == ours.index]
            assert on_link == [AddressAttributes, RouteAttributes, NeighbourAttributes]
            assert (4711).to_bytes(2, "big") in b"".join(world.board.machine.tables["ferry"])
        assert not world.board.phone.is_secured
        assert states == [*list(State)[1:], State.IDLE]

    within(test)


@both
def test_twice_with_one_backend(within: Within) -> None:
    async def test(world: World) -> None:
        async with world.start() as backend:
            for frequency_mhz in (2437, None):
                manager = LinkManager(backend, Memory(), now_ms=world.board.now_ms)
                async with manager.joined(replace(OFFER, freq_mhz=frequency_mhz)) as link:
                    assert not link.lost.is_set()
                world.board.machine.assert_no_trace()

    within(test)


@both
@pytest.mark.parametrize(
    ("reason", "phone"),
    [
        (Reason.WRONG_PASSPHRASE, AccessPoint(passphrase="not the one")),
        (Reason.REFUSED, AccessPoint(status=17)),
        (Reason.TOO_WEAK, AccessPoint(is_silent=True, signal_mbm=-9000)),
        (Reason.TIMED_OUT, AccessPoint(is_silent=True)),
    ],
    ids=lambda each: each.name.lower() if isinstance(each, Reason) else "",
)
def test_what_a_phone_may_be(within: Within, reason: Reason, phone: AccessPoint) -> None:
    async def test(world: World) -> None:
        world.board.chip.air[:] = [replace(phone)]
        assert (await world.refused()).reason is reason

    within(test)


@both
def test_an_open_network_is_not_joined(within: Within) -> None:
    class Open(AccessPoint):
        @property
        def elements(self) -> bytes:
            return bytes((0, len(self.ssid))) + self.ssid + _WPA1

    async def test(world: World) -> None:
        world.board.chip.air[:] = [Open()]
        failed = await world.refused()
        assert (failed.reason, failed.detail) == (Reason.NOT_WPA2, "it is WPA1")

    within(test)


@both
def test_a_namesake_that_does_not_take_the_passphrase_is_passed_over(within: Within) -> None:
    async def test(world: World) -> None:
        namesake = AccessPoint(passphrase="another one", bssid=b"\6\0\0\0\0\1", signal_mbm=-3000)
        neighbours = [AccessPoint(ssid=b"x", bssid=bytes((6, 0, 0, 0, 1, each))) for each in range(3)]
        world.board.chip.air[:0] = [*neighbours, namesake]
        async with world.joined():
            assert world.board.phone.is_secured
            assert not namesake.is_secured

    within(test)


@both
def test_a_chip_with_no_channel_left_is_busy(within: Within) -> None:
    async def one_channel(radio: Nl80211) -> list[Wiphy]:
        return [
            replace(each, combinations=tuple(replace(one, channels=1) for one in each.combinations))
            for each in await wiphys(radio)
        ]

    async def test(world: World) -> None:
        failed = await world.refused(replace(OFFER, freq_mhz=None), radios=one_channel)
        assert failed.reason is Reason.RADIO_BUSY
        assert "2412" in failed.detail
        assert not world.board.phone.is_secured

    within(test)


@both
def test_a_channel_that_is_not_allowed(within: Within) -> None:
    async def test(world: World) -> None:
        assert (await world.refused(replace(OFFER, freq_mhz=5935))).reason is Reason.NO_COUNTRY

    within(test)


@both
def test_a_country_opens_channels(within: Within) -> None:
    async def test(world: World) -> None:
        async with world.joined(settings=WifiSettings(country="DE")):
            assert world.board.chip.country == "DE"

    within(test)


@both
def test_the_phone_leaves(within: Within) -> None:
    async def test(world: World) -> None:
        async with world.joined() as link:
            world.board.phone.deauthenticate(3)
            await aio.wait_for_ms(link.lost.wait(), 100)
            assert link.lost.reason is Reason.LOST

    within(test)


@both
def test_cancelled_at_any_turn(within: Within) -> None:
    """Whoever gives up, whenever: nothing is left."""

    async def test(world: World) -> None:
        async def join_and_stay() -> None:
            async with world.joined():
                await aio.Event().wait()

        for turns in range(0, _TURNS, 7):
            joining = aio.create_task(join_and_stay())
            for _ in range(turns):
                await aio.sleep_ms(0)
            joining.cancel()
            with pytest.raises(aio.CancelledError):
                await joining
            world.board.machine.assert_no_trace()

    within(test)
