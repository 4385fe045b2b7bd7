"""The air between the demo's two processes: the bytes that Bluetooth would carry, one line of hex each.

`advertising` carries the 31 + 31 bytes of advertisement and scan response, `status` the value of characteristic 9954
and `p2p` what is written to 9953. Real radios take this module's place; nobody else has to change.
"""

import os
import select
from typing import IO

from board.errors import FerryError, RemoteProtocolError

_LINE_LIMIT = 4096
_PATIENCE_S = 20.0


class SilenceError(FerryError):
    """The other process says nothing, or is gone."""


class Air:
    """One end of the air. Lines are `name hex`."""

    def __init__(self, hear: IO[bytes], speak: IO[bytes]) -> None:
        self._hear = hear.fileno()
        self._speak = speak.fileno()
        self._heard = b""

    def send(self, name: str, data: bytes) -> None:
        """Send `data` under `name`. Raises `SilenceError` when nobody is there."""
        try:
            os.write(self._speak, f"{name} {data.hex()}\n".encode())
        except OSError:
            raise SilenceError(f"The other side was gone before {name} could be sent.") from None

    def receive(self, name: str) -> bytes:
        """Wait for the data of `name`, at most 20 s.

        Raises:
            SilenceError: nothing came.
            RemoteProtocolError: something else came.
        """
        line = self._line(name)
        came, _, data = line.partition(" ")
        if came != name:
            raise RemoteProtocolError(f"{came[:20]!r} came where {name} was due.")
        try:
            return bytes.fromhex(data)
        except ValueError:
            raise RemoteProtocolError(f"The data of {name} is no hex.") from None

    def _line(self, name: str) -> str:
        while b"\n" not in self._heard:
            ready, _, _ = select.select([self._hear], [], [], _PATIENCE_S)
            more = os.read(self._hear, _LINE_LIMIT) if ready else b""
            if not more or len(self._heard) > _LINE_LIMIT:
                raise SilenceError(f"The other side never sent {name}.")
            self._heard += more
        line, self._heard = self._heard.split(b"\n", 1)
        return line.decode("ascii", "replace")
