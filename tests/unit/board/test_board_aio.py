"""The asyncio vocabulary: what it promises beyond what MicroPython's own tests look at."""

import asyncio
import errno
import gc
import os
import pty
import resource
import signal
import socket
import subprocess
import sys
import threading
import tty
import weakref
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from board import aio
from board.aio import (
    LINE_LIMIT_BYTES,
    CancelledError,
    LineTooLongError,
    Stream,
    ThreadSafeFlag,
    create_task,
    gather,
    open_connection,
    run,
    sleep_ms,
    start_server,
    wait_for,
    wait_for_ms,
)
from board.errors import LocalProtocolError
from board.micropython import TICKS_HALF, TICKS_PERIOD, ticks_add, ticks_diff

ROOT = Path(__file__).parents[3]
LIMIT_MS = 2_000


def within_limit(scenario: Coroutine[Any, Any, None]) -> None:
    run(wait_for_ms(scenario, LIMIT_MS))


@pytest.fixture(params=[socket.SOCK_STREAM, socket.SOCK_SEQPACKET], ids=["bytes", "packets"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Stream, Stream]]:
    yield from _pair(request.param)


@pytest.fixture
def byte_pair() -> Iterator[tuple[Stream, Stream]]:
    yield from _pair(socket.SOCK_STREAM)


@pytest.fixture
def packet_pair() -> Iterator[tuple[Stream, Stream]]:
    yield from _pair(socket.SOCK_SEQPACKET)


def _pair(kind: int) -> Iterator[tuple[Stream, Stream]]:
    left, right = socket.socketpair(socket.AF_UNIX, kind)
    left.setblocking(False)
    right.setblocking(False)
    streams = Stream(left), Stream(right)
    yield streams
    for stream in streams:
        stream.close()


async def begun(coro: Coroutine[Any, Any, Any]) -> "aio.Task[Any]":
    """A task that has got as far as it can without the others."""
    task = create_task(coro)
    await sleep_ms(0)
    return task


def fill(stream: Stream, packet: bytes) -> int:
    """Write until the first packet has to wait; return how many were written."""
    count = 1
    stream.write(packet)
    while not stream._unsent:
        stream.write(packet)
        count += 1
    return count


# tasks


def test_a_task_that_nobody_holds_lives() -> None:
    async def scenario() -> None:
        create_task(background())
        await sleep_ms(0)
        gc.collect()
        waiter = waiters.pop()()
        assert waiter is not None
        waiter.set_result(None)
        await done.wait()

    async def background() -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiters.append(weakref.ref(waiter))
        await waiter
        done.set()

    waiters: list[weakref.ref[asyncio.Future[None]]] = []
    done = aio.Event()
    within_limit(scenario())


def reports_of(scenario: Coroutine[Any, Any, None]) -> list[dict[str, Any]]:
    """What the loop's exception handler was told."""
    reports: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reports.append(context))
        await scenario

    within_limit(watched())
    return reports


async def fails() -> None:
    raise ValueError("on purpose")


def test_a_task_that_dies_alone_is_reported_at_once_though_it_is_held() -> None:
    async def scenario() -> None:
        held.append(await begun(fails()))
        await sleep_ms(0)

    held: list[aio.Task[Any]] = []
    (report,) = reports_of(scenario())
    assert report["future"] is held[0]
    assert report["exception"].args == ("on purpose",)


def test_an_error_that_somebody_waits_for_is_not_reported() -> None:
    async def scenario() -> None:
        with pytest.raises(ValueError, match="on purpose"):
            await create_task(fails())
        with pytest.raises(ValueError, match="on purpose"):
            await gather(fails())
        with pytest.raises(ValueError, match="on purpose"):
            await wait_for_ms(fails(), LIMIT_MS)

    assert reports_of(scenario()) == []


def test_a_task_cannot_cancel_itself() -> None:
    async def scenario() -> None:
        task = create_task(suicidal())
        with pytest.raises(RuntimeError, match="can't cancel self"):
            await task

    async def suicidal() -> None:
        task = aio.current_task()
        assert task is not None
        task.cancel()

    within_limit(scenario())


# wait_for and gather


async def stubborn(ended: list[str]) -> str:
    """Swallow one cancellation, and take a while over it."""
    try:
        await sleep_ms(LIMIT_MS)
    except CancelledError:
        await sleep_ms(5)
    ended.append("stubborn")
    return "result"


def test_a_timeout_is_not_swallowed_and_comes_after_the_end() -> None:
    async def scenario() -> None:
        ended: list[str] = []
        with pytest.raises(TimeoutError):
            await wait_for_ms(stubborn(ended), 5)
        assert ended == ["stubborn"]

    within_limit(scenario())


