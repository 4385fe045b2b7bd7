"""Body decoders and heads: every framing, every cut, every lie."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.transfer.http import (
    BodyDecoder,
    ChunkedBody,
    CloseBody,
    HttpError,
    LengthBody,
    RequestHead,
    ResponseHead,
    TruncatedBodyError,
    error_response,
    get_request,
)


def decode(body: BodyDecoder, wire: bytes, step: int = 1 << 20, buffer_size: int = 1 << 20) -> bytes:
    """Run `wire` through `body` in pieces of `step` bytes in one reused buffer; return the payload."""
    buffer = bytearray(buffer_size)
    payload = bytearray()
    for at in range(0, len(wire), step):
        piece = wire[at : at + step]
        buffer[: len(piece)] = piece
        start, end = body.decode(buffer, len(piece))
        payload += buffer[start:end]
    return bytes(payload)


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@given(st.lists(st.binary(min_size=1, max_size=60)), st.integers(1, 40))
def test_chunks_are_joined_whatever_the_cuts(parts: list[bytes], step: int) -> None:
    body = ChunkedBody()
    assert decode(body, chunked(parts), step) == b"".join(parts)
    assert body.finished
    body.connection_ended()


@given(st.lists(st.sampled_from([b"first", b"\r\n5\r\n", b"5\r\nab", b"seventh"]), max_size=12), st.integers(1, 60))
def test_chunks_of_one_size_are_joined_too(parts: list[bytes], step: int) -> None:
    body = ChunkedBody()
    assert decode(body, chunked(parts), step) == b"".join(parts)
    assert body.finished


@pytest.mark.parametrize("step", [1, 2, 100])
def test_extensions_and_trailers_are_skipped(step: int) -> None:
    body = ChunkedBody()
    assert decode(body, b"3;a=b\r\nabc\r\n0\r\nDigest: x\r\n\r\n", step) == b"abc"
    assert body.finished


@pytest.mark.parametrize(
    "wire",
    [
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x10\r\n",
        b"1_0\r\n",
        b"\r\n",
        b"11111111111111111\r\n",
        b"3\nabc",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n",
        b"3;" + b"e" * 300,
        b"0\r\n" + b"a: b\r\n" * 5000,
        b"0\r\n" + b"a" * 20_000,
    ],
)
@pytest.mark.parametrize("step", [1, 1 << 20])
def test_broken_chunks_are_refused(wire: bytes, step: int) -> None:
    with pytest.raises(HttpError):
        decode(ChunkedBody(), wire, step)


def test_a_cut_chunked_body_is_truncated() -> None:
    wire = chunked([b"abc", b"de"])
    for length in range(len(wire)):
        body = ChunkedBody()
        decode(body, wire[:length])
        with pytest.raises(TruncatedBodyError):
            body.connection_ended()


def test_body_with_a_length_ends_there() -> None:
    body = LengthBody(5)
    assert decode(body, b"abcdefgh", 3) == b"abcde"
    assert body.finished
    body = LengthBody(5)
    assert not body.may_end(bytearray(4), 4)
    assert body.may_end(bytearray(5), 5)
    decode(body, b"abcd")
    with pytest.raises(TruncatedBodyError, match="1 bytes"):
        body.connection_ended()


def test_body_without_a_length_ends_with_the_connection() -> None:
    body = CloseBody()
    assert decode(body, b"abc") == b"abc"
    assert not body.finished
    body.connection_ended()
    assert body.finished


def test_chunked_end_is_seen_cheaply() -> None:
    buffer = bytearray(b"3\r\nabc\r\n0\r\n\r\nrest")
    assert ChunkedBody().may_end(buffer, 13)
    assert not ChunkedBody().may_end(buffer, 12)


@given(st.binary(max_size=300), st.integers(1, 300))
def test_any_chunked_bytes_are_decoded_or_refused(wire: bytes, step: int) -> None:
    with contextlib.suppress(HttpError):
        decode(ChunkedBody(), wire, step)


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (head("Transfer-Encoding: chunked"), ChunkedBody),
        (head("Content-Length: 3"), LengthBody),
        (head("Connection: close"), CloseBody),
        (head(status="100 Continue") + head("Content-Length: 3"), LengthBody),
        (head("Content-Encoding: identity", "Content-Length: 3"), LengthBody),
    ],
)
def test_head_tells_the_framing(wire: bytes, kind: type[BodyDecoder]) -> None:
    for step in (1, 1 << 20):
        reader = ResponseHead()
        found = [reader.feed(wire[at : at + step]) for at in range(0, len(wire), step)][-1]
        assert found is not None
        assert type(found[0]) is kind
        assert found[1] == b""
    found = ResponseHead().feed(wire + b"body")
    assert found is not None
    assert found[1] == b"body"


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (head(status="404 Not Found"), "404"),
        (head("Location: https://elsewhere/", status="302 Found"), "302"),
        (head("Content-Encoding: gzip"), "compressed"),
        (head("Content-Length: 3", "Transfer-Encoding: chunked"), "as well"),
        (head("Content-Length: -3"), "no HTTP"),
        (head("Transfer-Encoding: gzip"), "no HTTP"),
        (head("bad header"), "no HTTP"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000, "no HTTP"),
    ],
)
def test_unusable_answer_is_refused(wire: bytes, words: str) -> None:
    with pytest.raises(HttpError, match=words):
        ResponseHead().feed(wire)


def test_closing_in_place_of_an_answer_is_refused() -> None:
    reader = ResponseHead()
    assert reader.feed(b"HTTP/1.1 200") is None
    with pytest.raises(HttpError):
        reader.feed(b"")


@given(st.binary(max_size=200), st.booleans())
def test_any_head_is_read_or_refused(wire: bytes, prefixed: bool) -> None:
    with contextlib.suppress(HttpError):
        ResponseHead().feed((b"HTTP/1.1 200 OK\r\n" if prefixed else b"") + wire)
    with contextlib.suppress(HttpError):
        RequestHead().feed((b"GET / HTTP/1.1\r\n" if prefixed else b"") + wire)


def test_request_is_read_by_the_server_side() -> None:
    wire = get_request("/download?taskId=-1", "192.168.49.1:4711")
    request = RequestHead().feed(wire)
    assert request is not None
    assert (request.method, request.target, request.is_upgrade) == ("GET", "/download?taskId=-1", False)
    assert request.raw == wire


def test_error_response_is_read_by_the_client_side() -> None:
    with pytest.raises(HttpError, match="404"):
        ResponseHead().feed(error_response(404, "Task ID not found"))
