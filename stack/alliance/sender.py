"""The sender of one task: from the WebSocket to the receiver's verdict (alliance protocol, 6).

    CONNECTING > NEGOTIATING > REQUESTING > OFFERED > SENDING > SENT > LINGERING > DONE

The law: a status of the receiver decides, whenever it comes; type 1 is success even before our last write returned
(6.7). A receiver that drops the body is not a failure yet: CatShare does so after the last entry, and then says ok
(CUT_OFF). Without a verdict a body that went out whole is UNCONFIRMED. At the end the connection is dropped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NamedTuple

from stack.alliance.effects import (
    Drop,
    Effect,
    Outcome,
    OutcomeKind,
    RefuseDownload,
    SendText,
    ServeBody,
    StopBody,
)
from stack.alliance.messages import (
    REASON_INTERRUPTED,
    REASON_NO_SPACE,
    REASON_REFUSED,
    REASON_TIMEOUT,
    SEND_REQUEST,
    STATUS,
    VERSION_NEGOTIATION,
    Message,
    SendRequest,
    Status,
    StatusType,
    parse_status,
    send_request,
    status,
    version_negotiation,
)
from stack.alliance.session import Law, Rule, Session

_NEGOTIATION_ID: Final = 0
_REQUEST_ID: Final = 1
_STATUS_ID: Final = 2
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409


class State(Enum):
    """Where a sender is."""

    CONNECTING = auto()
    NEGOTIATING = auto()
    REQUESTING = auto()
    OFFERED = auto()
    SENDING = auto()
    SENDING_ALONE = auto()
    SENT = auto()
    CUT_OFF = auto()
    LINGERING = auto()
    ENDING = auto()
    DONE = auto()


class Input(Enum):
    """What can happen to a sender."""

    OPENED = auto()
    NEGOTIATION_ACKED = auto()
    REQUEST_ACKED = auto()
    STATUS_ACKED = auto()
    CONFIRMED = auto()
    DENIED = auto()
    DOWNLOAD = auto()
    PROGRESS = auto()
    BODY_SENT = auto()
    BODY_BROKEN = auto()
    FAILED = auto()
    CANCEL = auto()
    DISCONNECTED = auto()
    TIMEOUT = auto()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds (alliance protocol, 1)."""

    connect_s: float = 25.0
    negotiation_s: float = 10.0
    request_s: float = 30.0
    download_s: float = 60.0
    stall_s: float = 120.0
    status_s: float = 30.0
    ack_s: float = 2.0
    linger_s: float = 1.0


DEFAULT_TIMEOUTS: Final = Timeouts()


class _Awaited(NamedTuple):
    message_id: int
    name: str
    occasion: Input