@pytest.mark.parametrize(
    "waiting",
    [lambda ended: wait_for_ms(stubborn(ended), LIMIT_MS), lambda ended: gather(stubborn(ended), stubborn(ended))],
    ids=["wait_for", "gather"],
)
def test_a_cancellation_is_not_swallowed_and_comes_after_the_end(
    waiting: Callable[[list[str]], Coroutine[Any, Any, Any]],
) -> None:
    async def scenario() -> None:
        ended: list[str] = []
        task = await begun(waiting(ended))
        await sleep_ms(0)
        task.cancel()
        with pytest.raises(CancelledError):
            await task
        assert set(ended) == {"stubborn"}

    within_limit(scenario())


def test_no_timeout_waits_for_the_result() -> None:
    async def value() -> int:
        await sleep_ms(1)
        return 3

    assert run(wait_for(value(), None)) == 3


def test_gather_keeps_the_order_and_may_take_errors_as_results() -> None:
    async def value(after_ms: int) -> int:
        await sleep_ms(after_ms)
        return after_ms

    async def scenario() -> None:
        assert await gather(value(3), value(1), value(2)) == [3, 1, 2]
        assert await gather() == []
        result, error = await gather(value(1), fails(), return_exceptions=True)
        assert result == 1
        assert isinstance(error, ValueError)

    within_limit(scenario())


def test_the_first_error_of_gather_leaves_the_others_running() -> None:
    async def scenario() -> None:
        other = create_task(sleep_ms(5))
        with pytest.raises(ValueError, match="on purpose"):
            await gather(other, fails())
        assert not other.done()
        await other

    within_limit(scenario())


# ThreadSafeFlag


def test_a_flag_that_was_set_before_the_loop_runs_wakes_once() -> None:
    async def scenario() -> None:
        await flag.wait()
        with pytest.raises(TimeoutError):
            await wait_for_ms(flag.wait(), 5)

    flag = ThreadSafeFlag()
    flag.set()
    flag.set()
    within_limit(scenario())


def test_a_flag_is_set_by_a_thread() -> None:
    async def scenario() -> None:
        flag = ThreadSafeFlag()
        waiter = await begun(flag.wait())
        thread = threading.Thread(target=flag.set)
        thread.start()
        await waiter
        thread.join()

    within_limit(scenario())


def test_no_set_is_lost_between_two_threads() -> None:
    async def scenario() -> None:
        for _ in range(500):
            request.set()
            await answer.wait()

    def echo() -> None:
        for _ in range(500):
            request.wait(LIMIT_MS / 1000)
            request.clear()
            answer.set()

    request, answer = threading.Event(), ThreadSafeFlag()
    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    within_limit(scenario())
    thread.join()


def test_a_flag_is_set_by_a_signal_handler() -> None:
    async def scenario() -> None:
        waiter = await begun(flag.wait())
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGUSR1)
        await waiter

    flag = ThreadSafeFlag()
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: flag.set())
    try:
        within_limit(scenario())
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_cancelled_waiter_takes_no_set_with_it() -> None:
    async def scenario() -> None:
        flag = ThreadSafeFlag()
        cancelled = await begun(flag.wait())
        flag.set()
        cancelled.cancel()
        with pytest.raises(CancelledError):
            await cancelled
        await flag.wait()

    within_limit(scenario())


def test_a_flag_has_one_waiter() -> None:
    async def scenario() -> None:
        flag = ThreadSafeFlag()
        await begun(flag.wait())
        with pytest.raises(LocalProtocolError):
            await flag.wait()

    within_limit(scenario())


# reading


