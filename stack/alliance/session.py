"""What both session machines share: a table, one deadline, one verdict.

The law: a machine is in exactly one state. An input either has a rule in that state, or is harmless there, or is a
bug of the caller. Every state but the last has a time limit, and only a rule restarts it: no traffic of the peer keeps
a session alive. The last state ignores everything, because threads and timers of a session may be late.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar, cast

from board.errors import LocalProtocolError, RemoteProtocolError
from stack.alliance.effects import Effect, Finished, Outcome, SendText
from stack.alliance.messages import Message, MessageType, ack_of, parse_message

StateT = TypeVar("StateT", bound=Enum)
InputT = TypeVar("InputT", bound=Enum)
SessionT = TypeVar("SessionT")


@dataclass(frozen=True, slots=True)
class Rule(Generic[StateT, SessionT]):
    """Do `do` in order and go to state `to`. `outcome` becomes the verdict, unless the input brought one itself."""

    to: StateT
    do: tuple[Callable[[SessionT], Effect], ...] = ()
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Law(Generic[StateT, InputT, SessionT]):
    """A machine as data. `timeout` is the input that `tick` makes, `last_words` come right before `Finished`."""

    start: StateT
    done: StateT
    timeout: InputT
    rules: Mapping[tuple[StateT, InputT], Rule[StateT, SessionT]]
    harmless: Mapping[StateT, frozenset[InputT]]
    last_words: tuple[Effect, ...] = ()


class Session(Generic[StateT, InputT, SessionT]):
    """A machine that follows a law. Subclasses turn calls and messages into inputs. Times are monotonic seconds."""

    def __init__(self, law: Law[StateT, InputT, SessionT], limits_s: Mapping[StateT, float], now: float) -> None:
        """Start at `now`. `limits_s` has a time limit for every state but the last."""
        self._law = law
        self._limits_s = limits_s
        self._state = law.start
        self._deadline: float | None = now + limits_s[law.start]
        self._outcome: Outcome | None = None

    @property
    def state(self) -> StateT:
        """Where the machine is."""
        return self._state

    @property
    def deadline(self) -> float | None:
        """When to call `tick` at the latest; `None` once the session is over."""
        return self._deadline

    @property
    def outcome(self) -> Outcome | None:
        """How the session ended; `None` before it has."""
        return self._outcome if self._over else None

    def tick(self, now: float) -> tuple[Effect, ...]:
        """Act on the deadline if it has passed."""
        if self._deadline is None or now < self._deadline:
            return ()
        return self._fire(self._law.timeout, now)

    def text_received(self, text: str, now: float) -> tuple[Effect, ...]:
        """Take one WebSocket text frame: acknowledge each action, ignore what is not a message."""
        if self._over:
            return ()
        try:
            message = parse_message(text)
        except RemoteProtocolError:
            return ()
        if message.type is MessageType.ACK:
            return self._acknowledged(message, now)
        return (SendText(ack_of(message).to_text()), *self._requested(message, now))

    def _acknowledged(self, ack: Message, now: float) -> tuple[Effect, ...]:
        raise NotImplementedError

    def _requested(self, action: Message, now: float) -> tuple[Effect, ...]:
        raise NotImplementedError

    @property
    def _over(self) -> bool:
        return self._state is self._law.done

    def _fire(self, occasion: InputT, now: float, outcome: Outcome | None = None) -> tuple[Effect, ...]:
        """Apply the rule for `occasion`. Raises `LocalProtocolError` if the law knows none."""
        if self._over or occasion in self._law.harmless.get(self._state, ()):
            return ()
        rule = self._law.rules.get((self._state, occasion))
        if rule is None:
            raise LocalProtocolError(f"{occasion.name} is not allowed while {self._state.name}.")
        self._outcome = outcome or rule.outcome or self._outcome
        session = cast("SessionT", self)  # a law is written for the subclass that follows it
        effects = tuple(make(session) for make in rule.do)
        self._enter(rule.to, now)
        return effects + self._closing_effects()

    def _enter(self, state: StateT, now: float) -> None:
        self._state = state
        self._deadline = None if self._over else now + self._limits_s[state]

    def _closing_effects(self) -> tuple[Effect, ...]:
        if not self._over:
            return ()
        assert self._outcome is not None, "the law lets no rule into the last state without a verdict"
        return (*self._law.last_words, Finished(self._outcome))