class Sender(Session[State, Input, "Sender"]):
    """The machine. Each method takes the time in monotonic seconds and returns what is to be done, in order."""

    def __init__(self, offer: SendRequest, timeouts: Timeouts = DEFAULT_TIMEOUTS, *, now: float) -> None:
        """Start while the receiver is expected to join."""
        super().__init__(_LAW, _limits(timeouts), now)
        self.offer = offer

    def opened(self, now: float) -> tuple[Effect, ...]:
        """The receiver's WebSocket is open."""
        return self._fire(Input.OPENED, now)

    def download_requested(self, task_id: str, now: float) -> tuple[Effect, ...]:
        """Somebody asks for the archive of `task_id`. Exactly one effect is `ServeBody` or `RefuseDownload`."""
        if task_id != self.offer.task_id:
            return (RefuseDownload(_NOT_FOUND),)
        return self._fire(Input.DOWNLOAD, now) or (RefuseDownload(_CONFLICT),)

    def progressed(self, now: float) -> tuple[Effect, ...]:
        """The receiver has taken bytes of the body."""
        return self._fire(Input.PROGRESS, now)

    def body_sent(self, now: float) -> tuple[Effect, ...]:
        """The whole body has been written."""
        return self._fire(Input.BODY_SENT, now)

    def body_broken(self, now: float) -> tuple[Effect, ...]:
        """The receiver dropped the connection of the body."""
        return self._fire(Input.BODY_BROKEN, now)

    def failed(self, reason: str, now: float) -> tuple[Effect, ...]:
        """We cannot go on: a file has changed or cannot be read."""
        return self._fire(Input.FAILED, now, Outcome(OutcomeKind.BROKEN, reason))

    def cancel(self, now: float) -> tuple[Effect, ...]:
        """Our user stops the session."""
        return self._fire(Input.CANCEL, now)

    def disconnected(self, now: float) -> tuple[Effect, ...]:
        """The WebSocket is closed or lost."""
        return self._fire(Input.DISCONNECTED, now)

    def status_text(self, kind: StatusType, reason: str) -> SendText:
        """A status of ours about this session's task."""
        return SendText(status(_STATUS_ID, self.offer.task_id, kind, reason).to_text())

    def _acknowledged(self, ack: Message, now: float) -> tuple[Effect, ...]:
        awaited = _AWAITED_ACKS.get(self.state)
        if awaited is None or not ack.acknowledges(awaited.message_id, awaited.name):
            return ()
        return self._fire(awaited.occasion, now)

    def _requested(self, action: Message, now: float) -> tuple[Effect, ...]:
        verdict = parse_status(action)
        if verdict is None or not verdict.concerns(self.offer.task_id) or self.state in _BEFORE_THE_OFFER:
            return ()
        outcome = _outcome_of(verdict)
        return self._fire(Input.CONFIRMED if outcome.kind is OutcomeKind.SAFE else Input.DENIED, now, outcome)


def _outcome_of(verdict: Status) -> Outcome:
    if verdict.type is StatusType.OK:
        return Outcome(OutcomeKind.SAFE, verdict.reason)
    if verdict.reason == REASON_NO_SPACE:
        return Outcome(OutcomeKind.NO_SPACE, verdict.reason)
    if verdict.reason == REASON_REFUSED:
        return Outcome(OutcomeKind.REFUSED, verdict.reason)
    kind = OutcomeKind.CANCELLED if verdict.type is StatusType.CANCEL else OutcomeKind.BROKEN
    return Outcome(kind, verdict.reason or "the receiver failed")


def _negotiate(_: Sender) -> Effect:
    return SendText(version_negotiation(_NEGOTIATION_ID).to_text())


def _request(session: Sender) -> Effect:
    return SendText(send_request(_REQUEST_ID, session.offer).to_text())


def _serve(_: Sender) -> Effect:
    return ServeBody()


def _stop(_: Sender) -> Effect:
    return StopBody()


def _say_interrupted(session: Sender) -> Effect:
    return session.status_text(StatusType.CANCEL, REASON_INTERRUPTED)


def _say_timeout(session: Sender) -> Effect:
    return session.status_text(StatusType.CANCEL, REASON_TIMEOUT)


def _say_failed(session: Sender) -> Effect:
    return session.status_text(StatusType.FAILURE, "cannot access")


def _rule(to: State, *do: Callable[[Sender], Effect], outcome: Outcome | None = None) -> Rule[State, Sender]:
    return Rule(to, do, outcome)


_NOBODY = Outcome(OutcomeKind.TIMED_OUT, "nobody connected")
_UNANSWERED = Outcome(OutcomeKind.TIMED_OUT, "the receiver did not answer")
_UNDECIDED = Outcome(OutcomeKind.TIMED_OUT, "nobody took the offer")
_STALLED = Outcome(OutcomeKind.BROKEN, "the receiver takes nothing any more")
_GONE = Outcome(OutcomeKind.BROKEN, "the receiver is gone")
_CANCELLED = Outcome(OutcomeKind.CANCELLED, "stopped here")
_UNCONFIRMED = Outcome(OutcomeKind.UNCONFIRMED, "everything was sent, but the receiver confirmed nothing")

