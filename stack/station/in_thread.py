"""Runs blocking work in a thread of its own while the control loop goes on."""

import threading
from collections.abc import Callable
from typing import TypeVar

from board import aio

ResultT = TypeVar("ResultT")


async def in_thread(work: Callable[[], ResultT], cancel: Callable[[], None]) -> ResultT:
    """Run `work` and return its result, or raise what it raised. Who is cancelled cancels it, and waits for its end."""
    ended = aio.ThreadSafeFlag()
    results: list[ResultT] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(work())
        except BaseException as error:  # it is raised again where it is waited for
            errors.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=body)
    thread.start()
    try:
        await ended.wait()
    except aio.CancelledError:
        cancel()
        await aio.to_the_end(aio.create_task(ended.wait()))
        raise
    if errors:
        raise errors[0]
    return results[0]
