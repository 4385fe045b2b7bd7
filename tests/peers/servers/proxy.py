"""A TCP proxy that can be made to cut, and to stall."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_PIECE_BYTES = 65_536


class Proxy:
    """Between a client and a port of the loopback address. After `limit_bytes` from the client, it does `then`."""

    def __init__(self, port: int, *, limit_bytes: int, stall: bool) -> None:
        """Cut the connection, or stall, after so many bytes."""
        self._target = port
        self._left_bytes = limit_bytes
        self._stall = stall
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()
        for thread in self._threads:
            thread.join()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            for arguments in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._carry, args=arguments)
                self._threads.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE_BYTES):
                if counted:
                    self._left_bytes -= len(data)
                if self._left_bytes < 0:
                    if self._stall:
                        self._ended.wait()
                    else:
                        self._cut()
                    return
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _cut(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
