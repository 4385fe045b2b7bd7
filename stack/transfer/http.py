"""HTTP/1.1 for the transfer: heads by h11, bodies by decoders made for the hot path. Sans-io, both roles.

A body decoder works inside the caller's receive buffer: it tells which range of the buffer is payload and moves
bytes only to close the gaps that chunk headers leave. RFC 9112 is cited as "HTTP".
"""

from dataclasses import dataclass
from typing import Protocol

import h11

from board.errors import RemoteProtocolError

HEAD_LIMIT = 16 * 1024
_CHUNK_DIGITS_LIMIT = 16
_CHUNK_LINE_LIMIT = 256
_TRAILER_LIMIT = HEAD_LIMIT
_CRLF = b"\r\n"


class HttpError(RemoteProtocolError):
    """The peer broke HTTP, or asked for something this protocol does not know."""


class TruncatedBodyError(HttpError):
    """The connection ended before the body did."""


class BodyDecoder(Protocol):
    """Finds the payload of one body in the bytes of the connection."""

    finished: bool

    def decode(self, buffer: bytearray, size: int) -> tuple[int, int]:
        """Return the range of `buffer` that holds the payload found in its first `size` bytes.

        Raises `HttpError`. Bytes behind the end of the body are ignored: nothing is pipelined here.
        """

    def may_end(self, buffer: bytearray, size: int) -> bool:
        """Tell cheaply whether the first `size` bytes could hold the body's end: no use waiting for more then."""

    def connection_ended(self) -> None:
        """The peer closed. Raises `TruncatedBodyError` where that is not how this body ends."""


class LengthBody:
    """A body of `Content-Length` bytes (HTTP, 6.2)."""

    def __init__(self, length: int) -> None:
        self._remaining = length
        self.finished = length == 0

    def decode(self, buffer: bytearray, size: int) -> tuple[int, int]:
        end = min(size, self._remaining)
        self._remaining -= end
        self.finished = self._remaining == 0
        return 0, end

    def may_end(self, buffer: bytearray, size: int) -> bool:
        return size >= self._remaining

    def connection_ended(self) -> None:
        if not self.finished:
            raise TruncatedBodyError(f"the connection ended {self._remaining} bytes before the end of the body")


class CloseBody:
    """A body that ends with the connection (HTTP, 6.3 rule 8)."""

    finished = False

    def decode(self, buffer: bytearray, size: int) -> tuple[int, int]:
        return 0, size

    def may_end(self, buffer: bytearray, size: int) -> bool:
        return False

    def connection_ended(self) -> None:
        self.finished = True


class ChunkedBody:
    """A body in chunks (HTTP, 7.1). Chunk extensions and trailers are skipped, within limits.

    Phones cut chunks of 4 KiB, so a chunk must cost little: nearly all are as long as the one before, and what stands
    between the two is compared as a whole before anything is parsed.
    """

    def __init__(self) -> None:
        self.finished = False
        self._remaining = 0  # payload left in the chunk
        self._line = b""  # a line that the last buffer cut
        self._after_data = False  # the line break that ends a chunk's data is due
        self._in_trailer = False
        self._trailer_size = 0
        self._usual_joint = b"\0"  # what stood between the last two chunks; at first nothing that can occur
        self._usual_size = 0

    def decode(self, buffer: bytearray, size: int) -> tuple[int, int]:
        position, remaining = 0, self._remaining
        start = end = -1
        view = memoryview(buffer)
        while position < size and not self.finished:
            if remaining == 0:
                if self._after_data and not self._line and buffer.startswith(self._usual_joint, position, size):
                    position += len(self._usual_joint)
                    remaining = self._usual_size
                else:
                    self._remaining = 0
                    position = self._read_line(buffer, position, size)
                    remaining = self._remaining
                continue
            length = min(remaining, size - position)
            if start < 0:
                start = end = position
            elif end != position:
                view[end : end + length] = view[position : position + length]
            end += length
            position += length
            remaining -= length
            self._after_data = True
        self._remaining = remaining
        return (start, end) if start >= 0 else (0, 0)

    def may_end(self, buffer: bytearray, size: int) -> bool:
        return buffer.endswith(b"\r\n\r\n", 0, size)

    def connection_ended(self) -> None:
        if not self.finished:
            raise TruncatedBodyError("the connection ended before the last chunk")

    def _read_line(self, buffer: bytearray, position: int, size: int) -> int:
        """Consume the line at `position`, as far as it is there; return where it ends."""
        at = buffer.find(b"\n", position, min(size, position + _CHUNK_LINE_LIMIT))
        stop = at + 1 if at >= 0 else min(size, position + _CHUNK_LINE_LIMIT)
        self._line += buffer[position:stop]
        limit = _TRAILER_LIMIT if self._in_trailer else _CHUNK_LINE_LIMIT
        if len(self._line) > limit:
            raise HttpError("a line of the chunked body is too long")
        if at >= 0:
            line, self._line = self._line, b""
            self._take_line(line)
        return stop

    def _take_line(self, line: bytes) -> None:
        if not line.endswith(_CRLF):
            raise HttpError("a line of the chunked body does not end with CR LF")
        if self._in_trailer:
            self._take_trailer(line)
        elif self._after_data:
            if line != _CRLF:
                raise HttpError("a chunk is longer than it says")
            self._after_data = False
        else:
            self._remaining = _chunk_size(line)
            self._in_trailer = self._remaining == 0
            if self._remaining:
                self._usual_joint, self._usual_size = _CRLF + line, self._remaining

    def _take_trailer(self, line: bytes) -> None:
        self._trailer_size += len(line)
        if self._trailer_size > _TRAILER_LIMIT:
            raise HttpError("the trailer of the chunked body is too long")
        self.finished = line == _CRLF


