"""A netlink socket in the event loop: requests one after the other, events as they come (RFC 3549, netlink(7)).

The law: every request ends, by the kernel's answer, after `ANSWER_TIMEOUT_MS`, or with one `RadioError` when the
socket is closed. An event never passes for an answer, not even one that our own request has caused.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from board import aio
from drivers.errors import RadioError
from drivers.netlink.attributes import NetlinkFormatError
from drivers.netlink.exchange import Exchange, Request, exchange_of
from drivers.netlink.message import Flag, Message, OverrunError, split_messages

ROUTE, NETFILTER, GENERIC = 0, 12, 16
ANSWER_TIMEOUT_MS: Final = 5_000
DUMP_ATTEMPTS: Final = 5

# A burst of events while the loop is busy has to fit: 1 MiB is a bound, not memory that is taken.
_RECEIVE_BUFFER_BYTES = 1 << 20
_DATAGRAM_BYTES = 65_536  # the kernel makes parts of a dump at most half as long
_DATAGRAMS_A_TURN = 4096  # more than the receive buffer holds
_SO_RCVBUFFORCE = 33
_SOL_NETLINK = 270
_ADD_MEMBERSHIP, _CAP_ACK, _EXT_ACK = 1, 10, 11
_LAST_SEQUENCE = 0x7FFF_FFFF


class NoAnswerError(RadioError):
    """The kernel did not answer in time."""

    remedy = "Restart the board."


class Netlink:
    """One netlink socket. `start` it first, `close` it in the end.

    `on_event` is called with each message that answers no request, `on_overrun` after events were lost.
    """

    def __init__(self, protocol: int, *, answer_timeout_ms: int = ANSWER_TIMEOUT_MS) -> None:
        """Open a socket of `protocol`, like `GENERIC`. Raises `RadioError` if the kernel has no such protocol."""
        self._socket = _opened(protocol)
        self._answer_timeout_ms = answer_timeout_ms
        self._port: int = self._socket.getsockname()[0]
        self._sequence = 0
        self._one_request = aio.Lock()
        self._exchange: Exchange | None = None
        self._ended = aio.Event()
        self.on_event: Callable[[Message], None] = lambda message: None
        self.on_overrun: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Read from now on, in the running loop."""
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def join(self, group: int) -> None:
        """Receive the events of the multicast `group`. Raises `RadioError`."""
        try:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        except OSError as error:
            raise RadioError(f"The kernel's events cannot be had: {os.strerror(error.errno or 0)}.") from None

    async def ask(self, kind: int, body: bytes, flags: int = 0) -> list[Message]:
        """Send one request and return the messages that answer it, with `Flag.DUMP` all parts of the dump.

        Raises:
            NetlinkError: the kernel refused.
            OverrunError: the answer may be lost; whether the request was carried out is unknown.
            RadioError: the socket is closed, or nothing came in time.
        """
        async with self._one_request:
            for _ in range(DUMP_ATTEMPTS):
                exchange = await self._run([(kind, body, flags | Flag.ACK)])
                if not exchange.was_interrupted:
                    return exchange.answers
        raise NoAnswerError("What the kernel was asked for changes faster than it can tell.")

    async def ask_all(self, requests: Sequence[Request]) -> None:
        """Send several requests in one datagram and wait for those with `Flag.ACK`. Raises as `ask` does.

        The first refusal is raised; what it means for the others is up to the protocol.
        """
        async with self._one_request:
            await self._run(requests)

    def close(self) -> None:
        """Give the socket back. A waiting `ask` ends with `RadioError`. Harmless when repeated."""
        if self._socket.fileno() < 0:
            return
        with suppress(RuntimeError):  # no loop runs any more: nobody waits
            asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._fail(_closed())

    async def _run(self, requests: Sequence[Request]) -> Exchange:
        if self._socket.fileno() < 0:
            raise _closed()
        exchange = exchange_of(requests, self._next_sequence(len(requests)))
        self._exchange = exchange
        self._ended.clear()
        self._send(exchange.datagram)
        await self._until_over()
        if exchange.failure:
            raise exchange.failure
        return exchange

    async def _until_over(self) -> None:
        try:
            await aio.wait_for_ms(self._ended.wait(), self._answer_timeout_ms)
        except TimeoutError:
            self._fail(NoAnswerError("The kernel does not answer."))

    def _next_sequence(self, count: int) -> int:
        if self._sequence + count > _LAST_SEQUENCE:
            self._sequence = 0
        first = self._sequence + 1  # never 0: that is the number of events
        self._sequence += count
        return first

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.send(datagram)  # the kernel has carried it out when this returns
        except OSError as error:
            self._fail(RadioError(f"The kernel takes no request: {os.strerror(error.errno or 0)}."))

    def _readable(self) -> None:
        """Read all there is: after a loss the kernel drops even answers until nothing is left.

        A dump whose caller was cancelled comes to its end this way too. Before that the kernel refuses the next one.
        """
        for _ in range(_DATAGRAMS_A_TURN):
            try:
                data, _, _, (sender, groups) = self._socket.recvmsg(_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS mostly; whatever it is, the kernel tells it once, and something is missing
                if self._socket.fileno() < 0:  # an event made its handler close us
                    return
                self._overrun()
            else:
                if sender == 0:  # the kernel
                    self._received(data, is_multicast=groups != 0)

    def _received(self, datagram: bytes, *, is_multicast: bool) -> None:
        try:
            messages = list(split_messages(datagram))
        except NetlinkFormatError:  # cut off, because it is longer than we read
            self._overrun()
            return
        for message in messages:
            if not is_multicast and message.port == self._port and message.sequence:
                self._answered(message)
            else:
                self.on_event(message)

    def _answered(self, message: Message) -> None:
        """Take an answer; one to a request that nobody waits for any more is dropped."""
        if self._exchange and self._exchange.take(message) and self._exchange.is_over:
            self._ended.set()

    def _overrun(self) -> None:
        self._fail(OverrunError("The kernel's messages came faster than they were read."))
        self.on_overrun()

    def _fail(self, failure: RadioError) -> None:
        if self._exchange:
            self._exchange.fail(failure)
            self._ended.set()


def _opened(protocol: int) -> socket.socket:
    try:
        opened = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol
        )
    except OSError as error:
        raise RadioError(f"This kernel has no netlink {protocol}: {os.strerror(error.errno or 0)}.") from None
    opened.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
    opened.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
    _enlarge(opened)
    opened.bind((0, 0))
    opened.connect((0, 0))  # to the kernel: other processes cannot send to us
    return opened


def _enlarge(opened: socket.socket) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    except PermissionError:  # without CAP_NET_ADMIN as much as anybody may have
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)


def _closed() -> RadioError:
    return RadioError("The netlink socket is closed.")
