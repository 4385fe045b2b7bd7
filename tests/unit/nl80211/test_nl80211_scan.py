"""Scans that do not go smoothly: a busy chip, an abort, a missed end, a scan that never ends, a lost interface."""

import errno

import pytest

from board import aio
from drivers.netlink.message import NetlinkError
from drivers.nl80211.constants import Command
from drivers.nl80211.errors import InterfaceGoneError, ScanError
from drivers.nl80211.interfaces import Interface
from drivers.nl80211.scan import Bss, ScanRequest, scan
from tests.unit.nl80211.access_point import AccessPoint
from tests.unit.nl80211.chip import Kind
from tests.unit.nl80211.contract import link
from tests.unit.nl80211.fake_world import FakeWorld, with_chip


def scanning(world: FakeWorld, interface: Interface, timeout_ms: int = 5_000) -> "aio.Task[list[Bss]]":
    """Begin to look for the phone on all frequencies."""
    request = ScanRequest(ssids=[world.ssid])
    return aio.create_task(scan(world.radio, interface.index, request, world.now_ms, timeout_ms))


async def settle() -> None:
    """Let everything happen that can happen now."""
    for _ in range(20):
        await aio.sleep_ms(0)


def count(world: FakeWorld, command: Command) -> int:
    return [asked for asked, _ in world.chip.asked].count(command)


def test_the_strongest_comes_first_with_everything_that_was_heard() -> None:
    async def test(world: FakeWorld) -> None:
        far = AccessPoint(bssid=bytes.fromhex("060000000001"), signal_mbm=-9000, frequency_mhz=5180)
        world.chip.air.insert(0, far)
        near = world.phone
        heard = await scanning(world, (await link(world))[-1])
        assert heard[0] == Bss(near.bssid, 2437, -4200, heard[0].age_ms, 0x0411, near.elements, b"")
        assert [each.bssid for each in heard] == [near.bssid, far.bssid]

    with_chip(Kind.FULLMAC, test)


def test_the_scan_of_another_program_is_waited_for() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        world.chip.foreign_scan = True
        task = scanning(world, interface)
        await settle()
        assert not task.done()
        assert count(world, Command.TRIGGER_SCAN) == 1  # no polling
        world.chip.end_scans()
        await settle()
        assert task.done()  # with no pause in between
        assert len(task.result()) == 1

    with_chip(Kind.FULLMAC, test)


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EAGAIN])
def test_a_driver_that_is_busy_without_telling_is_asked_again(code: int) -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        world.chip.refused[Command.TRIGGER_SCAN] = code
        task = scanning(world, interface)
        await settle()
        world.chip.refused.clear()
        assert len(await task) == 1

    with_chip(Kind.FULLMAC, test)


def test_a_missed_end_leads_to_another_scan() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        world.chip.events_to_lose = 1
        assert len(await scanning(world, interface)) == 1
        assert count(world, Command.TRIGGER_SCAN) == 2

    with_chip(Kind.FULLMAC, test)


def test_the_end_of_another_scan_is_not_the_end_of_ours() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        world.chip.scan_ends = False
        task = scanning(world, interface)
        await settle()
        world.chip.end_scans()
        await settle()
        assert not task.done()
        world.chip.end_our_scan()
        assert len(await task) == 1

    with_chip(Kind.FULLMAC, test)


def test_an_aborted_scan_is_told() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        world.chip.scan_ends = False
        task = scanning(world, interface)
        await settle()
        world.chip.abort_scan()
        with pytest.raises(ScanError, match="aborted"):
            await task
        assert count(world, Command.ABORT_SCAN) == 0  # that would hit the scan of somebody else

    with_chip(Kind.FULLMAC, test)


def test_a_scan_without_end_is_aborted_by_us() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        world.chip.scan_ends = False
        with pytest.raises(ScanError, match="in time"):
            await scanning(world, interface, timeout_ms=20)
        assert count(world, Command.ABORT_SCAN) == 1
        world.chip.scan_ends = True
        assert len(await scanning(world, interface)) == 1

    with_chip(Kind.FULLMAC, test)


def test_a_cancelled_scan_is_aborted_by_us() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        world.chip.scan_ends = False
        task = scanning(world, interface)
        await settle()
        task.cancel()
        with pytest.raises(aio.CancelledError):
            await task
        assert count(world, Command.ABORT_SCAN) == 1

    with_chip(Kind.FULLMAC, test)


def test_the_interface_is_taken_away_during_a_scan() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        world.chip.scan_ends = False
        task = scanning(world, interface)
        await settle()
        world.chip.take_away(interface.name)
        with pytest.raises(InterfaceGoneError):
            await task

    with_chip(Kind.FULLMAC, test)


def test_an_interface_that_is_down_cannot_scan() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        world.chip.interface(interface.name).is_up = False
        with pytest.raises(NetlinkError) as caught:
            await scanning(world, interface)
        assert caught.value.code == errno.ENETDOWN

    with_chip(Kind.FULLMAC, test)


def test_elements_and_frequencies_go_into_the_request() -> None:
    async def test(world: FakeWorld) -> None:
        interface = (await link(world))[-1]
        request = ScanRequest(ssids=[b"a", b"b"], frequencies_mhz=[2412, 5180], elements=b"\xdd\x00")
        assert await scan(world.radio, interface.index, request, world.now_ms) == []
        attrs = next(attrs for command, attrs in world.chip.asked if command is Command.TRIGGER_SCAN)
        assert (attrs.scan_ssids, attrs.scan_frequencies, attrs.ie) == ((b"a", b"b"), (2412, 5180), b"\xdd\x00")
        assert attrs.tx_no_cck_rate

    with_chip(Kind.FULLMAC, test)
