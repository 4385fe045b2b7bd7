"""Finds devices of the alliance: a scan, poured into the list of who is nearby."""

from collections.abc import Callable

from board import aio
from board.errors import FerryError
from drivers.hci.address import Address
from stack.alliance.nearby import Device, Nearby
from stack.ble.central import Central
from stack.ble.scanning import Heard


class NotFoundError(FerryError):
    """Nobody of the alliance is in range."""

    remedy = "Switch receiving on there, and bring it closer."


async def listen(
    central: Central, nearby: Nearby[Address], news: Callable[[Device[Address]], bool], timeout_ms: int
) -> Device[Address] | None:
    """Scan until `news`, told of each device that is new or better known, returns true for one; `None` if never.

    Raises `RadioError`, also when the radio dies meanwhile.
    """
    found: list[Device[Address]] = []
    done = aio.Event()

    def heard(what: Heard) -> None:
        device = nearby.heard(what.address, what.data, what.rssi_dbm)
        if device and not done.is_set() and news(device):
            found.append(device)
            done.set()

    async with central.scanning(heard):
        try:
            await central.wait_for(done, timeout_ms)
        except aio.TimeoutError:
            return None
    return found[0]


async def find(central: Central, timeout_ms: int) -> Device[Address]:
    """Return the first device whose name is known. Raises `NotFoundError`."""
    device = await listen(central, Nearby(), lambda each: each.name is not None, timeout_ms)
    if device is None:
        raise NotFoundError("No receiving device was found")
    return device
