"""The asyncio vocabulary of the control plane: MicroPython's names and semantics on CPython's event loop.

Where the two differ this follows MicroPython: `ThreadSafeFlag` has one waiter and clears itself, `readexactly` raises
`EOFError`, reader and writer are one `Stream` on any descriptor, a task needs no owner to stay alive and is reported
as soon as it dies alone. Stricter than both: `close` ends what waits, and `wait_for` and `gather` that are cancelled
return when their tasks have ended, so a caller's clean-up never runs beside them.

A `Stream` reads with one system call when the descriptor is readable and never ahead, so on a packet socket one
`read` is one packet and one `write` is one packet. Nothing here runs while nothing happens: no polling, no timers.

`python -m board.aio PROG.py` runs a program written for MicroPython, see `board.micropython`.
"""

import asyncio
import errno
import os
import socket
from asyncio import CancelledError, Event, Lock, current_task, run, sleep
from builtins import TimeoutError  # noqa: A004
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from contextvars import Context
from enum import Enum, auto
from types import TracebackType
from typing import Any, ClassVar, Literal, Protocol, TypeVar, overload

from board.errors import LocalProtocolError, RemoteProtocolError

__all__ = [
    "CancelledError",
    "Event",
    "LineTooLongError",
    "Lock",
    "Server",
    "Stream",
    "Task",
    "ThreadSafeFlag",
    "TimeoutError",
    "create_task",
    "current_task",
    "gather",
    "open_connection",
    "run",
    "sleep",
    "sleep_ms",
    "start_server",
    "wait_for",
    "wait_for_ms",
]

LINE_LIMIT_BYTES = 65_536
_PIECE_BYTES = 65_536
_ACCEPT_PAUSE_MS = 100

ResultT = TypeVar("ResultT")


class LineTooLongError(RemoteProtocolError):
    """The peer sent a line longer than `LINE_LIMIT_BYTES`."""


class Task(asyncio.Task[ResultT]):
    """A coroutine that runs beside the others until it ends, whether or not anybody keeps this object.

    An error that nobody waits for goes to the loop's exception handler at once.
    """

    _alive: ClassVar["set[Task[Any]]"] = set()  # the event loop keeps only weak references

    def __init__(self, coro: Coroutine[Any, Any, ResultT], **options: Any) -> None:
        """Start `coro`; the options are those of `asyncio.Task`."""
        super().__init__(coro, **options)
        self._is_awaited = False
        self._alive.add(self)
        super().add_done_callback(Task._ended)

    def __await__(self) -> Generator[Any, None, ResultT]:
        self._is_awaited = True
        return super().__await__()

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Call `fn` with this task at the end, which counts as waiting for it."""
        self._is_awaited = True
        super().add_done_callback(fn, context=context)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel at the task's next turn; false if it is over. Raises `RuntimeError` within the task itself."""
        if self is current_task(self.get_loop()):
            raise RuntimeError("can't cancel self")
        return super().cancel(msg)

    def _ended(self) -> None:
        self._alive.discard(self)
        if self._is_awaited or self.cancelled() or not (error := self.exception()):
            return
        message = "Task exception wasn't retrieved"
        self.get_loop().call_exception_handler({"message": message, "exception": error, "future": self})


def create_task(coro: Coroutine[Any, Any, ResultT]) -> Task[ResultT]:
    """Start `coro` as a task of the running loop."""
    return Task(coro, loop=asyncio.get_running_loop())


Awaitable = Coroutine[Any, Any, ResultT] | asyncio.Future[ResultT]


def _start(aw: Awaitable[ResultT]) -> asyncio.Future[ResultT]:
    return aw if isinstance(aw, asyncio.Future) else create_task(aw)


async def sleep_ms(duration_ms: int) -> None:
    """Pause this task; 0 or less lets the others run once."""
    await sleep(duration_ms / 1000)


async def wait_for(aw: Awaitable[ResultT], timeout: float | None) -> ResultT:
    """Run `aw` as a task for at most `timeout` seconds, then cancel it and raise `TimeoutError`.

    `None` waits for ever. The task has ended when this returns. What it makes of a cancellation is lost: neither a
    timeout nor the cancellation of the caller can be swallowed.
    """
    task = _start(aw)
    try:
        done, _ = await asyncio.wait((task,), timeout=timeout)
    except CancelledError:
        await _cancel(task)
        raise
    if not done:
        await _cancel(task)
        raise TimeoutError
    return task.result()


