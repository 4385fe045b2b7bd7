"""The central role through BlueZ's daemon, by `bleak`: for machines on which bluetoothd keeps the adapter.

BlueZ hands out advertisements in parts, so `Heard.data` is built again from them. It has only this role: what it
advertises it puts together itself, and phones want every byte in its place.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError

from board import aio
from board.errors import FerryError
from drivers.errors import RadioError
from drivers.hci.address import Address, AddressType
from stack.ble.connection import ConnectionLostError
from stack.ble.gatt import Property
from stack.ble.gatt_client import FoundCharacteristic
from stack.ble.radio import CONNECT_TIMEOUT_MS
from stack.ble.scanning import Heard
from stack.ble.uuids import octets_of

if TYPE_CHECKING:
    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

MAX_DEVICES: Final = 256

_UUID128_LIST, _SERVICE_DATA_UUID16 = 0x07, 0x16
_UUID16_BYTES = 2
# How the bus says that nobody has BlueZ's name, or that it could not start who should.
_NO_DAEMON = ("org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.Spawn.")
_PROPERTIES = {
    "read": Property.READ,
    "write": Property.WRITE,
    "write-without-response": Property.WRITE_WITHOUT_RESPONSE,
}


class BluezError(RadioError):
    """BlueZ does not do what it should."""

    remedy = "See whether bluetoothd runs and has a powered adapter: bluetoothctl show."


class BluezPeer:
    """A device connected through BlueZ. See `stack.ble.central.Peer`."""

    def __init__(self, client: BleakClient) -> None:
        """Wrap a connected client."""
        self._client = client

    async def characteristics(self, service_uuid: str) -> list[list[FoundCharacteristic]]:
        """See `Peer`."""
        return [
            [_found(each) for each in service.characteristics]
            for service in self._client.services
            if service.uuid == service_uuid
        ]

    async def read(self, characteristic: FoundCharacteristic) -> bytes:
        """See `Peer`."""
        with _plain_errors():
            return bytes(await self._client.read_gatt_char(characteristic.value_handle))

    async def write(self, characteristic: FoundCharacteristic, value: bytes) -> None:
        """See `Peer`."""
        with _plain_errors():
            await self._client.write_gatt_char(characteristic.value_handle, value, response=True)

    async def write_without_response(self, characteristic: FoundCharacteristic, value: bytes) -> None:
        """See `Peer`."""
        with _plain_errors():
            await self._client.write_gatt_char(characteristic.value_handle, value, response=False)

    async def disconnect(self) -> None:
        """See `Peer`."""
        with _plain_errors():
            await self._client.disconnect()


class BluezCentral:
    """The central role. See `stack.ble.central.Central`."""

    def __init__(self) -> None:
        """Use the daemon's default adapter."""
        self._devices: dict[Address, BLEDevice] = {}

    @asynccontextmanager
    async def scanning(self, heard: Callable[[Heard], None]) -> AsyncIterator[None]:
        """See `Central`. Raises `BluezError`."""

        def detected(device: "BLEDevice", advertised: "AdvertisementData") -> None:
            address = _address_of(device)
            self._devices.pop(address, None)
            self._devices[address] = device
            if len(self._devices) > MAX_DEVICES:
                del self._devices[next(iter(self._devices))]
            heard(Heard(address, rebuilt(advertised), advertised.rssi))

        scanner = BleakScanner(detected, scanning_mode="active")
        with _plain_errors(BluezError):
            await scanner.start()
        try:
            yield
        finally:
            with _plain_errors(BluezError):
                await scanner.stop()

    async def wait_for(self, event: aio.Event, timeout_ms: int) -> None:
        """See `Central`."""
        await aio.wait_for_ms(event.wait(), timeout_ms)

    async def connect(self, address: Address) -> BluezPeer:
        """See `Central`."""
        device = self._devices.get(address)
        if device is None:
            raise ConnectionLostError(f"BlueZ has not heard of {address}")
        client = BleakClient(device, timeout=CONNECT_TIMEOUT_MS / 1000)
        with _plain_errors():
            await client.connect()
        return BluezPeer(client)


def rebuilt(advertised: "AdvertisementData") -> bytes:
    """Build AD structures from BlueZ's parts: the UUIDs of 128 bits, and service data of 16-bit UUIDs."""
    uuids = b"".join(each for each in map(octets_of, advertised.service_uuids) if len(each) > _UUID16_BYTES)
    structures = [_structure(_UUID128_LIST, uuids)] if uuids else []
    for uuid, data in advertised.service_data.items():
        octets = octets_of(uuid)
        if len(octets) == _UUID16_BYTES:
            structures.append(_structure(_SERVICE_DATA_UUID16, octets + data))
    return b"".join(structures)


def _structure(kind: int, content: bytes) -> bytes:
    return bytes((1 + len(content) & 0xFF, kind)) + content


def _found(characteristic: "BleakGATTCharacteristic") -> FoundCharacteristic:
    properties = Property(0)
    for name in characteristic.properties:
        properties |= _PROPERTIES.get(name, Property(0))
    return FoundCharacteristic(characteristic.uuid, properties, characteristic.handle)


def _address_of(device: "BLEDevice") -> Address:
    kind = device.details["props"].get("AddressType", "public")
    return Address.parse(device.address, AddressType.RANDOM if kind == "random" else AddressType.PUBLIC)


@contextmanager
def _plain_errors(usual: type[FerryError] = ConnectionLostError) -> Iterator[None]:
    """Say in our words what went wrong at BlueZ's; `usual` is what it means if nothing else is known."""
    try:
        yield
    except BleakBluetoothNotAvailableError as error:
        raise BluezError(f"There is no Bluetooth to be had from BlueZ: {error.args[0]}") from error
    except BleakError as error:
        if isinstance(error, BleakDBusError) and error.dbus_error.startswith(_NO_DAEMON):
            raise BluezError("BlueZ cannot be reached: bluetoothd does not run") from error
        raise usual(f"BlueZ reports: {error}") from error
    except aio.TimeoutError:
        raise ConnectionLostError("The device could not be reached: it does not answer") from None
    except OSError as error:
        raise BluezError("BlueZ cannot be reached: there is no D-Bus") from error
