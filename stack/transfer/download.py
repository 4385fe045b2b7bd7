"""The download: one HTTP body from a TLS connection into an `Unpacker`. The hot path.

It fills one preallocated buffer from TLS records (16 KiB at most, by TLS), so that everything behind it runs on
pieces of 256 KiB, and it stops filling when the network pauses or the body may be over.
"""

import contextlib
from collections.abc import Callable

from board.errors import RemoteProtocolError
from stack.transfer.http import BodyDecoder, ResponseHead, TruncatedBodyError, get_request
from stack.transfer.tls import Address, client_contexts, connect
from stack.transfer.unpack import Unpacker

PIECE_SIZE = 256 * 1024
_GATHER_PAUSE_S = 0.05  # a pause of the network after which an unfilled piece is worked on
_DRAIN_PAUSE_S = 0.25  # how long the end of the body may lag behind the end of the archive
_SLOWEST_BYTES_PER_S = 10 * 1024
_SLOWEST_OVER_S = 60.0


class TooSlowError(RemoteProtocolError):
    """The body trickles: it would hold the station for ever."""


class Download:
    """One body on its way from a TLS connection into an `Unpacker`."""

    def __init__(self, address: Address, target: str, unpacker: Unpacker, clock: Callable[[], float]) -> None:
        self.complete = False
        self.connection = connect(address, client_contexts())
        self.unpacker = unpacker
        self._clock = clock
        self._buffer = bytearray(PIECE_SIZE)
        self._view = memoryview(self._buffer)
        self._head = ResponseHead()
        self._body: BodyDecoder | None = None
        self._received_bytes = 0
        self._window = (clock(), 0)
        self.connection.sendall(get_request(target, f"{address[0]}:{address[1]}"))
        self.connection.settimeout(_GATHER_PAUSE_S)

    def step(self) -> bool:
        """Work on the next piece. False: nothing has arrived, wait for the connection to become readable.

        Raises `RemoteProtocolError`, `StoreError` or `OSError`; `close` then.
        """
        size, ended = self._gather()
        if size:
            self._work(size)
        if ended:
            self._connection_ended()
        if self.unpacker.complete and not self.complete:
            self._drain()
        return size > 0 or ended

    def close(self) -> None:
        """Give up the connection and whatever entry is incomplete."""
        self.unpacker.drop()
        self.connection.close()

    def _gather(self) -> tuple[int, bool]:
        """Fill the buffer from the connection; return its size and whether the connection ended."""
        size, read, view, body = 0, self.connection.read, self._view, self._body
        may_end = _ends_any_time if body is None else body.may_end
        with contextlib.suppress(TimeoutError):
            while size < PIECE_SIZE:
                count: int = read(PIECE_SIZE - size, view[size:])  # type: ignore[assignment]
                if not count:
                    return size, True
                size += count
                if may_end(self._buffer, size):
                    break
        return size, False

    def _work(self, size: int) -> None:
        self._check_rate(size)
        if self._body is None:
            found = self._head.feed(bytes(self._view[:size]))
            if found is None:
                return
            self._body, rest = found
            size = len(rest)
            self._buffer[:size] = rest
        start, end = self._body.decode(self._buffer, size)
        self.unpacker.feed(self._view[start:end])

    def _connection_ended(self) -> None:
        if self._body is None:
            self._head.feed(b"")
            raise TruncatedBodyError("the connection ended inside the head of the answer")
        self._body.connection_ended()
        self.unpacker.end()

    def _drain(self) -> None:
        """Read to the body's end, so that closing does not reset the connection (alliance protocol, 6.5)."""
        assert self._body is not None
        self.connection.settimeout(_DRAIN_PAUSE_S)
        ended = False
        while not self._body.finished and not ended:
            size, ended = self._gather()
            if not size:
                break
            self._work(size)
        self.complete = True

    def _check_rate(self, size: int) -> None:
        self._received_bytes += size
        now = self._clock()
        since, had = self._window
        if now - since >= _SLOWEST_OVER_S:
            if self._received_bytes - had < _SLOWEST_OVER_S * _SLOWEST_BYTES_PER_S:
                raise TooSlowError("the peer sends less than 10 KiB/s")
            self._window = (now, self._received_bytes)


def _ends_any_time(buffer: bytearray, size: int) -> bool:
    return True