_RULES: Final[Mapping[tuple[State, Input], Rule[State, Sender]]] = {
    (State.CONNECTING, Input.OPENED): _rule(State.NEGOTIATING, _negotiate),
    (State.CONNECTING, Input.CANCEL): _rule(State.DONE, outcome=_CANCELLED),
    (State.CONNECTING, Input.DISCONNECTED): _rule(State.DONE, outcome=_GONE),
    (State.CONNECTING, Input.TIMEOUT): _rule(State.DONE, outcome=_NOBODY),
    (State.NEGOTIATING, Input.NEGOTIATION_ACKED): _rule(State.REQUESTING, _request),
    (State.NEGOTIATING, Input.CANCEL): _rule(State.DONE, outcome=_CANCELLED),
    (State.NEGOTIATING, Input.DISCONNECTED): _rule(State.DONE, outcome=_GONE),
    (State.NEGOTIATING, Input.TIMEOUT): _rule(State.DONE, outcome=_UNANSWERED),
    (State.REQUESTING, Input.REQUEST_ACKED): _rule(State.OFFERED),
    # On another connection the request for the body may overtake the ack.
    (State.REQUESTING, Input.DOWNLOAD): _rule(State.SENDING, _serve),
    (State.REQUESTING, Input.CONFIRMED): _rule(State.LINGERING),
    (State.REQUESTING, Input.DENIED): _rule(State.LINGERING),
    (State.REQUESTING, Input.CANCEL): _rule(State.ENDING, _say_interrupted, outcome=_CANCELLED),
    (State.REQUESTING, Input.DISCONNECTED): _rule(State.DONE, outcome=_GONE),
    (State.REQUESTING, Input.TIMEOUT): _rule(State.ENDING, _say_timeout, outcome=_UNANSWERED),
    (State.OFFERED, Input.DOWNLOAD): _rule(State.SENDING, _serve),
    (State.OFFERED, Input.CONFIRMED): _rule(State.LINGERING),
    (State.OFFERED, Input.DENIED): _rule(State.LINGERING),
    (State.OFFERED, Input.CANCEL): _rule(State.ENDING, _say_interrupted, outcome=_CANCELLED),
    (State.OFFERED, Input.DISCONNECTED): _rule(State.DONE, outcome=_GONE),
    (State.OFFERED, Input.TIMEOUT): _rule(State.ENDING, _say_timeout, outcome=_UNDECIDED),
    (State.SENDING, Input.PROGRESS): _rule(State.SENDING),
    (State.SENDING, Input.BODY_SENT): _rule(State.SENT),
    (State.SENDING, Input.BODY_BROKEN): _rule(State.CUT_OFF),
    (State.SENDING, Input.CONFIRMED): _rule(State.LINGERING),
    (State.SENDING, Input.DENIED): _rule(State.LINGERING),
    (State.SENDING, Input.FAILED): _rule(State.ENDING, _say_failed),
    (State.SENDING, Input.CANCEL): _rule(State.ENDING, _stop, _say_interrupted, outcome=_CANCELLED),
    (State.SENDING, Input.DISCONNECTED): _rule(State.SENDING_ALONE),
    (State.SENDING, Input.TIMEOUT): _rule(State.ENDING, _stop, _say_timeout, outcome=_STALLED),
    (State.SENDING_ALONE, Input.PROGRESS): _rule(State.SENDING_ALONE),
    (State.SENDING_ALONE, Input.BODY_SENT): _rule(State.DONE, outcome=_UNCONFIRMED),
    (State.SENDING_ALONE, Input.BODY_BROKEN): _rule(State.DONE, outcome=_GONE),
    (State.SENDING_ALONE, Input.FAILED): _rule(State.DONE),
    (State.SENDING_ALONE, Input.CANCEL): _rule(State.DONE, _stop, outcome=_CANCELLED),
    (State.SENDING_ALONE, Input.TIMEOUT): _rule(State.DONE, _stop, outcome=_STALLED),
    (State.SENT, Input.CONFIRMED): _rule(State.LINGERING),
    (State.SENT, Input.DENIED): _rule(State.LINGERING),
    (State.SENT, Input.CANCEL): _rule(State.ENDING, _say_interrupted, outcome=_CANCELLED),
    (State.SENT, Input.DISCONNECTED): _rule(State.DONE, outcome=_UNCONFIRMED),
    (State.SENT, Input.TIMEOUT): _rule(State.DONE, outcome=_UNCONFIRMED),
    (State.CUT_OFF, Input.CONFIRMED): _rule(State.LINGERING),
    (State.CUT_OFF, Input.DENIED): _rule(State.LINGERING),
    (State.CUT_OFF, Input.CANCEL): _rule(State.ENDING, _say_interrupted, outcome=_CANCELLED),
    (State.CUT_OFF, Input.DISCONNECTED): _rule(State.DONE, outcome=_GONE),
    (State.CUT_OFF, Input.TIMEOUT): _rule(State.DONE, outcome=_GONE),
    (State.LINGERING, Input.DISCONNECTED): _rule(State.DONE, _stop),
    (State.LINGERING, Input.TIMEOUT): _rule(State.DONE, _stop),
    (State.ENDING, Input.STATUS_ACKED): _rule(State.LINGERING),
    # Our end and its "ok" have crossed: it has everything.
    (State.ENDING, Input.CONFIRMED): _rule(State.LINGERING),
    (State.ENDING, Input.DISCONNECTED): _rule(State.DONE),
    (State.ENDING, Input.TIMEOUT): _rule(State.DONE),
}

