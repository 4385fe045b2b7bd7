"""The WebSocket of a session (RFC 6455), both roles, sans-io: wsproto with our limits around it.

Only text messages carry meaning here. No extension is offered or taken: permessage-deflate would be a bomb.
"""

from dataclasses import dataclass

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    TextMessage,
)
from wsproto.events import Request as UpgradeRequest
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError as WsLocalError
from wsproto.utilities import RemoteProtocolError as WsRemoteError

from board.errors import RemoteProtocolError

TARGET = "/websocket"


class WebSocketError(RemoteProtocolError):
    """The peer broke the WebSocket protocol or one of our limits."""


@dataclass(frozen=True, slots=True)
class WebSocketLimits:
    """What a peer may send. A shared text may be 2 MiB long, so a message may be a little more."""

    message_chars: int = 2_621_440
    frames_per_s: int = 100


class WebSocket:
    """One end of the session's WebSocket. Bytes in, text messages out; bytes to send wait in `take_output`."""

    def __init__(self, connection: WSConnection, limits: WebSocketLimits) -> None:
        self.is_open = False
        self.is_closed = False
        self.failure: WebSocketError | None = None
        self._connection = connection
        self._limits = limits
        self._output = bytearray()
        self._parts: list[str] = []
        self._chars = 0
        self._window_s = 0.0
        self._frames = 0

    @classmethod
    def client(cls, host: str, limits: WebSocketLimits | None = None) -> "WebSocket":
        """Start the receiving side's end; the upgrade request waits in `take_output`."""
        websocket = cls(WSConnection(ConnectionType.CLIENT), limits or WebSocketLimits())
        websocket._send(UpgradeRequest(host=host, target=TARGET))
        return websocket

    @classmethod
    def server(cls, limits: WebSocketLimits | None = None) -> "WebSocket":
        """Start the sending side's end. Feed it the connection from the head of the upgrade request on."""
        return cls(WSConnection(ConnectionType.SERVER), limits or WebSocketLimits())

    def feed(self, data: bytes, now: float) -> list[str]:
        """Take bytes of the connection at `now` (monotonic seconds) and return the messages that they complete.

        Empty `data` means that the peer closed the connection. Raises `WebSocketError`; where messages came before
        what is wrong, returns them and notes the error in `failure`.
        """
        if self.is_closed:
            return []
        texts: list[str] = []
        try:
            self._feed(data, now, texts)
        except WebSocketError as error:
            self.is_closed = True
            self.failure = error
            if not texts:
                raise
        return texts

    def _feed(self, data: bytes, now: float, texts: list[str]) -> None:
        try:
            self._connection.receive_data(data or None)
            for event in self._connection.events():
                texts += self._take(event, now)
        except WsRemoteError as error:
            raise WebSocketError(f"the WebSocket is broken: {error}") from None
        except WsLocalError as error:
            raise WebSocketError(f"the peer left the WebSocket in a wrong state: {error}") from None
        except UnicodeError:
            raise WebSocketError("the WebSocket is broken: a header is no ASCII") from None

    def send_text(self, text: str) -> None:
        """Queue one text message. Nothing happens once the WebSocket is closed."""
        if not self.is_closed:
            self._send(TextMessage(text))

    def close(self) -> None:
        """Queue a close frame. As sender, drop the connection instead (alliance protocol, 6.7)."""
        if self.is_open and not self.is_closed:
            self._send(CloseConnection(code=1000))
            self.is_closed = True

    def take_output(self) -> bytes:
        """Return the bytes that must be sent now."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def _send(self, event: Event) -> None:
        self._output += self._connection.send(event)

    def _take(self, event: Event, now: float) -> list[str]:
        match event:
            case TextMessage():
                return self._take_text(event, now)
            case AcceptConnection():
                self.is_open = True
            case UpgradeRequest():
                self._accept(event)
            case Ping():
                self._count_frame(now)
                self._send(event.response())
            case CloseConnection():
                self._take_close(event)
            case Message():
                raise WebSocketError("the peer sent a binary message")
            case RejectConnection() | RejectData():
                raise WebSocketError("the peer refused the WebSocket")
            case _:
                self._count_frame(now)
        return []

    def _take_text(self, event: TextMessage, now: float) -> list[str]:
        if event.message_finished or (event.frame_finished and not event.data):
            self._count_frame(now)
        self._chars += len(event.data)
        if self._chars > self._limits.message_chars:
            raise WebSocketError(f"a message is longer than {self._limits.message_chars} characters")
        self._parts.append(event.data)
        if len(self._parts) > self._limits.message_chars // 1024:
            self._parts = ["".join(self._parts)]
        if not event.message_finished:
            return []
        text = "".join(self._parts)
        self._parts, self._chars = [], 0
        return [text]

    def _take_close(self, event: CloseConnection) -> None:
        self.is_closed = True
        # wsproto reports a peer's broken frame as a close of its own with one of these codes.
        if event.code in (CloseReason.PROTOCOL_ERROR, CloseReason.INVALID_FRAME_PAYLOAD_DATA):
            raise WebSocketError(f"the WebSocket is broken: {event.reason}")

    def _accept(self, request: UpgradeRequest) -> None:
        if request.target != TARGET:
            raise WebSocketError(f"there is no WebSocket at {request.target[:64]}")
        self._send(AcceptConnection())
        self.is_open = True

    def _count_frame(self, now: float) -> None:
        if now - self._window_s >= 1:
            self._window_s, self._frames = now, 0
        self._frames += 1
        if self._frames > self._limits.frames_per_s:
            raise WebSocketError("the peer floods the WebSocket with frames")
