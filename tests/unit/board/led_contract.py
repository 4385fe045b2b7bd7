"""What an LED does, of the kernel's or of ours, in a kernel that may lack triggers."""

from pathlib import Path

import pytest

from board.led import PATTERNS, Light, NoTriggerError
from board.led_sysfs import Led, LedError
from board.sysfs import Sysfs


def check(led: Led, sysfs: Sysfs, place: Path) -> None:
    """Show every state and give the LED back."""

    def text(attribute: str) -> str:
        return sysfs.text(str(place / attribute)) or ""

    def present() -> str:
        return next(word[1:-1] for word in text("trigger").split() if word.startswith("["))

    before, known = present(), text("trigger").replace("[", "").replace("]", "").split()
    for light in Light:
        if not _can_show(light, known):
            with pytest.raises(NoTriggerError):
                led.show(light)
            continue
        led.show(light)
        if len(PATTERNS[light]) == 1:
            assert (present(), text("brightness")) == ("none", text("max_brightness"))
        elif len(PATTERNS[light]) == 2:
            lit, dark = (str(step.duration_ms) for step in PATTERNS[light])
            assert (present(), text("delay_on"), text("delay_off")) == ("timer", lit, dark)
        else:
            assert present() in ("pattern", "heartbeat")
    led.give_back()
    assert present() == before
    with pytest.raises(OSError, match="Invalid argument"):
        sysfs.write(str(place / "trigger"), "no-such-trigger")
    with pytest.raises(LedError):
        Led("no-such-led", sysfs).give_back()


def _can_show(light: Light, known: list[str]) -> bool:
    wanted = {1: {"none"}, 2: {"timer"}}.get(len(PATTERNS[light]), {"pattern", "heartbeat"})
    return bool(wanted & set(known))
