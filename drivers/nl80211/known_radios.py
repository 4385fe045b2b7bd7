"""What the radios can do, asked once, and again after the kernel has said that something changed.

The answer is long, and a link cannot begin before it is read: it is there when a phone comes.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from drivers.nl80211.capabilities import Wiphy, wiphys
from drivers.nl80211.constants import Command
from drivers.nl80211.declarations import Event
from drivers.nl80211.radio import Nl80211

# A radio came or went, or the rules for its channels are others.
_CHANGES: Final = frozenset(
    {
        Command.NEW_WIPHY,
        Command.DEL_WIPHY,
        Command.REG_CHANGE,
        Command.REG_BEACON_HINT,
        Command.WIPHY_REG_CHANGE,
    }
)

Radios = Callable[[Nl80211], Awaitable[list[Wiphy]]]
"""Asks for all radios and what they can do."""


class KnownRadios:
    """A `Radios` with a memory, until `close`."""

    def __init__(self, radio: Nl80211, ask: Radios = wiphys) -> None:
        """Ask by `ask` where need be, and listen for changes."""
        self._ask = ask
        self._found: list[Wiphy] | None = None
        self._changes = 0
        self._listener = radio.listen(0, self._happened, lost=self._forget)

    async def __call__(self, radio: Nl80211) -> list[Wiphy]:
        """Return all radios. Raises `RadioError`."""
        if self._found is None:
            changes = self._changes
            found = await self._ask(radio)
            if changes != self._changes:
                return found  # and ask again the next time: something changed while we asked
            self._found = found
        return self._found

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _happened(self, event: Event) -> None:
        if event.command in _CHANGES:
            self._forget()

    def _forget(self) -> None:
        self._changes += 1
        self._found = None
