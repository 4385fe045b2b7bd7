"""The link by raw nl80211 over every kind of chip, from the offer to no trace, on a kernel made of bytes."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from board import aio
from drivers.netlink.ipv4 import AddressAttributes, NeighbourAttributes, RouteAttributes
from drivers.nl80211.capabilities import Wiphy, wiphys
from drivers.nl80211.constants import InterfaceType
from drivers.nl80211.radio import Nl80211
from stack.link.nl80211_backend import Nl80211Backend
from stack.link.reasons import Reason
from stack.link.settings import DEFAULT_SETTINGS, WifiSettings
from tests.unit.ip.dhcp_server import CLIENT, SERVER, SERVER_MAC
from tests.unit.link.fake_kernel import FakeBoard
from tests.unit.link.joining import (
    BORROWING,
    OFFER,
    UNKNOWN_CHANNEL,
    joined,
    manager,
    on_board,
    one_channel,
    refused,
    with_every_chip,
)
from tests.unit.nl80211.chip import Kind


@with_every_chip
def test_there_and_back(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        async with joined(board) as link:
            ours = board.chip.interface(link.interface)
            assert ours.type is (InterfaceType.STATION if kind is Kind.SOFTMAC else InterfaceType.P2P_CLIENT)
            assert (link.addresses.local, link.addresses.peer, link.frequency_mhz) == (CLIENT, SERVER, 2437)
            assert board.phone.is_secured
            assert not ours.power_save
            of_link = [told for index, told in board.machine.on_links if index == ours.index]
            address, route, neighbour = of_link
            assert isinstance(address, AddressAttributes)
            assert isinstance(route, RouteAttributes)
            assert isinstance(neighbour, NeighbourAttributes)
            assert IPv4Address(address.local or 0) == CLIENT
            assert IPv4Address(route.destination or 0) == SERVER
            assert (IPv4Address(neighbour.address or 0), neighbour.mac) == (SERVER, SERVER_MAC)
            assert (4711).to_bytes(2, "big") in b"".join(board.machine.tables["ferry"])
        assert not board.phone.is_secured

    on_board(kind, test)


@with_every_chip
def test_twice_with_one_backend(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        async with board.ferry() as backend:
            for offer in (OFFER, UNKNOWN_CHANNEL):
                async with manager(board, backend).joined(offer) as link:
                    assert not link.lost.is_set()
                board.machine.assert_no_trace()

    on_board(kind, test)


@with_every_chip
def test_a_wrong_passphrase(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        failed = await refused(board, replace(OFFER, psk="not the one"))
        assert failed.reason is Reason.WRONG_PASSPHRASE
        async with joined(board):
            assert board.phone.is_secured

    on_board(kind, test)


@with_every_chip
def test_the_phone_leaves(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        async with joined(board) as link:
            board.phone.deauthenticate(3)
            await aio.wait_for_ms(link.lost.wait(), 100)
            assert link.lost.reason is Reason.LOST

    on_board(kind, test)


@with_every_chip
def test_a_radio_that_is_blocked(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        board.machine.is_blocked = True
        assert (await refused(board, OFFER)).reason is Reason.RADIO_OFF

    on_board(kind, test)


@with_every_chip
def test_a_radio_that_gets_blocked(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        async with joined(board) as link:
            board.machine.is_blocked = True
            board.phone.deauthenticate(3)
            await aio.wait_for_ms(link.lost.wait(), 100)
            assert link.lost.reason is Reason.RADIO_OFF

    on_board(kind, test)


@with_every_chip
def test_the_interface_is_taken_away(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        async with joined(board) as link:
            board.chip.take_away(link.interface)
            await aio.wait_for_ms(link.lost.wait(), 100)

    on_board(kind, test)


@with_every_chip
def test_a_phone_that_is_silent(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        board.phone.is_silent = True
        failed = await refused(board, OFFER)
        # A chip that does the handshake does not tell silence from a wrong passphrase.
        silence = Reason.WRONG_PASSPHRASE if kind is Kind.FULLMAC_OFFLOAD else Reason.TIMED_OUT
        assert failed.reason in (silence, Reason.REFUSED)

    on_board(kind, test)


async def cancelled(board: FakeBoard, backend: Nl80211Backend, turns: int) -> bool:
    """Join, be cancelled after some turns of the loop, and return whether the link was up by then."""
    up = aio.Event()

    async def join() -> None:
        async with manager(board, backend).joined(OFFER):
            up.set()
            await aio.Event().wait()

    joining = aio.create_task(join())
    for _ in range(turns):
        await aio.sleep_ms(0)
    joining.cancel()
    with pytest.raises(aio.CancelledError):
        await joining
    return up.is_set()


@with_every_chip
@pytest.mark.parametrize("settings", [DEFAULT_SETTINGS, BORROWING], ids=["beside", "borrowing"])
def test_cancelled_at_any_moment(kind: Kind, settings: WifiSettings) -> None:
    async def test(board: FakeBoard) -> None:
        known: list[Wiphy] = []

        async def radios(radio: Nl80211) -> list[Wiphy]:
            """Do not read them again each time."""
            if not known:
                known.extend(await (one_channel if settings.may_borrow else wiphys)(radio))
            return known

        async with board.ferry(settings, radios) as backend:
            was_up, turns = False, 0
            while not was_up:
                was_up = await cancelled(board, backend, turns)
                turns += 1
                board.machine.assert_no_trace()
                assert board.chip.interface("wlan0").is_up
                assert not any(board.machine.aliases.values())
        assert turns > 30

    on_board(kind, test)


@with_every_chip
def test_what_a_dead_process_left_is_swept(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        async with joined(board):
            board.kill()
        assert board.machine.tables, "the rules outlive the process on purpose"
        async with board.ferry():
            board.machine.assert_no_trace()

    on_board(kind, test)
