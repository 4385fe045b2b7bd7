"""Virtual Bluetooth controllers on one virtual air: `python -m stack.station.demo.controllers --tcp 2`.

The process holds the controllers (see `air_controller`) and speaks HCI as an H4 stream, on loopback TCP ports of their
own and on pseudo-terminals. It prints `{"hci": [...]}` when they are ready, and ends when its standard input does.
`VirtualAir` is the parent's side; it needs no Bumble.

A TCP port is a controller whose power comes from its client: a client that leaves takes radio links and advertising
with it, the next one finds it reset. One that comes too early waits. A pseudo-terminal is a UART: the controller does
not notice who is at the other end, and goes on until a host resets it.
"""

import argparse
import asyncio
import contextlib
import functools
import importlib.util
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from board.errors import FerryError

if TYPE_CHECKING:  # Bumble is for the child only
    from stack.station.demo.air_controller import AirController

_COUNTS = range(100)
_START_LIMIT_S = 20.0
_STOP_LIMIT_S = 5.0
_PIECE_BYTES = 4096
# Addresses for documentation (RFC 7042, 2.1.2), so that no real device is met.
_PUBLIC_ADDRESS = "00:00:5E:00:53:{:02X}"


class ControllersError(FerryError):
    """The virtual controllers are not to be had."""

    remedy = "Install the demo extra: make demo, or pip install bumble."


class VirtualAir:
    """Virtual controllers in a process of their own, for the time of a `with` block.

    `tcp` controllers know extended advertising, `legacy_tcp` ones are of Bluetooth 4.2; `pty` are paths of links to
    pseudo-terminals, with extended advertising. `hci` names them all in this order, as `--hci` takes them.
    """

    def __init__(self, tcp: int = 0, *, legacy_tcp: int = 0, pty: Sequence[Path] = ()) -> None:
        """Say which controllers there are to be."""
        self.hci: list[str] = []
        self._arguments = ["--tcp", str(tcp), "--legacy-tcp", str(legacy_tcp)]
        for path in pty:
            self._arguments += ["--pty", str(path)]

    def __enter__(self) -> Self:
        """Start the controllers and wait until they are ready. Raises `ControllersError`."""
        if importlib.util.find_spec("bumble") is None:
            raise ControllersError("The virtual Bluetooth controllers need Bumble.")
        # A group of its own: Ctrl-C is for the parent, which needs its radio to say goodbye.
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        try:
            self.hci = self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the controllers."""
        self._stop()

    def _wait_until_ready(self) -> list[str]:
        output = self._child.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], _START_LIMIT_S)
        line = output.readline() if ready else b""
        if not line:
            raise ControllersError("The virtual Bluetooth controllers did not start.")
        names: list[str] = json.loads(line)["hci"]
        return names

    def _stop(self) -> None:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        try:
            self._child.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve controllers until standard input ends, or SIGTERM or SIGINT comes."""
    parser = argparse.ArgumentParser(prog="controllers", description="Virtual Bluetooth controllers on one air.")
    parser.add_argument("--tcp", type=int, choices=_COUNTS, default=0, metavar="N", help="controllers at TCP ports")
    parser.add_argument(
        "--legacy-tcp", type=int, choices=_COUNTS, default=0, metavar="N", help="the same without extended advertising"
    )
    parser.add_argument("--pty", type=Path, action="append", default=[], metavar="PATH", help="a controller at a UART")
    asyncio.run(_serve(parser.parse_args(arguments)))


async def _serve(options: argparse.Namespace) -> None:
    from stack.station.demo.air_controller import Air, AirController

    air, addresses = Air(), map(_PUBLIC_ADDRESS.format, range(1, 256))
    ended = _end_of_input()
    with ExitStack() as stack:
        names: list[str] = []
        serving: list[Callable[[], Coroutine[Any, Any, None]]] = []
        for extended in [True] * options.tcp + [False] * options.legacy_tcp:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.setblocking(False)
            controller = AirController(air, next(addresses), extended=extended)
            serving.append(functools.partial(_serve_port, controller, listener))
            names.append(f"tcp:127.0.0.1:{listener.getsockname()[1]}")
        for path in options.pty:
            primary = stack.enter_context(_terminal_at(path))
            controller = AirController(air, next(addresses), extended=True)
            serving.append(functools.partial(_serve_terminal, controller, primary))
            names.append(f"uart:{path}")
        with contextlib.suppress(BrokenPipeError):  # who asked for them is gone: so is its end of our input
            print(json.dumps({"hci": names}), flush=True)
        await _first_of(ended, [asyncio.create_task(serve()) for serve in serving])


async def _first_of(ended: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for the end, or for a fault in one of the controllers, which ends them all."""
    end = asyncio.create_task(ended.wait())
    done, others = await asyncio.wait([end, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for each in done:
        await each


def _end_of_input() -> asyncio.Event:
    """Return what is set when standard input ends, or a signal asks for the end."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    def drain() -> None:
        while os.read(0, _PIECE_BYTES):
            pass
        with contextlib.suppress(RuntimeError):  # the loop is closed: the end came by another way
            loop.call_soon_threadsafe(ended.set)

    # A thread, because standard input may be a file or a terminal; a daemon, because nothing wakes it.
    threading.Thread(target=drain, daemon=True).start()
    return ended


async def _serve_port(controller: "AirController", listener: socket.socket) -> None:
    """Serve one client after the other."""
    loop = asyncio.get_running_loop()
    while True:
        connection, _ = await loop.sock_accept(listener)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # events are small, and waited for
        reader, writer = await asyncio.open_connection(sock=connection)
        controller.plug(writer.write)
        with contextlib.suppress(ConnectionError):
            await _feed(controller, reader)
        controller.unplug()
        writer.close()


async def _serve_terminal(controller: "AirController", primary: int) -> None:
    """Serve whoever opens the terminal."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    with open(os.dup(primary), "rb", buffering=0) as source, open(os.dup(primary), "wb", buffering=0) as sink:
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), source)
        writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sink)
        controller.plug(writer.write)
        await _feed(controller, reader)


async def _feed(controller: "AirController", reader: asyncio.StreamReader) -> None:
    while data := await reader.read(_PIECE_BYTES):
        controller.feed(data)


@contextlib.contextmanager
def _terminal_at(path: Path) -> Iterator[int]:
    """Link a pseudo-terminal at `path` and give its primary end. The other end stays open, so that clients may go."""
    primary, replica = pty.openpty()
    tty.setraw(replica)
    try:
        if path.is_symlink():
            path.unlink()  # of a run that died
        path.symlink_to(os.ttyname(replica))
    except OSError as error:
        sys.exit(f"controllers: {path} cannot be made: {error.strerror}")
    try:
        yield primary
    finally:
        path.unlink()
        os.close(primary)
        os.close(replica)


if __name__ == "__main__":
    main()
