"""The loop under both roles: one thread that waits for the WebSocket, for commands and for deadlines.

A session belongs to the thread that turns it. Other threads reach it only by `post`: the command runs in the
session's thread, so machines, sockets and stores below need no lock.
"""

import contextlib
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from stack.transfer.websocket import WebSocket, WebSocketError

_READ_SIZE = 64 * 1024
_SEND_TIMEOUT_S = 1.0  # messages are small: only a peer that does not read at all makes us wait


class Source(Protocol):
    """Something that can be waited for."""

    def fileno(self) -> int:
        """The file descriptor."""


class SessionLoop:
    """Pumps one WebSocket.

    `on_open` is called once when it is open, `on_text` for each message, `on_lost` once, with a reason, when the peer
    or the connection is gone.
    """

    def __init__(
        self, on_open: Callable[[], None], on_text: Callable[[str], None], on_lost: Callable[[str], None]
    ) -> None:
        self._on_open = on_open
        self._on_text = on_text
        self._on_lost = on_lost
        self._selector = selectors.DefaultSelector()
        self._commands: deque[Callable[[], None]] = deque()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self.watch(self._wake, self._run_commands)
        self._socket: ssl.SSLSocket | None = None
        self._websocket: WebSocket | None = None
        self._opened = False

    def post(self, command: Callable[[], None]) -> None:
        """Run `command` in the session's thread, soon. Callable from any thread and from signal handlers."""
        self._commands.append(command)
        with contextlib.suppress(OSError):  # full: a wake-up is due anyway; closed: nobody is left to wake
            self._waker.send(b"\0")

    def attach(self, connection: ssl.SSLSocket, websocket: WebSocket, already_read: bytes = b"") -> None:
        """Pump `websocket` over `connection` from now on; `already_read` are bytes of it that came before."""
        self._socket, self._websocket = connection, websocket
        self.watch(connection, self._read)
        if already_read:
            self._feed(already_read)
        self._flush()

    def watch(self, source: Source, on_readable: Callable[[], None]) -> None:
        """Call `on_readable` in a turn whenever `source` has bytes."""
        self._selector.register(source, selectors.EVENT_READ, on_readable)

    def unwatch(self, source: Source) -> None:
        """Stop watching `source`; do so before closing it."""
        self._selector.unregister(source)

    def turn(self, timeout_s: float | None) -> None:
        """Wait at most `timeout_s` for anything to happen, and handle all that did."""
        for key, _ in self._selector.select(timeout_s):
            key.data()

    def send(self, text: str) -> None:
        """Send one message, or nothing when the WebSocket is gone."""
        if self._websocket is not None:
            self._websocket.send_text(text)
            self._flush()

    def hang_up(self, close_frame: bool) -> None:
        """Leave the WebSocket, with a close frame or by dropping the connection. `on_lost` is not called."""
        if self._websocket is not None and close_frame:
            self._websocket.close()
            self._flush()
        self._detach()

    def close(self) -> None:
        """Free everything. Commands that are posted later do nothing."""
        self._detach()
        self._selector.close()
        self._wake.close()
        self._waker.close()

    def _run_commands(self) -> None:
        self._wake.recv(_READ_SIZE)
        while self._commands:
            self._commands.popleft()()

    def _read(self) -> None:
        """Read once, so that a flood does not keep deadlines, commands and the body from their turn."""
        if self._socket is None:
            return
        try:
            self._socket.settimeout(0)
            data = self._socket.recv(_READ_SIZE)
        except ssl.SSLWantReadError:
            return
        except OSError:
            data = b""
        self._feed(data)
        if self._socket is not None and self._socket.pending():
            self.post(self._read)  # what TLS has buffered does not wake the selector

    def _feed(self, data: bytes) -> None:
        assert self._websocket is not None
        try:
            texts = self._websocket.feed(data, time.monotonic())
        except WebSocketError as error:
            self._lose(str(error))
            return
        self._flush()
        if self._websocket is not None and self._websocket.is_open and not self._opened:
            self._opened = True
            self._on_open()
        for text in texts:
            self._on_text(text)
        if self._websocket is not None and self._websocket.failure is not None:
            self._lose(str(self._websocket.failure))
        if not data or (self._websocket is not None and self._websocket.is_closed):
            self._lose("the peer closed the WebSocket")

    def _flush(self) -> None:
        if self._socket is None or self._websocket is None or not (output := self._websocket.take_output()):
            return
        try:
            self._socket.settimeout(_SEND_TIMEOUT_S)
            self._socket.sendall(output)
        except OSError as error:
            self._lose(f"the WebSocket broke: {error}")

    def _lose(self, reason: str) -> None:
        if self._socket is not None:
            self._detach()
            self.post(lambda: self._on_lost(reason))  # in a turn of its own: we may be inside a send

    def _detach(self) -> None:
        if self._socket is not None:
            self.unwatch(self._socket)
            self._socket.close()
        self._socket = self._websocket = None
