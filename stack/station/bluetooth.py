"""Opens the Bluetooth radio that the user named, or the one that suits."""

import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from board.errors import FerryError
from drivers.errors import RadioError
from drivers.hci.address import ADDRESS_BYTES, Address
from drivers.hci.host import Capture, Host
from drivers.hci.snoop import MAGIC, Snoop
from drivers.hci.transports.spec import Uart, open_transport, parse_spec
from drivers.hci.transports.user_channel import bluetoothd_pid
from stack.ble.central import Central, HciCentral
from stack.ble.radio import Radio

DEFAULT_SPEC = "user:0"
BLUEZ_SPEC = "bluez"
CAPTURE_LIMIT_BYTES = 16_000_000
_UART_RESET_PAUSE_MS = 100  # as Linux waits for Broadcom's chips, the usual ones on a UART


class CaptureError(FerryError):
    """The capture cannot be made."""

    remedy = "Name another file with --capture; FILE.1 beside it is used too."


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
async def open_radio(spec: str | None, address: Address, capture: Capture | None = None) -> AsyncIterator[Radio]:
    """Start the radio that `spec` names; it falls silent at the end of the block. Raises `RadioError`."""
    if spec == BLUEZ_SPEC:
        raise PeripheralError(
            "Through bluetoothd the station cannot be shown to phones: they want every byte in its place"
        )
    way = parse_spec(spec or DEFAULT_SPEC)
    transport = await open_transport(way)
    host = Host(transport, capture, reset_pause_ms=_UART_RESET_PAUSE_MS if isinstance(way, Uart) else 0)
    radio = Radio(host, address)
    try:
        await radio.start()
        yield radio
    finally:
        await radio.close()


@asynccontextmanager
async def open_central(
    spec: str | None, capture: Capture | None, chose: Callable[[str], None]
) -> AsyncIterator[Central]:
    """Start whoever finds devices: our own stack on the radio that `spec` names, or BlueZ where it owns the radio.

    `chose` is told about a choice that the user did not make. Raises `RadioError`.
    """
    if spec is None and bluetoothd_pid() is not None:
        chose("bluetoothd has the Bluetooth adapter, so the search goes through it (--hci bluez).")
        spec = BLUEZ_SPEC
    if spec == BLUEZ_SPEC:
        if capture:
            raise CaptureError("What goes through bluetoothd cannot be captured here")
        from stack.ble.bluez import BluezCentral

        yield BluezCentral()
        return
    async with open_radio(spec, random_address(), capture) as radio:
        yield HciCentral(radio)


@contextmanager
def capturing(path: Path | None) -> Iterator[Capture | None]:
    """Capture to `path` within the block, over restarts of the radio too; to nowhere without one.

    Raises `CaptureError` if the place is taken by something else, or cannot be written.
    """
    if path is None:
        yield None
        return
    for place in (path, path.with_name(f"{path.name}.1")):
        _check_place(place)
    snoop = Snoop(path, CAPTURE_LIMIT_BYTES, _wall_us)
    try:
        yield snoop
    finally:
        snoop.close()


def _check_place(path: Path) -> None:
    """A capture replaces captures, and nothing else."""
    try:
        if not os.access(path.parent, os.W_OK):
            raise CaptureError(f"{path.parent} is no folder that can be written")
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise CaptureError(f"{path} is no file")
        if path.exists() and not _is_capture(path):
            raise CaptureError(f"{path} is there already, and is no capture")
    except OSError as error:
        raise CaptureError(f"{path} cannot be used: {error.strerror}") from None


def _is_capture(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) in (b"", MAGIC)


def _wall_us() -> int:
    return time.time_ns() // 1000
