"""What a session machine wants done. It returns these in order; whoever drives it carries them out in order."""

from dataclasses import dataclass
from enum import Enum

from stack.alliance.messages import SendRequest


class OutcomeKind(Enum):
    """How a session ended."""

    SAFE = "safe"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    BROKEN = "broken"
    TIMED_OUT = "timed out"
    NO_SPACE = "no space"
    # Receiver: everything is stored, but no ack proves that the phone knows. Sender: all is sent, no status came.
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a session, for a log and a screen."""

    kind: OutcomeKind
    reason: str


@dataclass(frozen=True, slots=True)
class SendText:
    """Send one WebSocket text frame. It must be out before anything that comes after it closes the connection."""

    text: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Get a decision on `offer`: call `accept` or `refuse` before the machine's deadline."""

    offer: SendRequest


@dataclass(frozen=True, slots=True)
class StartDownload:
    """Request `target` from the sender's server on a connection of its own, and store what comes."""

    target: str


@dataclass(frozen=True, slots=True)
class SaveText:
    """Store the shared `text` durably; nothing is downloaded."""

    text: str


@dataclass(frozen=True, slots=True)
class StopDownload:
    """Stop the download, within a second. It may have ended already."""


@dataclass(frozen=True, slots=True)
class ServeBody:
    """Answer the request for the archive with 200 and the archive."""


@dataclass(frozen=True, slots=True)
class RefuseDownload:
    """Answer the request for the archive with HTTP `status` and no archive."""

    status: int


@dataclass(frozen=True, slots=True)
class StopBody:
    """Stop sending the archive: close its connection without a last chunk. It may have ended already."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop every connection *without a WebSocket close frame*, and remove the group.

    Phones clean up on a dropped connection; after a close frame Xiaomi stays busy for a minute (6.7).
    """


@dataclass(frozen=True, slots=True)
class Finished:
    """The session is over, this is its last effect. A receiver closes its connections now and leaves the group."""

    outcome: Outcome


Effect = (
    SendText | Ask | StartDownload | SaveText | StopDownload | ServeBody | RefuseDownload | StopBody | Drop | Finished
)
