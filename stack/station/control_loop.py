"""Runs the control plane of a verb: one loop, ended cleanly by Ctrl-C or SIGTERM."""

from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from board import aio
from stack.station.interrupt import cancel_on_signals


def run_until_signal(work: Coroutine[Any, Any, None]) -> bool:
    """Run `work` to its end, or cancel it at the first signal; return whether one came."""
    stop = aio.ThreadSafeFlag()
    with cancel_on_signals(stop.set) as interrupt:
        aio.run(_run(work, stop))
    return interrupt.came


async def _run(work: Coroutine[Any, Any, None], stop: aio.ThreadSafeFlag) -> None:
    task = aio.create_task(work)
    watching = aio.create_task(_cancel_at(stop, task))
    try:
        with suppress(aio.CancelledError):
            await task
    finally:
        watching.cancel()


async def _cancel_at(stop: aio.ThreadSafeFlag, task: aio.Task[None]) -> None:
    await stop.wait()
    task.cancel()
