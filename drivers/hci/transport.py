"""The way to a controller: a stream of H4 bytes (Core specification, volume 4, part A)."""

from typing import Protocol

from drivers.errors import RadioError


class TransportError(RadioError):
    """The way to the controller is not there, or broke."""


class Transport(Protocol):
    """H4 bytes both ways. Every method that fails raises `TransportError`."""

    async def read(self) -> bytes:
        """Return the next bytes, at least one. Packet boundaries mean nothing.

        Raises `TransportError` at the end of the stream.
        """

    async def write(self, packet: bytes) -> None:
        """Send one whole packet, its H4 indicator first."""

    def close(self) -> None:
        """Give the controller back. A waiting `read` ends with `TransportError`."""
