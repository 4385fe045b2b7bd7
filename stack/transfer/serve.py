"""Serving: from files to "the other side has them". The shell around `alliance.Sender`.

The session's thread listens, pumps the WebSocket and runs the machine. Each connection starts in a thread of its
own, so that a peer that connects and says nothing holds up nobody; the one that carries the body keeps its thread.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from board.errors import FerryError
from stack.alliance.effects import (
    Drop,
    Effect,
    Finished,
    Outcome,
    RefuseDownload,
    SendText,
    ServeBody,
    StopBody,
)
from stack.alliance.messages import SendRequest, download_target
from stack.alliance.sender import Sender, Timeouts
from stack.transfer.http import CHUNKED_ZIP_HEAD, LAST_CHUNK, HttpError, Request, RequestHead, error_response
from stack.transfer.loop import SessionLoop
from stack.transfer.pack import Packer, SharedFile, common_type
from stack.transfer.tls import HANDSHAKE_TIMEOUT_S, Address, accept, authority, server_context
from stack.transfer.websocket import TARGET, WebSocket

_CONNECTIONS_LIMIT = 4
_READ_SIZE = 16 * 1024
_PROGRESS_INTERVAL_S = 0.1
_NOT_FOUND = error_response(404, "Task ID not found")


class ListenError(FerryError):
    """The address cannot be listened at."""

    remedy = "Choose an address of this machine and a port that is free; port 0 takes any."


class ReceiverGoneError(FerryError):
    """The receiver dropped the connection of the body."""


class Observer(Protocol):
    """Who wants to know."""

    def progressed(self, packed_bytes: int, /) -> None:
        """So many bytes of files have gone out in all. Runs in the session's thread."""


def listen(address: Address) -> socket.socket:
    """Open the listening socket; port 0 takes a free one. Raises `ListenError`."""
    try:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        return socket.create_server(address, family=family, backlog=_CONNECTIONS_LIMIT)
    except OSError as error:
        reason = (error.strerror or str(error)).split(" (")[0]
        raise ListenError(f"{authority(address)} cannot be listened at: {reason}") from None


def offer_of(files: Sequence[SharedFile], task_id: str, sender_id: str, sender_name: str) -> SendRequest:
    """Describe `files` as an offer."""
    return SendRequest(
        task_id=task_id,
        sender_id=sender_id,
        sender_name=sender_name,
        file_name=files[0].path.name,
        mime_type=common_type(files),
        file_count=len(files),
        total_bytes=sum(file.size for file in files),
    )


