"""The receiver of one task: from the WebSocket to "ok" (alliance protocol, 6).

    CONNECTING > WAITING > ASKING > RECEIVING > SETTLING > CONFIRMING > DONE

The law: "ok" is said only after `safe`. A sender that goes away while its body flows does not stop it: the files are
finished without a listener (RECEIVING_ALONE, SETTLING_ALONE), and the outcome is UNCONFIRMED. Any status of the sender
is its end (6.4). Every failure that the sender can still hear is told to it once (ENDING) before the session is DONE.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from board.errors import RemoteProtocolError
from stack.alliance.effects import (
    Ask,
    Effect,
    Outcome,
    OutcomeKind,
    SaveText,
    SendText,
    StartDownload,
    StopDownload,
)
from stack.alliance.messages import (
    REASON_INTERRUPTED,
    REASON_OK,
    REASON_REFUSED,
    REASON_TIMEOUT,
    SEND_REQUEST,
    STATUS,
    Message,
    SendRequest,
    StatusType,
    download_target,
    parse_send_request,
    parse_status,
    status,
)
from stack.alliance.session import Law, Rule, Session

# What CatShare uses, and Xiaomi's server expects. vivo wants anything but 0.
STATUS_ID: Final = 99


class State(Enum):
    """Where a receiver is."""

    CONNECTING = auto()
    WAITING = auto()
    ASKING = auto()
    RECEIVING = auto()
    RECEIVING_ALONE = auto()
    SETTLING = auto()
    SETTLING_ALONE = auto()
    CONFIRMING = auto()
    ENDING = auto()
    DONE = auto()


class Input(Enum):
    """What can happen to a receiver."""

    OPENED = auto()
    OFFER = auto()
    BAD_OFFER = auto()
    SENDER_ENDED = auto()
    STATUS_ACKED = auto()
    ACCEPT_FILES = auto()
    ACCEPT_TEXT = auto()
    REFUSE = auto()
    PROGRESS = auto()
    BODY_COMPLETE = auto()
    SAFE = auto()
    FAILED = auto()
    CANCEL = auto()
    DISCONNECTED = auto()
    TIMEOUT = auto()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds (alliance protocol, 1)."""

    connect_s: float = 20.0
    offer_s: float = 10.0
    decision_s: float = 10.0
    silence_s: float = 30.0
    settle_s: float = 60.0
    ack_s: float = 2.0


DEFAULT_TIMEOUTS: Final = Timeouts()


class Receiver(Session[State, Input, "Receiver"]):
    """The machine. Each method takes the time in monotonic seconds and returns what is to be done, in order.

    `accept` and `refuse` may come late, when the session has moved on: they do nothing then.
    """

    def __init__(self, timeouts: Timeouts = DEFAULT_TIMEOUTS, *, now: float) -> None:
        """Start while the WebSocket is being opened."""
        super().__init__(_LAW, _limits(timeouts), now)
        self._offer: SendRequest | None = None
        self._failure_reason = ""

    @property
    def offer(self) -> SendRequest:
        """The offer of this session. Only after `Ask`."""
        assert self._offer is not None
        return self._offer

    def opened(self, now: float) -> tuple[Effect, ...]:
        """The WebSocket is open."""
        return self._fire(Input.OPENED, now)

    def accept(self, now: float) -> tuple[Effect, ...]:
        """Take the offer."""
        is_text = self._offer is not None and self._offer.text is not None
        return self._fire(Input.ACCEPT_TEXT if is_text else Input.ACCEPT_FILES, now)

    def refuse(self, now: float) -> tuple[Effect, ...]:
        """Decline the offer."""
        return self._fire(Input.REFUSE, now)

    def progressed(self, now: float) -> tuple[Effect, ...]:
        """Bytes of the body have arrived."""
        return self._fire(Input.PROGRESS, now)

    def body_complete(self, now: float) -> tuple[Effect, ...]:
        """The whole body has arrived and is being made durable."""
        return self._fire(Input.BODY_COMPLETE, now)

    def safe(self, now: float) -> tuple[Effect, ...]:
        """Every file, or the text, is durable."""
        return self._fire(Input.SAFE, now)

    def failed(self, reason: str, kind: OutcomeKind, now: float) -> tuple[Effect, ...]:
        """The task has failed on our side; `reason` goes to the sender in the alliance's words."""
        self._failure_reason = reason
        return self._fire(Input.FAILED, now, Outcome(kind, reason))

    def cancel(self, now: float) -> tuple[Effect, ...]:
        """Our user stops the session."""
        return self._fire(Input.CANCEL, now)

    def disconnected(self, now: float) -> tuple[Effect, ...]:
        """The WebSocket is closed or lost."""
        return self._fire(Input.DISCONNECTED, now)

    def status_text(self, kind: StatusType, reason: str) -> SendText:
        """The final status of this session's task."""
        return SendText(status(STATUS_ID, self.offer.task_id, kind, reason).to_text())

    @property
    def failure_reason(self) -> str:
        """What the sender is told about a failure."""
        return self._failure_reason

    def _acknowledged(self, ack: Message, now: float) -> tuple[Effect, ...]:
        return self._fire(Input.STATUS_ACKED, now) if ack.acknowledges(STATUS_ID, STATUS) else ()

    def _requested(self, action: Message, now: float) -> tuple[Effect, ...]:
        if action.is_named(SEND_REQUEST):
            return self._offered(action, now)
        verdict = parse_status(action)
        if verdict is None or (self._offer is not None and not verdict.concerns(self._offer.task_id)):
            return ()
        kind = OutcomeKind.BROKEN if verdict.type is StatusType.FAILURE else OutcomeKind.CANCELLED
        return self._fire(Input.SENDER_ENDED, now, Outcome(kind, verdict.reason or "the sender ended"))

    def _offered(self, action: Message, now: float) -> tuple[Effect, ...]:
        if self._offer is not None:
            return ()
        try:
            self._offer = parse_send_request(action)
        except RemoteProtocolError as error:
            return self._fire(Input.BAD_OFFER, now, Outcome(OutcomeKind.BROKEN, str(error)))
        return self._fire(Input.OFFER, now)


