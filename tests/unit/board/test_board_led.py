"""The five states on one LED: what the kernel is told, and LEDs that are not there."""

import shutil
from pathlib import Path

import pytest

from board.led import PATTERNS, Light, NoTriggerError, Step, Write, writes
from board.led_sysfs import Led, LedError, find_led
from board.sysfs import Sysfs
from tests.unit.board import led_contract
from tests.unit.board.fake_sysfs import LED, FakeLedClass

ALL = ("timer", "pattern", "heartbeat")


@pytest.fixture
def leds(tmp_path: Path) -> FakeLedClass:
    return FakeLedClass(tmp_path, ALL).plug_in()


def written(leds: Sysfs, *attributes: str) -> list[str | None]:
    return [leds.text(f"{LED}/{name}") for name in attributes]


def present(leds: Sysfs) -> str:
    return (leds.text(f"{LED}/trigger") or "").partition("[")[2].partition("]")[0]


def test_the_five_states_look_different() -> None:
    assert set(PATTERNS) == set(Light)
    assert len(Light) == len(set(PATTERNS.values())) == 5


@pytest.mark.parametrize("light", Light)
def test_every_state_goes_without_us(light: Light) -> None:
    """A blink is left to the kernel: whatever has more than one step names a trigger that plays it."""
    steps = PATTERNS[light]
    trigger = writes(steps, ("none", *ALL), 1)[0].text
    assert trigger == {1: "none", 2: "timer"}.get(len(steps), "pattern")


def test_what_the_kernel_is_told() -> None:
    burst = (Step(True, 100), Step(False, 50), Step(True, 100), Step(False, 1_000))
    pattern = "255 100 255 0 0 50 0 0 255 100 255 0 0 1000 0 0"
    assert writes((Step(True),), ["none"], 255) == (Write("trigger", "none"), Write("brightness", "255"))
    assert writes(burst, ALL, 255) == (Write("trigger", "pattern"), Write("pattern", pattern))
    assert writes(burst, ["heartbeat"], 255) == (Write("trigger", "heartbeat"),)


@pytest.mark.parametrize("triggers", [ALL, ("timer", "heartbeat"), ("timer",), ()])
def test_an_led_keeps_the_contract(triggers: tuple[str, ...], tmp_path: Path) -> None:
    leds = FakeLedClass(tmp_path, triggers).plug_in()
    led_contract.check(find_led(["ACT"], leds), leds, Path(LED))


def test_a_state_that_is_shown_already_goes_on_undisturbed(leds: FakeLedClass) -> None:
    led = find_led(["ACT"], leds)
    led.show(Light.OPEN)
    (leds.root / LED / "delay_on").write_text("somebody else's")
    led.show(Light.OPEN)
    assert written(leds, "delay_on") == ["somebody else's"]
    led.show(Light.BUSY)
    assert written(leds, "delay_on") == ["100"]


def test_an_led_that_vanishes_is_a_sentence_and_one_that_comes_back_shines(leds: FakeLedClass) -> None:
    led = find_led(["ACT"], leds)
    led.show(Light.BUSY)
    shutil.rmtree(leds.root / LED)
    for light in (Light.BUSY, Light.READY):
        with pytest.raises((LedError, NoTriggerError)) as raised:
            led.show(light)
        assert raised.value.remedy
    leds.plug_in()
    led.show(Light.BUSY)
    assert present(leds) == "timer"


def test_an_led_that_was_away_unnoticed_shines_again(leds: FakeLedClass) -> None:
    led = find_led(["ACT"], leds)
    led.show(Light.BUSY)
    leds.plug_in()
    led.show(Light.BUSY)
    assert present(leds) == "timer"


def test_the_first_led_that_is_there_is_taken(leds: FakeLedClass) -> None:
    assert find_led(["led0", "ACT"], leds).name == "ACT"


@pytest.mark.parametrize(
    ("names", "sentence"), [(["led0"], "This board has no LED led0."), ([], "no LED that Ferry knows")]
)
def test_a_board_without_an_led_is_a_sentence(names: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(LedError, match=sentence):
        find_led(names, Sysfs(tmp_path))


def test_an_led_that_comes_later_may_be_named_before(tmp_path: Path) -> None:
    leds = FakeLedClass(tmp_path, ALL)
    led = Led("ACT", leds)
    with pytest.raises(LedError):
        led.show(Light.READY)
    leds.plug_in()
    led.show(Light.READY)
    assert written(leds, "brightness") == ["255"]
