"""Restarts the radio when it dies, with a pause that grows."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from board import aio
from board.clock import boottime_ms
from drivers.errors import RadioError

FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 30_000
_HEALTHY_MS: Final = 60_000

ResultT = TypeVar("ResultT")


async def keep_running(
    session: Callable[[], Awaitable[ResultT]],
    trouble: Callable[[RadioError, int], None],
    first_pause_ms: int = FIRST_PAUSE_MS,
) -> ResultT:
    """Run `session` until it returns. When it dies of its radio, tell `trouble` the pause in ms, and begin anew.

    A session that lived for a minute was healthy: the pause begins small again.
    """
    pause_ms = first_pause_ms
    while True:
        began_ms = boottime_ms()
        try:
            return await session()
        except RadioError as error:
            if boottime_ms() - began_ms >= _HEALTHY_MS:
                pause_ms = first_pause_ms
            trouble(error, pause_ms)
            await aio.sleep_ms(pause_ms)
            pause_ms = min(2 * pause_ms, LONGEST_PAUSE_MS)
