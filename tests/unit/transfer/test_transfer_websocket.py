"""The WebSocket's two ends face to face, and what a hostile end may not do."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, Opcode

from stack.transfer.websocket import WebSocket, WebSocketError, WebSocketLimits

LIMITS = WebSocketLimits(message_chars=5000, frames_per_s=5)


def pair() -> tuple[WebSocket, WebSocket]:
    client, server = WebSocket.client("192.168.49.1:4711", LIMITS), WebSocket.server(LIMITS)
    server.feed(client.take_output(), 0)
    client.feed(server.take_output(), 0)
    assert client.is_open
    assert server.is_open
    return client, server


def frame(opcode: Opcode, payload: bytes, fin: bool = True) -> bytes:
    """A frame as the server sends it: not masked."""
    return bytes(FrameProtocol(client=False, extensions=[])._serialize_frame(opcode, payload, fin))


def test_messages_pass_both_ways_in_any_pieces() -> None:
    client, server = pair()
    for step in (1, 5, 1 << 20):
        for end, other in ((client, server), (server, client)):
            end.send_text("照片")
            end.send_text("x" * 300)
            wire = end.take_output()
            got = [text for at in range(0, len(wire), step) for text in other.feed(wire[at : at + step], step)]
            assert got == ["照片", "x" * 300]


def test_no_extension_is_offered_or_taken() -> None:
    client = WebSocket.client("peer", LIMITS)
    request = client.take_output()
    assert b"permessage-deflate" not in request
    server = WebSocket.server(LIMITS)
    server.feed(request.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"), 0)
    assert b"permessage-deflate" not in server.take_output()


def test_fragments_are_joined() -> None:
    client, _ = pair()
    wire = frame(Opcode.TEXT, "照".encode()[:2], fin=False) + frame(Opcode.CONTINUATION, "照".encode()[2:])
    assert client.feed(wire, 0) == ["照"]


def test_ping_is_answered() -> None:
    client, server = pair()
    assert client.feed(frame(Opcode.PING, b"hi"), 0) == []
    answer = client.take_output()
    assert len(answer) == 2 + 4 + 2
    assert answer[0] == 0x80 | Opcode.PONG
    assert server.feed(answer, 0) == []


def test_close_is_told() -> None:
    client, server = pair()
    client.close()
    assert server.feed(client.take_output(), 0) == []
    assert server.is_closed
    server.send_text("too late")
    assert server.take_output() == b""


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (frame(Opcode.BINARY, b"x"), "binary"),
        (frame(Opcode.TEXT, b"\xff"), "broken"),
        (frame(Opcode.TEXT, b"x" * 5001), "longer"),
        (frame(Opcode.TEXT, b"x" * 3000, fin=False) + frame(Opcode.CONTINUATION, b"x" * 3000), "longer"),
        (b"\x81\x7f" + (1 << 40).to_bytes(8, "big") + b"x" * 6000, "longer"),
        (frame(Opcode.CONTINUATION, b"x"), "broken"),
        (b"\xc1\x01x", "broken"),
        (b"\x81\x81\0\0\0\0x", "broken"),
        (b"\x09\x00", "broken"),
        (frame(Opcode.PING, b"") * 6, "floods"),
        (frame(Opcode.PONG, b"") * 6, "floods"),
        (frame(Opcode.TEXT, b"", fin=False) + frame(Opcode.CONTINUATION, b"", fin=False) * 6, "floods"),
    ],
)
def test_hostile_frames_are_refused(wire: bytes, words: str) -> None:
    for step in (1, 1 << 20):
        client, _ = pair()
        with pytest.raises(WebSocketError, match=words):  # noqa: PT012 - the loop is the single statement
            for at in range(0, len(wire), step):
                client.feed(wire[at : at + step], 0)


def test_frames_are_counted_by_the_second() -> None:
    client, _ = pair()
    for second in range(5):
        client.feed(frame(Opcode.PING, b"") * 2 + frame(Opcode.TEXT, b"x") * 3, second)


def test_messages_before_a_broken_frame_are_delivered() -> None:
    for after in (frame(Opcode.BINARY, b"x"), frame(Opcode.CLOSE, b"\x03\xea"), b"\xff\xff"):
        client, _ = pair()
        assert client.feed(frame(Opcode.TEXT, b"ok") + after, 0) == ["ok"]
        assert client.failure is not None
        assert client.is_closed


def test_flood_of_messages_is_cut() -> None:
    client, _ = pair()
    assert len(client.feed(frame(Opcode.TEXT, b"x") * 100, 0)) == 5
    assert "floods" in str(client.failure)


@pytest.mark.parametrize("header", [b"Connection: Upgrade, \xff", b"Host: \xff", b"Sec-WebSocket-Protocol: \xff"])
def test_headers_that_are_no_ascii_are_refused(header: bytes) -> None:
    request = WebSocket.client("peer").take_output()
    server = WebSocket.server()
    with contextlib.suppress(WebSocketError):
        server.feed(request.replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n\r\n"), 0)
    client = WebSocket.client("peer")
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    with pytest.raises(WebSocketError):
        client.feed(answer + header + b"\r\n\r\n", 0)


def test_memory_stays_bounded_with_tiny_fragments() -> None:
    client, _ = pair()
    client.feed(frame(Opcode.TEXT, b"x", fin=False), 0)
    for _ in range(4000):
        client.feed(frame(Opcode.CONTINUATION, b"x", fin=False), 0)
    assert client.feed(frame(Opcode.CONTINUATION, b"y"), 0) == ["x" * 4001 + "y"]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"x\r\n\r\n"]
)
def test_refused_upgrade_is_told(answer: bytes) -> None:
    client = WebSocket.client("peer", LIMITS)
    client.take_output()
    with pytest.raises(WebSocketError):
        client.feed(answer, 0)


def test_other_target_is_refused() -> None:
    request = WebSocket.client("peer").take_output().replace(b"/websocket", b"/elsewhere")
    with pytest.raises(WebSocketError, match="elsewhere"):
        WebSocket.server().feed(request, 0)


@given(st.binary(max_size=200), st.integers(1, 200))
def test_any_bytes_are_read_or_refused(wire: bytes, step: int) -> None:
    for end in (*pair(), WebSocket.client("peer"), WebSocket.server()):
        with contextlib.suppress(WebSocketError):
            for at in range(0, len(wire), step):
                end.feed(wire[at : at + step], 0)
