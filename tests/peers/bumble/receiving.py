"""The process of `ReceivingPhone`: advertises, serves the status, takes an offer by Bumble's own GATT server.

It reports `advertising`, `connected`, `read`, `written` (with the clear fields once they are whole) and `disconnected`.
"""

import argparse
import asyncio
import json

from bumble.core import UUID
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import OwnAddressType

from tests.peers.bumble.crypto import Keys
from tests.peers.bumble.wire import P2P, SERVICE, STATUS, input_lines, powered, report

_PROPERTIES = Characteristic.Properties
_READ_WRITE = _PROPERTIES.READ | _PROPERTIES.WRITE
_PERMISSIONS = Characteristic.Permissions.READABLE | Characteristic.Permissions.WRITEABLE


class Receiver:
    """The service 9955. Plain writes are put together until they are a whole JSON, as OPPO's server does."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._keys = Keys()
        self._collected = b""
        status = {"state": options.state, "key": self._keys.public, "mac": "02:00:00:00:00:00"}
        if options.status_bytes:
            status["padding"] = "x" * (options.status_bytes - len(json.dumps({**status, "padding": ""})))
        self._status = json.dumps(status).encode()
        self._p2p_properties = _READ_WRITE | (_PROPERTIES.WRITE_WITHOUT_RESPONSE if options.without_response else 0)

    def service(self) -> Service:
        return Service(
            UUID(SERVICE),
            [
                Characteristic(UUID(STATUS), _READ_WRITE, _PERMISSIONS, CharacteristicValue(read=self._read)),
                Characteristic(UUID(P2P), self._p2p_properties, _PERMISSIONS, CharacteristicValue(write=self._written)),
            ],
        )

    def connected(self, connection: Connection) -> None:
        self._collected = b""
        report(event="connected", peer=str(connection.peer_address))
        connection.on(Connection.EVENT_DISCONNECTION, lambda reason: report(event="disconnected", reason=int(reason)))

    def _read(self, connection: Connection) -> bytes:
        report(event="read", mtu=connection.att_mtu)
        return self._status

    def _written(self, connection: Connection, value: bytes) -> None:
        self._collected += value
        try:
            fields = self._keys.open(self._collected)
        except ValueError:
            report(event="written", bytes=len(value), fields=None)
        else:
            self._collected = b""
            report(event="written", bytes=len(value), fields=fields)


async def _advertise(device: Device, options: argparse.Namespace) -> None:
    await device.start_advertising(
        own_address_type=OwnAddressType.PUBLIC if options.public else OwnAddressType.RANDOM,
        auto_restart=True,
        advertising_data=bytes.fromhex(options.advertising_data),
        scan_response_data=bytes.fromhex(options.scan_response),
        advertising_interval_min=options.interval_ms,
        advertising_interval_max=options.interval_ms,
    )
    report(event="advertising", address=str(device.public_address if options.public else device.random_address))


async def _main(options: argparse.Namespace) -> None:
    lines = input_lines()
    receiver = Receiver(options)
    async with powered(options.hci, options.address) as device:
        device.gatt_server.max_mtu = options.mtu
        device.add_service(receiver.service())
        device.on(Device.EVENT_CONNECTION, receiver.connected)
        await _advertise(device, options)
        await lines.get()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("hci")
    parser.add_argument("address")
    parser.add_argument("advertising_data")
    parser.add_argument("scan_response")
    parser.add_argument("--interval-ms", type=float, default=100)
    parser.add_argument("--mtu", type=int, default=517)
    parser.add_argument("--state", type=int, default=0)
    parser.add_argument("--status-bytes", type=int, help="pad the status to this length")
    parser.add_argument("--without-response", action="store_true", help="p2p has the property 0x04")
    parser.add_argument("--public", action="store_true", help="advertise with the public address")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_main(_parse()))
