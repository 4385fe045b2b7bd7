"""One button: when it goes down and up, told apart as four presses.

    IDLE > DOWN > UP > IDLE                short: nothing more came within the double press's time
                   UP > DOWN_AGAIN > IDLE  double
           DOWN > HELD > IDLE              long: told when it is let go, because it may become
                  HELD > SPENT > IDLE      setup: told at once

The law: at most one press for each time that it is let go, and only a press that was seen to begin counts, so a button
that is held at boot does nothing. What is decided depends on the times of the edges alone, not on when this is called:
before an edge is taken, the time limits that ended before it are. When edges were lost, so is the press.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final


class Press(StrEnum):
    """What a person meant; the values are the words of `ferry press`."""

    SHORT = "short"
    DOUBLE = "double"
    LONG = "long"
    SETUP = "setup"


class State(Enum):
    """Where the button is."""

    IDLE = auto()
    DOWN = auto()
    UP = auto()
    DOWN_AGAIN = auto()
    HELD = auto()
    SPENT = auto()


class Input(Enum):
    """What can happen to it. `LOST`: the kernel dropped edges."""

    PRESSED = auto()
    RELEASED = auto()
    TIMEOUT = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True)
class Edge:
    """One input and when it was, in milliseconds since boot."""

    input: Input
    at_ms: int


@dataclass(frozen=True, slots=True)
class Rule:
    """Go to state `to`, and tell `press`."""

    to: State
    press: Press | None = None


_S, _I = State, Input

TABLE: Final[Mapping[tuple[State, Input], Rule]] = {
    (_S.IDLE, _I.PRESSED): Rule(_S.DOWN),
    (_S.DOWN, _I.RELEASED): Rule(_S.UP),
    (_S.DOWN, _I.TIMEOUT): Rule(_S.HELD),
    (_S.UP, _I.PRESSED): Rule(_S.DOWN_AGAIN),
    (_S.UP, _I.TIMEOUT): Rule(_S.IDLE, Press.SHORT),
    (_S.DOWN_AGAIN, _I.RELEASED): Rule(_S.IDLE, Press.DOUBLE),
    (_S.DOWN_AGAIN, _I.TIMEOUT): Rule(_S.HELD),
    (_S.HELD, _I.RELEASED): Rule(_S.IDLE, Press.LONG),
    (_S.HELD, _I.TIMEOUT): Rule(_S.SPENT, Press.SETUP),
    (_S.SPENT, _I.RELEASED): Rule(_S.IDLE),
    **{(state, _I.LOST): Rule(_S.IDLE) for state in State},
}


@dataclass(frozen=True, slots=True)
class Times:
    """How long is long, in milliseconds: `double_ms` from letting go to the next press, the others from the press."""

    double_ms: int = 400
    long_ms: int = 3_000
    setup_ms: int = 10_000

    def limit_ms(self, state: State) -> int | None:
        """How long a state lasts if nothing happens; `None`: for ever."""
        match state:
            case State.DOWN | State.DOWN_AGAIN:
                return self.long_ms
            case State.UP:
                return self.double_ms
            case State.HELD:
                return self.setup_ms - self.long_ms
            case _:
                return None


DEFAULT_TIMES: Final = Times()


class Button:
    """Follows `TABLE`. Times are milliseconds since boot."""

    def __init__(self, times: Times = DEFAULT_TIMES) -> None:
        """Start with a button that is up, or down since before."""
        self._times = times
        self._state = State.IDLE
        self._now_ms = 0
        self._deadline_ms: int | None = None

    @property
    def state(self) -> State:
        """Where the button is."""
        return self._state

    @property
    def deadline_ms(self) -> int | None:
        """When to call `tick` at the latest; `None`: only an edge matters."""
        return self._deadline_ms

    def take(self, edge: Edge) -> list[Press]:
        """Act on an edge, and before it on every time limit that it did not beat."""
        presses = self.tick(edge.at_ms)
        return presses + self._fire(edge.input, self._now_ms)

    def tick(self, now_ms: int) -> list[Press]:
        """Act on the time limits that have passed."""
        self._now_ms = max(now_ms, self._now_ms)  # an edge is stamped before somebody looked at the clock
        presses = []
        while self._deadline_ms is not None and self._deadline_ms <= self._now_ms:
            presses += self._fire(Input.TIMEOUT, self._deadline_ms)
        return presses

    def _fire(self, occasion: Input, at_ms: int) -> list[Press]:
        rule = TABLE.get((self._state, occasion))
        if rule is None:
            return []
        self._state = rule.to
        limit_ms = self._times.limit_ms(rule.to)
        self._deadline_ms = None if limit_ms is None else at_ms + limit_ms
        return [] if rule.press is None else [rule.press]
