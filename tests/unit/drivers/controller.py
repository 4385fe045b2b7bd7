"""A Bluetooth controller inside the process, and time that passes only when nothing else happens.

`FakeController` is a `Transport`: it answers commands as a chip does, counts its buffers and credits and complains when
the host overdraws them. A test can make it hold back answers, refuse, report events, or die. `run` runs a test on a
loop whose clock jumps to the next timer, so half a minute of silence costs nothing and `settle` is exact.
"""

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from board import aio
from drivers.hci import commands
from drivers.hci.acl import AclPacket, Reassembler, parse_acl
from drivers.hci.address import Address
from drivers.hci.codes import ErrorCode
from drivers.hci.events import (
    CommandComplete,
    CommandStatus,
    CompletedPackets,
    DisconnectionComplete,
    LeConnectionComplete,
    NumberOfCompletedPackets,
    build_event,
)
from drivers.hci.packet import Command, Event, Indicator
from drivers.hci.transport import TransportError
from drivers.hci.wire import Packet, parse

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound=Command[Any])

OUR_ADDRESS = Address(bytes.fromhex("0102030405c6"))
PHONE = Address(bytes.fromhex("a1a2a3a4a5e6"))
NOP = 0x0000

KNOWN: dict[int, type[Command[Any]]] = {
    kind.OPCODE: kind
    for kind in vars(commands).values()
    if isinstance(kind, type) and issubclass(kind, Command) and kind is not Command
}
_STARTED = {  # answered by Command Status: the work goes on
    commands.Disconnect.OPCODE,
    commands.LeCreateConnection.OPCODE,
    commands.LeExtendedCreateConnection.OPCODE,
    commands.LeConnectionUpdate.OPCODE,
}
_ENABLES = (commands.LeSetAdvertisingEnable.OPCODE, commands.LeSetExtendedAdvertisingEnable.OPCODE)
_CREATES = (commands.LeCreateConnection.OPCODE, commands.LeExtendedCreateConnection.OPCODE)


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timer it lets the time pass."""

    now_s = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise AssertionError("The test waits for something that nothing will bring about.")
        self.now_s += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while there is something to do."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def now_ms() -> int:
    """The virtual time."""
    return round(asyncio.get_running_loop().time() * 1000)


async def settle() -> None:
    """Let everything run that can run without waiting for a timer."""
    await aio.sleep_ms(1)


def run(test: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a test to its end. Nobody may be left over then, and nobody may have died alone."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_whole(test))


async def _whole(test: Coroutine[Any, Any, ResultT]) -> ResultT:
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: problems.append(context))
    result = await test
    await settle()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not problems, problems
    assert not left, left
    return result


@dataclass(slots=True)
class Link:
    """The controller's side of one connection."""

    reassembler: Reassembler = field(default_factory=Reassembler)
    pdus: list[bytes] = field(default_factory=list)
    unsent: int = 0


