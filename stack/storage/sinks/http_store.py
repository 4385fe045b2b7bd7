"""One HTTP connection to a store, kept open: small requests, bodies as they come, time limits, plain errors.

Bodies go past `http.client` straight into the socket: less than half a CPU-second a GiB without TLS.
"""

import http.client
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from stack.storage.sinks.base import MAX_OWN_BYTES, Piece
from stack.storage.sinks.errors import AwayError, BadUrlError, HangingError, IdentityError, ProtocolError
from stack.storage.sinks.url import SinkUrl

_PIECE_BYTES: Final = 256 << 10
_MAX_ANSWER_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpStore:
    """The connection. Methods raise `AwayError`, `HangingError`, `IdentityError`, `ProtocolError`."""

    def __init__(self, url: SinkUrl, *, tls: bool) -> None:
        """Connect with the first request."""
        self._place = str(url)
        if tls:
            context = _context(url)
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                url.host, url.port, timeout=url.time_limit_s, context=context
            )
        else:
            self._http = http.client.HTTPConnection(url.host, url.port, timeout=url.time_limit_s)

    def ask(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"", most: int = _MAX_ANSWER_BYTES
    ) -> Answer:
        """Send one request and read its whole answer, of at most so many bytes.

        Asks once more where the server has closed a connection that was idle; all such requests can be repeated.
        """
        reused = self._http.sock is not None
        try:
            return self._ask(method, target, headers, body, most)
        except AwayError as error:
            if not reused or isinstance(error, HangingError):
                raise
            return self._ask(method, target, headers, body, most)

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes, most: int) -> Answer:
        with self._translated():
            self._send_head(method, target, headers, len(body) if body or method == "PUT" else None)
        refusal = self.send(body) if body else None
        return refusal or self.answer(most)

    def start(self, target: str, headers: Mapping[str, str], length: int) -> None:
        """Send the head of a PUT, whose body follows by `send`, and is ended by `answer`."""
        self.close()  # a body cannot be repeated, so its connection is a fresh one
        with self._translated():
            self._send_head("PUT", target, headers, length)

    def send(self, piece: Piece) -> Answer | None:
        """Send a piece of the body. Returns the refusal of a server that has hung up because it wants no more of it."""
        with self._translated():
            try:
                self._http.send(piece)
            except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
                refusal = self.answer()  # raises `AwayError` if there is none
                self.close()
                if refusal.status < http.client.BAD_REQUEST:
                    raise error
                return refusal
        return None

    def answer(self, most: int = _MAX_ANSWER_BYTES) -> Answer:
        """Read an answer."""
        with self._translated():
            response = self._http.getresponse()
            body = response.read(most + 1)
            if len(body) > most:
                raise http.client.HTTPException
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def read(self, target: str, headers: Mapping[str, str], take: Callable[[memoryview], None]) -> int:
        """GET a body of any length in pieces; returns the status. Pieces of a refusal are not given to `take`."""
        with self._translated():
            self._send_head("GET", target, headers, None)
            response = self._http.getresponse()
            buffer = bytearray(_PIECE_BYTES)
            while length := response.readinto(buffer):
                if response.status == http.client.OK:
                    take(memoryview(buffer)[:length])
            return response.status

    def load(self, target: str, headers: Mapping[str, str]) -> Answer:
        """GET a file of ours."""
        return self.ask("GET", target, headers, most=MAX_OWN_BYTES)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._http.close()

    def _send_head(self, method: str, target: str, headers: Mapping[str, str], length: int | None) -> None:
        self._http.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            self._http.putheader(name, value)
        if length is not None:
            self._http.putheader("Content-Length", str(length))
        self._http.endheaders()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise IdentityError(f"{self._place}: the certificate is not accepted: {error.verify_message}") from error
        except TimeoutError as error:
            self.close()
            raise HangingError(f"{self._place} does not answer") from error
        except (http.client.RemoteDisconnected, http.client.IncompleteRead, OSError) as error:
            self.close()
            reason = error.strerror if isinstance(error, OSError) else None
            raise AwayError(f"{self._place} is not there: {reason or 'the connection was cut'}") from error
        except http.client.HTTPException as error:
            self.close()
            raise ProtocolError(f"{self._place} does not speak HTTP") from error


def _context(url: SinkUrl) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=url.options.get("ca"))
    except (OSError, ssl.SSLError) as error:
        raise BadUrlError(f"the certificate in {url.options.get('ca')} cannot be read") from error
