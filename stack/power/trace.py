"""A day as it happens to a station: phones that come, the NAS, the power. Read from TOML, or drawn from a seed."""

import tomllib
from dataclasses import dataclass
from datetime import time
from typing import Any, Final, Protocol

from board.errors import FerryError

DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_DEFAULT_BATTERY_MWH: Final = 37_000


class TraceError(FerryError):
    """A trace cannot be used."""

    remedy = "See the shipped one, stack/power/traces/day.toml, for what a trace holds."


@dataclass(frozen=True, slots=True)
class PhoneComes:
    """Somebody opens the share sheet and sends this much, if the station is found."""

    at_ms: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NasChanges:
    """The home network and the NAS in it come or go."""

    at_ms: int
    is_there: bool


@dataclass(frozen=True, slots=True)
class PowerChanges:
    """Mains come or go."""

    at_ms: int
    has_mains: bool


Happening = PhoneComes | NasChanges | PowerChanges


@dataclass(frozen=True, slots=True)
class Trace:
    """One day from midnight, when the station is on battery and away from home until the trace says otherwise."""

    name: str
    battery_mwh: int
    start_charge_percent: int
    happenings: tuple[Happening, ...]


class Randomness(Protocol):
    """Where a random day comes from; `random.Random` is one."""

    def random(self) -> float:
        """Draw from [0, 1)."""

    def uniform(self, a: float, b: float) -> float:
        """Draw evenly."""

    def lognormvariate(self, mu: float, sigma: float) -> float:
        """Draw what has a normal logarithm."""


def read(text: str) -> Trace:
    """Read a trace. Raises `TraceError`."""
    try:
        data = tomllib.loads(text)
        happenings = tuple(sorted(map(_happening, data["event"]), key=lambda each: each.at_ms))
        battery_mwh, start_percent = int(data["battery_mwh"]), int(data["start_charge_percent"])
        name = str(data["name"])
    except tomllib.TOMLDecodeError as error:
        raise TraceError(f"The trace is not TOML: {error}.") from None
    except KeyError as error:
        raise TraceError(f"The trace lacks {error.args[0]}.") from None
    except (TypeError, ValueError) as error:
        raise TraceError(f"The trace has a value that does not fit: {error}.") from None
    if battery_mwh <= 0 or not 0 <= start_percent <= 100:
        raise TraceError("The trace has a battery that cannot be.")
    return Trace(name, battery_mwh, start_percent, happenings)


def _happening(event: dict[str, Any]) -> Happening:
    at_ms = _milliseconds(event["at"])
    if "phone_bytes" in event:
        return PhoneComes(at_ms, _positive(event["phone_bytes"]))
    if "nas" in event:
        return NasChanges(at_ms, _choice(event["nas"], "there", "away"))
    return PowerChanges(at_ms, _choice(event["power"], "mains", "battery"))


def _milliseconds(at: object) -> int:
    if not isinstance(at, time):
        raise ValueError(f"{at!r} is no time of day")
    return (at.hour * 3600 + at.minute * 60 + at.second) * 1000


def _positive(size: object) -> int:
    if not isinstance(size, int) or size <= 0:
        raise ValueError(f"{size!r} is no size in bytes")
    return size


def _choice(value: object, yes: str, no: str) -> bool:
    if value not in (yes, no):
        raise ValueError(f"{value!r} is neither {yes!r} nor {no!r}")
    return value == yes


def draw(random: Randomness, name: str) -> Trace:
    """Draw a day: 4 to 16 phones between 7 and 23 o'clock, at home at night and in the evening, one time on mains."""
    leaves_ms, returns_ms = _hours(random, 7, 10), _hours(random, 16, 20)
    plugged_ms = _hours(random, 17, 22)
    happenings: list[Happening] = [
        NasChanges(0, True),
        NasChanges(leaves_ms, False),
        NasChanges(returns_ms, True),
        PowerChanges(plugged_ms, True),
        PowerChanges(min(plugged_ms + _hours(random, 1, 3), DAY_MS - 1), False),
        *(PhoneComes(_hours(random, 7, 23), _photos_bytes(random)) for _ in range(4 + int(random.random() * 13))),
    ]
    start_percent = int(random.uniform(60, 100))
    return Trace(name, _DEFAULT_BATTERY_MWH, start_percent, tuple(sorted(happenings, key=lambda each: each.at_ms)))


def _hours(random: Randomness, earliest: float, latest: float) -> int:
    return int(random.uniform(earliest, latest) * _HOUR_MS)


def _photos_bytes(random: Randomness) -> int:
    """A share of some photos: the median has 120 MB, a few have videos and more than 1 GB; never over 8 GB."""
    return min(int(random.lognormvariate(0, 1.2) * 120_000_000), 8_000_000_000)
