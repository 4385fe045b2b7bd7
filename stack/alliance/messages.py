"""WebSocket messages: one text frame, one message (alliance protocol, 6.3 and 6.4).

    message = type ":" id ":" name [ "?" json ]

Parsing is lenient about payloads and strict about the frame. Building emits the form that every known phone takes.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

from board.errors import RemoteProtocolError
from stack.alliance import quirks
from stack.alliance.jsonobject import JsonObject, parse_object
from stack.alliance.text import clean_text

# Room for a shared text of 2 MiB, and for phones that list every one of ten thousand files in their offer.
MAX_MESSAGE_BYTES: Final = 5 * 512 * 1024
MAX_SENDER_NAME_CHARS: Final = 64
MAX_FILE_COUNT: Final = 1_000_000

VERSION: Final = 1
VERSION_NEGOTIATION: Final = "versionNegotiation"
SEND_REQUEST: Final = "sendRequest"
STATUS: Final = "status"

REASON_OK: Final = "ok"
REASON_REFUSED: Final = "user refuse"
REASON_INTERRUPTED: Final = "user interrupt"
REASON_TIMEOUT: Final = "timeout"
REASON_NO_SPACE: Final = "no enough space"

_THREAD_LIMIT = 5  # everybody sends it, nobody is known to use it
_MAX_SHORT_TEXT_CHARS = 64
_MAX_FILE_NAME_CHARS = 255
_MAX_PATH_CHARS = 512
_MAX_MESSAGE_ID = 2**31 - 1

_FRAME = re.compile(r"(action|ack):([0-9]{1,10}):([A-Za-z0-9_]{1,64})(?:\?([^\r\n]*))?", re.ASCII)

# Both go into a request target as they are: what RFC 3986 allows there, less what would end or split the value.
_TASK_ID = re.compile(r"[A-Za-z0-9._~!$'()*+,;=:@/-]{1,64}", re.ASCII)
_LOCAL_PATH = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@/?-]*", re.ASCII)


class MessageError(RemoteProtocolError):
    """A frame is not a message, or its payload lacks what the message needs."""

    remedy = "Share again. If it happens every time, report the phone's model and app version."


class MessageType(Enum):
    """The first word of a message."""

    ACTION = "action"
    ACK = "ack"


class StatusType(IntEnum):
    """How a task ended, in the words of the wire (alliance protocol, 6.4)."""

    OK = 1
    FAILURE = 2
    CANCEL = 3


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Ids count per direction, and names compare without case."""

    type: MessageType
    id: int
    name: str
    payload: JsonObject | None = None

    def is_named(self, name: str) -> bool:
        """Whether this is message `name`, whatever its case."""
        return self.name.lower() == name.lower()

    def acknowledges(self, message_id: int, name: str) -> bool:
        """Whether this is the ack of that action: it repeats id *and* name, since ids alone are ambiguous."""
        return self.type is MessageType.ACK and self.id == message_id and self.is_named(name)

    def to_text(self) -> str:
        """Write the message as the text of one frame."""
        head = f"{self.type.value}:{self.id}:{self.name}"
        return head if self.payload is None else f"{head}?{self.payload.to_json()}"


@dataclass(frozen=True, slots=True)
class SendRequest:
    """An offer. Everything but `task_id` is a hint and may be a lie; texts are clean and bounded, numbers clamped.

    `total_bytes` is 0 where not known. `thumbnail` is a path on the sender's own server. `text` is there in a text
    share (6.8); unlike all others it is raw.
    """

    task_id: str
    sender_id: str = ""
    sender_name: str = ""
    file_name: str = ""
    mime_type: str = "*/*"
    file_count: int = 1
    total_bytes: int = 0
    thumbnail: str | None = None
    text: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Status:
    """How the peer says that a task ended. `task_id` is `None` if it does not say which."""

    type: StatusType
    reason: str
    task_id: str | None

    def concerns(self, task_id: str) -> bool:
        """Whether this may be about `task_id`; there is one task per session, so silence counts as yes."""
        return self.task_id in (None, task_id)


def parse_message(text: str) -> Message:
    """Parse the text of one frame. Raises `MessageError` or `JsonError`."""
    frame = _FRAME.fullmatch(text)
    if frame is None:
        raise MessageError("The frame is not type:id:name?json.")
    kind, message_id, name, payload = frame.groups()
    if int(message_id) > _MAX_MESSAGE_ID:
        raise MessageError("The message id does not fit in 31 bits.")
    fields = parse_object(payload, MAX_MESSAGE_BYTES) if payload else None
    return Message(MessageType(kind), int(message_id), name, fields)


