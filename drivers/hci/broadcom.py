"""Gives a bare Broadcom controller on a UART its firmware, unless it runs it already: it keeps it while powered."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from board import aio
from drivers.errors import RadioError
from drivers.hci.errors import CommandError, ControllerError
from drivers.hci.firmware import (
    DEFAULT_BAUD_RATE,
    RESET,
    RESET_PAUSE_MS,
    FirmwareFileError,
    download,
    firmware_file,
    identify,
    parse_hcd,
    run,
)
from drivers.hci.host import Host
from drivers.hci.transports.uart import open_uart

COMPATIBLE: Final = Path("/proc/device-tree/compatible")

# A controller that is there at all answers a reset within milliseconds.
_PROBE_TIMEOUT_MS: Final = 500
_TRIES: Final = 3


class SilentChipError(RadioError):
    """The chip is deaf at its first speed and at the one that it should have."""

    remedy = "Cut the board's power for a moment, or name the speed that the chip was given before."


async def bring_up(path: str, baud_rate: int, firmware: Path | None = None) -> None:
    """Leave the chip at the serial port `path` patched and at `baud_rate`.

    `firmware` is the file, if not the usual one. Raises `RadioError` or `FirmwareFileError`.
    """
    if baud_rate != DEFAULT_BAUD_RATE and await _answers(path, baud_rate):
        return
    await _wake(path)
    uart = open_uart(path, DEFAULT_BAUD_RATE)
    host = Host(uart)
    host.begin()
    try:
        chip = await run(identify(), _sender(host), uart.set_baud_rate)
        records = parse_hcd(_content(firmware or firmware_file(chip, board=_board())))
        await run(download(records, baud_rate=baud_rate, address=None), _sender(host), uart.set_baud_rate)
    finally:
        await host.abandon()  # half-way a chip wants nothing but its patch, not even a reset
        await aio.sleep_ms(RESET_PAUSE_MS)


def _sender(host: Host) -> Callable[[int, bytes], Awaitable[bytes]]:
    async def send(opcode: int, parameters: bytes) -> bytes:
        answer = await host.call(opcode, parameters)
        if answer[:1] != b"\0":
            raise CommandError(f"command 0x{opcode:04x} of its firmware download", answer[0] if answer else 0)
        return answer[1:]

    return send


async def _wake(path: str) -> None:
    """Reset the chip at its first speed; noise of the probe before may cost the first tries."""
    for _ in range(_TRIES):
        if await _answers(path, DEFAULT_BAUD_RATE):
            return
    raise SilentChipError(f"The Bluetooth chip at {path} does not answer")


async def _answers(path: str, baud_rate: int) -> bool:
    host = Host(open_uart(path, baud_rate), command_timeout_ms=_PROBE_TIMEOUT_MS)
    host.begin()
    try:
        await host.call(RESET, b"")
    except ControllerError:
        return False
    finally:
        await host.abandon()
        await aio.sleep_ms(RESET_PAUSE_MS)
    return True


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FirmwareFileError(f"The firmware file {path} cannot be read: {error.strerror}.") from None


def _board() -> str:
    """Return the board's name as firmware files spell it; empty where there is no device tree."""
    try:
        return COMPATIBLE.read_bytes().split(b"\0")[0].decode("ascii", "replace").replace("/", "-")
    except OSError:
        return ""
