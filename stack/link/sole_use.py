"""One process at a time has the link: who sweeps up what a dead one has left must know that it is dead."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.errors import RadioError

LINK = "ferry.link"


class InUseError(RadioError):
    """Another process has the link."""

    remedy = "Wait until it has ended, or end it."


@contextmanager
def sole_use(name: str = LINK) -> Iterator[None]:
    """Have the link of this machine to ourselves for the time of the block. Raises `InUseError`.

    The claim is the name of an abstract socket: it belongs to the network namespace, as interfaces and rules do, and
    goes with the process, however that ends.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as claim:
        try:
            claim.bind(f"\0{name}")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise InUseError("Another Ferry uses the Wi-Fi radio.") from None
            raise
        yield
