"""One LE connection: an ATT bearer with a server and a client on it, and the signalling channel."""

from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from typing import Final, TypeVar

from board import aio
from board.errors import FerryError
from drivers.errors import RadioError
from drivers.hci.acl import QueueFullError
from drivers.hci.address import Address
from drivers.hci.codes import ErrorCode, error_name
from drivers.hci.commands import Disconnect, LeConnectionUpdate
from drivers.hci.errors import CommandError
from drivers.hci.host import Host
from drivers.hci.wire import PacketError
from stack.ble.att import (
    DEFAULT_MTU,
    AttError,
    ErrorResponse,
    Pdu,
    WriteCommand,
    build_pdu,
    is_for_client,
    is_response,
    parse_pdu,
)
from stack.ble.att_server import AttServer
from stack.ble.gatt_client import Procedure, exchange_mtu
from stack.ble.l2cap import Channel, ConnectionParameterUpdateRequest, answer_pairing, answer_signal, split_pdu
from stack.ble.l2cap import build_pdu as build_l2cap_pdu

TRANSACTION_TIMEOUT_MS: Final = 30_000  # volume 3, part F, 3.3.3
_LONGEST_SUPERVISION_TIMEOUT_MS = 32_000  # after which no controller believes in a connection any more

ResultT = TypeVar("ResultT")


class ConnectionLostError(FerryError):
    """The other side is gone, or silent."""

    remedy = "Bring the devices closer together and try again."


class Role(IntEnum):
    """Who began the connection."""

    CENTRAL = 0
    PERIPHERAL = 1


