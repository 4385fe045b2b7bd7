"""Blocking work beside the control loop."""

import threading

import pytest

from board import aio
from stack.station.in_thread import in_thread


def test_the_result_comes_back_and_the_loop_goes_on() -> None:
    async def test() -> int:
        release, ticks = threading.Event(), 0
        task = aio.create_task(in_thread(lambda: release.wait(10) and 42, release.set))
        for _ in range(3):
            await aio.sleep_ms(1)
            ticks += 1
        release.set()
        assert ticks == 3
        return int(await task)

    assert aio.run(test()) == 42


def test_an_error_comes_back() -> None:
    def fail() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        aio.run(in_thread(fail, lambda: None))


def test_who_is_cancelled_cancels_and_waits() -> None:
    release, ended = threading.Event(), threading.Event()

    def work() -> None:
        release.wait(10)
        ended.set()

    async def test() -> None:
        task = aio.create_task(in_thread(work, release.set))
        await aio.sleep_ms(1)
        task.cancel()
        with pytest.raises(aio.CancelledError):
            await task
        assert ended.is_set()

    aio.run(test())
