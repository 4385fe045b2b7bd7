"""Room for the link on a radio that the house uses, borrowed where that is allowed; and the country's rules for it."""

from dataclasses import replace

import pytest

from drivers.nl80211.constants import Command
from drivers.nl80211.errors import RegulatoryError
from stack.link.backend import Offer
from stack.link.borrowing import MARK
from stack.link.machine import State
from stack.link.reasons import LinkError, Reason
from stack.link.settings import DEFAULT_SETTINGS, WifiSettings
from tests.unit.link.fake_kernel import FakeBoard
from tests.unit.link.joining import (
    BORROWING,
    GERMANY,
    OFFER,
    UNKNOWN_CHANNEL,
    joined,
    manager,
    on_board,
    one_channel,
    refused,
)
from tests.unit.nl80211.chip import HOME_INDEX, Kind


@pytest.mark.parametrize("offer", [OFFER, UNKNOWN_CHANNEL], ids=["told", "found"])
def test_a_radio_without_room_is_not_borrowed_without_leave(offer: Offer) -> None:
    async def test(board: FakeBoard) -> None:
        async with board.ferry(radios=one_channel) as backend:
            with pytest.raises(LinkError, match="1 channel at once and is on 2412 MHz, so not on 2437") as failed:
                async with manager(board, backend).joined(offer):
                    pass
        assert failed.value.reason is Reason.RADIO_BUSY
        assert "--borrow" in failed.value.remedy
        assert board.chip.interface("wlan0").is_up
        assert not board.machine.aliases

    on_board(Kind.SOFTMAC, test)


@pytest.mark.parametrize("offer", [OFFER, UNKNOWN_CHANNEL], ids=["told", "found"])
def test_a_radio_without_room_is_borrowed_and_given_back(offer: Offer) -> None:
    async def test(board: FakeBoard) -> None:
        board.machine.aliases[HOME_INDEX] = b"uplink"
        async with board.ferry(BORROWING, one_channel) as backend:
            async with manager(board, backend).joined(offer):
                assert not board.chip.interface("wlan0").is_up
                assert board.machine.aliases == {HOME_INDEX: MARK + b"uplink"}
            assert board.chip.interface("wlan0").is_up
            assert board.machine.aliases == {HOME_INDEX: b"uplink"}

    on_board(Kind.SOFTMAC, test)


def test_a_radio_that_was_borrowed_by_a_dead_process_is_given_back() -> None:
    async def test(board: FakeBoard) -> None:
        async with board.ferry(BORROWING, one_channel) as backend, manager(board, backend).joined(OFFER):
            board.kill()
        assert board.machine.aliases == {HOME_INDEX: MARK}
        assert not board.chip.interface("wlan0").is_up
        async with board.ferry():
            assert board.chip.interface("wlan0").is_up
            assert board.machine.aliases == {HOME_INDEX: b""}

    on_board(Kind.SOFTMAC, test)


def test_where_there_is_room_nothing_is_borrowed() -> None:
    async def test(board: FakeBoard) -> None:
        async with joined(board, settings=BORROWING):
            assert board.chip.interface("wlan0").is_up
        assert not board.machine.aliases

    on_board(Kind.FULLMAC, test)


def test_a_radio_whose_channel_changes_after_the_choice_is_refused_in_time() -> None:
    async def test(board: FakeBoard) -> None:
        board.chip.home_frequency_mhz = None

        def told(state: State) -> None:
            if state is State.SCANNING:
                board.chip.home_frequency_mhz = 2412

        async with board.ferry(radios=one_channel) as backend:
            with pytest.raises(LinkError) as failed:
                async with manager(board, backend, told).joined(OFFER):
                    pass
        assert failed.value.reason is Reason.RADIO_BUSY

    on_board(Kind.SOFTMAC, test)


# Countries


def requests(board: FakeBoard) -> list[Command]:
    return [command for command, _ in board.chip.asked]


def test_the_country_is_set_once_and_before_the_scan() -> None:
    async def test(board: FakeBoard) -> None:
        async with board.ferry(GERMANY) as backend:
            assert board.chip.country == "DE"
            async with manager(board, backend).joined(OFFER):
                pass
        assert requests(board).count(Command.REQ_SET_REG) == 1
        assert requests(board).index(Command.REQ_SET_REG) < requests(board).index(Command.TRIGGER_SCAN)
        assert requests(board).count(Command.GET_WIPHY) == 2  # at the start, and for the link

    on_board(Kind.FULLMAC, test)


def test_a_country_that_was_changed_meanwhile_is_set_again() -> None:
    async def test(board: FakeBoard) -> None:
        async with board.ferry(GERMANY) as backend:
            board.chip.country = "00"
            async with manager(board, backend).joined(OFFER):
                assert board.chip.country == "DE"

    on_board(Kind.FULLMAC, test)


def test_a_country_that_the_kernel_does_not_take() -> None:
    async def test(board: FakeBoard) -> None:
        with pytest.raises(RegulatoryError, match="those of '00' hold"):
            async with joined(board, settings=WifiSettings(country="ZZ")):
                pass
        async with board.ferry(GERMANY) as backend:
            board.chip.country, board.chip.known_countries = "00", ("00",)
            with pytest.raises(LinkError) as failed:
                async with manager(board, backend).joined(OFFER):
                    pass
        assert failed.value.reason is Reason.COUNTRY_REFUSED
        assert "wireless-regdb" in failed.value.remedy

    on_board(Kind.FULLMAC, test)


@pytest.mark.parametrize(
    ("settings", "reason", "words"),
    [
        (DEFAULT_SETTINGS, Reason.NO_COUNTRY, "5900 MHz is not allowed while no country is set. Say"),
        (GERMANY, Reason.FORBIDDEN, "5900 MHz is not allowed in DE. Switch"),
    ],
)
def test_a_channel_that_is_not_allowed(settings: WifiSettings, reason: Reason, words: str) -> None:
    async def test(board: FakeBoard) -> None:
        failed = await refused(board, replace(OFFER, freq_mhz=5900), settings)
        assert failed.reason is reason
        assert words in failed.explain()
        assert Command.TRIGGER_SCAN not in requests(board)

    on_board(Kind.FULLMAC, test)


def test_where_we_may_only_listen_a_group_is_joined() -> None:
    async def test(board: FakeBoard) -> None:
        board.phone.frequency_mhz = 5180
        async with joined(board, replace(OFFER, freq_mhz=5180)) as link:
            assert link.frequency_mhz == 5180

    on_board(Kind.FULLMAC, test)