class Connection:
    """A connection while it lives; `closed` is set when it is over, and `reason` says why (an HCI error code)."""

    def __init__(self, host: Host, handle: int, peer: Address, role: Role, now_ms: Callable[[], int]) -> None:
        """Made by `Radio` when the controller reports a connection."""
        self.handle = handle
        self.peer = peer
        self.role = role
        self.server = AttServer(())
        self.mtu = DEFAULT_MTU
        self.closed = aio.Event()
        self.on_closed: Callable[[], None] = lambda: None
        self.reason = ErrorCode.SUCCESS.value
        self.last_active_ms = now_ms()
        self._host = host
        self._now_ms = now_ms
        self._one_request = aio.Lock()
        self._answered = aio.Event()
        self._awaited: bool = False
        self._answer: bytes = b""
        self._is_leaving = False
        self._wanted_update: ConnectionParameterUpdateRequest | None = None

    def pdu_received(self, pdu: bytes) -> None:
        """Take an L2CAP PDU of the peer; whatever it is, this does not raise. One that we have given up is ignored."""
        if self._is_leaving:
            return
        self.last_active_ms = self._now_ms()
        try:
            channel, payload = split_pdu(pdu)
        except PacketError:
            return
        if channel == Channel.ATT:
            self._att_received(payload)
        elif channel == Channel.SIGNALLING:
            self._signal_received(payload)
        elif channel == Channel.SECURITY_MANAGER:
            self._pairing_received(payload)

    def ended(self, reason: int) -> None:
        """The connection is over, once; whoever waits for an answer gets `ConnectionLostError`."""
        if self.closed.is_set():
            return
        self.reason = reason
        self.closed.set()
        self._answered.set()
        self.on_closed()

    async def disconnect(self, reason: int = ErrorCode.REMOTE_USER_TERMINATED_CONNECTION) -> None:
        """End the connection and wait until it is over. Raises `RadioError`."""
        if not self.closed.is_set():
            try:
                await self._host.command(Disconnect(self.handle, reason))
            except CommandError as error:
                if error.code == ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER:
                    self.ended(error.code)  # its end got lost on the way
            try:
                await aio.wait_for_ms(self.closed.wait(), _LONGEST_SUPERVISION_TIMEOUT_MS)
            except aio.TimeoutError:
                self.ended(ErrorCode.CONNECTION_TIMEOUT)  # the controller forgot to say so

    async def run(self, procedure: Procedure[ResultT]) -> ResultT:
        """Run a GATT procedure to its result.

        Raises:
            AttError, GattError: the peer's server refuses, or answers nonsense.
            ConnectionLostError: it is gone, or did not answer in 30 s.
            RadioError: our own controller is dead.
        """
        async with self._one_request:
            try:
                request = next(procedure)
                while True:
                    response = await self._request(request)
                    if isinstance(response, ErrorResponse):
                        request = procedure.throw(AttError(response.error_code, response.handle))
                    else:
                        request = procedure.send(response)
            except StopIteration as end:
                result: ResultT = end.value
                return result

    async def write_command(self, handle: int, value: bytes) -> None:
        """Write without response, and wait until it has arrived; what was made of it nobody says.

        Raises `ConnectionLostError`, `RadioError`.
        """
        self._check_alive()
        self._send_att(build_pdu(WriteCommand(handle, value)))
        try:
            await aio.wait_for_ms(self._host.flush(self.handle), TRANSACTION_TIMEOUT_MS)
        except aio.TimeoutError:
            raise ConnectionLostError("The other side takes no data") from None
        self._check_alive()

    async def agree_on_mtu(self) -> None:
        """Let both directions carry as much as both sides can."""
        self.mtu = self.server.mtu = await self.run(exchange_mtu())

    async def _request(self, request: Pdu) -> Pdu:
        self._check_alive()
        if self._awaited:  # a request that timed out or was given up: its late answer would be taken for this one's
            raise ConnectionLostError("The other side does not answer")
        self._answered.clear()
        self._awaited = True
        self._send_att(build_pdu(request))
        try:
            await aio.wait_for_ms(self._answered.wait(), TRANSACTION_TIMEOUT_MS)
        except aio.TimeoutError:
            raise ConnectionLostError("The other side does not answer") from None
        self._check_alive()
        return parse_pdu(self._answer)

    def _check_alive(self) -> None:
        if self._host.death:
            raise self._host.death
        if self.closed.is_set():
            raise ConnectionLostError(f"The other side is gone: {error_name(self.reason)}")

    def _att_received(self, payload: bytes) -> None:
        if not is_for_client(payload):
            answer = self.server.receive(payload)
            if answer:
                self._send_att(answer)
        elif self._awaited and is_response(payload):
            self._awaited = False
            self._answer = payload
            self._answered.set()

    def _signal_received(self, payload: bytes) -> None:
        answer, update = answer_signal(payload, is_central=self.role is Role.CENTRAL)
        if answer:
            self._send(Channel.SIGNALLING, answer)
        if update:
            is_updating, self._wanted_update = self._wanted_update is not None, update
            if not is_updating:
                aio.create_task(self._update())

    async def _update(self) -> None:
        """Set the parameters that were wanted last; whoever wants others every moment gets no task for each."""
        wanted = None
        with suppress(RadioError):  # who owns the radio is told
            while wanted is not self._wanted_update and self._wanted_update:
                wanted = self._wanted_update
                timing = (wanted.interval_min, wanted.interval_max, wanted.latency, wanted.timeout, 0, 0)
                await self._host.try_command(LeConnectionUpdate(self.handle, *timing))
        self._wanted_update = None

    def _pairing_received(self, payload: bytes) -> None:
        answer = answer_pairing(payload)
        if answer:
            self._send(Channel.SECURITY_MANAGER, answer)

    def _send_att(self, payload: bytes) -> None:
        self._send(Channel.ATT, payload)

    def _send(self, channel: Channel, payload: bytes) -> None:
        try:
            self._host.send(self.handle, build_l2cap_pdu(channel, payload))
        except QueueFullError:
            self._is_leaving = True
            aio.create_task(self._give_up())

    async def _give_up(self) -> None:
        with suppress(RadioError):
            await self.disconnect(ErrorCode.REMOTE_DEVICE_TERMINATED_CONNECTION_DUE_TO_LOW_RESOURCES)