def test_one_read_is_one_packet(packet_pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, right = packet_pair
        for packet in (b"first", b"second packet", b"3"):
            left.write(packet)
        assert await right.read(100) == b"first"
        buffer = bytearray(100)
        assert buffer[: await right.readinto(buffer)] == b"second packet"
        assert await right.read(100) == b"3"

    within_limit(scenario())


def test_the_end_of_a_stream(byte_pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, right = byte_pair
        left.write(b"a line\nthe rest, ")
        create_task(last_words(left))
        assert await right.readline() == b"a line\n"
        assert await right.readexactly(3) == b"the"
        assert await right.read() == b" rest, and the end"
        assert (await right.read(1), await right.readline(), await right.readinto(bytearray(1))) == (b"", b"", 0)
        with pytest.raises(EOFError):
            await right.readexactly(1)

    async def last_words(left: Stream) -> None:
        await sleep_ms(5)
        left.write(b"and the end")
        left.close()

    within_limit(scenario())


def test_readexactly_waits_for_all_of_it(byte_pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, right = byte_pair
        reader = create_task(right.readexactly(6))
        for piece in (b"ab", b"cd", b"efgh"):
            left.write(piece)
            await sleep_ms(1)
        assert await reader == b"abcdef"
        assert await right.readexactly(2) == b"gh"

    within_limit(scenario())


def test_a_line_without_end_is_refused(byte_pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, right = byte_pair
        left.write(b"x" * (LINE_LIMIT_BYTES + 1))
        sending = create_task(left.drain())
        with pytest.raises(LineTooLongError):
            await right.readline()
        await sending

    within_limit(scenario())


def test_a_cancelled_read_leaves_the_descriptor_to_the_next(pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, right = pair
        with pytest.raises(TimeoutError):
            await wait_for_ms(right.read(10), 5)
        assert not asyncio.get_running_loop().remove_reader(right.s.fileno())
        left.write(b"later")
        assert await Stream(right.s).read(10) == b"later"

    within_limit(scenario())


def test_two_tasks_cannot_read_one_stream(pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, right = pair
        first = await begun(right.read(10))
        with pytest.raises(LocalProtocolError):
            await right.read(10)
        left.write(b"for the first")
        assert await first == b"for the fi"

    within_limit(scenario())


def test_a_terminal_is_a_stream() -> None:
    async def scenario() -> None:
        slave.write(b"\x01\x02")
        assert await master.read(10) == b"\x01\x02"
        master.write(b"\x03\n")
        assert await slave.readexactly(2) == b"\x03\n"

    ends = pty.openpty()
    tty.setraw(ends[1])
    for end in ends:
        os.set_blocking(end, False)
    master, slave = (Stream(os.fdopen(end, "r+b", buffering=0)) for end in ends)
    within_limit(scenario())
    master.close()
    slave.close()


# writing


def test_packets_that_had_to_wait_stay_packets(packet_pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, right = packet_pair
        count = fill(left, b"p" * 1000)
        left.write(b"last")
        sending = create_task(left.drain())
        assert [len(await right.read(100_000)) for _ in range(count)] == [1000] * count
        assert await right.read(100_000) == b"last"
        await sending

    within_limit(scenario())


def test_a_packet_that_cannot_be_sent_does_not_block_the_next(packet_pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, right = packet_pair
        count = fill(left, b"p" * 1000)
        left.write(bytes(10_000_000))
        left.write(b"next")
        sending = create_task(left.drain())
        for _ in range(count):
            await right.read(1000)
        with pytest.raises(OSError, match="long") as caught:
            await sending
        assert caught.value.errno == errno.EMSGSIZE
        await left.drain()
        assert await right.read(1000) == b"next"

    within_limit(scenario())


def test_any_number_of_tasks_may_write(byte_pair: tuple[Stream, Stream]) -> None:
    size_bytes = 300_000

    async def send(left: Stream, letter: bytes) -> None:
        left.write(letter * size_bytes)
        await left.drain()

    async def scenario() -> None:
        left, right = byte_pair
        senders = [create_task(send(left, letter)) for letter in (b"a", b"b", b"c")]
        received = await right.readexactly(3 * size_bytes)
        assert received == b"a" * size_bytes + b"b" * size_bytes + b"c" * size_bytes
        await gather(*senders)

    within_limit(scenario())


def test_what_waits_is_a_copy(byte_pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, right = byte_pair
        written = fill(left, b"." * 10_000) * 10_000
        buffer = bytearray(b"before")
        left.write(buffer)
        buffer[:] = b"after!"
        sending = create_task(left.drain())
        assert (await right.readexactly(written + 6))[-6:] == b"before"
        await sending

    within_limit(scenario())


# closing


def test_close_ends_whoever_waits(pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, _ = pair
        fill(left, b"p" * 1000)
        waiting = [await begun(left.read(1)), await begun(left.drain()), await begun(left.drain())]
        await sleep_ms(0)
        left.close()
        for task in waiting:
            with pytest.raises(OSError, match="closed") as caught:
                await task
            assert caught.value.errno == errno.EBADF

    within_limit(scenario())


def test_a_closed_stream_refuses_everything(pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        left, _ = pair
        left.close()
        left.close()
        await left.wait_closed()
        with pytest.raises(OSError, match="closed"):
            await left.read(1)
        with pytest.raises(OSError, match="closed"):
            left.write(b"x")

    within_limit(scenario())


def test_closing_does_not_disturb_who_gets_the_same_descriptor() -> None:
    async def scenario() -> None:
        old, peer = socket.socketpair()
        old.setblocking(False)
        closed = Stream(old)
        number = old.fileno()
        first = await begun(closed.read(1))
        closed.close()
        new, new_peer = socket.socketpair()
        assert number in (new.fileno(), new_peer.fileno())
        if new.fileno() != number:
            new, new_peer = new_peer, new
        new.setblocking(False)
        second = await begun(Stream(new).read(1))  # waits before the first has noticed
        with pytest.raises(OSError, match="closed"):
            await first
        new_peer.send(b"x")
        assert await second == b"x"
        for sock in (peer, new, new_peer):
            sock.close()

    within_limit(scenario())


# servers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def echo(reader: Stream, writer: Stream) -> None:
    while data := await reader.read(1000):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_server_answers_each_connection(host: str) -> None:
    async def call(text: bytes) -> bytes:
        reader, writer = await open_connection(host, port)
        assert writer.get_extra_info("peername")[1] == port
        writer.write(text)
        answer = await reader.readexactly(len(text))
        writer.close()
        return answer

    async def scenario() -> None:
        async with await start_server(echo, host, port):
            assert await gather(call(b"one"), call(b"two")) == [b"one", b"two"]
        with pytest.raises(ConnectionRefusedError):
            await open_connection(host, port)

    port = free_port()
    within_limit(scenario())


def test_the_port_is_free_after_close_and_not_before() -> None:
    async def scenario() -> None:
        server = await start_server(echo, "127.0.0.1", port)
        with pytest.raises(OSError, match="in use"):
            await start_server(echo, "127.0.0.1", port)
        server.close()
        async with await start_server(echo, "127.0.0.1", port):
            await server.wait_closed()

    port = free_port()
    within_limit(scenario())


def test_the_port_is_free_after_the_task_was_cancelled() -> None:
    async def scenario() -> None:
        server = await start_server(echo, "127.0.0.1", port)
        server.task.cancel()
        with pytest.raises(CancelledError):
            await server.wait_closed()
        async with await start_server(echo, "127.0.0.1", port):
            pass

    port = free_port()
    within_limit(scenario())


def test_the_port_is_free_though_old_connections_linger() -> None:
    async def hang_up(reader: Stream, writer: Stream) -> None:
        writer.close()

    async def scenario() -> None:
        async with await start_server(hang_up, "127.0.0.1", port):
            reader, writer = await open_connection("127.0.0.1", port)
            assert await reader.read(1) == b""
            writer.close()
        async with await start_server(hang_up, "127.0.0.1", port):
            pass

    port = free_port()
    within_limit(scenario())


def test_a_server_survives_a_lack_of_descriptors() -> None:
    async def scenario() -> None:
        async with await start_server(echo, "127.0.0.1", port):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.setblocking(False)
                free = os.dup(0)
                os.close(free)
                resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
                await sleep_ms(20)
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                stream = Stream(client)
                stream.write(b"patience")
                assert await stream.readexactly(8) == b"patience"

    port = free_port()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        within_limit(scenario())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


# the process


def voluntary_switches() -> int:
    status = Path("/proc/thread-self/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def test_waiting_costs_no_wake_ups(pair: tuple[Stream, Stream]) -> None:
    async def scenario() -> None:
        reading, flagged = await begun(pair[0].read(1)), await begun(ThreadSafeFlag().wait())
        before = voluntary_switches()
        await sleep_ms(100)
        assert voluntary_switches() - before <= 3
        reading.cancel()
        flagged.cancel()

    within_limit(scenario())


def test_cpythons_asyncio_stays_what_it_is() -> None:
    assert sys.modules["asyncio"] is asyncio
    assert not hasattr(asyncio, "sleep_ms")


def run_program(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command: list[str | Path] = [sys.executable, "-m", "board.aio", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)


def test_a_program_for_micropython_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("import uasyncio\nasync def nap():\n    await uasyncio.sleep_ms(1)\n")
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, sys, time\nfrom micropython import const\nfrom neighbour import nap\n"
        "start = time.ticks_ms()\ntime.sleep_ms(2)\nasyncio.run(nap())\n"
        "print(__name__, sys.argv[1:], time.ticks_diff(time.ticks_ms(), start) >= const(3))\nsys.exit(7)\n"
    )
    done = run_program(program, "one", "two")
    assert (done.stdout, done.returncode) == ("__main__ ['one', 'two'] True\n", 7)


def test_no_program_is_a_usage_error() -> None:
    done = run_program()
    assert done.stderr.startswith("usage: ")
    assert done.returncode


def test_ticks_wrap() -> None:
    late = ticks_add(0, -1)
    assert late == TICKS_PERIOD - 1
    assert ticks_add(late, 3) == 2
    assert ticks_diff(2, late) == 3
    assert ticks_diff(late, 2) == -3
    assert ticks_diff(TICKS_HALF, 0) == -TICKS_HALF
    with pytest.raises(OverflowError):
        ticks_add(0, TICKS_HALF)
