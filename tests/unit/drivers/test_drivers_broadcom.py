"""Bringing a bare Broadcom chip up through our own host, against the scripted chip."""

from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import pytest

from board import aio
from drivers.errors import RadioError
from drivers.hci.broadcom import bring_up
from drivers.hci.firmware import FirmwareFileError
from drivers.hci.host import Host
from drivers.hci.packet import frame_command
from drivers.hci.transports.uart import open_uart
from tests.unit.drivers.scripted_chip import Fault, ScriptedChip, Stage

ResultT = TypeVar("ResultT")

IMAGE = [(0xFC4C, bytes((number, 0, 0x21, 0)) + bytes(range(number))) for number in range(1, 40)]
IMAGE.append((0xFC4E, b"\xff\xff\xff\xff"))
HCD = b"".join(frame_command(opcode, parameters)[1:] for opcode, parameters in IMAGE)
BAUD_RATE = 3_000_000


def beside(chip: ScriptedChip, work: Awaitable[ResultT]) -> ResultT:
    """Run `work` while the chip lives."""

    async def both() -> ResultT:
        life = aio.create_task(chip.serve())
        try:
            return await work
        finally:
            life.cancel()
            chip.terminal.close()

    return aio.run(both())


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    path = tmp_path / "BCM4345C0.hcd"
    path.write_bytes(HCD)
    return path


def test_a_bare_chip_is_patched_and_then_left_alone(firmware: Path) -> None:
    chip = ScriptedChip(IMAGE)

    async def twice_and_use() -> bytes:
        await bring_up(chip.terminal.path, BAUD_RATE, firmware)
        await bring_up(chip.terminal.path, BAUD_RATE, firmware)
        host = Host(open_uart(chip.terminal.path, BAUD_RATE))
        host.begin()
        version = await host.call(0x1001, b"")
        await host.close()
        return version

    assert beside(chip, twice_and_use())[:4] == bytes.fromhex("00095601")
    assert (chip.stage, chip.baud_rate) == (Stage.PATCHED, BAUD_RATE)
    assert chip.log.count("launched") == 1


def test_a_chip_that_refuses_a_record_is_one_error(firmware: Path) -> None:
    chip = ScriptedChip(IMAGE, Fault.REFUSES_A_RECORD, 7)
    with pytest.raises(RadioError, match="command 0xfc4c of its firmware download"):
        beside(chip, bring_up(chip.terminal.path, BAUD_RATE, firmware))


def test_a_download_that_breaks_off_leaves_the_chip_alone(firmware: Path) -> None:
    chip = ScriptedChip(IMAGE, Fault.REFUSES_A_RECORD, 7)
    with pytest.raises(RadioError):
        beside(chip, bring_up(chip.terminal.path, BAUD_RATE, firmware))
    assert chip.log[-1] == "refused 0xfc4c"


def test_a_silent_chip_is_told_with_the_remedy(firmware: Path) -> None:
    chip = ScriptedChip(IMAGE, Fault.SILENT)
    with pytest.raises(RadioError, match="does not answer") as told:
        beside(chip, bring_up(chip.terminal.path, BAUD_RATE, firmware))
    assert "power" in told.value.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    chip = ScriptedChip(IMAGE)
    with pytest.raises(FirmwareFileError, match=r"BCM4345C0\.hcd cannot be read: No such file"):
        beside(chip, bring_up(chip.terminal.path, BAUD_RATE, tmp_path / "BCM4345C0.hcd"))
