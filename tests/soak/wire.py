"""A TCP proxy on loopback, the cable of the NAS: it can be cut, made to stall, and healed, again and again."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_PIECE_BYTES = 65_536


class Wire:
    """Between clients and a port of the loopback address."""

    def __init__(self, target: int) -> None:
        """Lead to the port `target`."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._changing = threading.Lock()
        self._is_whole = True
        self._ends: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._flowing.set()
        self._acceptor.join()

    def cut(self) -> None:
        """End all connections, and every new one at once."""
        with self._changing:
            self._is_whole = False
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Hold back everything, and say nothing."""
        self._flowing.clear()

    def heal(self) -> None:
        """Be a good cable; what was held back goes on."""
        with self._changing:
            self._is_whole = True
        self._flowing.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._join(self._listener.accept()[0])

    def _join(self, client: socket.socket) -> None:
        with self._changing:
            if not self._is_whole:
                client.close()
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._ends |= {client, server}
        back = threading.Thread(target=self._carry, args=(server, client), daemon=True)
        back.start()
        threading.Thread(target=self._carry_and_close, args=(client, server, back), daemon=True).start()

    def _carry_and_close(self, client: socket.socket, server: socket.socket, back: threading.Thread) -> None:
        self._carry(client, server)
        back.join()
        with self._changing:
            self._ends -= {client, server}
        client.close()
        server.close()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE_BYTES):
                self._flowing.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
