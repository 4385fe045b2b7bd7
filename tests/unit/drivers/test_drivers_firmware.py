"""The Broadcom download: the file format, the steps, and all of it through a UART against a scripted chip."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board import aio
from board.errors import LocalProtocolError
from drivers.hci.firmware import (
    FirmwareFileError,
    Procedure,
    Record,
    Send,
    SetBaudRate,
    Step,
    UnknownChipError,
    Wait,
    download,
    firmware_file,
    identify,
    parse_hcd,
    run,
)
from drivers.hci.packet import frame_command
from drivers.hci.transports.uart import UartTransport, open_uart
from tests.unit.drivers.scripted_chip import ROM_ADDRESS, Fault, ScriptedChip, Stage

ResultT = TypeVar("ResultT")

LAUNCH = bytes.fromhex("4efc04ffffffff")
IMAGE = [(0xFC4C, bytes((number, 0, 0x21, 0)) + bytes(range(number))) for number in range(1, 40)]
IMAGE.append((0xFC4E, b"\xff\xff\xff\xff"))
HCD = b"".join(frame_command(opcode, parameters)[1:] for opcode, parameters in IMAGE)
ADDRESS = bytes.fromhex("010203040506")
RECORDS = tuple(Record(opcode, parameters) for opcode, parameters in IMAGE)


class RefusedError(Exception):
    """The chip answered with an error status."""


class Line:
    """The smallest host: one command at a time, its answer checked."""

    def __init__(self, uart: UartTransport) -> None:
        self.uart = uart

    async def send(self, opcode: int, parameters: bytes) -> bytes:
        await self.uart.write(frame_command(opcode, parameters))
        answer = await aio.wait_for_ms(self._answer(), 1000)
        assert answer[0] == 4, f"noise: {answer.hex()}"
        assert answer[3:6] == b"\1" + opcode.to_bytes(2, "little")
        if answer[6]:
            raise RefusedError(f"0x{opcode:04x}")
        return answer[7:]

    async def _answer(self) -> bytes:
        answer = b""
        while len(answer) < 3 or len(answer) < 3 + answer[2]:
            answer += await self.uart.read()
            assert answer[0] == 4, f"noise: {answer.hex()}"
        return answer

    async def run(self, procedure: Procedure[ResultT]) -> ResultT:
        return await run(procedure, self.send, self.uart.set_baud_rate)


@asynccontextmanager
async def connected(chip: ScriptedChip) -> AsyncIterator[Line]:
    life = aio.create_task(chip.serve())
    uart = open_uart(chip.terminal.path, 115_200)
    try:
        yield Line(uart)
    finally:
        uart.close()
        life.cancel()
        chip.terminal.close()


def steps(procedure: Procedure[object], answers: dict[int, bytes] | None = None) -> list[Step]:
    """What a procedure asks for if all commands succeed."""
    taken: list[Step] = []
    with suppress(StopIteration):
        step = next(procedure)
        while True:
            taken.append(step)
            step = procedure.send((answers or {}).get(step.opcode, b"") if isinstance(step, Send) else b"")
    return taken


def test_a_file_is_read_into_its_commands() -> None:
    assert parse_hcd(bytes.fromhex("4cfc05d0002100aa") + LAUNCH) == (
        Record(0xFC4C, bytes.fromhex("d0002100aa")),
        Record(0xFC4E, bytes.fromhex("ffffffff")),
    )
    assert parse_hcd(HCD) == RECORDS


@pytest.mark.parametrize("cut", [1, 4, 5, 6])
def test_a_file_that_is_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(FirmwareFileError, match="cut off"):
        parse_hcd(HCD[:-cut])


@pytest.mark.parametrize("data", [b"", HCD[: -len(LAUNCH)], LAUNCH + HCD[: -len(LAUNCH)]])
def test_a_file_that_does_not_end_with_the_launch_is_refused(data: bytes) -> None:
    with pytest.raises(FirmwareFileError, match="launches"):
        parse_hcd(data)


def test_a_file_beyond_all_measure_is_refused() -> None:
    with pytest.raises(FirmwareFileError, match="larger than 524288"):
        parse_hcd(LAUNCH * 100_000)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_file_or_an_error(data: bytes) -> None:
    try:
        records = parse_hcd(data)
    except FirmwareFileError:
        return
    assert b"".join(frame_command(each.opcode, each.parameters)[1:] for each in records) == data


@pytest.mark.parametrize(
    ("board", "found"),
    [
        ("", "second/BCM4345C0.hcd"),
        ("raspberrypi,4-model-b", "first/BCM4345C0.raspberrypi,4-model-b.hcd"),
        ("another,board", "second/BCM4345C0.hcd"),
    ],
)
def test_the_board_has_the_first_choice_of_a_file(tmp_path: Path, board: str, found: str) -> None:
    for name in ("first/BCM4345C0.raspberrypi,4-model-b.hcd", "second/BCM4345C0.hcd", "first/BCM43430A1.hcd"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    folders = [tmp_path / "absent", tmp_path / "first", tmp_path / "second"]
    assert firmware_file("BCM4345C0", folders, board) == tmp_path / found


def test_a_missing_file_is_named_with_its_folders() -> None:
    with pytest.raises(FirmwareFileError, match=r"no firmware BCM4345C5\.hcd in /absent or /gone"):
        firmware_file("BCM4345C5", [Path("/absent"), Path("/gone")], "raspberrypi,400")


def test_the_steps_are_those_of_linux_and_bluez() -> None:
    records = (Record(0xFC4C, b"ram"), Record(0xFC4E, b"go"))
    assert steps(download(records, baud_rate=3_000_000, address=ADDRESS)) == [
        Send(0xFC18, bytes.fromhex("0000c0c62d00")),
        SetBaudRate(3_000_000),
        Send(0xFC2E),
        Wait(50),
        Send(0xFC4C, b"ram"),
        Send(0xFC4E, b"go"),
        Wait(250),
        SetBaudRate(115_200),
        Send(0x0C03),
        Wait(100),
        Send(0xFC18, bytes.fromhex("0000c0c62d00")),
        SetBaudRate(3_000_000),
        Send(0xFC01, ADDRESS),
        Send(0x0C03),
        Wait(100),
    ]


def test_beyond_3_megabaud_the_fast_clock_comes_first() -> None:
    asked = steps(download(RECORDS, baud_rate=4_000_000, address=None))
    assert asked[:3] == [Send(0xFC45, b"\1"), Send(0xFC18, bytes.fromhex("000000093d00")), SetBaudRate(4_000_000)]
    assert Send(0xFC45, b"\1") not in steps(download(RECORDS, baud_rate=3_000_000, address=None))


def test_an_address_has_six_bytes() -> None:
    with pytest.raises(LocalProtocolError):
        next(download(RECORDS, baud_rate=None, address=b"12345"))


@pytest.mark.parametrize("version", ["", "0901000959001961", "09010009 0f00 ffff"])
def test_a_chip_that_nobody_knows_has_no_name(version: str) -> None:
    with pytest.raises(UnknownChipError):
        steps(identify(), {0x1001: bytes.fromhex(version)})


@pytest.mark.parametrize("company", ["0f00", "3101"])
def test_a_chip_of_either_maker_is_known(company: str) -> None:
    version = bytes.fromhex("0a00000a" + company + "0922")

    async def send(opcode: int, parameters: bytes) -> bytes:
        return version if opcode == 0x1001 else b""

    assert aio.run(run(identify(), send, lambda baud_rate: pytest.fail("the speed stays"))) == "BCM43430A1"


async def bring_up(chip: ScriptedChip, baud_rate: int | None, address: bytes | None) -> bytes:
    """Do what a host does and return the address that the chip has then."""
    async with connected(chip) as line:
        assert await line.run(identify()) == "BCM4345C0"
        await line.run(download(parse_hcd(HCD), baud_rate=baud_rate, address=address))
        return await line.send(0x1009, b"")


@pytest.mark.parametrize("baud_rate", [None, 921_600, 3_000_000, 4_000_000])
def test_a_bare_chip_is_brought_up(baud_rate: int | None) -> None:
    chip = ScriptedChip(IMAGE)
    assert aio.run(bring_up(chip, baud_rate, ADDRESS)) == ADDRESS
    changes = [f"baud rate {baud_rate}"] * bool(baud_rate)
    assert chip.log == [*changes, "launched", *changes]
    assert chip.stage is Stage.PATCHED


def test_the_address_of_the_chip_stays_unless_one_is_given() -> None:
    assert aio.run(bring_up(ScriptedChip(IMAGE), None, None)) == ROM_ADDRESS


@pytest.mark.parametrize(
    ("fault", "error", "stage", "records_taken"),
    [
        (Fault.SILENT, TimeoutError, Stage.ROM, 0),
        (Fault.REFUSES_A_RECORD, RefusedError, Stage.MINIDRIVER, 7),
        (Fault.DIES_AFTER_LAUNCH, TimeoutError, Stage.PATCHED, len(IMAGE)),
    ],
)
def test_a_faulty_chip_ends_in_one_error(
    fault: Fault, error: type[Exception], stage: Stage, records_taken: int
) -> None:
    chip = ScriptedChip(IMAGE, fault, fault_at=7)
    with pytest.raises(error):
        aio.run(bring_up(chip, 921_600, ADDRESS))
    assert (chip.stage, chip.records_taken) == (stage, records_taken)


def test_the_chip_refuses_a_patch_that_is_not_its_own() -> None:
    image = [*IMAGE[:5], (0xFC4C, b"another"), *IMAGE[6:]]
    with pytest.raises(RefusedError, match="fc4c"):
        aio.run(bring_up(ScriptedChip(image), None, None))


def test_a_host_at_the_wrong_speed_hears_noise() -> None:
    async def go() -> None:
        async with connected(ScriptedChip(IMAGE)) as line:
            line.uart.set_baud_rate(921_600)
            with pytest.raises(AssertionError, match="noise"):
                await line.send(0x0C03, b"")

    aio.run(go())


def test_a_host_that_does_not_wait_is_not_heard() -> None:
    async def go() -> None:
        async with connected(ScriptedChip(IMAGE)) as line:
            await line.send(0xFC2E, b"")
            with pytest.raises(TimeoutError):
                await line.send(*IMAGE[0])

    aio.run(go())
