"""Brings up a Broadcom or Cypress controller that waits on a bare UART: its patch, its speed, its address.

A procedure is a generator: it yields steps and gets the return parameters of its commands; `run` carries the steps out.
The vendor's commands and pauses are those of Linux (btbcm) and BlueZ (hciattach): the vendor has published none.
The law: between the command that readies the chip for its patch and the launch at the patch's end it gets nothing else.
"""

from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from board import aio
from board.errors import FerryError, LocalProtocolError
from drivers.errors import RadioError
from drivers.hci.wire import PacketError, Reader

DEFAULT_BAUD_RATE: Final = 115_200  # of a chip that has just been switched on, and of one that has just been launched
MAX_FILE_BYTES: Final = 524_288
FOLDERS: Final = (Path("/lib/firmware/updates/brcm"), Path("/lib/firmware/brcm"))

RESET: Final = 0x0C03
READ_LOCAL_VERSION: Final = 0x1001
WRITE_BD_ADDR: Final = 0xFC01
UPDATE_BAUD_RATE: Final = 0xFC18
DOWNLOAD_MINIDRIVER: Final = 0xFC2E
WRITE_UART_CLOCK: Final = 0xFC45
LAUNCH_RAM: Final = 0xFC4E

RESET_PAUSE_MS: Final = 100  # which a chip needs before it hears the next command

_MINIDRIVER_MS: Final = 50
_LAUNCH_MS: Final = 250

_CLOCK_48_MHZ: Final = b"\1"
_MAX_BAUD_RATE_AT_24_MHZ: Final = 3_000_000
_ADDRESS_BYTES: Final = 6

# Company identifiers of Broadcom and of Cypress, which bought its IoT business.
_COMPANIES: Final = frozenset({15, 305})
# LMP subversion: chip. The first four are on Raspberry Pis: Zero W and 3B, Zero 2 W, 3B+ and later, 400.
_CHIPS: Final = {
    0x2209: "BCM43430A1",
    0x410C: "BCM43430B0",
    0x6119: "BCM4345C0",
    0x6606: "BCM4345C5",
    0x2119: "BCM4373A0",
    0x220E: "BCM20702A1",
    0x230F: "BCM4356A2",
    0x6106: "BCM4359C0",
}


class FirmwareFileError(FerryError):
    """The firmware file is missing, or is not what it should be."""

    remedy = "Install the package bluez-firmware, or copy the file from the board's maker."


class UnknownChipError(RadioError):
    """The controller is none whose firmware we know."""

    remedy = "Let the kernel bring it up, then name it as user:0."


@dataclass(frozen=True, slots=True)
class Record:
    """One command of a firmware file."""

    opcode: int
    parameters: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send a command and wait for its return parameters."""

    opcode: int
    parameters: bytes = b""


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave the chip alone."""

    duration_ms: int


@dataclass(frozen=True, slots=True)
class SetBaudRate:
    """Change our side of the line."""

    baud_rate: int


Step = Send | Wait | SetBaudRate
ResultT = TypeVar("ResultT")
Procedure = Generator[Step, bytes, ResultT]


def parse_hcd(data: bytes) -> tuple[Record, ...]:
    """Read a firmware file (.hcd): commands one after the other, the launch last. Raises `FirmwareFileError`."""
    if len(data) > MAX_FILE_BYTES:
        raise FirmwareFileError(f"The firmware file is larger than {MAX_FILE_BYTES} bytes.")
    records = tuple(_records(data))
    if not records or records[-1].opcode != LAUNCH_RAM:
        raise FirmwareFileError("The firmware file does not end with the command that launches it.")
    return records


def _records(data: bytes) -> Iterable[Record]:
    reader = Reader(data)
    try:
        while reader.left:
            opcode = int.from_bytes(reader.take(2), "little")
            yield Record(opcode, reader.take(reader.take(1)[0]))
    except PacketError:
        raise FirmwareFileError("The firmware file is cut off.") from None


def firmware_file(chip: str, folders: Iterable[Path] = FOLDERS, board: str = "") -> Path:
    """Find the firmware of `chip`. Raises `FirmwareFileError`.

    `board` is the first `compatible` string of the device tree, with "/" as "-": a board's own file comes first, as in
    the kernel.
    """
    names = [f"{chip}.{board}.hcd"] * bool(board) + [f"{chip}.hcd"]
    folders = tuple(folders)
    for path in (folder / name for name in names for folder in folders):
        if path.is_file():
            return path
    raise FirmwareFileError(f"There is no firmware {names[-1]} in {' or '.join(map(str, folders))}.")


def identify() -> Procedure[str]:
    """Ask the chip for its name, such as BCM4345C0. Raises `UnknownChipError`."""
    yield from _reset()
    version = yield Send(READ_LOCAL_VERSION)
    company, subversion = (int.from_bytes(version[at : at + 2], "little") for at in (4, 6))
    if company not in _COMPANIES or subversion not in _CHIPS:
        raise UnknownChipError(f"Ferry knows no firmware for this controller ({company}, 0x{subversion:04x}).")
    return _CHIPS[subversion]


def download(records: tuple[Record, ...], *, baud_rate: int | None, address: bytes | None) -> Procedure[None]:
    """Patch and start the chip, then change speed and address. The line must be at `DEFAULT_BAUD_RATE`.

    `baud_rate` is used for the download too: at the default a patch takes seconds. `address` is six bytes, the lowest
    first. `None` leaves things as they are.
    """
    if address is not None and len(address) != _ADDRESS_BYTES:
        raise LocalProtocolError("A device address has six bytes.")
    yield from _change_baud_rate(baud_rate)
    yield from _patch(records)
    yield SetBaudRate(DEFAULT_BAUD_RATE)
    yield from _reset()
    yield from _change_baud_rate(baud_rate)
    if address is not None:
        yield Send(WRITE_BD_ADDR, address)
    yield from _reset()


def _patch(records: tuple[Record, ...]) -> Procedure[None]:
    yield Send(DOWNLOAD_MINIDRIVER)
    yield Wait(_MINIDRIVER_MS)
    for record in records:
        yield Send(record.opcode, record.parameters)
    yield Wait(_LAUNCH_MS)


def _reset() -> Procedure[None]:
    yield Send(RESET)
    yield Wait(RESET_PAUSE_MS)


def _change_baud_rate(baud_rate: int | None) -> Procedure[None]:
    if baud_rate is None:
        return
    if baud_rate > _MAX_BAUD_RATE_AT_24_MHZ:
        yield Send(WRITE_UART_CLOCK, _CLOCK_48_MHZ)
    yield Send(UPDATE_BAUD_RATE, bytes(2) + baud_rate.to_bytes(4, "little"))
    yield SetBaudRate(baud_rate)


async def run(
    procedure: Procedure[ResultT],
    send: Callable[[int, bytes], Awaitable[bytes]],
    set_baud_rate: Callable[[int], None],
) -> ResultT:
    """Carry a procedure out and return its result.

    `send` takes opcode and parameters and returns the return parameters after the status; what it raises ends all.
    """
    try:
        step = next(procedure)
        while True:
            step = procedure.send(await _carry_out(step, send, set_baud_rate))
    except StopIteration as end:
        result: ResultT = end.value
        return result


async def _carry_out(
    step: Step, send: Callable[[int, bytes], Awaitable[bytes]], set_baud_rate: Callable[[int], None]
) -> bytes:
    match step:
        case Send(opcode, parameters):
            return await send(opcode, parameters)
        case Wait(duration_ms):
            await aio.sleep_ms(duration_ms)
        case SetBaudRate(baud_rate):
            set_baud_rate(baud_rate)
    return b""