class FakeController:
    """A chip that answers at once, unless told otherwise.

    `refused` maps opcodes to error codes, `silent` holds opcodes that get no answer, `holds_answers` collects the
    answers until `release`, `allows` is Num_HCI_Command_Packets of each. `completes_packets` frees a buffer as soon as
    it is filled, `keeps` holds the handles that no command can disconnect, `slots` is how many can be connected.
    """

    def __init__(
        self,
        *,
        in_sets: bool = False,
        acl_bytes: int = 27,
        acl_packets: int = 3,
        own_le_buffers: bool = True,
        slots: int = 8,
    ) -> None:
        self.acl_bytes, self.acl_packets = acl_bytes, acl_packets
        self.own_le_buffers = own_le_buffers
        self.le_features = 1 << 12 if in_sets else 0
        self.slots = slots
        self.received: list[bytes] = []
        self.refused: dict[int, int] = {}
        self.silent: set[int] = set()
        self.keeps: set[int] = set()
        self.held_back: list[bytes] = []
        self.holds_answers = False
        self.completes_packets = True
        self.allows = 1
        self.advertising = False
        self.scanning = False
        self.initiating = False
        self.links: dict[int, Link] = {}
        self.on_pdu: Callable[[int, bytes], None] = lambda handle, pdu: None
        self._outgoing: deque[bytes] = deque()
        self._something = aio.Event()
        self.closed = False
        self._problem = "The adapter was unplugged"
        self._dead = False

    # The transport.

    async def read(self) -> bytes:
        while not self._outgoing:
            if self._dead or self.closed:
                raise TransportError(self._problem)
            self._something.clear()
            await self._something.wait()
        return self._outgoing.popleft()

    async def write(self, packet: bytes) -> None:
        if self._dead or self.closed:
            raise TransportError(self._problem)
        self.received.append(packet)
        if packet[0] == Indicator.COMMAND:
            self._obey(int.from_bytes(packet[1:3], "little"), packet[4:])
        else:
            self._take_data(parse_acl(packet))

    def close(self) -> None:
        self.closed = True
        self._something.set()

    # What a test does to it.

    def send(self, data: bytes) -> None:
        """Let the host read `data`."""
        self._outgoing.append(data)
        self._something.set()

    def happen(self, event: Event) -> None:
        """Report an event."""
        self.send(build_event(event))

    def die(self) -> None:
        """End the stream."""
        self._dead = True
        self._something.set()

    def release(self) -> None:
        """Send the answers that were held back, and hold back no more."""
        self.holds_answers = False
        for answer in self.held_back:
            self.send(answer)
        self.held_back.clear()

    def connect(self, handle: int, peer: Address = PHONE, role: int = 1) -> None:
        """A connection comes up; as on real chips that ends legacy advertising."""
        if role == 1:
            assert self.advertising, "nobody can connect to who does not advertise"
            self.advertising = False
        self.initiating = self.initiating and role == 1
        self.links[handle] = Link()
        self.happen(LeConnectionComplete(0, handle, role, peer.type, peer.octets, 24, 0, 400, 0))

    def disconnect(self, handle: int, reason: int = ErrorCode.REMOTE_USER_TERMINATED_CONNECTION) -> None:
        """A connection is over."""
        del self.links[handle]
        self.happen(DisconnectionComplete(0, handle, reason))

    def hear(self, handle: int, pdu: bytes, piece_bytes: int = 27) -> None:
        """The other side has sent an L2CAP PDU."""
        for start in range(0, len(pdu), piece_bytes):
            piece = pdu[start : start + piece_bytes]
            head = (handle | (0x1000 if start else 0x2000)).to_bytes(2, "little") + len(piece).to_bytes(2, "little")
            self.send(bytes((Indicator.ACL_DATA,)) + head + piece)

    def complete(self, handle: int, count: int) -> None:
        """`count` packets have been sent over the air."""
        self.links[handle].unsent -= count
        self.happen(NumberOfCompletedPackets((CompletedPackets(handle, count),)))

    def sent(self, kind: type[CommandT]) -> list[CommandT]:
        """All commands of `kind` that came, as they were parsed."""
        return [parse(kind, each[4:], exact=True) for each in self.received if _opcode(each) == kind.OPCODE]

    @property
    def opcodes(self) -> list[int]:
        """The opcodes of all commands that came."""
        return [opcode for each in self.received if (opcode := _opcode(each)) is not None]

    # The chip.

    def _obey(self, opcode: int, parameters: bytes) -> None:
        kind = KNOWN.get(opcode)
        if kind is None:
            return self._complete(opcode, bytes((ErrorCode.UNKNOWN_HCI_COMMAND,)))
        command = parse(kind, parameters, exact=True)
        status = self.refused.get(opcode) or self._status_of(command)
        if opcode in self.silent:
            return None
        if opcode in _STARTED:
            self._answer(CommandStatus(status, self.allows, opcode))
        else:
            self._complete(opcode, bytes((status,)) if status else b"\0" + self._returned(command))
        if not status:
            self._work_on(command)
        return None

    def _status_of(self, command: Packet) -> int:
        match command:
            case (
                commands.LeSetAdvertisingEnable(advertising_enable=1)
                | commands.LeSetExtendedAdvertisingEnable(enable=1)
            ) if len(self.links) >= self.slots:
                return ErrorCode.COMMAND_DISALLOWED
            case commands.Disconnect() if command.connection_handle not in self.links:
                return ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER
            case commands.LeCreateConnectionCancel() if not self.initiating:
                return ErrorCode.COMMAND_DISALLOWED
            case commands.LeCreateConnection() | commands.LeExtendedCreateConnection() if self.initiating:
                return ErrorCode.COMMAND_DISALLOWED
        return ErrorCode.SUCCESS

    def _work_on(self, command: Packet) -> None:
        match command:
            case commands.Reset():
                self.advertising = self.scanning = self.initiating = False
                self.links.clear()
            case commands.LeSetAdvertisingEnable():
                self.advertising = bool(command.advertising_enable)
            case commands.LeSetExtendedAdvertisingEnable() | commands.LeSetExtendedScanEnable():
                if isinstance(command, commands.LeSetExtendedScanEnable):
                    self.scanning = bool(command.enable)
                else:
                    self.advertising = bool(command.enable)
            case commands.LeSetScanEnable():
                self.scanning = bool(command.le_scan_enable)
            case commands.LeCreateConnection() | commands.LeExtendedCreateConnection():
                self.initiating = True
            case commands.LeCreateConnectionCancel():
                self.initiating = False
                unknown = ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER
                self.happen(LeConnectionComplete(unknown, 0, 0, 0, bytes(6), 0, 0, 0, 0))
            case commands.Disconnect() if command.connection_handle not in self.keeps:
                self.disconnect(command.connection_handle, ErrorCode.CONNECTION_TERMINATED_BY_LOCAL_HOST)

    def _returned(self, command: Command[Any]) -> bytes:
        """Return parameters after the status."""
        match command:
            case commands.LeReadLocalSupportedFeatures():
                return self.le_features.to_bytes(8, "little")
            case commands.LeReadBufferSize() if self.own_le_buffers:
                return self.acl_bytes.to_bytes(2, "little") + bytes((self.acl_packets,))
            case commands.LeReadBufferSize():
                return bytes(3)
            case commands.ReadBufferSize():
                counts = self.acl_packets.to_bytes(2, "little") + bytes(2)
                return self.acl_bytes.to_bytes(2, "little") + b"\0" + counts
            case commands.LeSetExtendedAdvertisingParameters():
                return b"\x08"
        return b""

    def _complete(self, opcode: int, returned: bytes) -> None:
        self._answer(CommandComplete(self.allows, opcode, returned))

    def _answer(self, event: Event) -> None:
        if self.holds_answers:
            self.held_back.append(build_event(event))
        else:
            self.happen(event)

    def _take_data(self, packet: AclPacket) -> None:
        link = self.links.get(packet.connection_handle)
        if link is None:
            return  # it has just ended
        assert len(packet.data) <= self.acl_bytes
        link.unsent += 1
        assert sum(each.unsent for each in self.links.values()) <= self.acl_packets, "the buffers are overdrawn"
        pdu = link.reassembler.feed(packet)
        if self.completes_packets:
            self.complete(packet.connection_handle, 1)
        if pdu:
            link.pdus.append(pdu)
            self.on_pdu(packet.connection_handle, pdu)


def _opcode(packet: bytes) -> int | None:
    return int.from_bytes(packet[1:3], "little") if packet[0] == Indicator.COMMAND else None
