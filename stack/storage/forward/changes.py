"""Tells when the network or the mounts change: a sink that was away may be back."""

import socket
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")

# rtnetlink(7): links, addresses and routes
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
_NETLINK_ROUTE: Final = 0
_READ_BYTES: Final = 65_536
_TIMEOUT_OF_NOTHING: Final = struct.pack("ll", 0, 0)


class Changes:
    """Two descriptors to wait for. `mounts` is ready exceptionally (POLLPRI), `network` for reading."""

    def __init__(self) -> None:
        with ExitStack() as opened:
            self.mounts = opened.enter_context(_MOUNTS.open("rb", buffering=0))
            self.network = opened.enter_context(
                socket.socket(
                    socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, _NETLINK_ROUTE
                )
            )
            self.network.bind((0, _GROUPS))
            self._opened = opened.pop_all()

    def take(self) -> None:
        """Forget what has changed until now."""
        self.mounts.seek(0)
        self.mounts.read(1)
        try:
            while self.network.recv(_READ_BYTES):
                pass
        except BlockingIOError:
            pass
        except OSError:  # it overran: something has changed, which is all we want to know
            pass

    def close(self) -> None:
        """Close them."""
        self._opened.close()
