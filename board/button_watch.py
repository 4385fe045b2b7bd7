"""The loop between a line or a key device and the button's machine: it wakes for edges and time limits only."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from board.aio import ThreadSafeFlag, TimeoutError, wait_for_ms  # noqa: A004
from board.button import Edge, Press
from board.clock import boottime_ms


class EdgeSource(Protocol):
    """Where edges come from: a descriptor, and what waits in it."""

    def fileno(self) -> int:
        """Return the descriptor that is readable when edges wait."""
        ...

    def read(self) -> Sequence[Edge]:
        """Return edges without blocking, none if none wait. Raises a `FerryError` when the device is gone."""
        ...


class Machine(Protocol):
    """`Button` or `Debounced`."""

    @property
    def deadline_ms(self) -> int | None:
        """When to call `tick` at the latest."""
        ...

    def take(self, edge: Edge) -> list[Press]:
        """Act on an edge."""
        ...

    def tick(self, now_ms: int) -> list[Press]:
        """Act on the time that has passed."""
        ...


async def watch(
    source: EdgeSource,
    machine: Machine,
    on_press: Callable[[Press], object],
    now_ms: Callable[[], int] = boottime_ms,
) -> None:
    """Tell presses until cancelled. Raises what the source does when its device is gone."""
    loop = asyncio.get_running_loop()
    readable = ThreadSafeFlag()
    loop.add_reader(source.fileno(), readable.set)
    try:
        while True:
            await _wait(readable, machine.deadline_ms, now_ms)
            # Edges first: they are older than the moment we look at the clock.
            presses = [press for edge in source.read() for press in machine.take(edge)]
            for press in presses + machine.tick(now_ms()):
                on_press(press)
    finally:
        loop.remove_reader(source.fileno())


async def _wait(readable: ThreadSafeFlag, deadline_ms: int | None, now_ms: Callable[[], int]) -> None:
    if deadline_ms is None:
        return await readable.wait()
    with suppress(TimeoutError):
        await wait_for_ms(readable.wait(), max(0, deadline_ms - now_ms()))
    return None