def _ask(session: Receiver) -> Effect:
    return Ask(session.offer)


def _download(session: Receiver) -> Effect:
    return StartDownload(download_target(session.offer.task_id))


def _save_text(session: Receiver) -> Effect:
    return SaveText(session.offer.text or "")


def _stop(_: Receiver) -> Effect:
    return StopDownload()


def _say_ok(session: Receiver) -> Effect:
    return session.status_text(StatusType.OK, REASON_OK)


def _say_refused(session: Receiver) -> Effect:
    return session.status_text(StatusType.CANCEL, REASON_REFUSED)


def _say_interrupted(session: Receiver) -> Effect:
    return session.status_text(StatusType.CANCEL, REASON_INTERRUPTED)


def _say_timeout(session: Receiver) -> Effect:
    return session.status_text(StatusType.FAILURE, REASON_TIMEOUT)


def _say_failed(session: Receiver) -> Effect:
    return session.status_text(StatusType.FAILURE, session.failure_reason)


def _rule(to: State, *do: Callable[[Receiver], Effect], outcome: Outcome | None = None) -> Rule[State, Receiver]:
    return Rule(to, do, outcome)


_GONE = Outcome(OutcomeKind.BROKEN, "the sender is gone")
_UNREACHED = Outcome(OutcomeKind.TIMED_OUT, "the sender's WebSocket did not open")
_NO_OFFER = Outcome(OutcomeKind.TIMED_OUT, "the sender offered nothing")
_REFUSED = Outcome(OutcomeKind.REFUSED, "the offer was declined")
_UNDECIDED = Outcome(OutcomeKind.REFUSED, "nobody decided in time")
_CANCELLED = Outcome(OutcomeKind.CANCELLED, "stopped here")
_SILENT = Outcome(OutcomeKind.TIMED_OUT, "the sender fell silent")
_STUCK = Outcome(OutcomeKind.BROKEN, "the disk did not answer")
_SAFE = Outcome(OutcomeKind.SAFE, "")
_UNHEARD = Outcome(OutcomeKind.UNCONFIRMED, "the sender was gone before it could be told")
_UNACKED = Outcome(OutcomeKind.UNCONFIRMED, "the sender did not acknowledge that all is safe")

