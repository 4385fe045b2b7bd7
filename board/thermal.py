"""How hot the board is, in three levels with a gap between going up and coming back.

Temperatures have no event that user space could wait for, so look every `LOOK_EVERY_MS` while there is work, beside
other wake-ups; an idle board does not heat up.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from board.sysfs import Sysfs

LOOK_EVERY_MS: Final = 10_000

_ZONES: Final = "sys/class/thermal/thermal_zone*"
_COLDEST_MC, _HOTTEST_MC = -40_000, 150_000


class Heat(IntEnum):
    """Levels in order."""

    NORMAL = 0
    HOT = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """Where the levels begin, and how far below that one ends, in degrees Celsius."""

    hot_c: int
    critical_c: int
    gap_c: int = 5


class Thermometer:
    """Follows the temperature. A look that told nothing changes nothing."""

    def __init__(self, limits: Limits) -> None:
        """Start as normal."""
        self.heat = Heat.NORMAL
        self._limits = limits

    def take(self, temperature_mc: int | None) -> Heat:
        """Take one temperature in thousandths of a degree Celsius, and return the level."""
        if temperature_mc is not None:
            rising, falling = self._level(temperature_mc), self._level(temperature_mc + self._limits.gap_c * 1_000)
            self.heat = min(max(self.heat, rising), falling)
        return self.heat

    def _level(self, temperature_mc: int) -> Heat:
        if temperature_mc >= self._limits.critical_c * 1_000:
            return Heat.CRITICAL
        return Heat.HOT if temperature_mc >= self._limits.hot_c * 1_000 else Heat.NORMAL


def temperature_mc(zone: str, sysfs: Sysfs) -> int | None:
    """Return the temperature of the thermal zone of this type; `None` if there is none or it tells nonsense."""
    for path in sysfs.find(_ZONES):
        if sysfs.text(f"{path}/type") == zone:
            return sysfs.number(f"{path}/temp", _COLDEST_MC, _HOTTEST_MC)
    return None