async def wait_for_ms(aw: Awaitable[ResultT], timeout_ms: int) -> ResultT:
    """Do as `wait_for`, for at most `timeout_ms`."""
    return await wait_for(aw, timeout_ms / 1000)


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancel, and wait for the end even if cancelled meanwhile, which is raised then."""
    for task in tasks:
        task.cancel()
    await to_the_end(*tasks)


async def to_the_end(*tasks: asyncio.Future[Any]) -> None:
    """Wait for tasks that are not cancelled with us. That we were cancelled meanwhile is raised afterwards."""
    cancelled: CancelledError | None = None
    while left := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(left)
        except CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


@overload
async def gather(*aws: Awaitable[ResultT], return_exceptions: Literal[False] = False) -> list[ResultT]: ...


@overload
async def gather(*aws: Awaitable[ResultT], return_exceptions: bool) -> list[ResultT | BaseException]: ...


async def gather(*aws: Awaitable[Any], return_exceptions: bool = False) -> list[Any]:
    """Run all as tasks and return their results in order. Cancelling this cancels them all.

    The first error is raised at once and the other tasks go on; with `return_exceptions` errors count as results.
    """
    tasks = [_start(aw) for aw in aws]
    try:
        while any(not task.done() for task in tasks) and (return_exceptions or not any(map(_has_failed, tasks))):
            await asyncio.wait([task for task in tasks if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    except CancelledError:
        await _cancel(*tasks)
        raise
    if return_exceptions:
        return [_outcome(task) for task in tasks]
    return [task.result() for task in tasks if task.done()]


def _has_failed(task: asyncio.Future[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _outcome(task: asyncio.Future[Any]) -> Any:
    try:
        return task.result()
    except BaseException as error:
        return error


class ThreadSafeFlag:
    """Wakes one task from a thread or a signal handler. Sets that nobody waits for are remembered as one."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the waiter, or let the next `wait` return at once. From anywhere, also before the loop runs."""
        was_set, self._is_set = self._is_set, True
        waiter = self._waiter
        if waiter is not None and not was_set:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                waiter.get_loop().call_soon_threadsafe(_finish, waiter)

    def clear(self) -> None:
        """Forget a set that nobody has waited for yet."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until the flag is set, and clear it. Raises `LocalProtocolError` if a task waits already."""
        if self._waiter is not None:
            raise LocalProtocolError("Two tasks wait for one ThreadSafeFlag.")
        # `set` writes the flag and reads the waiter, this writes the waiter and reads the flag: one sees the other.
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            if not self._is_set:
                await self._waiter
        finally:
            self._waiter = None
        self._is_set = False


