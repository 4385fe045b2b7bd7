"""Joining a phone's group on a fake board, and what has to be true when a test is over."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from drivers.nl80211.capabilities import Wiphy, wiphys
from drivers.nl80211.radio import Nl80211
from stack.link.backend import Offer
from stack.link.machine import State
from stack.link.manager import Link, LinkManager
from stack.link.nl80211_backend import Nl80211Backend
from stack.link.plan import Memory
from stack.link.reasons import LinkError
from stack.link.settings import DEFAULT_SETTINGS, WifiSettings
from tests.unit.drivers.controller import run
from tests.unit.link.fake_kernel import FakeBoard
from tests.unit.nl80211.chip import Kind

OFFER = Offer("DIRECT-ab-phone", "radiolab123", 4711, 2437)
UNKNOWN_CHANNEL = replace(OFFER, freq_mhz=None)
BORROWING = WifiSettings(may_borrow=True)
GERMANY = WifiSettings(country="DE")

with_every_chip = pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.name.lower())


def on_board(kind: Kind, test: Callable[[FakeBoard], Awaitable[None]]) -> None:
    """Run `test` on a board of its own; nothing is left of the link then."""

    async def whole() -> None:
        board = FakeBoard(kind)
        await test(board)
        board.machine.assert_no_trace()

    run(whole())


def manager(
    board: FakeBoard, backend: Nl80211Backend, told: Callable[[State], None] = lambda state: None
) -> LinkManager:
    return LinkManager(backend, Memory(), told, now_ms=board.now_ms)


@asynccontextmanager
async def joined(
    board: FakeBoard, offer: Offer = OFFER, settings: WifiSettings = DEFAULT_SETTINGS
) -> AsyncIterator[Link]:
    async with board.ferry(settings) as backend, manager(board, backend).joined(offer) as link:
        yield link


async def refused(board: FakeBoard, offer: Offer, settings: WifiSettings = DEFAULT_SETTINGS) -> LinkError:
    """Try to join and return why it did not work."""
    with pytest.raises(LinkError) as caught:
        async with joined(board, offer, settings):
            pass
    return caught.value


async def one_channel(radio: Nl80211) -> list[Wiphy]:
    """A radio that takes everything, but on one channel at a time."""
    return [
        replace(each, combinations=tuple(replace(one, channels=1) for one in each.combinations))
        for each in await wiphys(radio)
    ]
