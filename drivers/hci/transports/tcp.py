"""A virtual controller behind a TCP port, such as Bumble's or QEMU's."""

import socket
from typing import Final

from board import aio
from drivers.hci.transport import TransportError
from drivers.hci.transports.stream import StreamTransport, reason_of

CONNECT_TIMEOUT_MS: Final = 5000


class NobodyListensError(TransportError):
    """No connection comes about."""

    remedy = "Start the virtual controller first, and check its address and port."


async def open_tcp(host: str, port: int) -> StreamTransport:
    """Connect to the controller at `host` and `port`. Raises `NobodyListensError`."""
    name = f"{host}:{port}"
    try:
        stream, _ = await aio.wait_for_ms(aio.open_connection(host, port), CONNECT_TIMEOUT_MS)
    except OSError as error:
        reason = reason_of(error) or f"no answer within {CONNECT_TIMEOUT_MS // 1000} s"
        raise NobodyListensError(f"There is no Bluetooth controller at {name}: {reason}.") from None
    except UnicodeError:
        raise NobodyListensError(f"{host!r} is not the name of a machine.") from None
    assert isinstance(stream.s, socket.socket)
    # HCI packets are small and each is waited for: Nagle's algorithm would hold them back.
    stream.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return StreamTransport(name, stream)
