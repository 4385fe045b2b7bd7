"""Borrowing the radio: the interfaces in our way are switched off, and on again when the link is gone.

The law: what is borrowed is marked in the kernel before it is switched off, by its alias (ip-link(8)), and unmarked
after it is on again. So whoever comes after a run that was killed finds it and gives it back; we remember nothing.

Switching off rather than disconnecting, because then the program that keeps the connection waits for the interface
instead of connecting again at once, and connects by itself when it is back.
"""

from contextlib import suppress
from typing import Final

from drivers.errors import RadioError
from drivers.netlink import rtnetlink
from drivers.netlink.channel import Netlink

MARK: Final = b"borrowed by ferry; before: "  # and the alias that somebody else gave it, if there was one


async def borrow(route: Netlink, index: int) -> None:
    """Switch an interface off, unless it is. Raises `RadioError`."""
    link = await rtnetlink.link_at(route, index)
    if link.is_up:
        if not link.alias.startswith(MARK):
            await rtnetlink.set_alias(route, index, MARK + link.alias)
        await rtnetlink.set_down(route, index)


async def give_back(route: Netlink) -> None:
    """Switch on what is marked. What cannot be switched on, as by rfkill, keeps its mark for the next time."""
    for link in await rtnetlink.links(route):
        if link.alias.startswith(MARK):
            with suppress(RadioError):
                await rtnetlink.set_up(route, link.index)
                await rtnetlink.set_alias(route, link.index, link.alias.removeprefix(MARK))
