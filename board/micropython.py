"""Runs one program written for MicroPython, unchanged: `python -m board.aio PROG.py [ARGUMENT...]`.

In that process alone `asyncio`, `uasyncio`, `time`, `utime` and `micropython` are what such a program expects. Its
vocabulary is `board.aio`'s. What is added is MicroPython's life cycle, which no part of Ferry wants: one loop that is
there before `run` and keeps unfinished tasks from one `run` to the next.
"""

import asyncio
import runpy
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from board import aio

# Where ticks wrap on a 64 bit machine. Two ticks compare while less than half of that lies between them.
TICKS_PERIOD = 1 << 62
TICKS_HALF = TICKS_PERIOD // 2

ResultT = TypeVar("ResultT")


def main() -> None:
    """Run the program that the command line names; the rest are its arguments."""
    if len(sys.argv) < 2:
        sys.exit("usage: python -m board.aio PROG.py [ARGUMENT...]")
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    install()
    runpy.run_path(sys.argv[0], run_name="__main__")


def install() -> None:
    """Replace the modules that differ, in this whole process."""
    new_event_loop()
    sys.modules["asyncio"] = sys.modules["uasyncio"] = _module("asyncio", _vocabulary())
    sys.modules["time"] = sys.modules["utime"] = _module("time", _clock())
    sys.modules["micropython"] = _module("micropython", _named(const, schedule))


def _module(name: str, contents: dict[str, Any]) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(contents)
    return module


def _named(*functions: Callable[..., Any]) -> dict[str, Any]:
    return {function.__name__: function for function in functions}


def _vocabulary() -> dict[str, Any]:
    shared = {name: getattr(aio, name) for name in aio.__all__}
    streams = {"StreamReader": aio.Stream, "StreamWriter": aio.Stream}
    loops = {"Loop": asyncio.AbstractEventLoop, "get_event_loop": asyncio.get_event_loop, "run_until_complete": run}
    return {**shared, **streams, **loops, **_named(create_task, new_event_loop, run, sleep_ms)}


def _clock() -> dict[str, Any]:
    return {**vars(time), **_named(ticks_ms, ticks_add, ticks_diff), "sleep_ms": lambda ms: time.sleep(ms / 1000)}


def _make_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> aio.Task[Any]:
    return aio.Task(coro, loop=loop, **options)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make a loop without tasks and let it be the one that `run` and `create_task` use."""
    loop = asyncio.new_event_loop()
    loop.set_task_factory(_make_task)
    asyncio.set_event_loop(loop)
    return loop


def run(coro: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run `coro` to its end; the other tasks stay where they are and go on at the next `run`."""
    return asyncio.get_event_loop().run_until_complete(coro)


def create_task(coro: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
    """Start `coro` as a task, now or when the loop runs."""
    return asyncio.get_event_loop().create_task(coro)


async def sleep_ms(t: int) -> None:
    """Pause for `t` ms. Raises `OverflowError` where ticks would."""
    ticks_add(0, t)
    await aio.sleep_ms(t)


def ticks_ms() -> int:
    """Return a counter of milliseconds that wraps at `TICKS_PERIOD`."""
    return time.monotonic_ns() // 1_000_000 % TICKS_PERIOD


def ticks_add(ticks: int, delta: int) -> int:
    """Return `ticks` moved by `delta`. Raises `OverflowError` beyond half a period."""
    if not -TICKS_HALF < delta < TICKS_HALF:
        raise OverflowError("ticks interval overflow")
    return (ticks + delta) % TICKS_PERIOD


def ticks_diff(ticks1: int, ticks2: int) -> int:
    """Return the signed distance from `ticks2` to `ticks1`."""
    return (ticks1 - ticks2 + TICKS_HALF) % TICKS_PERIOD - TICKS_HALF


def const(value: ResultT) -> ResultT:
    """Return `value`: a constant for MicroPython's compiler."""
    return value


def schedule(function: Callable[[Any], object], argument: Any) -> None:
    """Call `function` soon. Here that is now: there is no interrupt to come back from."""
    function(argument)