_RULES: Final[Mapping[tuple[State, Input], Rule[State, Receiver]]] = {
    (State.CONNECTING, Input.OPENED): _rule(State.WAITING),
    (State.CONNECTING, Input.CANCEL): _rule(State.DONE, outcome=_CANCELLED),
    (State.CONNECTING, Input.DISCONNECTED): _rule(State.DONE, outcome=_GONE),
    (State.CONNECTING, Input.TIMEOUT): _rule(State.DONE, outcome=_UNREACHED),
    (State.WAITING, Input.OFFER): _rule(State.ASKING, _ask),
    (State.WAITING, Input.BAD_OFFER): _rule(State.DONE),
    (State.WAITING, Input.SENDER_ENDED): _rule(State.DONE),
    (State.WAITING, Input.CANCEL): _rule(State.DONE, outcome=_CANCELLED),
    (State.WAITING, Input.DISCONNECTED): _rule(State.DONE, outcome=_GONE),
    (State.WAITING, Input.TIMEOUT): _rule(State.DONE, outcome=_NO_OFFER),
    (State.ASKING, Input.ACCEPT_FILES): _rule(State.RECEIVING, _download),
    (State.ASKING, Input.ACCEPT_TEXT): _rule(State.SETTLING, _save_text),
    (State.ASKING, Input.REFUSE): _rule(State.ENDING, _say_refused, outcome=_REFUSED),
    (State.ASKING, Input.TIMEOUT): _rule(State.ENDING, _say_refused, outcome=_UNDECIDED),
    (State.ASKING, Input.FAILED): _rule(State.ENDING, _say_failed),
    (State.ASKING, Input.CANCEL): _rule(State.ENDING, _say_interrupted, outcome=_CANCELLED),
    (State.ASKING, Input.SENDER_ENDED): _rule(State.DONE),
    (State.ASKING, Input.DISCONNECTED): _rule(State.DONE, outcome=_GONE),
    (State.RECEIVING, Input.PROGRESS): _rule(State.RECEIVING),
    (State.RECEIVING, Input.BODY_COMPLETE): _rule(State.SETTLING),
    (State.RECEIVING, Input.FAILED): _rule(State.ENDING, _say_failed),
    (State.RECEIVING, Input.CANCEL): _rule(State.ENDING, _stop, _say_interrupted, outcome=_CANCELLED),
    (State.RECEIVING, Input.SENDER_ENDED): _rule(State.DONE, _stop),
    (State.RECEIVING, Input.DISCONNECTED): _rule(State.RECEIVING_ALONE),
    (State.RECEIVING, Input.TIMEOUT): _rule(State.ENDING, _stop, _say_timeout, outcome=_SILENT),
    (State.RECEIVING_ALONE, Input.PROGRESS): _rule(State.RECEIVING_ALONE),
    (State.RECEIVING_ALONE, Input.BODY_COMPLETE): _rule(State.SETTLING_ALONE),
    (State.RECEIVING_ALONE, Input.FAILED): _rule(State.DONE),
    (State.RECEIVING_ALONE, Input.CANCEL): _rule(State.DONE, _stop, outcome=_CANCELLED),
    (State.RECEIVING_ALONE, Input.TIMEOUT): _rule(State.DONE, _stop, outcome=_SILENT),
    (State.SETTLING, Input.SAFE): _rule(State.CONFIRMING, _say_ok),
    (State.SETTLING, Input.FAILED): _rule(State.ENDING, _say_failed),
    (State.SETTLING, Input.DISCONNECTED): _rule(State.SETTLING_ALONE),
    (State.SETTLING, Input.TIMEOUT): _rule(State.ENDING, _say_timeout, outcome=_STUCK),
    (State.SETTLING_ALONE, Input.SAFE): _rule(State.DONE, outcome=_UNHEARD),
    (State.SETTLING_ALONE, Input.FAILED): _rule(State.DONE),
    (State.SETTLING_ALONE, Input.TIMEOUT): _rule(State.DONE, outcome=_STUCK),
    (State.CONFIRMING, Input.STATUS_ACKED): _rule(State.DONE, outcome=_SAFE),
    (State.CONFIRMING, Input.DISCONNECTED): _rule(State.DONE, outcome=_UNACKED),
    (State.CONFIRMING, Input.TIMEOUT): _rule(State.DONE, outcome=_UNACKED),
    (State.ENDING, Input.STATUS_ACKED): _rule(State.DONE),
    (State.ENDING, Input.DISCONNECTED): _rule(State.DONE),
    (State.ENDING, Input.TIMEOUT): _rule(State.DONE),
}

_UNASKED_ACK = frozenset({Input.STATUS_ACKED})
_LATE_DECISION = frozenset({Input.ACCEPT_FILES, Input.ACCEPT_TEXT, Input.REFUSE})
_LATE_REPORT = frozenset({Input.PROGRESS, Input.BODY_COMPLETE, Input.SAFE, Input.FAILED})
# The sender may repeat its end, and hang up after it.
_LATE_END = frozenset({Input.SENDER_ENDED, Input.DISCONNECTED})
_HARMLESS: Final[Mapping[State, frozenset[Input]]] = {
    State.WAITING: _UNASKED_ACK,
    State.ASKING: _UNASKED_ACK,
    State.RECEIVING: _UNASKED_ACK | _LATE_DECISION,
    State.RECEIVING_ALONE: _UNASKED_ACK | _LATE_DECISION | _LATE_END,
    # What has arrived whole is kept, and said to be safe: it is too late to cancel, for either side.
    State.SETTLING: _UNASKED_ACK | _LATE_DECISION | {Input.PROGRESS, Input.CANCEL, Input.SENDER_ENDED},
    State.SETTLING_ALONE: _UNASKED_ACK | _LATE_DECISION | _LATE_END | {Input.PROGRESS, Input.CANCEL},
    State.CONFIRMING: _LATE_DECISION | {Input.PROGRESS, Input.CANCEL, Input.SENDER_ENDED},
    State.ENDING: _LATE_DECISION | _LATE_REPORT | {Input.CANCEL, Input.SENDER_ENDED},
}

_LAW: Final = Law(State.CONNECTING, State.DONE, Input.TIMEOUT, _RULES, _HARMLESS)


def _limits(timeouts: Timeouts) -> dict[State, float]:
    return {
        State.CONNECTING: timeouts.connect_s,
        State.WAITING: timeouts.offer_s,
        State.ASKING: timeouts.decision_s,
        State.RECEIVING: timeouts.silence_s,
        State.RECEIVING_ALONE: timeouts.silence_s,
        State.SETTLING: timeouts.settle_s,
        State.SETTLING_ALONE: timeouts.settle_s,
        State.CONFIRMING: timeouts.ack_s,
        State.ENDING: timeouts.ack_s,
    }
