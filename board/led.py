"""What the one LED says: five states, each a pattern, and how the kernel is told to play it alone.

The kernel's LED triggers blink without waking us (Documentation/leds/leds-class.rst): `none` for a steady light,
`timer` for an even or uneven blink, `pattern` for anything longer, `heartbeat` where the kernel lacks that.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from board.errors import FerryError


class NoTriggerError(FerryError):
    """The kernel cannot blink."""

    remedy = "Load the kernel modules ledtrig-timer and ledtrig-pattern (or ledtrig-heartbeat)."


class Light(Enum):
    """What a person can see from across the room."""

    READY = auto()
    OPEN = auto()
    BUSY = auto()
    FORWARDING = auto()
    ATTENTION = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """Lit or dark for a time in milliseconds; the only step of a steady pattern has none."""

    is_lit: bool
    duration_ms: int = 0


LIT: Final = Step(True)

# Told apart without counting: steady, even and slow, even and fast, light with a dip, bursts in the dark.
PATTERNS: Final[Mapping[Light, tuple[Step, ...]]] = {
    Light.READY: (LIT,),
    Light.OPEN: (Step(True, 500), Step(False, 500)),
    Light.BUSY: (Step(True, 100), Step(False, 100)),
    Light.FORWARDING: (Step(True, 1_900), Step(False, 100)),
    Light.ATTENTION: (*(Step(True, 100), Step(False, 100)) * 2, Step(True, 100), Step(False, 1_000)),
}


@dataclass(frozen=True, slots=True)
class Write:
    """Write `text` to an attribute of the LED."""

    attribute: str
    text: str


def writes(steps: tuple[Step, ...], triggers: Collection[str], brightest: int) -> tuple[Write, ...]:
    """Return what makes the kernel play `steps` for ever, in order. Raises `NoTriggerError`."""
    trigger = _trigger(len(steps), triggers)
    return (Write("trigger", trigger), *_details(trigger, steps, brightest))


def _trigger(count: int, triggers: Collection[str]) -> str:
    wanted = {1: ("none",), 2: ("timer",)}.get(count, ("pattern", "heartbeat"))
    for trigger in wanted:
        if trigger in triggers:
            return trigger
    raise NoTriggerError(f"The kernel has no LED trigger {' or '.join(wanted)}.")


def _details(trigger: str, steps: tuple[Step, ...], brightest: int) -> tuple[Write, ...]:
    match trigger:
        case "none":
            return (Write("brightness", str(_brightness(steps[0], brightest))),)
        case "timer":
            lit, dark = steps
            return Write("delay_on", str(lit.duration_ms)), Write("delay_off", str(dark.duration_ms))
        case "pattern":
            return (Write("pattern", " ".join(_tuples(step, brightest) for step in steps)),)
        case _:
            return ()


def _tuples(step: Step, brightest: int) -> str:
    """Two pairs: the second, of no duration, keeps the kernel from fading (sysfs-class-led-trigger-pattern)."""
    level = _brightness(step, brightest)
    return f"{level} {step.duration_ms} {level} 0"


def _brightness(step: Step, brightest: int) -> int:
    return brightest if step.is_lit else 0
