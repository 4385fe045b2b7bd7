"""The loop around a button, on a real event loop: it wakes for edges and time limits, and for nothing else."""

import os
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from board.aio import ThreadSafeFlag, create_task, run, sleep_ms, wait_for_ms
from board.button import Button, Press, Times
from board.button_keys import KEY_POWER, KeyDevice, KeyDeviceError
from board.button_watch import watch
from board.clock import boottime_ms

LIMIT_MS = 4_000
TIMES = Times(double_ms=30, long_ms=60, setup_ms=120)


class Keyboard:
    """A key device and a person at it. `reads` counts how often the station looked."""

    def __init__(self) -> None:
        read, write = os.pipe2(os.O_NONBLOCK)
        self._kernel = os.fdopen(write, "wb", buffering=0)
        self.device = KeyDevice(read, KEY_POWER)
        self.looks = 0
        self.told: list[Press] = []
        self._has_told = ThreadSafeFlag()

    def key(self, is_down: bool, at_ms: int) -> None:
        self._kernel.write(struct.pack("@llHHi", at_ms // 1_000, at_ms % 1_000 * 1_000, 1, KEY_POWER, is_down))

    def unplug(self) -> None:
        self._kernel.close()

    def now_ms(self) -> int:
        self.looks += 1
        return boottime_ms()

    def tell(self, press: Press) -> None:
        self.told.append(press)
        self._has_told.set()

    async def watched(self) -> None:
        await watch(self.device, Button(TIMES), self.tell, self.now_ms)

    async def next_told(self) -> Press:
        await wait_for_ms(self._has_told.wait(), LIMIT_MS)
        return self.told[-1]


@contextmanager
def plugged() -> Iterator[Keyboard]:
    keyboard = Keyboard()
    with closing(keyboard.device):
        yield keyboard
    keyboard.unplug()


@pytest.mark.parametrize(
    ("moments_ms", "press"),
    [((-10, 0), Press.SHORT), ((-20, -15, -10, 0), Press.DOUBLE), ((-70, 0), Press.LONG), ((-130, 0), Press.SETUP)],
)
def test_presses_are_told(moments_ms: tuple[int, ...], press: Press) -> None:
    async def scenario() -> None:
        task = create_task(keyboard.watched())
        now_ms = boottime_ms()
        for number, at_ms in enumerate(moments_ms):
            keyboard.key(number % 2 == 0, now_ms + at_ms)
        assert await keyboard.next_told() is press
        task.cancel()

    with plugged() as keyboard:
        run(scenario())
        assert keyboard.told == [press]


def test_setup_is_told_while_the_key_is_held() -> None:
    async def scenario() -> None:
        task = create_task(keyboard.watched())
        keyboard.key(True, boottime_ms())
        assert await keyboard.next_told() is Press.SETUP
        task.cancel()

    with plugged() as keyboard:
        run(scenario())


def test_nothing_is_done_while_nothing_happens() -> None:
    async def scenario() -> None:
        task = create_task(keyboard.watched())
        await sleep_ms(200)
        assert keyboard.looks == 0
        keyboard.key(True, boottime_ms())
        keyboard.key(False, boottime_ms())
        await keyboard.next_told()
        looks = keyboard.looks
        await sleep_ms(200)
        assert keyboard.looks == looks <= 5
        task.cancel()

    with plugged() as keyboard:
        run(scenario())


def test_a_device_that_is_unplugged_ends_it_with_its_error() -> None:
    async def scenario() -> None:
        task = create_task(keyboard.watched())
        await sleep_ms(0)
        keyboard.unplug()
        with pytest.raises(KeyDeviceError):
            await wait_for_ms(task, LIMIT_MS)

    with plugged() as keyboard:
        run(scenario())
