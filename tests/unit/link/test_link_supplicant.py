"""The link through wpa_supplicant: what only that can do to us. What both backends do alike is in the contract."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from board import aio
from drivers.wpa_supplicant.wire import Event, parse_event
from stack.link.backend import Network, Offer
from stack.link.machine import State
from stack.link.manager import Link, LinkManager
from stack.link.plan import Memory
from stack.link.reasons import LinkError, Reason
from stack.link.supplicant_outcome import explain
from tests.unit.drivers.controller import now_ms, run
from tests.unit.drivers.fake_supplicant import HOUSE, WRONG_KEY
from tests.unit.link.supplicant_board import SupplicantBoard

OFFER = Offer("DIRECT-ab-phone", "radiolab123", 4711, 2437)
HOUSE_ONLY = ["p2p-dev-wlan0", HOUSE]
STRONG = Network(b"DIRECT-ab", b"\6\0\0\0\0\0", 2437, -40, b"")
WEAK = replace(STRONG, signal_dbm=-90)


def on_board(test: Callable[[SupplicantBoard], Awaitable[None]]) -> None:
    async def whole() -> None:
        board = SupplicantBoard()
        try:
            await test(board)
        finally:
            board.switch_off()

    run(whole())


@asynccontextmanager
async def joined(
    board: SupplicantBoard, told: Callable[[State], None] = lambda state: None, offer: Offer = OFFER
) -> AsyncIterator[Link]:
    async with (
        board.through_supplicant() as backend,
        LinkManager(backend, Memory(), told, now_ms=board.now_ms).joined(offer) as link,
    ):
        yield link


async def refused(board: SupplicantBoard, told: Callable[[State], None] = lambda state: None) -> LinkError:
    with pytest.raises(LinkError) as caught:
        async with joined(board, told):
            pass
    board.machine.assert_no_trace()
    return caught.value


def test_the_next_start_sweeps_what_a_dead_run_left() -> None:
    async def test(board: SupplicantBoard) -> None:
        board.daemon.names[:0] = ["ferry0", "ferry12", "ferryman"]
        board.machine.tables["ferry"] = []
        async with board.through_supplicant():
            assert board.daemon.names == ["ferryman", *HOUSE_ONLY]
            assert board.machine.tables == {}

    on_board(test)


def test_nothing_of_the_house_is_touched() -> None:
    async def test(board: SupplicantBoard) -> None:
        async with joined(board) as link:
            name = link.interface
        of_others = [each for each in board.daemon.asked if name not in each and not each.startswith("IFNAME=nobody")]
        assert set(of_others) == {"INTERFACES", "ATTACH", "DETACH"}
        assert not any(OFFER.psk in each for each in board.daemon.asked)

    on_board(test)


def test_the_name_of_another_interface_is_not_taken() -> None:
    async def test(board: SupplicantBoard) -> None:
        async with board.through_supplicant() as backend:
            board.daemon.names.append("ferry0")
            async with LinkManager(backend, Memory(), now_ms=board.now_ms).joined(OFFER) as link:
                assert link.interface == "ferry1"

    on_board(test)


def test_no_room_for_another_interface() -> None:
    async def test(board: SupplicantBoard) -> None:
        board.daemon.answers["INTERFACE_ADD"] = ["FAIL\n"]
        assert (await refused(board)).reason is Reason.RADIO_BUSY
        assert board.daemon.names == HOUSE_ONLY

    on_board(test)


def test_a_wpa_supplicant_without_a_radio() -> None:
    async def test(board: SupplicantBoard) -> None:
        board.daemon.names.clear()
        failed = await refused(board)
        assert failed.reason is Reason.RADIO_TROUBLE
        assert "has no Wi-Fi interface" in failed.detail

    on_board(test)


def test_a_network_that_is_not_there() -> None:
    async def test(board: SupplicantBoard) -> None:
        board.chip.air.clear()
        assert (await refused(board)).reason is Reason.NOT_FOUND

    on_board(test)


def test_a_network_that_goes_between_scan_and_joining_is_looked_for_again() -> None:
    async def test(board: SupplicantBoard) -> None:
        def told(state: State) -> None:
            states.append(state)
            times_ms.append(now_ms())
            if state is State.JOINING:
                board.chip.air[:] = [] if states.count(State.JOINING) == 1 else [board.phone]
            elif state is State.SCANNING:
                board.chip.air[:] = [board.phone]

        states: list[State] = []
        times_ms: list[int] = []
        async with joined(board, told):
            assert states.count(State.SCANNING) == 2
            joining = states.index(State.JOINING)
            assert times_ms[joining + 1] - times_ms[joining] < 100

    on_board(test)


def test_a_wpa_supplicant_that_forgot_the_network_looks_again() -> None:
    async def test(board: SupplicantBoard) -> None:
        board.daemon.forgets = True
        states: list[State] = []
        async with joined(board, states.append):
            assert states.count(State.SCANNING) == 1

    on_board(test)


@pytest.mark.parametrize("failure", ["ret=-16", "ret=-16 retry=0"])
def test_a_scan_that_fails_is_repeated(failure: str) -> None:
    async def test(board: SupplicantBoard) -> None:
        board.daemon.failing_scans = [failure]
        board.daemon.answers["SCAN"] = ["FAIL-BUSY\n"]
        async with joined(board):
            assert len([each for each in board.daemon.asked if " SCAN " in each]) == 3

    on_board(test)


def test_a_scan_that_wpa_supplicant_repeats_is_waited_for() -> None:
    async def test(board: SupplicantBoard) -> None:
        board.daemon.failing_scans = ["ret=-16 retry=1"]

        async def end_of_the_repeated_one() -> None:
            await aio.sleep_ms(1500)
            board.daemon.tell("ferry0", "CTRL-EVENT-SCAN-RESULTS id=1")

        ending = aio.create_task(end_of_the_repeated_one())
        async with joined(board):
            assert len([each for each in board.daemon.asked if " SCAN " in each]) == 1
        await ending

    on_board(test)


def test_a_blocked_radio_makes_no_interface() -> None:
    async def test(board: SupplicantBoard) -> None:
        board.daemon.block()
        assert (await refused(board)).reason is Reason.RADIO_OFF

    on_board(test)


def test_a_radio_that_is_blocked_before_the_scan() -> None:
    async def test(board: SupplicantBoard) -> None:
        def told(state: State) -> None:
            if state is State.SCANNING:
                board.daemon.block()

        assert (await refused(board, told)).reason is Reason.RADIO_OFF

    on_board(test)


def test_a_radio_that_is_blocked_while_up() -> None:
    async def test(board: SupplicantBoard) -> None:
        async with joined(board) as link:
            board.daemon.block()
            await aio.wait_for_ms(link.lost.wait(), 100)
            assert link.lost.reason is Reason.RADIO_OFF
        board.machine.assert_no_trace()

    on_board(test)


def test_the_interface_is_taken_away() -> None:
    async def test(board: SupplicantBoard) -> None:
        async with joined(board) as link:
            board.chip.take_away(link.interface)
            board.daemon.tell(link.interface, "CTRL-EVENT-DISCONNECTED bssid=06:00:00:00:00:00 reason=0")
            await aio.wait_for_ms(link.lost.wait(), 100)
            assert link.lost.reason is Reason.RADIO_TROUBLE
        board.machine.assert_no_trace()
        assert board.daemon.names == HOUSE_ONLY

    on_board(test)


def test_what_happens_to_the_house_is_not_ours() -> None:
    async def test(board: SupplicantBoard) -> None:
        async with joined(board) as link:
            board.daemon.tell(HOUSE, "CTRL-EVENT-DISCONNECTED bssid=02:00:00:00:02:00 reason=3")
            with pytest.raises(aio.TimeoutError):
                await aio.wait_for_ms(link.lost.wait(), 1_000)

    on_board(test)


@pytest.mark.parametrize(
    "state", [State.PREPARING, State.SCANNING, State.JOINING, State.HANDSHAKING], ids=lambda state: state.name.lower()
)
def test_wpa_supplicant_dies_on_the_way(state: State) -> None:
    async def test(board: SupplicantBoard) -> None:
        def told(now: State) -> None:
            if now is state:
                board.daemon.die()

        assert (await refused(board, told)).reason is Reason.SUPPLICANT_GONE

    on_board(test)


def test_wpa_supplicant_dies_while_it_works() -> None:
    async def test(board: SupplicantBoard) -> None:
        async def die_during_the_scan() -> None:
            await aio.sleep_ms(100)
            board.daemon.die()

        dying = aio.create_task(die_during_the_scan())
        assert (await refused(board)).reason is Reason.SUPPLICANT_GONE
        await dying

    on_board(test)


def test_wpa_supplicant_dies_while_up() -> None:
    async def test(board: SupplicantBoard) -> None:
        async with joined(board) as link:
            board.daemon.die()
            await aio.wait_for_ms(link.lost.wait(), 100)
            assert link.lost.reason is Reason.SUPPLICANT_GONE
        board.machine.assert_no_trace()

    on_board(test)


def test_while_the_interface_may_be_there_so_are_its_rules() -> None:
    async def test(board: SupplicantBoard) -> None:
        async with board.through_supplicant() as backend:
            manager = LinkManager(backend, Memory(), now_ms=board.now_ms)
            async with manager.joined(OFFER) as link:
                board.daemon.silent.add("INTERFACE_REMOVE")
            assert link.interface in board.daemon.names
            assert board.machine.is_guarded(link.interface)
            board.daemon.wake()
            async with manager.joined(OFFER):
                assert board.daemon.names == ["ferry0", *HOUSE_ONLY]
        board.machine.assert_no_trace()

    on_board(test)


def test_a_driver_that_cannot_but_sleep_is_joined_all_the_same() -> None:
    async def test(board: SupplicantBoard) -> None:
        board.daemon.answers["SET"] = ["FAIL\n"]
        async with joined(board):
            assert board.phone.is_secured

    on_board(test)


def test_an_answer_that_is_no_number() -> None:
    async def test(board: SupplicantBoard) -> None:
        board.daemon.answers["ADD_NETWORK"] = ["OK\n"]
        assert (await refused(board)).reason is Reason.RADIO_TROUBLE

    on_board(test)


def events(*texts: str) -> list[Event]:
    found = [parse_event(f"IFNAME=ferry0 <3>{each}") for each in texts]
    return [each for each in found if each]


@pytest.mark.parametrize(
    ("said", "network", "reason"),
    [
        (WRONG_KEY, STRONG, Reason.WRONG_PASSPHRASE),
        (WRONG_KEY[:1], STRONG, Reason.LOST),
        (("CTRL-EVENT-DISCONNECTED bssid=x reason=3 locally_generated=1",), WEAK, Reason.LOST),
        (("CTRL-EVENT-ASSOC-REJECT bssid=x status_code=17",), STRONG, Reason.REFUSED),
        (("CTRL-EVENT-AUTH-REJECT x auth_type=0 auth_transaction=2 status_code=1",), STRONG, Reason.REFUSED),
        (("CTRL-EVENT-ASSOC-REJECT bssid=x status_code=1 timeout=assoc",), STRONG, Reason.TIMED_OUT),
        (("CTRL-EVENT-ASSOC-REJECT bssid=x status_code=1 timeout",), WEAK, Reason.TOO_WEAK),
        (("CTRL-EVENT-NETWORK-NOT-FOUND ",), STRONG, Reason.LOST),
        (('CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="a" reason=CONN_FAILED',), STRONG, Reason.TIMED_OUT),
        (('CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="a" reason=CONN_FAILED',), WEAK, Reason.TOO_WEAK),
        (('CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=" reason=WRONG_KEY" reason=X',), STRONG, Reason.TIMED_OUT),
    ],
)
def test_what_is_said_and_what_it_means(said: tuple[str, ...], network: Network, reason: Reason) -> None:
    assert explain(events(*said), network).reason is reason
