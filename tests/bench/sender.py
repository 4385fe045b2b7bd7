"""The sending phone, as fast as a phone never is: the alliance protocol's sender role around a prepared archive.

    python -m tests.bench.sender ARCHIVE [--chunk BYTES] [--write BYTES]

An independent peer: it shares no code with `stack/`. Every `GET /download` gets the archive in chunks; a receiver
that opens `/websocket` is offered it first (alliance protocol, 6.3 to 6.7). Events go to standard output, one JSON
object a line: `port`, then `status` with the seconds since the last write of the body returned.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import mmap
import os
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench.corpora import Corpus, load
from tests.bench.measure import CACHE, PEER_CPU, ROOT, BenchError, end, on_cpu

CHUNK = 64 * 1024
TASK_ID = "-1753642990"
TARGET = f"/download?taskId={TASK_ID}"

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_HEAD_LIMIT = 16 * 1024
_WEBSOCKET_ID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE = 1, 8
_EVENT_LIMIT_S = 10
_CERTIFICATE = CACHE / "tls.pem"


class Sender:
    """A sender in a process of its own, on the CPU that the receiver does not use."""

    def __init__(self, corpus: Corpus, *, chunk: int = CHUNK, write: int = 0) -> None:
        _make_certificate()
        command = [sys.executable, "-m", "tests.bench.sender", str(corpus.path)]
        with on_cpu(PEER_CPU):
            self._process = subprocess.Popen(
                [*command, "--chunk", str(chunk), "--write", str(write)], cwd=ROOT, stdout=subprocess.PIPE, bufsize=0
            )
        self.port = int(self.event()["port"])

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def event(self) -> dict[str, Any]:
        """Wait a little for the next event."""
        events = self._process.stdout
        assert events is not None
        ready, _, _ = select.select([events], [], [], _EVENT_LIMIT_S)
        line = events.readline() if ready else b""
        if not line:
            raise BenchError("the sender ended" if ready else "the sender heard no status")
        event: dict[str, Any] = json.loads(line)
        return event


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.sender", description=__doc__)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--chunk", type=int, default=CHUNK, help="payload bytes of a chunk")
    parser.add_argument("--write", type=int, default=0, help="bytes of a TLS record, if below 16 KiB")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; whoever started us ends us
    phone = _Phone(load(options.archive), options.chunk, options.write)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _tell(port=listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=phone.serve, args=(connection, context), daemon=True).start()


class _Phone:
    def __init__(self, corpus: Corpus, chunk: int, write: int) -> None:
        self._corpus = corpus
        self._chunk = chunk
        self._write = write
        self._last_write = 0.0
        with corpus.path.open("rb") as archive:
            self._archive = memoryview(mmap.mmap(archive.fileno(), 0, prot=mmap.PROT_READ))

    def serve(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(raw, server_side=True) as connection:
                head = _read_head(connection)
                if head.startswith(b"GET /download?"):
                    self._send_archive(connection)
                elif head.startswith(b"GET /websocket"):
                    self._offer(connection, head)
        except OSError as error:
            print(f"sender: {error}", file=sys.stderr)

    def _send_archive(self, connection: ssl.SSLSocket) -> None:
        connection.sendall(_HEAD)
        send, write = connection.sendall, self._write or self._chunk + 64
        for frame in self._frames():
            for start in range(0, len(frame), write):
                send(frame[start : start + write])
        connection.sendall(_LAST_CHUNK)
        self._last_write = time.monotonic()
        with contextlib.suppress(OSError):  # few receivers answer the goodbye
            connection.unwrap()

    def _frames(self) -> Iterator[memoryview]:
        buffer = bytearray(self._chunk + 64)
        view, chunk = memoryview(buffer), self._chunk
        for start in range(0, len(self._archive), chunk):
            payload = self._archive[start : start + chunk]
            head = b"%x\r\n" % len(payload)
            size = len(head) + len(payload)
            buffer[: len(head)] = head
            view[len(head) : size] = payload
            buffer[size : size + 2] = b"\r\n"
            yield view[: size + 2]

    def _offer(self, connection: ssl.SSLSocket, head: bytes) -> None:
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        accept = base64.b64encode(hashlib.sha1(key.split(b":")[1].strip() + _WEBSOCKET_ID).digest())  # noqa: S324
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        _send_text(connection, 'action:0:versionNegotiation?{"version":1,"versions":[1]}')
        for text in _texts(connection):
            kind, number, rest = text.split(":", 2)
            name, _, payload = rest.partition("?")
            if (kind, name.lower()) == ("ack", "versionnegotiation"):
                _send_text(connection, f"action:1:sendRequest?{self._request()}")
            elif (kind, name.lower()) == ("action", "status"):
                late_s = time.monotonic() - self._last_write
                _send_text(connection, f"ack:{number}:status")
                _tell(status=json.loads(payload), late_s=late_s)

    def _request(self) -> str:
        first = f"{self._corpus.files} files"
        return json.dumps(
            {
                "taskId": TASK_ID,
                "id": TASK_ID,
                "senderId": "1c5e",
                "senderName": "Bench",
                "fileName": first,
                "mimeType": "*/*",
                "fileCount": self._corpus.files,
                "totalSize": self._corpus.size_bytes,
            }
        )


def _tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


def _read_head(connection: ssl.SSLSocket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT:
        data = connection.recv(_HEAD_LIMIT)
        if not data:
            break
        head += data
    return head


# The WebSocket (RFC 6455), as much of it as two honest ends need.


def _send_text(connection: ssl.SSLSocket, text: str) -> None:
    payload = text.encode()
    length = struct.pack("!B", len(payload)) if len(payload) < 126 else struct.pack("!BH", 126, len(payload))
    connection.sendall(bytes([0x80 | _TEXT]) + length + payload)


def _texts(connection: ssl.SSLSocket) -> Iterator[str]:
    """Yield text messages until the other end closes or drops."""
    with connection.makefile("rb") as stream:
        while len(start := stream.read(2)) == 2:
            opcode, length = start[0] & 0x0F, start[1] & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", stream.read(2))
            mask = stream.read(4)
            payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(stream.read(length)))
            if opcode == _CLOSE:
                return
            if opcode == _TEXT:
                yield payload.decode()


def _make_certificate() -> None:
    if _CERTIFICATE.exists():
        return
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    CACHE.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_CERTIFICATE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as target:
        target.write(private + certificate.public_bytes(serialization.Encoding.PEM))


if __name__ == "__main__":
    main(sys.argv[1:])
