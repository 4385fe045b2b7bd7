"""A connection to wpa_supplicant's global control socket, in the event loop.

The law: every request ends, by its answer, after `ANSWER_TIMEOUT_MS`, or with `SupplicantGoneError` when wpa_supplicant
has ended, of which a datagram socket says nothing: its process is watched. Answers come in the order of the requests,
so one that nobody waits for any more is taken for no other's.

Our end has an abstract address, which leaves no file behind. Connected, it takes datagrams of wpa_supplicant alone.
"""

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from board import aio
from drivers.wpa_supplicant import requests
from drivers.wpa_supplicant.errors import (
    ForbiddenError,
    NoSupplicantError,
    NotGlobalError,
    RefusedError,
    SilentError,
    SupplicantGoneError,
)
from drivers.wpa_supplicant.wire import Event, decode, is_refusal, parse_event, parse_names

ANSWER_TIMEOUT_MS: Final = 5_000
EVENTS_KEPT: Final = 256

_DATAGRAM_BYTES = 16_384  # answers have at most 8 KiB
_DATAGRAMS_A_TURN = 64
_CREDENTIALS = struct.Struct("iII")  # process, user, group (unix(7))
_SCM_CREDENTIALS = 2
_NOBODY, _NO_SUCH_INTERFACE = "nobody", "FAIL-NO-IFNAME-MATCH"


class Control:
    """One connection. One task at a time reads events; the oldest go when nobody does."""

    def __init__(
        self, path: Path, watch: Callable[[int], int] = os.pidfd_open, answer_timeout_ms: int = ANSWER_TIMEOUT_MS
    ) -> None:
        """Connect to `path`. Raises `NoSupplicantError`, `ForbiddenError`.

        `watch` returns a descriptor, for us to close, that is readable when a process has ended.
        """
        self._path = path
        self._socket = _connected(path)
        self._open_watch = watch
        self._answer_timeout_ms = answer_timeout_ms
        self._life: int | None = None
        self._is_gone = False
        self._awaited: deque[asyncio.Future[str]] = deque()
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._happened = aio.Event()

    async def start(self) -> None:
        """Read from now on, in the running loop, and see who is there. Raises `SupplicantError`."""
        asyncio.get_running_loop().add_reader(self._socket, self._readable)
        try:
            await self.ask(requests.on(_NOBODY, requests.PING))
        except RefusedError as error:
            if error.answer != _NO_SUCH_INTERFACE:  # the socket of one interface cannot speak of others
                raise NotGlobalError(self._path) from None

    async def ask(self, request: str) -> str:
        """Return the answer to a request. Raises `RefusedError`, `SilentError`, `SupplicantGoneError`."""
        if self._is_gone:
            raise SupplicantGoneError
        self._send(request)
        awaited = asyncio.get_running_loop().create_future()
        self._awaited.append(awaited)
        try:
            answer: str = await aio.wait_for_ms(awaited, self._answer_timeout_ms)
        except aio.TimeoutError:
            raise SilentError from None
        if is_refusal(answer):
            raise RefusedError(requests.command_of(request), answer.strip())
        return answer

    async def interfaces(self) -> list[str]:
        """List the interfaces that wpa_supplicant has. Raises as `ask` does."""
        return parse_names(await self.ask(requests.INTERFACES))

    async def next_event(self) -> Event:
        """Wait for an event, after `requests.ATTACH`. Raises `SupplicantGoneError`."""
        while not self._events:
            if self._is_gone:
                raise SupplicantGoneError
            self._happened.clear()
            await self._happened.wait()
        return self._events.popleft()

    def take_events(self) -> list[Event]:
        """Return those that have come and nobody has read."""
        taken = list(self._events)
        self._events.clear()
        return taken

    def close(self) -> None:
        """Give the socket back. Who waits gets `SupplicantGoneError`. Harmless when repeated."""
        self._end()
        if self._socket.fileno() >= 0:
            with suppress(RuntimeError):  # no loop runs any more: nobody waits
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _send(self, request: str) -> None:
        try:
            self._socket.send(request.encode())
        except BlockingIOError:  # it has read none of those before
            raise SilentError from None
        except OSError:
            self._end()
            raise SupplicantGoneError from None

    def _readable(self) -> None:
        with suppress(BlockingIOError):
            for _ in range(_DATAGRAMS_A_TURN):
                data, ancillary, _, _ = self._socket.recvmsg(_DATAGRAM_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
                if self._life is None:
                    self._watch(ancillary)
                self._received(decode(data))

    def _received(self, message: str) -> None:
        event = parse_event(message)
        if event:
            self._events.append(event)
            self._happened.set()
        elif self._awaited:
            awaited = self._awaited.popleft()
            if not awaited.done():
                awaited.set_result(message)

    def _watch(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        """Watch the process that sends. In another PID namespace it cannot be seen: then the next request tells."""
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SCM_CREDENTIALS):
                process, _, _ = _CREDENTIALS.unpack(data)
                with suppress(OSError):
                    self._life = self._open_watch(process)
                    asyncio.get_running_loop().add_reader(self._life, self._end)

    def _end(self) -> None:
        """Tell everybody, who waits or comes later."""
        self._is_gone = True
        if self._life is not None:
            with suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._life)
            os.close(self._life)
            self._life = None
        while self._awaited:
            awaited = self._awaited.popleft()
            if not awaited.done():
                awaited.set_exception(SupplicantGoneError())
        self._happened.set()


@contextmanager
def connected(path: Path, watch: Callable[[int], int] = os.pidfd_open) -> Iterator[Control]:
    """Connect for the time of the block; `start` it there. Raises as `Control` does."""
    control = Control(path, watch)
    try:
        yield control
    finally:
        control.close()


def _connected(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        made.bind("")  # the kernel chooses an abstract address
        made.connect(str(path))
    except OSError as error:
        made.close()
        raise _why_not(path, error) from None
    _drop_what_came_before(made)
    return made


def _why_not(path: Path, error: OSError) -> NoSupplicantError | ForbiddenError:
    match error:
        case PermissionError():
            return ForbiddenError(path)
        case FileNotFoundError() | NotADirectoryError():
            return NoSupplicantError(path, "there is no such socket")
        case ConnectionRefusedError():
            return NoSupplicantError(path, "nobody listens there")
        case _:
            return NoSupplicantError(path, "it is no control socket")


def _drop_what_came_before(made: socket.socket) -> None:
    """Whoever sent something before the socket was connected is not wpa_supplicant."""
    with suppress(BlockingIOError):
        while True:
            made.recv(1)
