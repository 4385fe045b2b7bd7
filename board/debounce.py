"""Debouncing for chips that do not: a level counts once it has stayed for a while.

As the kernel does it: each edge starts the time anew, and a level that was left and came back never counted. Both ends
of a press are late by the same time, so its length is right.
"""

from typing import Final

from board.button import Button, Edge, Input, Press

SETTLE_MS: Final = 20

_LEVELS: Final = {Input.PRESSED: True, Input.RELEASED: False}


class Debounced:
    """A button behind contacts that bounce; the same calls as `Button`."""

    def __init__(self, button: Button, *, is_down: bool, settle_ms: int = SETTLE_MS) -> None:
        """Start from the level that the line has now."""
        self._button = button
        self._is_down = is_down
        self._settle_ms = settle_ms
        self._unsettled: Edge | None = None

    @property
    def deadline_ms(self) -> int | None:
        """When to call `tick` at the latest; `None`: only an edge matters."""
        settles_ms = None if self._unsettled is None else self._unsettled.at_ms + self._settle_ms
        return min((time for time in (settles_ms, self._button.deadline_ms) if time is not None), default=None)

    def take(self, edge: Edge) -> list[Press]:
        """Act on a raw edge, and before it on everything that it came too late for."""
        presses = self.tick(edge.at_ms)
        if edge.input in _LEVELS:
            self._unsettled = edge
            return presses
        return presses + self._button.take(edge)

    def tick(self, now_ms: int) -> list[Press]:
        """Act on the time that has passed."""
        return self._settled(now_ms) + self._button.tick(now_ms)

    def _settled(self, now_ms: int) -> list[Press]:
        edge = self._unsettled
        if edge is None or now_ms < edge.at_ms + self._settle_ms:
            return []
        self._unsettled = None
        if _LEVELS[edge.input] == self._is_down:
            return []
        self._is_down = not self._is_down
        return self._button.take(Edge(edge.input, edge.at_ms + self._settle_ms))