def _finish(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class HasFileno(Protocol):
    """What a `Stream` stands on: a non-blocking socket, tty, pseudo terminal or pipe."""

    def fileno(self) -> int:
        """Return the descriptor."""
        ...

    def close(self) -> None:
        """Close the descriptor."""
        ...


class _Direction(Enum):
    READ = auto()
    WRITE = auto()


class Stream:
    """Reader and writer over one non-blocking descriptor. One task reads at a time; any number write."""

    def __init__(self, s: HasFileno, e: Mapping[str, Any] | None = None) -> None:
        """Take over `s`, which must be non-blocking. `e` is what `get_extra_info` knows."""
        self.s = s
        self.e = e or {}
        self._fd = s.fileno()
        self._waiters: dict[_Direction, asyncio.Future[None]] = {}
        self._unsent: deque[memoryview] = deque()
        self._draining = Lock()

    def get_extra_info(self, v: str) -> Any:
        """Return what is known as `v`: "peername" on a connection. Raises `KeyError`."""
        return self.e[v]

    def close(self) -> None:
        """Close the descriptor; what is unsent is lost, whoever waits gets `OSError` (EBADF). May be repeated."""
        if self._fd < 0:
            return
        for direction in tuple(self._waiters):
            waiter = self._forget(direction)
            if not waiter.done():
                waiter.set_exception(_closed())
        self._fd = -1
        self.s.close()

    async def wait_closed(self) -> None:
        """Close: for programs that follow CPython's two steps."""
        self.close()

    async def read(self, n: int = -1) -> bytes:
        """Wait for data and return up to `n` bytes of one system call, `b""` at the end. Raises `OSError`.

        A negative `n` collects everything up to the end: only for peers that we trust to end.
        """
        if n >= 0:
            return await self._read_once(n)
        parts = []
        while part := await self._read_once(_PIECE_BYTES):
            parts.append(part)
        return b"".join(parts)

    async def readinto(self, buf: bytearray | memoryview) -> int:
        """Wait for data, fill `buf` by one system call, and return the number of bytes, 0 at the end."""
        while True:
            await self._ready(_Direction.READ)
            with suppress(BlockingIOError):
                return os.readv(self._fd, [buf])

    async def readexactly(self, n: int) -> bytes:
        """Return `n` bytes. Raises `EOFError` if the end comes before."""
        parts = []
        while n:
            part = await self._read_once(n)
            if not part:
                raise EOFError
            parts.append(part)
            n -= len(part)
        return b"".join(parts)

    async def readline(self) -> bytes:
        """Return one line with its newline, less at the end. Raises `LineTooLongError`.

        Reads byte by byte, because what follows the line must stay in the descriptor.
        """
        line = bytearray()
        while True:
            await self._ready(_Direction.READ)
            with suppress(BlockingIOError):
                self._complete(line)
                return bytes(line)

    def _complete(self, line: bytearray) -> None:
        """Append everything to the newline or the end. Raises `BlockingIOError` if that has not come yet."""
        while byte := os.read(self._fd, 1):
            line += byte
            if byte == b"\n":
                return
            if len(line) >= LINE_LIMIT_BYTES:
                raise LineTooLongError(f"A line is longer than {LINE_LIMIT_BYTES} bytes.")

    def write(self, buf: bytes | bytearray | memoryview) -> None:
        """Send at once what the descriptor takes, keep a copy of the rest for `drain`. Raises `OSError`."""
        if self._fd < 0:
            raise _closed()
        unsent = memoryview(buf) if self._unsent else self._send(memoryview(buf))
        if unsent:
            self._unsent.append(memoryview(bytes(unsent)))

    async def drain(self) -> None:
        """Wait until everything is sent; always lets the others run once. Raises `OSError`."""
        await sleep(0)
        async with self._draining:
            while self._unsent:
                await self._ready(_Direction.WRITE)
                # A packet that cannot be sent raises here and is gone, or it would block those behind it.
                if rest := self._send(self._unsent.popleft()):
                    self._unsent.appendleft(rest)

    def _send(self, piece: memoryview) -> memoryview:
        """Send `piece` by one system call and return what was not taken."""
        try:
            return piece[os.write(self._fd, piece) :]
        except BlockingIOError:
            return piece

    async def _read_once(self, n: int) -> bytes:
        while True:
            await self._ready(_Direction.READ)
            with suppress(BlockingIOError):
                return os.read(self._fd, n)

    async def _ready(self, direction: _Direction) -> None:
        """Wait until the descriptor is ready, registered only while waiting."""
        if self._fd < 0:
            raise _closed()
        if direction in self._waiters:
            raise LocalProtocolError(f"Two tasks {direction.name} on one Stream.")
        loop = asyncio.get_running_loop()
        waiter = self._waiters[direction] = loop.create_future()
        register = loop.add_reader if direction is _Direction.READ else loop.add_writer
        try:
            register(self._fd, self._wake, direction)
            await waiter
        finally:
            if self._waiters.get(direction) is waiter:
                self._forget(direction)

    def _wake(self, direction: _Direction) -> None:
        _finish(self._forget(direction))

    def _forget(self, direction: _Direction) -> asyncio.Future[None]:
        waiter = self._waiters.pop(direction)
        loop = waiter.get_loop()
        unregister = loop.remove_reader if direction is _Direction.READ else loop.remove_writer
        unregister(self._fd)
        return waiter


def _closed() -> OSError:
    return OSError(errno.EBADF, "The stream is closed")


async def open_connection(host: str, port: int) -> tuple[Stream, Stream]:
    """Connect by TCP and return the stream twice, as reader and as writer. Raises `OSError`."""
    family, kind, protocol, _, address = await _resolve(host, port)
    sock = socket.socket(family, kind, protocol)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    stream = Stream(sock, {"peername": address})
    return stream, stream


ClientHandler = Callable[[Stream, Stream], Coroutine[Any, Any, Any]]


class Server:
    """A listening socket and the task that accepts from it. Made by `start_server`."""

    def __init__(self, listener: socket.socket, cb: ClientHandler) -> None:
        self._listener = Stream(listener)
        self._cb = cb
        self.task = create_task(self._serve(listener))

    async def __aenter__(self) -> "Server":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        await self.wait_closed()

    def close(self) -> None:
        """Stop accepting and free the port at once. Connections go on."""
        self._listener.close()

    async def wait_closed(self) -> None:
        """Wait until no more connections are accepted."""
        await self.task

    async def _serve(self, listener: socket.socket) -> None:
        try:
            while True:
                await self._listener._ready(_Direction.READ)
                await self._accept(listener)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
        finally:
            self._listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno == errno.EBADF:
                raise
            await sleep_ms(_ACCEPT_PAUSE_MS)  # where no descriptor is free, the listener stays readable
            return
        sock.setblocking(False)
        stream = Stream(sock, {"peername": address})
        create_task(self._cb(stream, stream))


async def start_server(cb: ClientHandler, host: str, port: int, backlog: int = 5) -> Server:
    """Listen by TCP and run `cb(reader, writer)` as a task for each connection. Raises `OSError`."""
    family, kind, protocol, _, address = await _resolve(host, port)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    server = Server(listener, cb)
    try:
        await sleep(0)  # from here on the task has begun and will close the listener, however it ends
    except BaseException:
        server.close()
        raise
    return server


_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


async def _resolve(host: str, port: int) -> _Address:
    """Return the first TCP address of `host`; a name costs a thread, a number does not."""
    with suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
    return (await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]


if __name__ == "__main__":
    from board.micropython import main

    main()
