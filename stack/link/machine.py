"""The link as a machine: a table of states, each with a time limit, and a way home from all of them.

    IDLE > PREPARING > SCANNING > JOINING > HANDSHAKING > ADDRESSING > UP > CLOSING > IDLE

The law: whatever happens, what was made is unmade in CLOSING, and only CLOSING leads to IDLE. Finding nothing, or
being turned away, is tried again while there is time. What ended a link first is what is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from board.errors import LocalProtocolError
from stack.link.reasons import Reason


class State(Enum):
    """Where a link is."""

    IDLE = auto()
    PREPARING = auto()
    SCANNING = auto()
    JOINING = auto()
    HANDSHAKING = auto()
    ADDRESSING = auto()
    UP = auto()
    CLOSING = auto()


class Input(Enum):
    """What can happen to it. `DONE` ends the step of a state well."""

    START = auto()
    DONE = auto()
    RETRY = auto()
    FAILED = auto()
    TIMEOUT = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in milliseconds (alliance protocol, 1): a phone gives up 10 s after it has written its link info."""

    prepare_ms: int = 2_000
    scan_ms: int = 8_000
    join_ms: int = 2_000
    handshake_ms: int = 4_000
    address_ms: int = 5_000
    close_ms: int = 3_000
    in_all_ms: int = 20_000


DEFAULT_LIMITS: Final = Limits()

_S, _I = State, Input
_UNDER_WAY: Final = (_S.PREPARING, _S.SCANNING, _S.JOINING, _S.HANDSHAKING, _S.ADDRESSING)

TABLE: Final[Mapping[tuple[State, Input], State]] = {
    (_S.IDLE, _I.START): _S.PREPARING,
    (_S.PREPARING, _I.DONE): _S.SCANNING,
    (_S.SCANNING, _I.DONE): _S.JOINING,
    (_S.SCANNING, _I.RETRY): _S.SCANNING,
    (_S.JOINING, _I.DONE): _S.HANDSHAKING,
    (_S.JOINING, _I.RETRY): _S.SCANNING,
    (_S.HANDSHAKING, _I.DONE): _S.ADDRESSING,
    (_S.HANDSHAKING, _I.RETRY): _S.SCANNING,
    (_S.ADDRESSING, _I.DONE): _S.UP,
    (_S.ADDRESSING, _I.RETRY): _S.SCANNING,
    (_S.UP, _I.FAILED): _S.CLOSING,
    (_S.UP, _I.STOP): _S.CLOSING,
    **{(state, end): _S.CLOSING for state in _UNDER_WAY for end in (_I.FAILED, _I.TIMEOUT, _I.STOP)},
    **{(_S.CLOSING, end): _S.IDLE for end in (_I.DONE, _I.FAILED, _I.TIMEOUT)},
}

_TIMEOUT_REASON: Final = {
    _S.PREPARING: Reason.RADIO_TROUBLE,
    _S.SCANNING: Reason.NOT_FOUND,
    _S.JOINING: Reason.TIMED_OUT,
    _S.HANDSHAKING: Reason.TIMED_OUT,
    _S.ADDRESSING: Reason.NO_ADDRESS,
}


class LinkMachine:
    """The machine. Times are milliseconds of any steady clock."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        """Start idle."""
        self.state = State.IDLE
        self.reason: Reason | None = None
        self._turned_away: Reason | None = None
        self.deadline_ms: int | None = None
        self._limits_ms = _by_state(limits)
        self._in_all_ms = limits.in_all_ms
        self._give_up_ms = 0

    def fire(self, occasion: Input, now_ms: int, reason: Reason | None = None) -> State:
        """Go where the table leads; `reason` says why something failed. A stop while closing changes nothing.

        Raises `LocalProtocolError` for what the table does not know.
        """
        if occasion is Input.STOP and self.state in (State.CLOSING, State.IDLE):
            return self.state
        if occasion is Input.RETRY and now_ms >= self._give_up_ms:
            occasion = Input.FAILED
        to = TABLE.get((self.state, occasion))
        if to is None:
            raise LocalProtocolError(f"{occasion.name} cannot happen while a link is {self.state.name}.")
        self._note_reason(occasion, reason, now_ms)
        if self.state is State.IDLE:
            self._give_up_ms = now_ms + self._in_all_ms
        self._enter(to, now_ms)
        return to

    def _note_reason(self, occasion: Input, reason: Reason | None, now_ms: int) -> None:
        if occasion is Input.START:
            self.reason = self._turned_away = None
        elif self.state is not State.CLOSING and self.reason is None:
            if occasion is Input.RETRY:
                self._turned_away = reason
            elif occasion is Input.TIMEOUT:
                self.reason = reason or self._reason_of_timeout(now_ms)
            elif occasion is Input.FAILED:
                self.reason = reason or Reason.RADIO_TROUBLE

    def _reason_of_timeout(self, now_ms: int) -> Reason:
        """Time that runs out while looking again, or in all, is the fault of what turned us away before."""
        is_again = self.state is State.SCANNING or now_ms >= self._give_up_ms
        return (self._turned_away if is_again else None) or _TIMEOUT_REASON[self.state]

    def _enter(self, state: State, now_ms: int) -> None:
        self.state = state
        limit_ms = self._limits_ms.get(state)
        if limit_ms is None:
            self.deadline_ms = None
        else:
            within = now_ms + limit_ms
            self.deadline_ms = within if state is State.CLOSING else min(within, max(self._give_up_ms, now_ms))


def _by_state(limits: Limits) -> dict[State, int]:
    return {
        State.PREPARING: limits.prepare_ms,
        State.SCANNING: limits.scan_ms,
        State.JOINING: limits.join_ms,
        State.HANDSHAKING: limits.handshake_ms,
        State.ADDRESSING: limits.address_ms,
        State.CLOSING: limits.close_ms,
    }
