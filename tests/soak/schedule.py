"""What goes wrong, and when: drawn from the seed before anything runs. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Blow(Enum):
    """One thing that goes wrong, or is made good again."""

    KILL_STATION = "station killed"
    KILL_FORWARDER = "forwarder killed"
    CUT_POWER = "power cut"
    CUT_WIRE = "NAS cut"
    STALL_WIRE = "NAS stalled"
    HEAL_WIRE = "NAS healed"
    PULL_DISK = "disk pulled"
    TAKE_MARKER = "marker taken"
    RETURN_DISK = "disk back"


_KILLS_EVERY_S = 5.0, 15.0
_WIRE_EVERY_S = 4.0, 14.0
_DISK_EVERY_S = 6.0, 20.0
_OUTAGE_S = 1.0, 8.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A blow, and when it comes, in seconds from the start."""

    at_s: float
    blow: Blow


def schedule(dice: random.Random, seconds: float, *, power_cuts: bool) -> list[Moment]:
    """Return the moments of a run, in order. With `power_cuts` these are half of the kills."""
    return sorted(
        [
            *_kills(dice, seconds, power_cuts=power_cuts),
            *_outages(dice, seconds, _WIRE_EVERY_S, (Blow.CUT_WIRE, Blow.STALL_WIRE), Blow.HEAL_WIRE),
            *_outages(dice, seconds, _DISK_EVERY_S, (Blow.PULL_DISK, Blow.TAKE_MARKER), Blow.RETURN_DISK),
        ],
        key=lambda moment: moment.at_s,
    )


def _kills(dice: random.Random, seconds: float, *, power_cuts: bool) -> Iterator[Moment]:
    at_s = dice.uniform(*_KILLS_EVERY_S)
    while at_s < seconds:
        kill = dice.choice((Blow.KILL_STATION, Blow.KILL_FORWARDER))
        yield Moment(at_s, Blow.CUT_POWER if power_cuts and dice.random() < 0.5 else kill)
        at_s += dice.uniform(*_KILLS_EVERY_S)


def _outages(
    dice: random.Random, seconds: float, every_s: tuple[float, float], blows: tuple[Blow, ...], end: Blow
) -> Iterator[Moment]:
    at_s = dice.uniform(*every_s)
    while at_s < seconds:
        yield Moment(at_s, dice.choice(blows))
        at_s += dice.uniform(*_OUTAGE_S)
        yield Moment(at_s, end)
        at_s += dice.uniform(*every_s)
