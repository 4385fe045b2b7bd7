"""TLS between our two ends, and with peers that offer little."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import pytest

from stack.transfer.tls import Address, ConnectError, accept, authority, client_contexts, connect, server_context


@contextlib.contextmanager
def server(context: ssl.SSLContext, handshakes: int = 1) -> Iterator[Address]:
    """Answers handshakes with one line, whether they succeed or not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(handshakes):
                raw, _ = listener.accept()
                with contextlib.suppress(ConnectError, OSError), accept(raw, context) as connection:
                    connection.sendall(b"hello")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions(version: ssl.TLSVersion) -> None:
    context = server_context()
    context.minimum_version = context.maximum_version = version
    with server(context) as address, connect(address, client_contexts(aes=True)) as connection:
        assert connection.version() == version.name.replace("_", ".")
        assert connection.recv(10) == b"hello"


def test_without_aes_instructions_the_cipher_is_chacha() -> None:
    with server(server_context()) as address, connect(address, client_contexts(aes=False)) as connection:
        cipher = connection.cipher()
        assert cipher is not None
        assert cipher[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"
        assert connection.recv(10) == b"hello"


def test_a_peer_without_chacha_gets_the_usual_offer() -> None:
    context = server_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with server(context, handshakes=2) as address, connect(address, client_contexts(aes=False)) as connection:
        assert connection.version() == "TLSv1.3"


def test_a_peer_that_resets_gets_the_usual_offer_too() -> None:
    """Some servers answer "no shared cipher" with a reset in place of an alert."""
    context = server_context()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            first, _ = listener.accept()
            first.recv(1)
            first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            first.close()
            second, _ = listener.accept()
            with accept(second, context) as connection:
                connection.sendall(b"hello")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with connect(listener.getsockname(), client_contexts(aes=False)) as connection:
            assert connection.recv(10) == b"hello"
        thread.join(10)


def test_ipv6_addresses_have_brackets() -> None:
    assert authority(("::1", 80)) == "[::1]:80"
    assert authority(("127.0.0.1", 80)) == "127.0.0.1:80"


def test_the_usual_offer_is_the_only_one_with_aes_instructions() -> None:
    assert len(client_contexts(aes=True)) == 1
    assert len(client_contexts(aes=False)) == 2


def test_refused_handshake_is_told() -> None:
    context = server_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    only_chacha = client_contexts(aes=False)[:1]
    with server(context) as address, pytest.raises(ConnectError, match="handshake"):
        connect(address, only_chacha)


def test_every_server_has_a_key_of_its_own() -> None:
    def certificate() -> bytes:
        with server(server_context()) as address, connect(address, client_contexts()) as connection:
            return connection.getpeercert(binary_form=True) or b""

    assert certificate() != certificate()
