"""One connection of a station as the kernel's events tell it. Pure: events in, state and EAPOL frames out.

    IDLE --begin--> AUTHENTICATING --> AUTHENTICATED --begin--> CONNECTING --> CONNECTED
    IDLE --begin--> CONNECTING, where the chip walks the steps itself

The law: the first thing that goes wrong in any state but IDLE ends in LOST, keeps its reason, and nothing leads out.
EAPOL may come before the kernel says CONNECTED; at most `MAX_FRAMES` wait.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from drivers.errors import RadioError
from drivers.netlink.attributes import NetlinkFormatError
from drivers.nl80211.constants import Command, TimeoutReason
from drivers.nl80211.declarations import Attrs, Event
from drivers.nl80211.errors import (
    DisconnectedError,
    HandshakeOffloadError,
    InterfaceGoneError,
    JoinTimeoutError,
    RejectedError,
)
from drivers.nl80211.frames import association_status, authentication_status, reason_of, transmitter
from drivers.nl80211.road import Road

MAX_FRAMES: Final = 16


class State(Enum):
    """Where the connection is."""

    IDLE = auto()
    AUTHENTICATING = auto()
    AUTHENTICATED = auto()
    CONNECTING = auto()
    CONNECTED = auto()
    LOST = auto()


# What a step that succeeds leads to, by the event that says so.
TRANSITIONS: Final[dict[tuple[State, int], State]] = {
    (State.AUTHENTICATING, Command.AUTHENTICATE): State.AUTHENTICATED,
    (State.CONNECTING, Command.CONNECT): State.CONNECTED,
}
_WITH_EAPOL: Final = (State.CONNECTING, State.CONNECTED)


class Connection:
    """The connection with the access point `bssid`, on the road of the chip."""

    def __init__(self, bssid: bytes, road: Road) -> None:
        self._bssid = bssid
        self._road = road
        self._sent = b""
        self.state = State.IDLE
        self.failure: RadioError | None = None
        self.frames: deque[bytes] = deque(maxlen=MAX_FRAMES)
        self.was_acknowledged: bool | None = None

    def begin(self, state: State) -> None:
        """A request for the next step is about to be sent."""
        if self.state is not State.LOST:
            self.state = state

    def fail(self, failure: RadioError) -> None:
        """End with `failure`, unless it has ended. Frames that nobody has taken are void."""
        if self.state is not State.LOST:
            self.state, self.failure = State.LOST, failure
            self.frames.clear()

    def sending(self, frame: bytes) -> None:
        """Look out for the acknowledgement of an EAPOL frame."""
        self._sent, self.was_acknowledged = frame, None

    def eapol_came(self, source: bytes, frame: bytes) -> None:
        """Keep an EAPOL frame if it is the access point's; of too many the oldest goes."""
        if source == self._bssid and self.state in _WITH_EAPOL:
            self.frames.append(frame)

    def happened(self, event: Event) -> None:
        """Take an event of our interface."""
        if self.state in (State.IDLE, State.LOST):
            return
        try:
            failure = self._failure_in(event)
        except NetlinkFormatError as error:
            failure = RadioError(str(error))
        if failure:
            self.fail(failure)
        elif event.command == Command.CONTROL_PORT_FRAME:
            self.eapol_came(event.attrs.mac or b"", event.attrs.frame or b"")
        elif event.command == Command.CONTROL_PORT_FRAME_TX_STATUS:
            self._frame_went(event.attrs)
        else:
            self.state = TRANSITIONS.get((self.state, event.command), self.state)

    def _frame_went(self, attrs: Attrs) -> None:
        # The kernel repeats the frame with an Ethernet header before it.
        if self._sent and (attrs.frame or b"").endswith(self._sent):
            self.was_acknowledged = bool(attrs.ack)

    def _failure_in(self, event: Event) -> RadioError | None:
        match event.command:
            case Command.AUTHENTICATE if self.state is State.AUTHENTICATING:
                return _refusal(event.attrs, TimeoutReason.AUTH, authentication_status)
            case Command.ASSOCIATE if self._road.by_steps and self.state is State.CONNECTING:
                return _refusal(event.attrs, TimeoutReason.ASSOC, association_status)
            case Command.CONNECT if self.state is State.CONNECTING:
                return self._verdict(event.attrs)
            case Command.DISCONNECT:
                return DisconnectedError(event.attrs.reason_code or 0, by_peer=bool(event.attrs.disconnected_by_ap))
            case Command.DEAUTHENTICATE | Command.DISASSOCIATE if self._ends_us():
                return self._goodbye(event.attrs.frame or b"")
            case Command.DEL_INTERFACE:
                return InterfaceGoneError("The interface of the link was taken away.")
        return None

    def _ends_us(self) -> bool:
        """Whether a goodbye is the verdict: while a chip walks the steps itself, its CONNECT event is."""
        return self._road.by_steps or self.state is State.CONNECTED

    def _goodbye(self, frame: bytes) -> RadioError:
        return DisconnectedError(reason_of(frame), by_peer=transmitter(frame) == self._bssid)

    def _verdict(self, attrs: Attrs) -> RadioError | None:
        if attrs.timed_out:
            return JoinTimeoutError(_step(attrs.timeout_reason))
        status = attrs.status_code or 0
        if status == 0:
            return None
        return HandshakeOffloadError(status) if self._road.offloads_handshake else RejectedError(status)


def _refusal(attrs: Attrs, step: TimeoutReason, status_of: Callable[[bytes], int]) -> RadioError | None:
    if attrs.timed_out:
        return JoinTimeoutError(step)
    status = status_of(attrs.frame or b"")
    return RejectedError(status) if status else None


def _step(number: int | None) -> TimeoutReason:
    known = {each.value for each in TimeoutReason}
    return TimeoutReason(number) if number in known else TimeoutReason.UNSPECIFIED
