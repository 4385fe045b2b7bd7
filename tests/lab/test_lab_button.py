"""Real edges of a GPIO chip become presses, through the kernel and libgpiod; and the LED class as the kernel has it.

The lab's chip refuses to debounce, and its driver asks for the levels every 40 ms or, on a busy machine, now and then:
a person here moves on only when the kernel has told of the edge.
"""

import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from board.aio import ThreadSafeFlag, create_task, run, sleep_ms, wait_for_ms
from board.button import Edge, Input, Press, Times
from board.button_gpio import GpioLine, LineError, LineTakenError, NoChipError, machine, open_line
from board.button_watch import watch
from board.clock import boottime_s
from board.led_sysfs import find_led
from board.profiles import load
from board.sysfs import Sysfs
from tests.lab.inside.gpio_chip import LINES, PINS
from tests.unit.board import led_contract

LAB = load("lab")
PIN = LAB.buttons[0]
TAP_MS = 100
TIMES = Times(double_ms=1_500, long_ms=2_000, setup_ms=4_000)  # for a slow machine, and tests that do not last
LIMIT_MS = 10_000
YEAR_S = 365 * 86_400


def hold(is_down: bool) -> None:
    """Pull the line to ground, or let it go."""
    (PINS / f"in{PIN.line}").write_text("0" if is_down else "1")


@pytest.fixture
def line() -> Iterator[GpioLine]:
    hold(False)
    with closing(open_line(PIN.chip, PIN.line)) as opened:
        yield opened
    hold(False)


class Person:
    """Presses the button, sees the kernel's edges go by, and hears what the station makes of them."""

    def __init__(self, line: GpioLine) -> None:
        self.heard: list[Press] = []
        self.fileno = line.fileno
        self._line = line
        self._edges: list[Edge] = []
        self._sees, self._hears = ThreadSafeFlag(), ThreadSafeFlag()

    def read(self) -> Sequence[Edge]:
        """Stand between the line and the station."""
        edges = self._line.read()
        self._edges += edges
        self._sees.set()
        return edges

    def hear(self, press: Press) -> None:
        self.heard.append(press)
        self._hears.set()

    async def push(self) -> None:
        hold(True)
        await self._sees_last(Input.PRESSED)

    async def let_go(self) -> None:
        hold(False)
        await self._sees_last(Input.RELEASED)

    async def press(self, duration_ms: int) -> None:
        await self.push()
        await sleep_ms(duration_ms)
        await self.let_go()

    async def hears(self) -> None:
        await wait_for_ms(self._hears.wait(), LIMIT_MS)

    async def _sees_last(self, kind: Input) -> None:
        while not self._edges or self._edges[-1].input is not kind:
            await wait_for_ms(self._sees.wait(), LIMIT_MS)


async def tap(person: Person) -> None:
    await person.press(TAP_MS)


async def tap_twice(person: Person) -> None:
    await person.press(TAP_MS)
    await person.press(TAP_MS)


async def hold_long(person: Person) -> None:
    await person.press(TIMES.long_ms + 300)


async def hold_until_setup(person: Person) -> None:
    await person.push()
    await person.hears()
    assert person.heard == [Press.SETUP]
    await person.let_go()
    await tap(person)


Gesture = Callable[[Person], Coroutine[Any, Any, None]]


def heard(line: GpioLine, gesture: Gesture) -> list[Press]:
    """Do it at a line that is watched, and return what was told."""

    async def scenario() -> None:
        task = create_task(watch(person, machine(line, TIMES), person.hear))
        await gesture(person)
        await person.hears()
        await sleep_ms(TIMES.double_ms)
        task.cancel()

    person = Person(line)
    run(scenario())
    return person.heard


@pytest.mark.parametrize(
    ("gesture", "presses"),
    [
        (tap, [Press.SHORT]),
        (tap_twice, [Press.DOUBLE]),
        (hold_long, [Press.LONG]),
        (hold_until_setup, [Press.SETUP, Press.SHORT]),
    ],
)
def test_the_station_hears_what_the_person_does(line: GpioLine, gesture: Gesture, presses: list[Press]) -> None:
    assert heard(line, gesture) == presses


def test_a_button_held_at_boot_is_no_press() -> None:
    async def let_go(person: Person) -> None:
        await sleep_ms(TIMES.setup_ms)
        await person.let_go()
        await sleep_ms(2 * TIMES.double_ms)
        assert person.heard == []
        await tap(person)

    hold(True)
    with closing(open_line(PIN.chip, PIN.line)) as line:
        assert line.is_down
        assert heard(line, let_go) == [Press.SHORT]


@pytest.fixture
def wall_jumps() -> Iterator[Callable[[int], None]]:
    """Set the wall clock ahead or back; afterwards it is right again."""
    right_s = time.time() - boottime_s()
    yield lambda years: time.clock_settime(time.CLOCK_REALTIME, time.time() + years * YEAR_S)
    time.clock_settime(time.CLOCK_REALTIME, right_s + boottime_s())


@pytest.mark.parametrize("years", [10, -5])
def test_the_wall_clock_may_jump_while_the_button_is_down(
    line: GpioLine, wall_jumps: Callable[[int], None], years: int
) -> None:
    async def hold_meanwhile(person: Person) -> None:
        await person.push()
        wall_jumps(years)
        await sleep_ms(TAP_MS)
        await person.let_go()
        wall_jumps(years)

    assert heard(line, hold_meanwhile) == [Press.SHORT]


def test_this_chip_refuses_to_debounce_so_we_do(line: GpioLine) -> None:
    assert line.settle_ms == 20


def test_a_line_that_is_taken_or_absent_is_a_sentence(line: GpioLine) -> None:
    with pytest.raises(LineTakenError, match=f"Line {PIN.line} of {PIN.chip} is in use"):
        open_line(PIN.chip, PIN.line)
    with pytest.raises(LineError):
        open_line(PIN.chip, LINES)
    with pytest.raises(NoChipError):
        open_line("pinctrl-rp1", 17)


def test_the_led_class_is_as_our_fake_has_it() -> None:
    led = find_led(LAB.leds, Sysfs())
    led_contract.check(led, Sysfs(), Path("sys/class/leds") / led.name)