class Serving:
    """One task with one receiver. `run` it in a thread; `cancel` works from any other."""

    def __init__(
        self,
        listener: socket.socket,
        files: Sequence[SharedFile],
        offer: SendRequest,
        observer: Observer,
        *,
        timeouts: Timeouts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._files = files
        self._offer = offer
        self._observer = observer
        self._clock = clock
        self._machine = Sender(offer, timeouts or Timeouts(), now=clock())
        self._loop = SessionLoop(self._opened, self._text_received, self._lost)
        self._context = server_context()
        self._connections = threading.BoundedSemaphore(_CONNECTIONS_LIMIT)
        self._has_websocket = False
        self._body: ssl.SSLSocket | None = None
        self.error: Exception | None = None

    def run(self) -> Outcome:
        """Wait for a receiver, serve it, and tell how it ended. The listener is closed then."""
        self._listener.setblocking(False)
        self._loop.watch(self._listener, self._accept)
        try:
            while self._machine.outcome is None:
                self._turn()
            return self._machine.outcome
        finally:
            self._stop_body()
            self._loop.close()
            self._listener.close()

    def cancel(self) -> None:
        """Stop and tell the peer."""
        self._loop.post(lambda: self._perform(self._machine.cancel(self._clock())))

    def _turn(self) -> None:
        deadline = self._machine.deadline
        self._loop.turn(None if deadline is None else max(0.0, deadline - self._clock()))
        self._perform(self._machine.tick(self._clock()))

    def _perform(self, todo: tuple[Effect, ...]) -> None:
        for effect in todo:
            match effect:
                case SendText():
                    self._loop.send(effect.text)
                case StopBody():
                    self._stop_body()
                case Drop() | Finished():
                    self._loop.hang_up(close_frame=False)

    # Connections, in threads of their own until they have said what they want.

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            if self._connections.acquire(blocking=False):
                threading.Thread(target=self._greet, args=(connection,), daemon=True).start()
            else:
                connection.close()

    def _greet(self, raw: socket.socket) -> None:
        try:
            connection = accept(raw, self._context)
            with contextlib.ExitStack() as closing:
                closing.callback(connection.close)
                self._answer(connection, _read_request(connection), closing)
        except (FerryError, OSError):
            pass  # a peer that cannot even ask is not worth more than its place
        finally:
            self._connections.release()

    def _answer(self, connection: ssl.SSLSocket, request: Request, closing: contextlib.ExitStack) -> None:
        if request.is_upgrade and request.target == TARGET:
            closing.pop_all()
            self._loop.post(lambda: self._adopt(connection, request))
        elif request.method == "GET" and request.target == download_target(self._offer.task_id):
            closing.pop_all()
            self._loop.post(lambda: self._requested(connection))
        else:
            connection.sendall(_NOT_FOUND)

    def _send_body(self, connection: ssl.SSLSocket) -> None:
        connection.settimeout(None)  # the machine knows how long a stall may last, and shuts the socket down then
        try:
            self._pump_body(connection)
        except ReceiverGoneError:
            self._loop.post(lambda: self._perform(self._machine.body_broken(self._clock())))
        except Exception as error:  # whatever a file does to us, the machine must hear of it
            self.error = error
            reason = str(error)
            self._loop.post(lambda: self._perform(self._machine.failed(reason, self._clock())))
        else:
            self._loop.post(lambda: self._perform(self._machine.body_sent(self._clock())))
        finally:
            connection.close()

    def _pump_body(self, connection: ssl.SSLSocket) -> None:
        _send(connection, CHUNKED_ZIP_HEAD)
        packer = Packer(self._files)
        next_report_s = 0.0
        for chunk in packer:
            _send(connection, chunk)
            if self._clock() >= next_report_s:
                next_report_s = self._clock() + _PROGRESS_INTERVAL_S
                self._report(packer.packed_bytes)
        _send(connection, LAST_CHUNK)
        self._report(packer.packed_bytes)

    def _report(self, packed_bytes: int) -> None:
        def progressed() -> None:
            self._perform(self._machine.progressed(self._clock()))
            self._observer.progressed(packed_bytes)

        self._loop.post(progressed)

    # In the session's thread again.

    def _adopt(self, connection: ssl.SSLSocket, request: Request) -> None:
        if self._has_websocket:
            connection.close()
            return
        self._has_websocket = True
        websocket = WebSocket.server()
        self._loop.attach(connection, websocket, request.raw)

    def _requested(self, connection: ssl.SSLSocket) -> None:
        for effect in self._machine.download_requested(self._offer.task_id, self._clock()):
            if isinstance(effect, ServeBody):
                self._body = connection
                threading.Thread(target=self._send_body, args=(connection,), daemon=True).start()
            if isinstance(effect, RefuseDownload):
                with contextlib.suppress(OSError), connection:
                    connection.sendall(error_response(effect.status, "Not now"))

    def _stop_body(self) -> None:
        if self._body is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket.shutdown: that would let the other thread go on in clear text.
                socket.socket.shutdown(self._body, socket.SHUT_RDWR)
            self._body = None

    def _opened(self) -> None:
        self._perform(self._machine.opened(self._clock()))

    def _text_received(self, text: str) -> None:
        self._perform(self._machine.text_received(text, self._clock()))

    def _lost(self, reason: str) -> None:
        if self._machine.outcome is None:
            self.error = self.error or FerryError(reason)
        self._perform(self._machine.disconnected(self._clock()))


def _send(connection: ssl.SSLSocket, data: bytes | memoryview) -> None:
    """Send all of `data`. Raises `ReceiverGoneError`, so that files we cannot read are told apart from that."""
    try:
        connection.sendall(data)
    except OSError as error:
        raise ReceiverGoneError(f"the receiver left the download: {error}") from None


def _read_request(connection: ssl.SSLSocket) -> Request:
    """Read one request head; the peer has as long for it as for the handshake. Raises `HttpError`, `OSError`."""
    deadline = time.monotonic() + HANDSHAKE_TIMEOUT_S
    head = RequestHead()
    while (left_s := deadline - time.monotonic()) > 0:
        connection.settimeout(left_s)
        request = head.feed(connection.recv(_READ_SIZE))
        if request is not None:
            return request
    raise HttpError("the peer takes too long to ask")
