"""A phone that does what a test tells it to, right or wrong: raw TLS connections, one thread each."""

import contextlib
import io
import json
import queue
import socket
import ssl
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from stack.transfer.tls import server_context
from stack.transfer.websocket import WebSocket

TASK = "-1753642990"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n"
PATIENCE_S = 20.0


def offer(**fields: Any) -> str:
    """The text of a sendRequest; a field that is None is left out."""
    values = {
        "taskId": TASK,
        "id": TASK,
        "senderId": "1c5e",
        "senderName": "张三的手机",
        "fileName": "a.jpg",
        "mimeType": "image/jpeg",
        "fileCount": 1,
        "totalSize": 5,
        **fields,
    }
    return "action:1:sendRequest?" + json.dumps({name: value for name, value in values.items() if value is not None})


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP made by Python's writer."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as writer:
        for name, content in files.items():
            writer.writestr(name, content)
    return out.getvalue()


def chunked(body: bytes, size: int = 4096, last: bool = True) -> bytes:
    """A whole answer with `body` in chunks."""
    chunks = [
        b"%x\r\n%s\r\n" % (len(part), part) for part in (body[at : at + size] for at in range(0, len(body), size))
    ]
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + (b"0\r\n\r\n" if last else b"")


class Talk:
    """The phone's end of the WebSocket, as a test sees it."""

    def __init__(self, connection: ssl.SSLSocket, head: bytes) -> None:
        self.connection = connection
        self._websocket = WebSocket.server()
        self._websocket.feed(head, 0)
        self._texts: list[str] = []
        connection.settimeout(PATIENCE_S)
        self.raw(self._websocket.take_output())

    def send(self, text: str) -> None:
        self._websocket.send_text(text)
        self.raw(self._websocket.take_output())

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)

    def receive(self) -> str | None:
        """The next message; None when the other side is gone."""
        while not self._texts:
            with contextlib.suppress(OSError):
                data = self.connection.recv(65536)
                if data:
                    self._texts += self._websocket.feed(data, 0)
                    self.raw(self._websocket.take_output())
                    if not self._websocket.is_closed:
                        continue
            if not self._texts:
                return None
        return self._texts.pop(0)

    def offer(self, text: str) -> None:
        """Negotiate and offer, up to the ack of the offer."""
        self.send('action:0:versionNegotiation?{"version":1,"versions":[1]}')
        assert (self.receive() or "").startswith("ack:0:versionNegotiation?")
        self.send(text)
        assert self.receive() == "ack:1:sendRequest"

    def verdict(self) -> dict[str, Any] | None:
        """Wait for the status, acknowledge it and return its payload; None when the other side just left."""
        text = self.receive()
        if text is None:
            return None
        head, _, payload = text.partition("?")
        assert head == "action:99:status", text
        self.send("ack:99:status")
        loaded: dict[str, Any] = json.loads(payload)
        return loaded


class Phone:
    """Serves one session. `converse` plays the WebSocket, `answer` the body: bytes, or a function of the socket."""

    def __init__(
        self,
        answer: bytes | Callable[[ssl.SSLSocket], None] = b"",
        text: str | None = None,
        converse: Callable[[Talk], None] | None = None,
    ) -> None:
        self.verdict: dict[str, Any] | None = None
        self.requests: list[bytes] = []
        self.errors: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
        self._answer = answer
        self._text = text or offer()
        self._converse = converse or self._usual
        self._context = server_context()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End; raise what went wrong in a conversation."""
        socket.socket.shutdown(self._listener, socket.SHUT_RDWR)
        self._listener.close()
        deadline = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not self.errors.empty():
            raise self.errors.get()

    def _usual(self, talk: Talk) -> None:
        talk.offer(self._text)
        self.verdict = talk.verdict()
        talk.receive()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError), self._context.wrap_socket(raw, server_side=True) as connection:
            connection.settimeout(PATIENCE_S)
            head = b""
            while b"\r\n\r\n" not in head:
                more = connection.recv(4096)
                if not more:
                    return
                head += more
            self.requests.append(head.split(b"\r\n", 1)[0])
            try:
                self._reply(connection, head)
            except AssertionError as error:
                self.errors.put(error)

    def _reply(self, connection: ssl.SSLSocket, head: bytes) -> None:
        if head.startswith(b"GET /websocket"):
            self._converse(Talk(connection, head))
        elif callable(self._answer):
            self._answer(connection)
        else:
            connection.sendall(self._answer)
            connection.recv(1)  # keep-alive: the other side closes


@contextlib.contextmanager
def phone(
    answer: bytes | Callable[[ssl.SSLSocket], None] = b"",
    text: str | None = None,
    converse: Callable[[Talk], None] | None = None,
) -> Iterator[Phone]:
    """A phone for the length of a block."""
    end = Phone(answer, text, converse)
    try:
        yield end
    finally:
        end.close()
