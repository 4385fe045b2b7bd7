"""A network cable to a port of the loopback address that can be pulled, left dead, and put back, at a port that stays.

Pulled, both ends are told and nobody gets a connection; dead, nothing is heard any more and nobody is told.
"""

import selectors
import socket
import threading
from contextlib import suppress
from enum import Enum, auto
from types import TracebackType
from typing import Self

_PIECE_BYTES = 65_536
_LOOK_S = 0.05  # for what the test has done to the line meanwhile


class State(Enum):
    """Of the line."""

    WHOLE = auto()
    PULLED = auto()
    DEAD = auto()


class Line:
    """Between clients and a server at `port` of the loopback address."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._state = State.WHOLE
        self._then, self._left_bytes = State.WHOLE, 0
        self.broke = threading.Event()
        self.answered_bytes = 0  # by the server
        self._ended = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._other: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._thread.join()

    def break_after(self, size_bytes: int, state: State) -> None:
        """Let clients send so many bytes more, then be `state`; `broke` is set then."""
        self.broke.clear()
        self._left_bytes, self._then = size_bytes, state

    def heal(self) -> None:
        """Be whole again. What was held back arrives."""
        self._then = self._state = State.WHOLE

    def _work(self) -> None:
        with self._listener:
            while not self._ended:
                self._turn()
            self._hang_up()

    def _turn(self) -> None:
        if self._state is State.PULLED:
            self._hang_up()
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            if self._state is State.WHOLE:
                for each in self._other:
                    selector.register(each, selectors.EVENT_READ)
            for key, _ in selector.select(_LOOK_S):
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._other and self._state is State.WHOLE:
                    self._carry(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._state is State.PULLED:
            client.close()
            return
        server = socket.create_connection(self._server)
        self._other |= {client: server, server: client}
        self._clients.add(client)

    def _carry(self, source: socket.socket) -> None:
        try:
            data = source.recv(_PIECE_BYTES)
            self._other[source].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._close(source)
        elif source not in self._clients:
            self.answered_bytes += len(data)
        elif self._then is not State.WHOLE:
            self._left_bytes -= len(data)
            self._break_if_due()

    def _break_if_due(self) -> None:
        if self._left_bytes < 0:
            self._state = self._then
            self.broke.set()

    def _hang_up(self) -> None:
        for each in list(self._other):
            self._close(each)

    def _close(self, end: socket.socket) -> None:
        for each in (end, self._other.get(end)):
            if each:
                self._other.pop(each, None)
                self._clients.discard(each)
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
