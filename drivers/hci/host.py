"""The host's end of HCI: one task reads, one writes, commands go one at a time (Core specification, vol. 4, part E, 4).

The law: whatever ends the controller's life (end of stream, hardware error, a command without an answer) becomes one
`RadioError`. Whoever waits gets it, whoever comes later gets it, and `died` tells it to who restarts the radio.
"""

import logging
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast

from board import aio
from drivers.errors import RadioError
from drivers.hci.acl import AclPacket, AclQueue, Reassembler, parse_acl
from drivers.hci.codes import ErrorCode
from drivers.hci.commands import (
    LeReadBufferSize,
    LeReadLocalSupportedFeatures,
    LeSetEventMask,
    ReadBufferSize,
    Reset,
    SetEventMask,
    WriteLeHostSupport,
)
from drivers.hci.errors import CommandError, ControllerError
from drivers.hci.events import (
    CommandComplete,
    CommandStatus,
    DisconnectionComplete,
    HardwareError,
    LeConnectionComplete,
    NumberOfCompletedPackets,
    parse_event,
)
from drivers.hci.h4 import H4Parser
from drivers.hci.packet import Command, Event, Indicator, Returned, frame_command
from drivers.hci.transport import Transport, TransportError
from drivers.hci.wire import PacketError, build, parse

COMMAND_TIMEOUT_MS: Final = 4_000

# Disconnection Complete, Hardware Error, LE Meta (7.3.1). Answers to commands cannot be masked.
_EVENT_MASK = 1 << 4 | 1 << 15 | 1 << 61
# LE Connection Complete, Advertising Report; Extended Advertising Report (7.8.1). Some refuse bits they do not know.
_LE_EVENT_MASK, _LE_EXTENDED_EVENTS = 1 << 0 | 1 << 1, 1 << 12
_EXTENDED_ADVERTISING = 1 << 12
_SMALLEST_ACL_BYTES = 27  # 4.1.1

_log = logging.getLogger(__name__)

EventT = TypeVar("EventT", bound=Event)
ReturnedT = TypeVar("ReturnedT", bound=Returned)


class Capture(Protocol):
    """Sees every packet, its indicator first."""

    def sent(self, packet: bytes) -> None:
        """The host has sent `packet`."""

    def received(self, packet: bytes) -> None:
        """The controller has sent `packet`."""


@dataclass(frozen=True, slots=True)
class Controller:
    """What the controller says of itself."""

    le_features: int = 0

    @property
    def advertises_in_sets(self) -> bool:
        """Whether it has the commands of extended advertising (volume 6, part B, 4.6)."""
        return bool(self.le_features & _EXTENDED_ADVERTISING)


@dataclass(slots=True)
class _Pending:
    """A command that waits for its answer."""

    opcode: int
    answered: aio.Event
    answer: bytes = b""