def _chunk_size(line: bytes) -> int:
    """Read `chunk-size [chunk-ext] CRLF` (HTTP, 7.1): hexadecimal digits and nothing that int() alone would take."""
    digits = line.split(b";", 1)[0].strip(b" \t\r\n")
    if not 0 < len(digits) <= _CHUNK_DIGITS_LIMIT or digits.strip(b"0123456789abcdefABCDEF"):
        raise HttpError("the size of a chunk is no hexadecimal number")
    return int(digits, 16)


def get_request(target: str, host: str) -> bytes:
    """Build the head of a GET request. `target` and `host` must be printable ASCII: h11 refuses others."""
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method="GET", target=target, headers=[("Host", host), ("Accept", "*/*")])
    return connection.send(request) or b""


class ResponseHead:
    """Waits for the head of a 200 response and then says how its body is framed."""

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        self._connection.send(h11.Request(method="GET", target="/", headers=[("Host", "peer")]))

    def feed(self, data: bytes) -> tuple[BodyDecoder, bytes] | None:
        """Take bytes of the connection. Return the body's decoder and its first bytes once the head is whole.

        Raises:
            HttpError: the head is malformed, too long, or no plain 200. `data` empty means the peer closed.
        """
        try:
            self._connection.receive_data(data)
            event = self._connection.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise HttpError(f"the answer is no HTTP: {error}") from None
        if event is h11.NEED_DATA:
            return None
        if not isinstance(event, h11.Response):
            raise HttpError("the peer closed the connection in place of an answer")
        return _body_of(event), bytes(self._connection.trailing_data[0])


def _body_of(response: h11.Response) -> BodyDecoder:
    if response.status_code != 200:
        raise HttpError(f"the answer is {response.status_code}, not 200")
    headers: dict[bytes, bytes] = dict(response.headers)
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise HttpError("the answer is compressed, which nobody asked for")
    length = headers.get(b"content-length")
    coding = headers.get(b"transfer-encoding")
    if length is not None and coding is not None:
        raise HttpError("the answer has a length and is chunked as well")
    if coding is not None:
        return ChunkedBody()
    if length is not None:
        return LengthBody(int(length))
    return CloseBody()


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request: `raw` is the head as it came, for whoever takes the connection over."""

    method: str
    target: str
    raw: bytes
    is_upgrade: bool


class RequestHead:
    """Waits for the head of a request (server side). One request a connection: every answer closes it."""

    def __init__(self) -> None:
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._raw = bytearray()

    def feed(self, data: bytes) -> Request | None:
        """Take bytes of the connection; return the request once its head is whole. Raises `HttpError`."""
        self._raw += data
        try:
            self._connection.receive_data(data)
            event = self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise HttpError(f"the request is no HTTP: {error}") from None
        if event is h11.NEED_DATA:
            return None
        if not isinstance(event, h11.Request):
            raise HttpError("the peer closed the connection in place of a request")
        upgrade = any(name == b"upgrade" and value.lower() == b"websocket" for name, value in event.headers)
        return Request(event.method.decode(), event.target.decode("latin-1"), bytes(self._raw), upgrade)


def error_response(status: int, text: str) -> bytes:
    """Build a whole response with a line of text that closes the connection."""
    body = text.encode()
    head = f"HTTP/1.1 {status} \r\nContent-Type: text/plain; charset=utf-8\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


CHUNKED_ZIP_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
)
LAST_CHUNK = b"0\r\n\r\n"
