"""The LED of the board through the kernel's LED class.

An LED at a GPIO line is one, too, with `dtoverlay=gpio-led,gpio=N,label=ferry` in config.txt. Where the station is not
root, it needs to write to the LED's files, also to those that a trigger makes.
"""

from collections.abc import Iterable
from typing import Final

from board.errors import FerryError
from board.led import PATTERNS, Light, writes
from board.sysfs import Sysfs

_CLASS: Final = "sys/class/leds"
_MOST: Final = 65_535  # the brightest that any driver counts to


class LedError(FerryError):
    """The LED is not there, or cannot be written."""

    remedy = "See /sys/class/leds for the LEDs of this board, and set name in [led] to one of them."


class Led:
    """One LED. After an error the next `show` tries again."""

    def __init__(self, name: str, sysfs: Sysfs) -> None:
        """Use the LED `name`, which may be absent for now."""
        self.name = name
        self._sysfs = sysfs
        self._shown: Light | None = None
        self._before = self._triggers()[1]

    def show(self, light: Light) -> None:
        """Let the kernel play a state's pattern; one that is played already goes on.

        Raises `LedError`, `NoTriggerError`.
        """
        known, present = self._triggers()
        wanted = writes(PATTERNS[light], known, self._brightest())
        if light is self._shown and present == wanted[0].text:  # else the device was away, or somebody took it
            return
        self._shown = None
        for write in wanted:
            self._write(write.attribute, write.text)
        self._shown = light

    def give_back(self) -> None:
        """Set the trigger that the LED had before. Raises `LedError`."""
        self._shown = None
        self._write("trigger", self._before)

    def _triggers(self) -> tuple[list[str], str]:
        """Return all that the kernel has, and the present one, which it shows in brackets."""
        words = (self._sysfs.text(self._path("trigger")) or "none").split()
        present = next((word[1:-1] for word in words if word.startswith("[")), "none")
        return [word.strip("[]") for word in words], present

    def _brightest(self) -> int:
        return self._sysfs.number(self._path("max_brightness"), 1, _MOST) or 1

    def _write(self, attribute: str, text: str) -> None:
        try:
            self._sysfs.write(self._path(attribute), text)
        except OSError as error:
            raise LedError(f"The LED {self.name} cannot be used: {error.strerror}.") from error

    def _path(self, attribute: str) -> str:
        return f"{_CLASS}/{self.name}/{attribute}"


def find_led(names: Iterable[str], sysfs: Sysfs) -> Led:
    """Return the first LED of these names that is there. Raises `LedError`."""
    wanted = tuple(names)
    for name in wanted:
        if sysfs.text(f"{_CLASS}/{name}/trigger") is not None:
            return Led(name, sysfs)
    raise LedError(f"This board has no LED {' or '.join(wanted) or 'that Ferry knows'}.")
