"""Leaving when something is in the way: rules stay while their interface does, and no try harms the next."""

import errno

import pytest

from board import aio
from drivers.netlink.message import OverrunError
from drivers.nl80211.constants import Command
from stack.link.backend import Addresses
from stack.link.machine import State
from stack.link.reasons import LinkError, Reason
from tests.unit.link.fake_kernel import FakeBoard
from tests.unit.link.joining import OFFER, manager, on_board, with_every_chip
from tests.unit.nl80211.chip import Kind


@with_every_chip
def test_an_interface_that_cannot_be_taken_away_keeps_its_rules_and_bars_the_next_link(kind: Kind) -> None:
    async def test(board: FakeBoard) -> None:
        async with board.ferry() as backend:
            async with manager(board, backend).joined(OFFER) as link:
                board.chip.refused[Command.DEL_INTERFACE] = errno.EBUSY
            assert link.interface in board.chip.names()
            assert board.machine.is_guarded(link.interface)
            with pytest.raises(LinkError, match="cannot be taken away") as told:
                async with manager(board, backend).joined(OFFER):
                    pass
            assert told.value.reason is Reason.RADIO_TROUBLE
            del board.chip.refused[Command.DEL_INTERFACE]
            async with manager(board, backend).joined(OFFER):
                pass

    on_board(kind, test)


def test_a_second_try_is_not_ended_by_what_watched_the_first() -> None:
    async def test(board: FakeBoard) -> None:
        async with board.ferry() as backend:
            real, tries = backend.address, 0

            async def overrun_once(until_ms: int) -> Addresses:
                nonlocal tries
                tries += 1
                if tries == 1:
                    raise OverrunError("events were lost")
                return await real(until_ms)

            backend.address = overrun_once  # type: ignore[method-assign]  # the fault comes between two real steps
            states: list[State] = []
            async with manager(board, backend, states.append).joined(OFFER) as link:
                await aio.sleep_ms(20)
                assert not link.lost.is_set()
            assert tries == states.count(State.ADDRESSING) == 2

    on_board(Kind.SOFTMAC, test)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_who_is_cancelled_while_leaving_leaves_to_the_end(times: int) -> None:
    async def test(board: FakeBoard) -> None:
        async with board.ferry() as backend:
            leaving = aio.Event()

            def told(state: State) -> None:
                if state is State.CLOSING:
                    leaving.set()

            async def there_and_back() -> None:
                async with manager(board, backend, told).joined(OFFER):
                    pass

            task = aio.create_task(there_and_back())
            await leaving.wait()
            for _ in range(times):
                task.cancel()
                await aio.sleep_ms(0)
            with pytest.raises(aio.CancelledError):
                await task
            board.machine.assert_no_trace()

    on_board(Kind.SOFTMAC, test)
