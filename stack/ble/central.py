"""The central role: find devices, connect, read, write. Two backends have it: our own stack, and `bluez`."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

from board import aio
from board.errors import FerryError
from drivers.hci.address import Address
from stack.ble.connection import Connection
from stack.ble.gatt_client import (
    FoundCharacteristic,
    find_characteristics,
    find_services,
    read_long,
    write_long,
)
from stack.ble.radio import Radio
from stack.ble.scanning import Heard

_WRITE_HEADER_BYTES = 3
_GOODBYE_MS = 2_000


class ValueTooLongError(FerryError):
    """A value does not fit into one write without response."""

    remedy = "Share with another phone, or update this one: it takes too little at once."


class Peer(Protocol):
    """A connected device. Methods raise `AttError`, `GattError`, `ConnectionLostError` or `RadioError`."""

    async def characteristics(self, service_uuid: str) -> list[list[FoundCharacteristic]]:
        """Return the characteristics of each service with this UUID: phones may have several."""

    async def read(self, characteristic: FoundCharacteristic) -> bytes:
        """Read a value whole."""

    async def write(self, characteristic: FoundCharacteristic, value: bytes) -> None:
        """Write a value whole, and know that it arrived."""

    async def write_without_response(self, characteristic: FoundCharacteristic, value: bytes) -> None:
        """Write a value in one piece. Raises `ValueTooLongError`."""

    async def disconnect(self) -> None:
        """End the connection."""


class Central(Protocol):
    """Who finds devices and connects to them."""

    def scanning(self, heard: Callable[[Heard], None]) -> AbstractAsyncContextManager[None]:
        """Scan within the block."""

    async def connect(self, address: Address) -> Peer:
        """Connect to a device that is advertising, with the largest MTU that both can."""

    async def wait_for(self, event: aio.Event, timeout_ms: int) -> None:
        """Wait until `event` is set. Raises `TimeoutError`, or the `RadioError` that the radio dies of meanwhile."""


class HciPeer:
    """A device connected through our own stack."""

    def __init__(self, connection: Connection) -> None:
        """Wrap a connection on which we are the client."""
        self._connection = connection

    async def characteristics(self, service_uuid: str) -> list[list[FoundCharacteristic]]:
        """See `Peer`."""
        services = await self._connection.run(find_services(service_uuid))
        return [await self._connection.run(find_characteristics(each)) for each in services]

    async def read(self, characteristic: FoundCharacteristic) -> bytes:
        """See `Peer`."""
        return await self._connection.run(read_long(characteristic.value_handle, self._connection.mtu))

    async def write(self, characteristic: FoundCharacteristic, value: bytes) -> None:
        """See `Peer`."""
        await self._connection.run(write_long(characteristic.value_handle, value, self._connection.mtu))

    async def write_without_response(self, characteristic: FoundCharacteristic, value: bytes) -> None:
        """See `Peer`."""
        if len(value) > self._connection.mtu - _WRITE_HEADER_BYTES:
            raise ValueTooLongError(f"The device takes at most {self._connection.mtu - _WRITE_HEADER_BYTES} bytes")
        await self._connection.write_command(characteristic.value_handle, value)

    async def disconnect(self) -> None:
        """See `Peer`. Who does not answer is left to its supervision timeout."""
        with suppress(aio.TimeoutError):
            await aio.wait_for_ms(self._connection.disconnect(), _GOODBYE_MS)


class HciCentral:
    """The central role on a `Radio`."""

    def __init__(self, radio: Radio) -> None:
        """Use a started radio."""
        self._radio = radio

    def scanning(self, heard: Callable[[Heard], None]) -> AbstractAsyncContextManager[None]:
        """See `Central`."""
        return self._radio.scanning(heard)

    async def wait_for(self, event: aio.Event, timeout_ms: int) -> None:
        """See `Central`."""
        await self._radio.wait_for(event, timeout_ms)

    async def connect(self, address: Address) -> HciPeer:
        """See `Central`."""
        connection = await self._radio.connect(address)
        try:
            await connection.agree_on_mtu()
        except BaseException:
            await connection.disconnect()
            raise
        return HciPeer(connection)
