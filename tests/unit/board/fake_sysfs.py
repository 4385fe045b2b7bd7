"""A sysfs of files, and an LED class that answers a trigger as the kernel does."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from board.sysfs import Sysfs

BRIGHTEST = 255
LED = "sys/class/leds/ACT"

_MADE_BY = {
    "timer": ("delay_on", "delay_off"),
    "pattern": ("pattern", "hw_pattern", "repeat"),
    "heartbeat": ("invert",),
}


def made(root: Path, attributes: dict[str, str]) -> Sysfs:
    """Make attributes by their paths."""
    for name, text in attributes.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return Sysfs(root)


@dataclass(frozen=True, slots=True)
class FakeLedClass(Sysfs):
    """One LED, `ACT`, in a kernel with these triggers."""

    triggers: tuple[str, ...] = ()

    def plug_in(self) -> "FakeLedClass":
        """Make the LED, driven by the card's trigger as on a fresh board."""
        made(self.root, {f"{LED}/brightness": "0", f"{LED}/max_brightness": str(BRIGHTEST)})
        self._choose("mmc0")
        return self

    def write(self, path: str, text: str) -> None:
        """Write; a trigger makes and removes attributes."""
        if path.endswith("/trigger"):
            (self.root / path).stat()
            self._choose(text)
            return
        os.truncate(self.root / path, 0)  # a file keeps what a shorter write leaves, an attribute does not
        Sysfs.write(self, path, text + "\n")

    def _choose(self, trigger: str) -> None:
        known = ("none", "mmc0", *self.triggers)
        if trigger not in known:
            raise OSError(errno.EINVAL, "Invalid argument")
        for name in (name for names in _MADE_BY.values() for name in names):
            (self.root / LED / name).unlink(missing_ok=True)
        made(self.root, {f"{LED}/{name}": "0" for name in ("brightness", *_MADE_BY.get(trigger, ()))})
        made(self.root, {f"{LED}/trigger": " ".join(f"[{name}]" if name == trigger else name for name in known)})
