"""Declared work: what shall be done, when at the earliest and at the latest, what it needs and what it costs."""

from dataclasses import dataclass
from enum import IntEnum

from stack.power.radio import Use


class Priority(IntEnum):
    """Who waits for it. Policies leave out what is below a priority."""

    UPKEEP = 1
    FORWARDING = 2
    PERSON = 3


@dataclass(frozen=True, slots=True)
class Conditions:
    """How things stand around the board, as its watchers last told."""

    has_home_network: bool
    has_nas: bool
    has_mains: bool
    charge_percent: int
    temperature_c: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What must hold from beginning to end. `radio` is asked for at the start and may be taken away."""

    radio: Use | None = None
    home_network: bool = False
    nas: bool = False
    mains: bool = False
    min_charge_percent: int = 0
    max_temperature_c: int = 85  # where the Raspberry Pi's firmware takes the clock down in any case

    def hold(self, conditions: Conditions) -> bool:
        """Whether `conditions` give all of it but the radio."""
        return (
            self.home_network <= conditions.has_home_network
            and self.nas <= conditions.has_nas
            and self.mains <= conditions.has_mains
            and self.min_charge_percent <= conditions.charge_percent
            and conditions.temperature_c <= self.max_temperature_c
        )


@dataclass(frozen=True, slots=True)
class Work:
    """One item. `name` is unique among what is declared; times are milliseconds of one steady clock.

    It may begin from `earliest_ms` on, and likes to begin within `slack_ms` after that. `deadline_ms` is when it has to
    be done; with the expected `duration_ms` that limits the slack. Work without a duration goes on until it is stopped.
    """

    name: str
    priority: Priority
    earliest_ms: int
    slack_ms: int = 0
    deadline_ms: int | None = None
    duration_ms: int | None = None
    needs: Needs = Needs()
    expected_mj: int = 0

    def latest_start_ms(self, slack_percent: int) -> int:
        """When it has to begin if only `slack_percent` of its slack may be used: never too late for the deadline."""
        wished = self.earliest_ms + self.slack_ms * slack_percent // 100
        if self.deadline_ms is None:
            return wished
        return max(self.earliest_ms, min(wished, self.deadline_ms - (self.duration_ms or 0)))
