"""wpa_supplicant's control interface: requests and events are datagrams. Its path works from any network namespace."""

import os
import select
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

_LIMIT_S = 30.0  # the host may be busy
_MESSAGE_BYTES = 65_536
_NUMBERS = count()


class SupplicantError(Exception):
    """wpa_supplicant refused, or was silent for too long."""


class Supplicant:
    """A connection to the control socket `path`, with its events."""

    def __init__(self, path: Path) -> None:
        """Connect; wpa_supplicant must be there."""
        self._own = Path(f"/run/lab/control-{os.getpid()}-{next(_NUMBERS)}")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(str(self._own))
        self._socket.connect(str(path))
        self._events: list[str] = []
        self.request("ATTACH")

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect."""
        self._socket.close()
        self._own.unlink()

    def request(self, command: str) -> str:
        """Return the answer. Raises `SupplicantError` if it is a refusal."""
        self._socket.send(command.encode())
        for message in self._messages(_LIMIT_S):
            if not message.startswith("<") and not message.startswith("IFNAME="):
                if message.startswith(("FAIL", "UNKNOWN COMMAND")):
                    raise SupplicantError(f"{command}: {message.strip()}")
                return message.strip()
            self._events.append(message)
        raise SupplicantError(f"{command}: no answer in {_LIMIT_S:.0f} s")

    def wait_for(self, name: str, timeout_s: float = _LIMIT_S) -> str:
        """Return the next event that has `name` in it; those before it are forgotten."""
        for event in self._next_events(timeout_s):
            if name in event:
                return event.strip()
        raise SupplicantError(f"no {name} in {timeout_s:.0f} s")

    def _next_events(self, timeout_s: float) -> Iterator[str]:
        while self._events:
            yield self._events.pop(0)
        yield from self._messages(timeout_s)

    def _messages(self, timeout_s: float) -> Iterator[str]:
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if select.select([self._socket], [], [], left_s)[0]:
                yield self._socket.recv(_MESSAGE_BYTES).decode(errors="replace")
