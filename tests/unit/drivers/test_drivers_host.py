"""The host over a fake controller: start-up, commands one at a time, flow control both ways, and every way to die."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from board import aio
from drivers.errors import RadioError
from drivers.hci.acl import MAX_QUEUED_PACKETS, QueueFullError
from drivers.hci.codes import ErrorCode, error_name
from drivers.hci.commands import (
    LeReadLocalSupportedFeatures,
    LeSetAdvertisingEnable,
    LeSetRandomAddress,
    LeSetScanEnable,
    Reset,
    WriteLeHostSupport,
)
from drivers.hci.errors import CommandError, ControllerError
from drivers.hci.events import (
    CommandComplete,
    CommandStatus,
    CompletedPackets,
    HardwareError,
    LeConnectionComplete,
    NumberOfCompletedPackets,
    build_event,
)
from drivers.hci.host import COMMAND_TIMEOUT_MS, Controller, Host
from drivers.hci.transport import TransportError
from stack.ble.l2cap import build_pdu
from tests.unit.drivers.controller import NOP, OUR_ADDRESS, PHONE, FakeController, now_ms, run, settle

ENABLE = LeSetAdvertisingEnable.OPCODE
HANDLE = 0x0040


async def started(chip: FakeController) -> Host:
    host = Host(chip)
    await host.start()
    return host


def with_host(test: Callable[[FakeController, Host], Awaitable[Any]], **chip_options: Any) -> None:
    """Run `test` with a started host, which is closed in the end."""

    async def whole() -> None:
        chip = FakeController(**chip_options)
        host = await started(chip)
        chip.received.clear()
        await test(chip, host)
        await host.close()

    run(whole())


# Start and end.


def test_start_resets_asks_and_chooses_the_events() -> None:
    async def test() -> None:
        chip = FakeController(in_sets=True)
        host = await started(chip)
        assert host.controller == Controller(1 << 12)
        assert host.controller.advertises_in_sets
        assert chip.opcodes == [0x0C03, 0x0C6D, 0x2003, 0x2002, 0x0C01, 0x2001]
        # Disconnection Complete (bit 4), Hardware Error (15), LE Meta (61).
        assert chip.received[-2] == bytes.fromhex("01 010c 08 1080000000000020")
        # LE Connection Complete (0), Advertising Report (1), Extended Report (12).
        assert chip.received[-1] == bytes.fromhex("01 0120 08 0310000000000000")
        await host.close()
        assert chip.opcodes[-1] == Reset.OPCODE
        assert chip.closed

    run(test())


def test_links_share_the_classic_buffers_where_they_have_none_of_their_own() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.advertising = True
        chip.completes_packets = False
        chip.connect(HANDLE)
        await settle()
        host.send(HANDLE, build_pdu(4, bytes(300)))
        await settle()
        assert [len(each) - 5 for each in chip.received] == [100, 100]  # of four pieces, two buffers

    with_host(test, own_le_buffers=False, acl_bytes=100, acl_packets=2)


def test_a_controller_that_does_le_only_may_refuse_host_support() -> None:
    async def test() -> None:
        chip = FakeController()
        chip.refused[WriteLeHostSupport.OPCODE] = ErrorCode.UNKNOWN_HCI_COMMAND
        host = await started(chip)
        await host.close()

    run(test())


@pytest.mark.parametrize(
    "kind",
    [Reset, LeReadLocalSupportedFeatures],
    ids=lambda kind: kind.__name__,
)
def test_a_controller_that_refuses_to_start_is_told_by_name(kind: type[Reset]) -> None:
    async def test() -> None:
        chip = FakeController()
        chip.refused[kind.OPCODE] = ErrorCode.HARDWARE_FAILURE
        host = Host(chip)
        with pytest.raises(CommandError, match=f"{kind.__name__}: hardware failure"):
            await host.start()
        await host.close()

    run(test())


def test_close_before_start_and_close_twice() -> None:
    async def test() -> None:
        chip = FakeController()
        host = Host(chip)
        await host.close()
        assert chip.closed
        assert not chip.received
        host = await started(chip := FakeController())
        await host.close()
        await host.close()
        assert chip.opcodes.count(Reset.OPCODE) == 2

    run(test())


# Commands.


def test_a_refused_command_raises_its_code_and_the_next_goes() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.refused[ENABLE] = ErrorCode.COMMAND_DISALLOWED
        with pytest.raises(CommandError) as caught:
            await host.command(LeSetAdvertisingEnable(1))
        assert caught.value.code == ErrorCode.COMMAND_DISALLOWED
        assert "LeSetAdvertisingEnable: command disallowed" in str(caught.value)
        await host.try_command(LeSetAdvertisingEnable(1))
        assert (await host.command(LeReadLocalSupportedFeatures())).status == 0

    with_host(test)


def test_commands_go_one_at_a_time_in_order() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.holds_answers = True
        tasks = [aio.create_task(host.command(LeSetScanEnable(n, 0))) for n in (1, 2, 3)]
        await settle()
        assert [each.le_scan_enable for each in chip.sent(LeSetScanEnable)] == [1]
        chip.release()
        await aio.gather(*tasks)
        assert [each.le_scan_enable for each in chip.sent(LeSetScanEnable)] == [1, 2, 3]

    with_host(test)


def test_no_command_is_allowed_until_the_controller_says_so() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.allows = 0
        await host.command(LeSetScanEnable(1, 0))
        waiting = aio.create_task(host.command(LeSetScanEnable(0, 0)))
        await aio.sleep_ms(COMMAND_TIMEOUT_MS // 2)
        assert len(chip.sent(LeSetScanEnable)) == 1
        chip.allows = 1
        chip.happen(CommandComplete(1, NOP, b""))
        await waiting
        assert len(chip.sent(LeSetScanEnable)) == 2

    with_host(test)


def test_a_command_status_of_no_command_allows_the_next_too() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.allows = 0
        await host.command(LeSetScanEnable(1, 0))
        chip.allows = 1
        chip.happen(CommandStatus(0, 1, NOP))
        await host.command(LeSetScanEnable(0, 0))

    with_host(test)


def test_an_answer_to_another_command_is_ignored() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.holds_answers = True
        waiting = aio.create_task(host.command(LeReadLocalSupportedFeatures()))
        await settle()
        chip.happen(CommandComplete(1, LeSetRandomAddress.OPCODE, b"\x0c"))
        chip.happen(CommandStatus(0x0C, 1, LeSetScanEnable.OPCODE))
        await settle()
        assert not waiting.done()
        chip.release()
        assert (await waiting).status == 0

    with_host(test)


@pytest.mark.parametrize("same", [True, False])
def test_the_late_answer_of_a_cancelled_command_is_not_taken_for_the_next_ones(same: bool) -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.refused[ENABLE] = ErrorCode.CONTROLLER_BUSY
        chip.holds_answers = True
        cancelled = aio.create_task(host.command(LeSetAdvertisingEnable(1)))
        await settle()
        cancelled.cancel()
        await settle()
        chip.refused.clear()
        following = LeSetAdvertisingEnable(0) if same else LeSetScanEnable(0, 0)
        waiting = aio.create_task(host.command(following))
        await settle()
        assert len(chip.received) == 1, "the controller has not allowed a second one"
        chip.send(chip.held_back.pop())
        await settle()
        assert not waiting.done(), "this was the answer to the first"
        chip.release()
        await waiting
        assert chip.opcodes == [ENABLE, following.OPCODE]

    with_host(test)


def test_a_command_cancelled_before_its_turn_is_never_sent() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.holds_answers = True
        first = aio.create_task(host.command(LeReadLocalSupportedFeatures()))
        second = aio.create_task(host.command(LeSetScanEnable(1, 0)))
        await settle()
        second.cancel()
        chip.release()
        await first
        await host.command(Reset())
        assert chip.opcodes == [LeReadLocalSupportedFeatures.OPCODE, Reset.OPCODE]

    with_host(test)


# Death.


Kill = Callable[[FakeController], None]
KILLS: dict[str, tuple[Kill, type[RadioError], str]] = {
    "end of stream": (FakeController.die, TransportError, "unplugged"),
    "hardware error": (lambda chip: chip.happen(HardwareError(0x42)), ControllerError, "hardware error 0x42"),
    "no answer": (lambda chip: chip.silent.add(ENABLE), ControllerError, "did not answer command 0x200a"),
}


@pytest.mark.parametrize(("kill", "kind", "problem"), KILLS.values(), ids=KILLS)
def test_death_reaches_all_who_wait_and_all_who_come_later(kill: Kill, kind: type[RadioError], problem: str) -> None:
    async def test() -> None:
        chip = FakeController()
        host = await started(chip)
        deaths: list[None] = []
        host.on_death = lambda: deaths.append(None)
        chip.holds_answers = True
        waiting = [aio.create_task(host.command(LeSetAdvertisingEnable(1))) for _ in range(3)]
        kill(chip)
        errors = await aio.gather(*waiting, return_exceptions=True)
        await host.died.wait()
        assert isinstance(errors[0], kind)
        assert problem in str(errors[0])
        assert all(each is errors[0] for each in errors)
        assert host.death is errors[0]
        assert len(deaths) == 1
        assert chip.closed
        died_ms = now_ms()
        for _ in range(3):
            with pytest.raises(kind):
                await host.command(Reset())
        assert now_ms() == died_ms, "it is known already"
        await host.close()
        assert len(deaths) == 1

    run(test())


def test_no_answer_is_waited_for_no_longer_than_the_limit() -> None:
    async def test() -> None:
        chip = FakeController()
        chip.silent.add(Reset.OPCODE)
        host = Host(chip)
        began_ms = now_ms()
        with pytest.raises(ControllerError):
            await host.start()
        assert now_ms() - began_ms == COMMAND_TIMEOUT_MS
        await host.close()

    run(test())


def test_what_comes_after_the_death_in_one_read_is_ignored() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        heard: list[object] = []
        host.on(LeConnectionComplete, heard.append)
        chip.send(build_event(HardwareError(1)) + build_event(LeConnectionComplete(0, 1, 1, 1, bytes(6), 0, 0, 0, 0)))
        await settle()
        assert host.died.is_set()
        assert heard == []

    with_host(test)


def test_a_bug_in_a_listener_ends_the_radio_instead_of_blinding_it(caplog: pytest.LogCaptureFixture) -> None:
    async def test(chip: FakeController, host: Host) -> None:
        def stumble(_: object) -> None:
            raise ValueError("a bug")

        host.on(LeConnectionComplete, stumble)
        chip.happen(LeConnectionComplete(0, 1, 1, 1, bytes(6), 0, 0, 0, 0))
        await settle()
        assert isinstance(host.death, ControllerError)

    with_host(test)
    assert "a bug" in caplog.text


def test_a_cancelled_close_gives_the_controller_back() -> None:
    async def test() -> None:
        chip = FakeController()
        host = await started(chip)
        chip.silent.add(Reset.OPCODE)
        closing = aio.create_task(host.close())
        await settle()
        closing.cancel()
        await settle()
        assert chip.closed

    run(test())


@pytest.mark.parametrize("returned", [b"", b"\0", b"\0\1\2\3\4\5"])
def test_an_answer_too_short_is_the_end(returned: bytes) -> None:
    async def test() -> None:
        chip = FakeController()
        host = await started(chip)
        chip.silent.add(LeReadLocalSupportedFeatures.OPCODE)
        waiting = aio.create_task(host.command(LeReadLocalSupportedFeatures()))
        await settle()
        chip.happen(CommandComplete(1, LeReadLocalSupportedFeatures.OPCODE, returned))
        with pytest.raises(ControllerError):
            await waiting
        assert host.died.is_set()
        await host.close()

    run(test())


def test_a_transport_that_fails_to_write_is_the_end() -> None:
    class Broken(FakeController):
        async def write(self, packet: bytes) -> None:
            raise TransportError("The cable is broken")

    async def test() -> None:
        host = Host(Broken())
        with pytest.raises(TransportError, match="cable"):
            await host.start()
        await host.close()

    run(test())


def test_close_wakes_who_waits() -> None:
    async def test() -> None:
        chip = FakeController()
        host = await started(chip)
        chip.silent.add(ENABLE)
        waiting = [aio.create_task(host.command(LeSetAdvertisingEnable(1))) for _ in range(2)]
        closing = aio.create_task(host.close())
        first, second = await aio.gather(*waiting, return_exceptions=True)
        assert isinstance(first, ControllerError)
        assert second is first
        await closing

    run(test())


# What a controller may send.


BROKEN = {
    "event cut short": bytes.fromhex("04 05 02 0040"),
    "empty LE meta": bytes.fromhex("04 3e 00"),
    "count without its handles": bytes.fromhex("04 13 01 05"),
    "report cut short": bytes.fromhex("04 3e 05 02 01 00 01 aa"),
    "unknown event": bytes.fromhex("04 ff 03 010203"),
    "unknown LE event": bytes.fromhex("04 3e 02 7f 00"),
    "command complete without opcode": bytes.fromhex("04 0e 01 01"),
    "data for nobody": bytes.fromhex("02 ff2e 0000"),
}


@pytest.mark.parametrize("packet", BROKEN.values(), ids=BROKEN)
def test_a_broken_packet_is_ignored(packet: bytes) -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.send(packet)
        await settle()
        assert host.death is None
        assert (await host.command(LeReadLocalSupportedFeatures())).status == 0

    with_host(test)


def test_a_connection_left_over_from_before_the_reset_does_no_harm() -> None:
    async def test() -> None:
        chip = FakeController()
        chip.advertising = True
        chip.connect(HANDLE)
        host = Host(chip)
        host.on_pdu = lambda handle, pdu: host.send(handle, pdu)
        chip.hear(HANDLE, build_pdu(4, b"\x02\x05\x02"))
        await host.start()
        await host.close()

    run(test())


def test_the_capture_sees_every_packet_both_ways() -> None:
    class Tape:
        def __init__(self) -> None:
            self.packets: list[tuple[str, bytes]] = []

        def sent(self, packet: bytes) -> None:
            self.packets.append(("sent", packet))

        def received(self, packet: bytes) -> None:
            self.packets.append(("received", packet))

    async def test() -> None:
        chip, tape = FakeController(), Tape()
        host = Host(chip, tape)
        await host.start()
        await host.close()
        assert [each for way, each in tape.packets if way == "sent"] == chip.received
        assert tape.packets[:2] == [
            ("sent", bytes.fromhex("01 030c 00")),
            ("received", bytes.fromhex("04 0e 04 01 030c 00")),
        ]

    run(test())


# ACL data.


def test_data_goes_by_the_controllers_buffers_end_to_end() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        got: list[tuple[int, bytes]] = []
        host.on_pdu = lambda handle, pdu: got.append((handle, pdu))
        chip.advertising, chip.completes_packets = True, False
        chip.connect(HANDLE)
        await settle()
        pdus = [build_pdu(4, bytes(range(n))) for n in (0, 1, 23, 24, 100)]
        for pdu in pdus:
            host.send(HANDLE, pdu)
        await settle()
        while (link := chip.links[HANDLE]).unsent:
            chip.complete(HANDLE, 1)
            await settle()
        assert link.pdus == pdus
        for pdu in pdus:
            chip.hear(HANDLE, pdu)
        await settle()
        assert got == [(HANDLE, pdu) for pdu in pdus]

    with_host(test, acl_packets=2)


def test_the_end_of_a_connection_frees_its_buffers_and_its_data() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.completes_packets = False
        for handle in (1, 2):
            chip.advertising = True
            chip.connect(handle)
        await settle()
        host.send(1, build_pdu(4, bytes(200)))
        await settle()
        assert chip.links[1].unsent == 3
        host.send(2, build_pdu(4, b"for the other"))
        chip.disconnect(1)
        await settle()
        assert chip.links[2].pdus == [build_pdu(4, b"for the other")]
        host.send(1, build_pdu(4, b"too late"))  # nobody is there, nothing happens
        await settle()

    with_host(test)


def test_a_handle_that_comes_back_starts_fresh_though_its_end_got_lost() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.completes_packets = False
        for _ in range(2):
            chip.advertising = True
            chip.connect(HANDLE)
            await settle()
            host.send(HANDLE, build_pdu(4, bytes(200)))
            await settle()
            assert chip.links[HANDLE].unsent == 3

    with_host(test)


def test_free_buffers_that_were_never_taken_are_not_believed() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.advertising, chip.completes_packets = True, False
        chip.connect(HANDLE)
        chip.happen(NumberOfCompletedPackets((CompletedPackets(HANDLE, 0xFFFF), CompletedPackets(7, 9))))
        await settle()
        host.send(HANDLE, build_pdu(4, bytes(400)))
        await settle()
        assert chip.links[HANDLE].unsent == 3

    with_host(test)


class SlowWire(FakeController):
    """Takes a while for every packet."""

    async def write(self, packet: bytes) -> None:
        await aio.sleep_ms(10)
        await super().write(packet)


def test_commands_pass_data_that_waits() -> None:
    async def test() -> None:
        chip = SlowWire()
        host = await started(chip)
        chip.advertising = True
        chip.connect(HANDLE)
        await settle()
        chip.received.clear()
        host.send(HANDLE, build_pdu(4, bytes(400)))
        await settle()
        assert (await host.command(LeReadLocalSupportedFeatures())).status == 0
        assert [each[0] for each in chip.received] == [2, 1]
        await host.flush(HANDLE)
        assert chip.links[HANDLE].pdus == [build_pdu(4, bytes(400))]
        await host.close()

    run(test())


FLUSH_ENDS: dict[str, Callable[[FakeController], None]] = {
    "arrived": lambda chip: chip.complete(HANDLE, 1),
    "gone": lambda chip: chip.disconnect(HANDLE),
    "dead": FakeController.die,
}


@pytest.mark.parametrize("end", FLUSH_ENDS.values(), ids=FLUSH_ENDS)
def test_flush_waits_until_data_has_arrived_or_never_will(end: Callable[[FakeController], None]) -> None:
    async def test() -> None:
        chip = FakeController()
        host = await started(chip)
        chip.advertising, chip.completes_packets = True, False
        chip.connect(HANDLE)
        await settle()
        await host.flush(HANDLE)
        await host.flush(0x0123)
        host.send(HANDLE, build_pdu(4, b"x"))
        flushes = [aio.create_task(host.flush(HANDLE)) for _ in range(2)]
        await aio.sleep_ms(60_000)
        assert not any(each.done() for each in flushes)
        end(chip)
        await aio.gather(*flushes)
        await host.close()

    run(test())


def test_a_peer_that_takes_nothing_fills_its_queue_and_no_more() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.advertising, chip.completes_packets = True, False
        chip.connect(HANDLE)
        await settle()
        for _ in range(MAX_QUEUED_PACKETS):
            host.send(HANDLE, build_pdu(4, b"x"))
        with pytest.raises(QueueFullError):
            host.send(HANDLE, build_pdu(4, b"x"))

    with_host(test)


def test_shared_buffers_of_no_size_are_taken_for_the_smallest() -> None:
    async def test(chip: FakeController, host: Host) -> None:
        chip.acl_bytes, chip.acl_packets = 27, 1  # what it says and what it has are two things
        chip.advertising = True
        chip.connect(HANDLE)
        await settle()
        host.send(HANDLE, build_pdu(4, bytes(60)))
        await settle()
        assert chip.links[HANDLE].pdus == [build_pdu(4, bytes(60))]

    with_host(test, own_le_buffers=False, acl_bytes=0, acl_packets=0)


def test_errors_have_names() -> None:
    assert error_name(ErrorCode.REMOTE_USER_TERMINATED_CONNECTION) == "remote user terminated connection"
    assert error_name(0xEE) == "error 0xee"
    assert "restart" in ControllerError("x").explain()
    assert str(PHONE) == "E6:A5:A4:A3:A2:A1"
    assert str(OUR_ADDRESS).startswith("C6:")
    assert build_event(HardwareError(1)) == bytes.fromhex("04 10 01 01")
