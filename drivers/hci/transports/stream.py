"""What all ways to a controller share: one descriptor in the event loop, and an end in plain words."""

import os
from typing import Final

from board import aio
from drivers.hci.transport import TransportError

# A user channel gives one packet a read and drops what does not fit; no driver in Linux passes on more than 1,028
# bytes and the indicator (HCI_MAX_FRAME_SIZE). The others are streams, where any size does.
READ_BYTES: Final = 4096
WRITE_TIMEOUT_MS: Final = 2000


class ControllerGoneError(TransportError):
    """The other end is no longer there."""

    remedy = "Check the adapter, its cable and its power."


class ControllerStuckError(TransportError):
    """The other end is there, but takes nothing."""

    remedy = "Restart the adapter. On a serial line check that RTS and CTS are wired."


class StreamTransport:
    """A `Transport` over one non-blocking descriptor."""

    def __init__(self, name: str, stream: aio.Stream) -> None:
        """Take over `stream`. `name` is how a person knows the controller."""
        self._name = name
        self._stream = stream

    async def read(self) -> bytes:
        """Return the next bytes. Raises `ControllerGoneError`, also after `close`."""
        try:
            data = await self._stream.read(READ_BYTES)
        except OSError as error:
            raise self._gone(error) from None
        if not data:
            raise ControllerGoneError(f"The Bluetooth controller at {self._name} has gone away.")
        return data

    async def write(self, packet: bytes) -> None:
        """Send one packet. Raises `ControllerGoneError`, and `ControllerStuckError` if it is not taken in time."""
        try:
            self._stream.write(packet)
            await aio.wait_for_ms(self._stream.drain(), WRITE_TIMEOUT_MS)
        except TimeoutError:
            raise ControllerStuckError(f"The Bluetooth controller at {self._name} takes no more data.") from None
        except OSError as error:
            raise self._gone(error) from None

    def close(self) -> None:
        """Give the controller back. Harmless when repeated."""
        self._stream.close()

    def _gone(self, error: OSError) -> ControllerGoneError:
        return ControllerGoneError(f"The Bluetooth controller at {self._name} has gone away: {reason_of(error)}.")


def reason_of(error: OSError) -> str:
    """Say in the system's words what went wrong, without the numbers and paths that Python adds."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