def parse_send_request(message: Message) -> SendRequest:
    """Read an offer. Raises `MessageError` if there is no task id that can be asked for (6.4)."""
    fields = message.payload or JsonObject()
    task_id = _read_task_id(fields)
    if task_id is None or not _TASK_ID.fullmatch(task_id):
        raise MessageError("The offer has no usable task id.")
    return SendRequest(
        task_id=task_id,
        sender_id=_short_text(fields, "senderId"),
        sender_name=_short_text(fields, "senderName", MAX_SENDER_NAME_CHARS),
        file_name=_short_text(fields, "fileName", _MAX_FILE_NAME_CHARS),
        mime_type=_short_text(fields, "mimeType") or "*/*",
        file_count=_file_count(fields),
        total_bytes=quirks.announced_bytes(fields.integer("totalSize")),
        thumbnail=_local_path(fields.text("thumbnail")),
        text=_shared_text(fields),
    )


def parse_status(message: Message) -> Status | None:
    """Read the peer's verdict on the task, or give `None` if `message` is about something else.

    A type that is missing or unknown is a failure; OPPO's `stat` is a cancel.
    """
    is_cancel = message.is_named(quirks.CANCEL_ACTION)
    if not is_cancel and not message.is_named(STATUS):
        return None
    fields = message.payload or JsonObject()
    number = StatusType.CANCEL if is_cancel else fields.integer("type")
    kind = next((each for each in StatusType if each == number), StatusType.FAILURE)
    return Status(kind, _short_text(fields, "reason"), _read_task_id(fields))


def version_negotiation(message_id: int) -> Message:
    """Build the sender's first message."""
    fields = {"version": VERSION, "versions": [VERSION]}
    return Message(MessageType.ACTION, message_id, VERSION_NEGOTIATION, JsonObject(fields))


def send_request(message_id: int, offer: SendRequest) -> Message:
    """Build an offer, with all fields that phones require, and both names of the id."""
    fields: dict[str, object] = {
        "taskId": offer.task_id,
        "id": offer.task_id,
        "senderId": offer.sender_id,
        "senderName": offer.sender_name,
        "fileName": offer.file_name,
        "mimeType": offer.mime_type,
        "fileCount": offer.file_count,
        "totalSize": offer.total_bytes,
    }
    if offer.text is not None:
        fields["catShareText"] = offer.text
    return Message(MessageType.ACTION, message_id, SEND_REQUEST, JsonObject(fields))


def status(message_id: int, task_id: str, kind: StatusType, reason: str) -> Message:
    """Build a status. Xiaomi needs `id`, others read `taskId`."""
    fields = {"taskId": task_id, "type": int(kind), "reason": reason, "id": task_id}
    return Message(MessageType.ACTION, message_id, STATUS, JsonObject(fields))


def ack_of(action: Message) -> Message:
    """Build the one ack that every action gets, at once, known or not; only versionNegotiation has an answer in it."""
    payload = None
    if action.is_named(VERSION_NEGOTIATION):
        payload = JsonObject({"version": _negotiated_version(action), "threadLimit": _THREAD_LIMIT})
    return Message(MessageType.ACK, action.id, action.name, payload)


def download_target(task_id: str) -> str:
    """Give the request target of the archive (alliance protocol, 6.2). The id goes in unescaped, as phones do it."""
    return f"/download?taskId={task_id}"


def _negotiated_version(action: Message) -> int:
    """Whatever is missing or mistyped means version 1, and the number never ends a session."""
    theirs = action.payload.integer("version") if action.payload else None
    return VERSION if theirs is None else min(theirs, VERSION)


def _read_task_id(fields: JsonObject) -> str | None:
    return next((text for text in map(fields.text, quirks.TASK_ID_FIELDS) if text), None)


def _short_text(fields: JsonObject, name: str, max_chars: int = _MAX_SHORT_TEXT_CHARS) -> str:
    return clean_text(fields.text(name) or "", max_chars)


def _file_count(fields: JsonObject) -> int:
    return max(0, min(fields.integer("fileCount") or 0, MAX_FILE_COUNT))


def _shared_text(fields: JsonObject) -> str | None:
    """Read a text share. In doubt it is none: the archive has the text as well (6.8), but no text has the files."""
    text = fields.text("catShareText")
    return text if text and _file_count(fields) <= 1 else None


def _local_path(path: str | None) -> str | None:
    """Pass a path on the same server, without steps upward or escapes; a thumbnail is not worth more thought."""
    if path is None or len(path) > _MAX_PATH_CHARS or ".." in path or not _LOCAL_PATH.fullmatch(path):
        return None
    return path
