"""TLS as the alliance uses it: self-signed, unchecked, TLS 1.2 and 1.3 (alliance protocol, 6.1).

The certificate proves nothing, on purpose: phones make a new one for every session. Nothing that depends on
knowing the peer may rest on this layer.
"""

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from board.cpu import has_aes
from board.errors import FerryError

Address = tuple[str, int]
Context = ssl.SSLContext
CONNECT_TIMEOUT_S = 3.0
HANDSHAKE_TIMEOUT_S = 5.0
# Phones show RSA-1024 signed with SHA-1, which OpenSSL's security level 1 refuses.
_ANY_STRENGTH = "@SECLEVEL=0"


class ConnectError(FerryError):
    """No TLS connection to the peer came about."""

    remedy = "Check that the peer is still in sharing mode and on the same network, then share again."


class HandshakeError(ConnectError):
    """Somebody answers, but not with TLS that we share."""


def authority(address: Address) -> str:
    """Write an address as HOST:PORT, an IPv6 host in brackets (RFC 3986, 3.2)."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def client_contexts(aes: bool | None = None) -> list[ssl.SSLContext]:
    """Return the contexts to try in turn. `aes` tells whether the CPU has AES instructions (default: look).

    Without them AES-256-GCM caps a Pi 4 at 29 MB/s where ChaCha20 does 170. A server with AES instructions picks
    AES as long as it is offered, and TLS 1.3 suites have no setting before Python 3.15: so the first offer stops
    at TLS 1.2 with ChaCha20 alone, and the usual offer follows if the peer refuses it.
    """
    usual = _client_context(f"DEFAULT:{_ANY_STRENGTH}")
    if has_aes() if aes is None else aes:
        return [usual]
    chacha = _client_context(f"ECDHE+CHACHA20:{_ANY_STRENGTH}")
    chacha.maximum_version = ssl.TLSVersion.TLSv1_2
    return [chacha, usual]


def connect(address: Address, contexts: list[ssl.SSLContext], interface: str | None = None) -> ssl.SSLSocket:
    """Open a TLS connection; at most `CONNECT_TIMEOUT_S` and `HANDSHAKE_TIMEOUT_S` for each context.

    With `interface` it leaves by that one, whatever the routes say: the house may use the phone's network too.

    Raises:
        ConnectError: nobody listens, or no handshake succeeds.
    """
    for context in contexts[:-1]:
        with contextlib.suppress(HandshakeError):
            return _connect(address, context, interface)
    return _connect(address, contexts[-1], interface)


def server_context() -> ssl.SSLContext:
    """Return a context with a fresh self-signed P-256 certificate. The key never touches a disk."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with _in_memory(_certificate()) as path:
        context.load_cert_chain(path)
    return context


def accept(connection: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Run the server's side of the handshake, at most `HANDSHAKE_TIMEOUT_S`. Raises `ConnectError`."""
    connection.settimeout(HANDSHAKE_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return context.wrap_socket(connection, server_side=True)
    except OSError as error:
        connection.close()
        raise ConnectError(f"a peer's TLS handshake failed: {error}") from None


def _client_context(ciphers: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    return context


def _connect(address: Address, context: ssl.SSLContext, interface: str | None) -> ssl.SSLSocket:
    try:
        connection = _opened(address, interface)
    except (OSError, UnicodeError) as error:
        error = error if isinstance(error, OSError) else OSError("that is no host name")
        raise ConnectError(f"{address[0]} port {address[1]} cannot be reached: {error.strerror or error}") from None
    connection.settimeout(HANDSHAKE_TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return context.wrap_socket(connection)
    except OSError as error:  # a refusal, a reset or silence
        connection.close()
        reason = error.reason if isinstance(error, ssl.SSLError) else error
        raise HandshakeError(f"the TLS handshake with {address[0]} failed: {reason}") from None


def _opened(address: Address, interface: str | None) -> socket.socket:
    """Connect, by IPv4 if it is through one interface. Raises `OSError`."""
    if interface is None:
        return socket.create_connection(address, CONNECT_TIMEOUT_S)
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        connection.settimeout(CONNECT_TIMEOUT_S)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Give `content` a path without a disk: the ssl module loads keys only from files."""
    descriptor = os.memfd_create("ferry-tls")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _certificate() -> bytes:
    """Make a key and a self-signed certificate, PEM. Valid from long ago: a board may not know the time."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=365 * 79))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
