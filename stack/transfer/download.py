"""The download: one HTTP body from a TLS connection into an `Unpacker`. The hot path.

It fills one preallocated buffer from TLS records (16 KiB at most, by TLS), so that everything behind it runs on
pieces of 256 KiB, and it stops filling when the network pauses or the body may be over.
"""

from collections.abc import Callable

from board.errors import RemoteProtocolError
from stack.transfer.http import BodyDecoder, ResponseHead, TruncatedBodyError, get_request
from stack.transfer.tls import Address, Context, authority, connect
from stack.transfer.unpack import Unpacker

PIECE_SIZE = 256 * 1024
_GATHER_PAUSE_S = 0.05  # a pause of the network after which an unfilled piece is worked on
_GATHER_LIMIT_S = 0.25  # how long a piece may take to fill, so that a trickle cannot hold the session up
_DRAIN_PAUSE_S = 0.25  # how long the end of the body may lag behind the end of the archive
_DRAIN_LIMIT_S = 0.5
_SLOWEST_BYTES_PER_S = 10 * 1024
_SLOWEST_OVER_S = 60.0


class TooSlowError(RemoteProtocolError):
    """The body trickles: it would hold the station for ever."""


class Download:
    """One body on its way from a TLS connection into an `Unpacker`."""

    def __init__(
        self,
        address: Address,
        context: Context,
        target: str,
        unpacker: Unpacker,
        clock: Callable[[], float],
        interface: str | None = None,
    ) -> None:
        self.complete = False
        self.connection = connect(address, [context], interface)
        self.unpacker = unpacker
        self._clock = clock
        self._buffer = bytearray(PIECE_SIZE)
        self._view = memoryview(self._buffer)
        self._head = ResponseHead()
        self._body: BodyDecoder | None = None
        self._ended = False
        self._failure: OSError | None = None
        self._received_bytes = 0
        self._window = (clock(), 0)
        self.connection.sendall(get_request(target, authority(address)))
        self.connection.settimeout(_GATHER_PAUSE_S)

    def step(self) -> bool:
        """Work on the next piece. False: nothing has arrived, wait for the connection to become readable.

        Takes about `_GATHER_LIMIT_S` at most, however slowly bytes trickle. Raises `RemoteProtocolError` or
        `StoreError`; `close` then.
        """
        size = self._gather()
        if size:
            self._work(size)
        if self.unpacker.complete:
            self._drain()
        elif self._ended:
            self._connection_ended()
        return size > 0 or self._ended

    def close(self) -> None:
        """Give up the connection and whatever entry is incomplete."""
        self.unpacker.drop()
        self.connection.close()

    def _gather(self) -> int:
        """Fill the buffer from the connection and return its size. Notes in `_ended` that no more will come."""
        size, read, view, body, clock = 0, self.connection.read, self._view, self._body, self._clock
        may_end = _ends_any_time if body is None else body.may_end
        until_s = clock() + _GATHER_LIMIT_S
        try:
            while size < PIECE_SIZE and clock() < until_s:
                count: int = read(PIECE_SIZE - size, view[size:])  # type: ignore[assignment]
                if not count:
                    self._ended = True
                    break
                size += count
                if may_end(self._buffer, size):
                    break
        except TimeoutError:
            pass
        except OSError as error:
            self._ended, self._failure = True, error
        return size

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
        if self._failure is not None:
            raise TruncatedBodyError(f"the connection broke: {self._failure}")
        if self._body is None:
            self._head.feed(b"")
            raise TruncatedBodyError("the connection ended inside the head of the answer")
        self._body.connection_ended()
        self.unpacker.end()

    def _drain(self) -> None:
        """Read to the body's end for a moment, so that closing does not reset the connection (alliance protocol, 6.5).

        The archive is complete: however the connection ends now, that stays true.
        """
        assert self._body is not None
        self.connection.settimeout(_DRAIN_PAUSE_S)
        until_s = self._clock() + _DRAIN_LIMIT_S
        while not self._body.finished and not self._ended and self._clock() < until_s:
            size = self._gather()
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
