"""Stores that answer over HTTP what real ones rarely do: hang up in the middle of a body, disagree about the time."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from stack.storage.forward.policy import Trouble
from stack.storage.sinks.base import MARKER, Sink, Wanted, new_marker
from stack.storage.sinks.errors import AwayError, ClockError, TakenError, TooLargeError
from stack.storage.sinks.opening import open_sink
from stack.storage.sinks.secret import Secret
from stack.storage.sinks.url import parse

PIECE = bytes(1 << 20)
MANY = 64
BIG = Wanted("big.mov", len(PIECE) * MANY, bytes(32), 0)
SMALL = Wanted("small.jpg", 1, hashlib.sha256(b"x").digest(), 0)
QUOTA = b'<multistatus xmlns="DAV:"/>'
SKEWED = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"


class Store(BaseHTTPRequestHandler):
    """Has a marker and what was put. `refusal` is the status with which it hangs up on a body, 0 to say nothing."""

    protocol_version = "HTTP/1.1"
    refusal: int | None
    moved_over: list[str]
    files: dict[str, bytes]
    is_skewed = False

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        content = next((content for name, content in self.files.items() if self.path.endswith(name)), None)
        if self.is_skewed:
            self._say(403, SKEWED)
        elif content is None:
            self._say(404)
        else:
            self._say(200, content)

    def do_PROPFIND(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(207, QUOTA)

    def do_MKCOL(self) -> None:
        self._say(405)

    def do_PUT(self) -> None:
        if self.refusal is None:
            self.files[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self._say(201)
            return
        self.close_connection = True
        self.rfile.read(len(PIECE))
        if self.refusal:
            self._say(self.refusal)

    def do_MOVE(self) -> None:
        self.moved_over.append(self.headers["Destination"])
        self._say(204)

    def _say(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def store() -> type[Store]:
    return type("One", (Store,), {"refusal": None, "moved_over": [], "files": {MARKER: new_marker()}})


@pytest.fixture(params=["webdav://me@127.0.0.1:{}/photos", "s3+http://me@127.0.0.1:{}/photos"], ids=["webdav", "s3"])
def sink(request: pytest.FixtureRequest, store: type[Store]) -> Iterator[Sink]:
    with ThreadingHTTPServer(("127.0.0.1", 0), store) as server:
        running = threading.Thread(target=server.serve_forever, args=(0.01,))
        running.start()
        url = parse(request.param.format(server.server_port), Secret("x"))
        with closing(open_sink(url, "test")) as opened:
            yield opened
        server.shutdown()
        running.join()


def send(sink: Sink, wanted: Wanted) -> None:
    upload = sink.begin(wanted)
    try:
        for _ in range(MANY):
            upload.write(PIECE)
    finally:
        upload.abort()


def test_a_store_that_hangs_up_on_a_file_that_is_too_large_is_not_taken_for_one_that_is_away(
    sink: Sink, store: type[Store]
) -> None:
    store.refusal = 413
    with pytest.raises(TooLargeError) as raised:
        send(sink, BIG)
    assert raised.value.trouble is Trouble.THIS_FILE


@pytest.mark.parametrize("answer", [0, 200])
def test_a_store_that_hangs_up_and_refuses_nothing_is_away(sink: Sink, store: type[Store], answer: int) -> None:
    store.refusal = answer
    with pytest.raises(AwayError):
        send(sink, BIG)


@pytest.mark.parametrize("sink", ["s3+http://me@127.0.0.1:{}/photos"], indirect=True)
def test_a_clock_that_is_wrong_is_set_soon_and_locks_nobody_out(sink: Sink, store: type[Store]) -> None:
    store.is_skewed = True
    with pytest.raises(ClockError, match="clock") as raised:
        sink.probe()
    assert raised.value.trouble is Trouble.PASSING


@pytest.mark.parametrize("sink", ["webdav://me@127.0.0.1:{}/photos"], indirect=True)
def test_a_server_that_overwrites_all_the_same_is_asked_before(sink: Sink, store: type[Store]) -> None:
    upload = sink.begin(SMALL)
    upload.write(b"x")
    store.files[SMALL.path] = b"of another"
    with pytest.raises(TakenError):
        upload.commit()
    assert store.moved_over == []
