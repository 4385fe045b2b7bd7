"""The process of `SendingPhone`: takes `{"do": STEP, ...}` lines, does the step with Bumble's host, reports it."""

import asyncio
import contextlib
import json
import sys
from typing import Any

from bumble.att import ATT_CID
from bumble.core import UUID
from bumble.device import Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address, HCI_LE_Advertising_Report_Event, HCI_LE_Extended_Advertising_Report_Event

from tests.peers.bumble.crypto import Keys
from tests.peers.bumble.wire import P2P, SERVICE, STATUS, input_lines, powered, report

_ADVERTISED = UUID("00003331-0000-1000-8000-008123456789").to_bytes()
_LEGACY_SCAN_RESPONSE, _EXTENDED_SCAN_RESPONSE = 0x04, 0x08
_EXTENDED_REPORT = HCI_LE_Extended_Advertising_Report_Event.Report
_Report = HCI_LE_Advertising_Report_Event.Report | HCI_LE_Extended_Advertising_Report_Event.Report


class Sighting:
    """What the scanner has heard of one address."""

    def __init__(self) -> None:
        self.advertising_data: bytes | None = None
        self.scan_response: bytes | None = None
        self.event_types: set[int] = set()

    def add(self, heard: _Report) -> None:
        bit = _EXTENDED_SCAN_RESPONSE if isinstance(heard, _EXTENDED_REPORT) else _LEGACY_SCAN_RESPONSE
        self.event_types.add(int(heard.event_type))
        if heard.event_type & bit:
            self.scan_response = heard.data
        else:
            self.advertising_data = heard.data

    def is_whole(self, active: bool) -> bool:
        listed = self.advertising_data is not None and _ADVERTISED in self.advertising_data
        return listed and (not active or self.scan_response is not None)


class Phone:
    """The steps. Each returns what is reported of it; bytes travel as hex."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._keys = Keys()
        self._found: Address | None = None
        self._connection: Connection | None = None
        self._lost: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._handles: dict[str, CharacteristicProxy[bytes]] = {}
        self._raw: asyncio.Queue[bytes] | None = None
        device.l2cap_channel_manager.register_fixed_channel(ATT_CID, self._on_att)

    @property
    def connection(self) -> Connection:
        assert self._connection, "not connected"
        return self._connection

    async def scan(self, active: bool = True) -> dict[str, Any]:
        """Scan until a device of the alliance was heard in full. A 4.2 controller makes it a legacy scan."""
        sightings: dict[Address, Sighting] = {}
        whole: asyncio.Future[Address] = asyncio.get_running_loop().create_future()

        def heard(one: _Report) -> None:
            sighting = sightings.setdefault(one.address, Sighting())
            sighting.add(one)
            if sighting.is_whole(active) and not whole.done():
                whole.set_result(one.address)

        self._device.host.on("advertising_report", heard)
        await self._device.start_scanning(active=active)
        try:
            self._found = await whole
        finally:
            self._device.host.remove_listener("advertising_report", heard)
            await self._device.stop_scanning()
        sighting = sightings[self._found]
        return {
            "address": str(self._found),
            "advertising_data": (sighting.advertising_data or b"").hex(),
            "scan_response": None if sighting.scan_response is None else sighting.scan_response.hex(),
            "event_types": sorted(sighting.event_types),
        }

    async def connect(self) -> dict[str, Any]:
        """Connect to the device found."""
        assert self._found, "nothing found yet"
        self._lost = asyncio.get_running_loop().create_future()
        self._connection = await self._device.connect(self._found)
        self._connection.on(Connection.EVENT_DISCONNECTION, self._lost.set_result)
        return {"handle": self._connection.handle}

    async def mtu(self, size: int) -> dict[str, Any]:
        return {"mtu": await self.connection.gatt_client.request_mtu(size)}

    async def discover(self) -> dict[str, Any]:
        """Find the service and its characteristics."""
        peer = Peer(self.connection)
        for service in await peer.discover_service(UUID(SERVICE)):
            for each in await service.discover_characteristics():
                self._handles[each.uuid.to_hex_str().lower()[:4]] = each
        return {
            name: {"handle": each.handle, "properties": int(each.properties)} for name, each in self._handles.items()
        }

    async def read(self) -> dict[str, Any]:
        """Read the status, by Read Blob too when it is long."""
        return {"value": (await self.connection.gatt_client.read_value(self._handles[STATUS])).hex()}

    async def seal(self, fields: dict[str, Any], key: str) -> dict[str, Any]:
        """Encrypt an offer for the owner of `key`."""
        return {"value": self._keys.close(fields, key).hex()}

    async def write(self, value: str, how: str = "request", piece_bytes: int = 18) -> dict[str, Any]:
        """Write to p2p: `request` (long if need be), `long`, `command`, or `pieces`, each a write of its own."""
        handle, client, data = self._handles[P2P].handle, self.connection.gatt_client, bytes.fromhex(value)
        if how == "long":
            await client.write_long_value(handle, data)
        elif how == "pieces":
            for start in range(0, len(data), piece_bytes):
                await client.write_value(handle, data[start : start + piece_bytes], with_response=True)
        else:
            await client.write_value(handle, data, with_response=how == "request")
        return {}

    async def raw(self, pdus: list[str], answers: int = 1, within_ms: int = 2000, cid: int = ATT_CID) -> dict[str, Any]:
        """Send PDUs one behind the other, as they are; return the ATT PDUs that come, at most `answers` of them."""
        self._raw, got = asyncio.Queue(), list[str]()
        for pdu in pdus:
            self.connection.send_l2cap_pdu(cid, bytes.fromhex(pdu))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_ms / 1000):
                while len(got) < answers:
                    got.append((await self._raw.get()).hex())
        self._raw = None
        return {"answers": got}

    async def idle(self, duration_ms: int) -> dict[str, Any]:
        """Hold the connection and do nothing."""
        await asyncio.sleep(duration_ms / 1000)
        return {"connected": not self._lost.done()}

    async def disconnect(self, reason: int = 0x13) -> dict[str, Any]:
        await self._device.disconnect(self.connection, reason)
        return {"reason": int(await self._lost)}

    async def wait_for_disconnection(self) -> dict[str, Any]:
        return {"reason": int(await self._lost)}

    def _on_att(self, connection_handle: int, pdu: bytes) -> None:
        if self._raw:
            self._raw.put_nowait(pdu)
        else:
            self._device.on_gatt_pdu(connection_handle, pdu)


async def _take(phone: Phone, line: str) -> None:
    order = json.loads(line)
    step = order.pop("do")
    limit_ms = order.pop("limit_ms")
    try:
        async with asyncio.timeout(limit_ms / 1000):
            result = await getattr(phone, step)(**order)
    except Exception as error:  # the test decides what it means
        report(step=step, error=f"{type(error).__name__}: {error}")
    else:
        report(step=step, **result)


async def _main(controller: str, address: str) -> None:
    lines = input_lines()
    async with powered(controller, address) as device:
        phone = Phone(device)
        report(step="ready")
        while line := await lines.get():
            await _take(phone, line)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
