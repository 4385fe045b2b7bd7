"""Opens the Bluetooth radio that the user named, or the one that suits."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.errors import RadioError
from drivers.hci.address import ADDRESS_BYTES, Address
from drivers.hci.host import Host
from drivers.hci.snoop import Snoop
from drivers.hci.transports.spec import Uart, open_transport, parse_spec
from drivers.hci.transports.user_channel import bluetoothd_pid
from stack.ble.central import Central, HciCentral
from stack.ble.radio import Radio

DEFAULT_SPEC = "user:0"
BLUEZ_SPEC = "bluez"
CAPTURE_LIMIT_BYTES = 16_000_000
_UART_RESET_PAUSE_MS = 100  # as Linux waits for Broadcom's chips, the usual ones on a UART


class PeripheralError(RadioError):
    """The chosen way to the radio lacks the peripheral role."""

    remedy = "Stop bluetoothd (systemctl stop bluetooth) and use --hci user:0."


def draw_short_id() -> bytes:
    """Draw the two bytes that tell this station from others, fixed while the process runs (alliance protocol, 2.3)."""
    return bytes(1 + secrets.randbelow(0x7F) for _ in range(2))


def random_address() -> Address:
    """Draw a random static address, fixed while the process runs."""
    return Address.random_static(secrets.token_bytes(ADDRESS_BYTES))


@asynccontextmanager
async def open_radio(spec: str | None, address: Address, capture: Path | None = None) -> AsyncIterator[Radio]:
    """Start the radio that `spec` names; it falls silent at the end of the block. Raises `RadioError`."""
    if spec == BLUEZ_SPEC:
        raise PeripheralError(
            "Through bluetoothd the station cannot be shown to phones: they want every byte in its place"
        )
    way = parse_spec(spec or DEFAULT_SPEC)
    transport = await open_transport(way)
    snoop = Snoop(capture, CAPTURE_LIMIT_BYTES, _wall_us) if capture else None
    host = Host(transport, snoop, reset_pause_ms=_UART_RESET_PAUSE_MS if isinstance(way, Uart) else 0)
    radio = Radio(host, address)
    try:
        await radio.start()
        yield radio
    finally:
        await radio.close()
        if snoop:
            snoop.close()


@asynccontextmanager
async def open_central(spec: str | None, capture: Path | None, chose: Callable[[str], None]) -> AsyncIterator[Central]:
    """Start whoever finds devices: our own stack on the radio that `spec` names, or BlueZ where it owns the radio.

    `chose` is told about a choice that the user did not make. Raises `RadioError`.
    """
    if spec is None and bluetoothd_pid() is not None:
        chose("bluetoothd has the Bluetooth adapter, so the search goes through it (--hci bluez).")
        spec = BLUEZ_SPEC
    if spec == BLUEZ_SPEC:
        from stack.ble.bluez import BluezCentral

        yield BluezCentral()
        return
    async with open_radio(spec, random_address(), capture) as radio:
        yield HciCentral(radio)


def _wall_us() -> int:
    return time.time_ns() // 1000