_LATE_REPORT = frozenset({Input.PROGRESS, Input.BODY_SENT, Input.BODY_BROKEN, Input.FAILED})
# The archive goes out once: a receiver that could start it again and again would never let the radio go.
_ONCE = frozenset({Input.DOWNLOAD})
_HARMLESS: Final[Mapping[State, frozenset[Input]]] = {
    State.CONNECTING: _ONCE,
    State.NEGOTIATING: _ONCE,
    State.SENDING: _ONCE,
    State.SENDING_ALONE: _ONCE | {Input.CONFIRMED, Input.DENIED, Input.DISCONNECTED},
    State.SENT: _ONCE | _LATE_REPORT,
    State.CUT_OFF: _ONCE | _LATE_REPORT,
    State.LINGERING: _ONCE | _LATE_REPORT | {Input.CONFIRMED, Input.DENIED, Input.CANCEL},
    State.ENDING: _ONCE | _LATE_REPORT | {Input.DENIED, Input.CANCEL},
}

_LAW: Final = Law(State.CONNECTING, State.DONE, Input.TIMEOUT, _RULES, _HARMLESS, last_words=(Drop(),))

_BEFORE_THE_OFFER: Final = (State.CONNECTING, State.NEGOTIATING)
_AWAITED_ACKS: Final = {
    State.NEGOTIATING: _Awaited(_NEGOTIATION_ID, VERSION_NEGOTIATION, Input.NEGOTIATION_ACKED),
    State.REQUESTING: _Awaited(_REQUEST_ID, SEND_REQUEST, Input.REQUEST_ACKED),
    State.ENDING: _Awaited(_STATUS_ID, STATUS, Input.STATUS_ACKED),
}


def _limits(timeouts: Timeouts) -> dict[State, float]:
    return {
        State.CONNECTING: timeouts.connect_s,
        State.NEGOTIATING: timeouts.negotiation_s,
        State.REQUESTING: timeouts.request_s,
        State.OFFERED: timeouts.download_s,
        State.SENDING: timeouts.stall_s,
        State.SENDING_ALONE: timeouts.stall_s,
        State.SENT: timeouts.status_s,
        State.CUT_OFF: timeouts.status_s,
        State.LINGERING: timeouts.linger_s,
        State.ENDING: timeouts.ack_s,
    }
