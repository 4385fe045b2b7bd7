"""The power states and what each of them means, as data; and how readings lead from one to the other.

An advertising event costs so little beside an awake Linux board (see `figures`) that a short interval is nearly free.
What costs is Wi-Fi that is up and a fast clock. Hence a battery lengthens the interval only to where nobody notices.
Low charge hides the station until its button is pressed: what is left goes to whom the station's owner wants to serve.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from stack.power.work import Priority


class PowerState(Enum):
    """What the policy is chosen by. Earlier ones win where several hold."""

    CRITICAL = auto()
    UNDERVOLTED = auto()
    HOT = auto()
    MAINS = auto()
    LOW = auto()
    BATTERY = auto()


class Visibility(Enum):
    """When phones may find the station."""

    ALWAYS = auto()
    AFTER_PRESS = auto()
    NEVER = auto()


class Governor(Enum):
    """The kernel's governors of the CPU's clock that we set."""

    POWERSAVE = "powersave"
    PERFORMANCE = "performance"


@dataclass(frozen=True, slots=True)
class Setting:
    """What one power state means. The governor is lowered to `POWERSAVE` whenever nothing moves bytes.

    `slack_percent` says how much of its slack work may use: 0 does everything at once, 100 batches. Work below
    `least_priority` waits for another state. `keeps_wifi_up` holds the home network also while nothing needs it.
    """

    visibility: Visibility
    advertising_interval_ms: int
    keeps_wifi_up: bool
    busy_governor: Governor
    slack_percent: int
    least_priority: Priority
    powers_off: bool = False


PRESS_WINDOW_MS: Final = 600_000

SETTINGS: Final[Mapping[PowerState, Setting]] = {
    PowerState.MAINS: Setting(Visibility.ALWAYS, 100, True, Governor.PERFORMANCE, 0, Priority.UPKEEP),
    PowerState.BATTERY: Setting(Visibility.ALWAYS, 250, False, Governor.PERFORMANCE, 100, Priority.UPKEEP),
    PowerState.LOW: Setting(Visibility.AFTER_PRESS, 250, False, Governor.PERFORMANCE, 100, Priority.PERSON),
    PowerState.CRITICAL: Setting(Visibility.NEVER, 250, False, Governor.POWERSAVE, 100, Priority.PERSON, True),
    PowerState.HOT: Setting(Visibility.ALWAYS, 250, False, Governor.POWERSAVE, 100, Priority.PERSON),
    PowerState.UNDERVOLTED: Setting(Visibility.ALWAYS, 250, False, Governor.POWERSAVE, 100, Priority.PERSON),
}


@dataclass(frozen=True, slots=True)
class Readings:
    """What the board's watchers say. `is_undervolted` is already held for a while by the board's own watcher."""

    has_mains: bool
    charge_percent: int
    temperature_c: int
    is_undervolted: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A condition that begins at one value and ends at another, so that noise between them changes nothing."""

    begins: int
    ends: int

    def holds(self, value: int, before: bool) -> bool:
        """Whether it holds at `value`, given whether it held `before`."""
        rises = self.begins > self.ends
        limit = self.ends if before else self.begins
        return (value > limit if before else value >= limit) if rises else (value < limit if before else value <= limit)


LOW_PERCENT: Final = Band(begins=20, ends=25)
CRITICAL_PERCENT: Final = Band(begins=5, ends=10)
HOT_C: Final = Band(begins=75, ends=65)


class Policy:
    """Follows the readings through the states."""

    def __init__(self, settings: Mapping[PowerState, Setting] = SETTINGS) -> None:
        """Begin on mains until readings say otherwise: nothing is switched off on no evidence."""
        self._settings = settings
        self._is_low = self._is_critical = self._is_hot = False
        self.state = PowerState.MAINS

    @property
    def setting(self) -> Setting:
        """What the state means."""
        return self._settings[self.state]

    def read(self, readings: Readings) -> PowerState:
        """Take readings; return the state."""
        charge = readings.charge_percent
        self._is_low = LOW_PERCENT.holds(charge, self._is_low)
        self._is_critical = CRITICAL_PERCENT.holds(charge, self._is_critical)
        self._is_hot = HOT_C.holds(readings.temperature_c, self._is_hot)
        holding = {
            PowerState.CRITICAL: self._is_critical and not readings.has_mains,
            PowerState.UNDERVOLTED: readings.is_undervolted,
            PowerState.HOT: self._is_hot,
            PowerState.MAINS: readings.has_mains,
            PowerState.LOW: self._is_low,
            PowerState.BATTERY: True,
        }
        self.state = next(state for state in PowerState if holding[state])
        return self.state
