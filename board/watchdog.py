"""What systemd is told: that we are ready, what we do, and that we are alive (sd_notify(3), sd_watchdog_enabled(3)).

One datagram a message, without a library. Outside systemd, or when it does not listen, nothing happens: a station must
not stop because nobody asks how it is.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

_STATUS_BYTES: Final = 512


class Notifier:
    """The line to systemd. `keep_alive_ms`: how often to call `alive`, `None` if nobody counts."""

    def __init__(self, address: str | None, keep_alive_ms: int | None) -> None:
        """Use the socket at `address`; one that starts with @ has no file."""
        self.keep_alive_ms = keep_alive_ms
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket:
            self._socket.setblocking(False)

    def ready(self) -> None:
        """Tell that the start is over."""
        self._send("READY=1")

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Tell in one line what we do, for `systemctl status`."""
        line = " ".join(text.split()).encode()[:_STATUS_BYTES].decode(errors="ignore")
        self._send(f"STATUS={line}")

    def alive(self) -> None:
        """Put off the watchdog."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket:
            self._socket.close()

    def _send(self, message: str) -> None:
        if self._socket and self._address:
            with suppress(OSError):
                self._socket.sendto(message.encode(), self._address)


def notifier(environment: Mapping[str, str], pid: int | None = None) -> Notifier:
    """Return the line to systemd that the environment of this process names."""
    address = environment.get("NOTIFY_SOCKET", "")
    is_socket = address[:1] in ("/", "@") and len(address) > 1
    return Notifier(address if is_socket else None, _keep_alive_ms(environment, pid or os.getpid()))


def _keep_alive_ms(environment: Mapping[str, str], pid: int) -> int | None:
    """Return half the watchdog's time, as sd_watchdog_enabled(3) recommends, if it is meant for this process."""
    limit_us = environment.get("WATCHDOG_USEC", "")
    is_ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    if not is_ours or not limit_us.isdecimal() or int(limit_us) < 2_000:
        return None
    return int(limit_us) // 2_000