class Host:
    """A controller in use. `start` it first, `close` it in the end.

    `on_pdu` is called with the handle and the bytes of each L2CAP PDU, `on_death` once.
    """

    def __init__(
        self,
        transport: Transport,
        capture: Capture | None = None,
        *,
        command_timeout_ms: int = COMMAND_TIMEOUT_MS,
        reset_pause_ms: int = 0,
    ) -> None:
        """Take over `transport`. Chips on a UART need a pause after a reset."""
        self._transport = transport
        self._capture = capture
        self._command_timeout_ms = command_timeout_ms
        self._reset_pause_ms = reset_pause_ms
        self._parser = H4Parser()
        self._handlers: dict[type[Event], list[Callable[[Any], None]]] = defaultdict(list)
        self._outbox: deque[bytes] = deque()
        self._work = aio.Event()
        self._acl_moved = aio.Event()
        self._command_allowed = aio.Event()
        self._one_command = aio.Lock()
        self._pending: _Pending | None = None
        self._acl = AclQueue(_SMALLEST_ACL_BYTES, 0)  # until it tells, it takes nothing
        self._reassemblers: dict[int, Reassembler] = {}
        self._tasks: list[aio.Task[None]] = []
        self._death: RadioError | None = None
        self.died = aio.Event()
        self.on_death: Callable[[], None] = lambda: None
        self.on_pdu: Callable[[int, bytes], None] = lambda handle, pdu: None
        self.controller = Controller()

    def begin(self) -> None:
        """Read and write from now on; `start` does it too."""
        self._tasks = [aio.create_task(self._read()), aio.create_task(self._write())]
        self._command_allowed.set()

    async def start(self) -> None:
        """Reset the controller, learn what it can do, choose the events. Raises `RadioError`."""
        self.begin()
        await self.command(Reset())
        await aio.sleep_ms(self._reset_pause_ms)
        await self.try_command(WriteLeHostSupport(1, 0))
        self.controller = Controller((await self.command(LeReadLocalSupportedFeatures())).le_features)
        self._acl = AclQueue(*await self._buffers())
        await self.command(SetEventMask(_EVENT_MASK))
        extended = _LE_EXTENDED_EVENTS if self.controller.advertises_in_sets else 0
        await self.command(LeSetEventMask(_LE_EVENT_MASK | extended))

    async def close(self) -> None:
        """Stop the controller's radio, if it still listens, and give it back."""
        try:
            if self._death is None and self._tasks:
                with suppress(RadioError):  # then it is dead, and as quiet as a reset would make it
                    await self.command(Reset())
        finally:
            await self.abandon()

    async def abandon(self) -> None:
        """Give the controller back as it is."""
        self._die(TransportError("The controller has been given back."))
        await aio.gather(*self._tasks, return_exceptions=True)

    @property
    def death(self) -> RadioError | None:
        """What ended the controller's life."""
        return self._death

    def on(self, kind: type[EventT], handle: Callable[[EventT], None]) -> None:
        """Call `handle` with each event of `kind` from now on."""
        self._handlers[kind].append(handle)

    async def command(self, command: Command[ReturnedT]) -> ReturnedT:
        """Send a command and return its return parameters.

        Raises:
            CommandError: the controller refused it.
            RadioError: the controller is dead.
        """
        answer = await self.call(command.OPCODE, build(command))
        self._check(type(command).__name__, answer)
        try:
            return cast("ReturnedT", parse(command.RETURNS, answer))
        except PacketError as error:
            raise self._die(ControllerError(f"The Bluetooth controller answers nonsense: {error}")) from None

    async def try_command(self, command: Command[Returned]) -> None:
        """Send a command that may be refused. Raises `RadioError` if the controller is dead."""
        with suppress(CommandError):
            await self.command(command)

    async def call(self, opcode: int, parameters: bytes) -> bytes:
        """Send any command, return its bare return parameters, the status first. Raises `RadioError`."""
        async with self._one_command:
            pending = _Pending(opcode, aio.Event())
            try:
                await aio.wait_for_ms(self._exchange(pending, parameters), self._command_timeout_ms)
            except aio.TimeoutError:
                problem = f"The Bluetooth controller did not answer command 0x{opcode:04x}"
                raise self._die(ControllerError(problem)) from None
            if self._death:
                raise self._death
            return pending.answer

    def send(self, connection_handle: int, pdu: bytes) -> None:
        """Queue an L2CAP PDU. Raises `QueueFullError`."""
        self._acl.put(connection_handle, pdu)
        self._work.set()

    async def flush(self, connection_handle: int) -> None:
        """Wait until everything queued for a connection has reached the other side, or the connection is gone."""
        while self._acl.has(connection_handle) and not self._death:
            self._acl_moved.clear()
            await self._acl_moved.wait()

    async def _buffers(self) -> tuple[int, int]:
        own = await self.command(LeReadBufferSize())
        if own.le_acl_data_packet_length and own.total_num_le_acl_data_packets:
            return own.le_acl_data_packet_length, own.total_num_le_acl_data_packets
        shared = await self.command(ReadBufferSize())
        return max(shared.acl_data_packet_length, _SMALLEST_ACL_BYTES), max(shared.total_num_acl_data_packets, 1)

    async def _exchange(self, pending: _Pending, parameters: bytes) -> None:
        # The gate also holds back while a command is unanswered whose caller was cancelled.
        await self._command_allowed.wait()
        if not self._death:
            self._command_allowed.clear()
            self._pending = pending  # not sooner, or that command's late answer would be taken for this one's
            self._outbox.append(frame_command(pending.opcode, parameters))
            self._work.set()
            await pending.answered.wait()

    def _check(self, name: str, answer: bytes) -> None:
        if not answer:
            raise self._die(ControllerError(f"The Bluetooth controller gave an empty answer to {name}"))
        if answer[0] != ErrorCode.SUCCESS:
            raise CommandError(name, answer[0])

    async def _read(self) -> None:
        try:
            while True:
                for packet in self._parser.feed(await self._transport.read()):
                    if self._capture:
                        self._capture.received(packet)
                    if not self._death:
                        self._received(packet)
        except RadioError as error:
            self._die(error)
        except Exception:  # a bug of ours, or of who listens: better a restart than a station that nobody sees
            self._die_of_a_bug()

    async def _write(self) -> None:
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while packet := self._outbox.popleft() if self._outbox else self._acl.take():
                    if self._capture:
                        self._capture.sent(packet)
                    await self._transport.write(packet)
        except RadioError as error:
            self._die(error)
        except Exception:
            self._die_of_a_bug()

    def _die_of_a_bug(self) -> None:
        _log.exception("a packet of the Bluetooth controller found a bug in Ferry")
        self._die(ControllerError("Ferry does not understand the Bluetooth controller"))

    def _received(self, packet: bytes) -> None:
        try:
            if packet[0] == Indicator.EVENT:
                event = parse_event(packet)
                if event:
                    self._happened(event)
            else:
                self._data_came(parse_acl(packet))
        except PacketError:
            pass  # one broken packet of the controller; a lost answer ends in its time-out

    def _data_came(self, packet: AclPacket) -> None:
        reassembler = self._reassemblers.get(packet.connection_handle)
        pdu = reassembler and reassembler.feed(packet)
        if pdu:
            self.on_pdu(packet.connection_handle, pdu)

    def _happened(self, event: Event) -> None:
        match event:
            case CommandComplete():
                self._answered(event.command_opcode, event.num_hci_command_packets, event.return_parameters)
            case CommandStatus():
                self._answered(event.command_opcode, event.num_hci_command_packets, bytes((event.status,)))
            case NumberOfCompletedPackets():
                for each in event.handles:
                    self._acl.completed(each.connection_handle, each.num_completed_packets)
                self._acl_has_moved()
            case HardwareError():
                self._die(
                    ControllerError(f"The Bluetooth controller reports hardware error 0x{event.hardware_code:02x}")
                )
            case LeConnectionComplete(status=ErrorCode.SUCCESS):
                self._acl.opened(event.connection_handle)
                self._reassemblers[event.connection_handle] = Reassembler()
            case DisconnectionComplete(status=ErrorCode.SUCCESS):
                self._acl.closed(event.connection_handle)
                self._reassemblers.pop(event.connection_handle, None)
                self._acl_has_moved()
        for handle in self._handlers[type(event)]:
            handle(event)

    def _acl_has_moved(self) -> None:
        self._acl_moved.set()
        self._work.set()

    def _answered(self, opcode: int, allowed: int, answer: bytes) -> None:
        if allowed:
            self._command_allowed.set()
        if self._pending and self._pending.opcode == opcode:
            self._pending.answer = answer
            self._pending.answered.set()
            self._pending = None

    def _die(self, error: RadioError) -> RadioError:
        """End everything with `error`, unless it has ended before; return what it ended with."""
        if self._death is None:
            self._death = error
            self._transport.close()
            self.died.set()
            self.on_death()
            self._command_allowed.set()
            self._acl_moved.set()
            if self._pending:
                self._pending.answered.set()
            for task in self._tasks:
                if task is not aio.current_task():  # which ends by itself: its transport is closed
                    task.cancel()
        return self._death
