"""The ways to a controller: their names, a TCP port, a pseudo terminal, and what the kernel may answer."""

import errno
import os
import shutil
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from board import aio
from drivers.hci.transport import Transport, TransportError
from drivers.hci.transports.spec import (
    Spec,
    Tcp,
    TransportSpecError,
    Uart,
    UserChannel,
    open_transport,
    parse_spec,
)
from drivers.hci.transports.stream import ControllerGoneError, ControllerStuckError
from drivers.hci.transports.tcp import NobodyListensError
from drivers.hci.transports.uart import SerialPortError, open_uart
from drivers.hci.transports.user_channel import AdapterError, bluetoothd_pid, explain, patiently
from tests.unit.drivers.scripted_chip import Terminal

ROOT = Path(__file__).parents[3]
RESET = bytes.fromhex("01030c00")
RESET_DONE = bytes.fromhex("040e0401030c00")


# How a user names them


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("user:0", UserChannel(0)),
        ("user:12", UserChannel(12)),
        ("uart:/dev/ttyAMA0", Uart("/dev/ttyAMA0", 115_200)),
        ("uart:/dev/ttyAMA0,3000000", Uart("/dev/ttyAMA0", 3_000_000)),
        ("uart:/dev/serial/by-id/usb-Nordic:1", Uart("/dev/serial/by-id/usb-Nordic:1")),
        ("tcp:127.0.0.1:9001", Tcp("127.0.0.1", 9001)),
        ("tcp:[::1]:9001", Tcp("::1", 9001)),
        ("tcp:lab.local:65535", Tcp("lab.local", 65_535)),
    ],
)
def test_a_controller_has_a_name(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "user",
        "user:",
        "user:hci0",
        "user:-1",
        "user:65535",
        "uart:",
        "uart:ttyAMA0",
        "uart:/dev/ttyAMA0,",
        "uart:/dev/ttyAMA0,0",
        "uart:/dev/ttyAMA0,fast",
        "uart:/dev/tty\0",
        "tcp:127.0.0.1",
        "tcp:127.0.0.1:0",
        "tcp:127.0.0.1:65536",
        "tcp::9001",
        "tcp:::1:9001",
        "usb:0",
        "user:0 ",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(TransportSpecError) as refused:
        parse_spec(text)
    assert "user:0, uart:/dev/ttyAMA0," in refused.value.explain()


def test_only_what_opens_the_chosen_one_is_imported() -> None:
    program = (
        "import sys\n"
        "from drivers.hci.transports.spec import parse_spec\n"
        "parse_spec('uart:/dev/ttyAMA0')\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"serial", "ctypes", "asyncio", "socket"} & set(done.stdout.split())


# What all of them do. Each far end is a descriptor that the test reads and writes.


class FarEnd:
    """The controller's end of a way to it, and how a user names that."""

    def __init__(self, name: str, descriptor: Callable[[], int], close: Callable[[], None]) -> None:
        self.name = name
        self.descriptor = descriptor
        self.close = close

    def exchange(self, expected: bytes, answer: bytes) -> None:
        assert os.read(self.descriptor(), 100) == expected
        os.write(self.descriptor(), answer)


def pty_end() -> FarEnd:
    terminal = Terminal.open()

    def close() -> None:
        with suppress(OSError):
            terminal.close()

    return FarEnd(f"uart:{terminal.path}", terminal.fileno, close)


def tcp_end() -> FarEnd:
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

    def descriptor() -> int:
        if not accepted:
            accepted.append(listener.accept()[0])
        return accepted[0].fileno()

    def close() -> None:
        for each in (*accepted, listener):
            each.close()

    return FarEnd(f"tcp:127.0.0.1:{listener.getsockname()[1]}", descriptor, close)


Dialogue = Callable[[Transport, FarEnd], Coroutine[Any, Any, None]]


@pytest.fixture(params=[pty_end, tcp_end])
def talk(request: pytest.FixtureRequest) -> Callable[[Dialogue], None]:
    async def run(dialogue: Dialogue) -> None:
        far = request.param()
        way = await open_transport(parse_spec(far.name))
        try:
            await dialogue(way, far)
        finally:
            way.close()
            far.close()

    return lambda dialogue: aio.run(run(dialogue))


def test_packets_go_both_ways(talk: Callable[[Dialogue], None]) -> None:
    async def dialogue(way: Transport, far: FarEnd) -> None:
        await way.write(RESET)
        far.exchange(RESET, RESET_DONE)
        assert await way.read() == RESET_DONE
        every_byte = bytes(range(256))  # no terminal magic for any of them
        os.write(far.descriptor(), every_byte)
        got = b""
        while len(got) < len(every_byte):
            got += await way.read()
        assert got == every_byte

    talk(dialogue)


def test_close_ends_a_waiting_read(talk: Callable[[Dialogue], None]) -> None:
    async def dialogue(way: Transport, far: FarEnd) -> None:
        waiting = aio.create_task(way.read())
        await aio.sleep_ms(0)
        way.close()
        way.close()
        with pytest.raises(ControllerGoneError):
            await waiting
        with pytest.raises(ControllerGoneError):
            await way.write(RESET)

    talk(dialogue)


def test_a_controller_that_goes_away_ends_the_read(talk: Callable[[Dialogue], None]) -> None:
    async def dialogue(way: Transport, far: FarEnd) -> None:
        await way.write(RESET)
        far.exchange(RESET, b"")
        waiting = aio.create_task(way.read())
        await aio.sleep_ms(0)
        far.close()
        with pytest.raises(ControllerGoneError, match="has gone away") as gone:
            await waiting
        assert "Errno" not in gone.value.explain()

    talk(dialogue)


def test_a_controller_that_takes_nothing_is_not_waited_for(
    talk: Callable[[Dialogue], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.hci.transports.stream.WRITE_TIMEOUT_MS", 50)

    async def write_on(way: Transport) -> None:
        for _ in range(10_000):
            await way.write(bytes(4096))

    async def dialogue(way: Transport, far: FarEnd) -> None:
        far.descriptor()
        with pytest.raises(ControllerStuckError, match="takes no more data"):
            await write_on(way)

    talk(dialogue)


# TCP


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NobodyListensError, match=f"at 127.0.0.1:{port}: Connection refused"):
        aio.run(open_transport(Tcp("127.0.0.1", port)))


def test_a_port_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.hci.transports.tcp.CONNECT_TIMEOUT_MS", 50)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        # Linux takes one connection more than the backlog says, and leaves the next without an answer.
        with socket.create_connection(address), pytest.raises(NobodyListensError, match="no answer within"):
            aio.run(open_transport(Tcp(*address)))


def test_a_name_that_is_none() -> None:
    with pytest.raises(NobodyListensError, match="not the name of a machine"):
        aio.run(open_transport(Tcp("a..b", 9001)))


# Serial ports


def test_a_serial_port_is_ours_alone() -> None:
    terminal = Terminal.open()
    uart = open_uart(terminal.path, 115_200)
    with pytest.raises(SerialPortError) as refused:
        open_uart(terminal.path, 115_200)
    assert refused.value.remedy == "Stop the other program that uses it."
    uart.close()
    open_uart(terminal.path, 115_200).close()
    terminal.close()


def test_the_speed_changes_while_a_read_waits() -> None:
    async def go() -> None:
        terminal = Terminal.open()
        uart = open_uart(terminal.path, 921_600)
        assert terminal.host_baud_rate == 921_600
        waiting = aio.create_task(uart.read())
        await aio.sleep_ms(0)
        uart.set_baud_rate(3_000_000)
        assert terminal.host_baud_rate == 3_000_000
        os.write(terminal.fileno(), RESET_DONE)
        assert await waiting == RESET_DONE
        uart.close()
        with pytest.raises(SerialPortError):
            uart.set_baud_rate(-1)
        terminal.close()

    aio.run(go())


def test_a_pseudo_terminal_gets_no_flow_control() -> None:
    terminal = Terminal.open()
    uart = open_uart(terminal.path, 115_200)
    assert not termios.tcgetattr(terminal.slave)[2] & termios.CRTSCTS
    uart.close()
    terminal.close()


def test_a_read_without_data_is_not_taken_for_the_end() -> None:
    terminal = Terminal.open()
    uart = open_uart(terminal.path, 115_200)
    os.set_blocking(terminal.slave, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal.slave, 1)
    uart.close()
    terminal.close()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/dev/absent", "The serial port /dev/absent cannot be used: No such file or directory. Check the path"),
        ("/dev/null", "/dev/null is no serial port, or cannot do this speed. Name a serial port"),
        ("/", "The serial port / cannot be used: Is a directory. Name a serial port"),
    ],
)
def test_what_is_no_serial_port(path: str, sentence: str) -> None:
    with pytest.raises(SerialPortError) as refused:
        open_uart(path, 115_200)
    assert refused.value.explain().startswith(sentence)


# The user channel. Taking an adapter needs a kernel that has one, which the lab does.


def has_bluetooth() -> bool:
    try:
        socket.socket(31, socket.SOCK_RAW, 1).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(has_bluetooth(), reason="needs a kernel without Bluetooth")
def test_a_kernel_without_bluetooth() -> None:
    with pytest.raises(AdapterError, match=r"This kernel has no Bluetooth\."):
        aio.run(open_transport(UserChannel(0)))


def failing(numbers: list[int]) -> Callable[[], None]:
    """An attempt that meets these errors, one after the other, and then works."""

    def attempt() -> None:
        if numbers:
            raise OSError(numbers.pop(0), "as told")

    return attempt


def test_the_kernels_own_set_up_is_waited_for() -> None:
    numbers = [errno.ENODEV, errno.ENODEV, errno.EBUSY, errno.EUSERS]
    aio.run(patiently(failing(numbers), patience_ms=10, pause_ms=1))
    assert not numbers


@pytest.mark.parametrize(
    ("numbers", "raised", "left"),
    [([errno.ENODEV] * 20, errno.ENODEV, 9), ([errno.EBUSY, errno.EPERM, errno.EBUSY], errno.EPERM, 1)],
)
def test_patience_ends(numbers: list[int], raised: int, left: int) -> None:
    with pytest.raises(OSError, match="as told") as failed:
        aio.run(patiently(failing(numbers), patience_ms=10, pause_ms=1))
    assert (failed.value.errno, len(numbers)) == (raised, left)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENODEV, "There is no Bluetooth adapter hci3. Plug it in"),
        (errno.EBUSY, "The Bluetooth adapter hci3 is busy: the kernel's set-up of it does not come to an end. Unplug"),
        (errno.EUSERS, "Another program has the Bluetooth adapter hci3. Stop that program."),
        (errno.EPERM, "Ferry may not use the Bluetooth adapter hci3. Run it as root, or with the capabilities CAP_NET"),
        (errno.ERFKILL, "The Bluetooth adapter hci3 is switched off. Run: rfkill unblock bluetooth."),
        (errno.EAFNOSUPPORT, "This kernel has no Bluetooth. Use another kernel"),
        (errno.EIO, "The Bluetooth adapter hci3 cannot be used: Input/output error. See what the kernel"),
    ],
)
def test_each_answer_of_the_kernel_has_its_sentence(number: int, sentence: str) -> None:
    error = explain(OSError(number, os.strerror(number)), 3)
    assert isinstance(error, TransportError)
    assert error.explain().startswith(sentence)


def test_bluetoothd_is_found_by_its_name(tmp_path: Path) -> None:
    before = bluetoothd_pid()
    program = shutil.copy("/bin/sh", tmp_path / "bluetoothd")
    command = [program, "-c", "echo up; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout
        assert daemon.stdout.readline() == b"up\n"
        assert bluetoothd_pid() in ({daemon.pid} if before is None else {before, daemon.pid})
    assert bluetoothd_pid() == before
