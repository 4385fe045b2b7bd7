"""An LE controller ready for use: its connections, its scan, and who is told of what.

One `Radio` lives as long as its controller. When that dies every method raises the `RadioError` it died of, all
connections end, and `restart.keep_running` makes a new one.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from board import aio
from board.clock import boottime_ms
from drivers.errors import RadioError
from drivers.hci.address import Address, AddressType
from drivers.hci.codes import ErrorCode, error_name
from drivers.hci.commands import (
    LeCreateConnection,
    LeCreateConnectionCancel,
    LeExtendedCreateConnection,
    LeReadLocalSupportedFeatures,
    LeSetRandomAddress,
)
from drivers.hci.events import (
    DisconnectionComplete,
    LeAdvertisingReport,
    LeConnectionComplete,
    LeExtendedAdvertisingReport,
)
from drivers.hci.host import Host
from stack.ble.connection import Connection, ConnectionLostError, Role
from stack.ble.scanning import Heard, heard_in, scan_commands

CONNECT_TIMEOUT_MS: Final = 8_000
_CANCEL_TIMEOUT_MS = 1_000  # the end of an attempt follows at once, but who knows

_PROBE_MS = 300_000  # a wake-up that counts: two a minute are the budget

_SCAN_INTERVAL = _SCAN_WINDOW = 0x0060
_NO_FILTER = 0
_PHY_1M_BIT = 1
# 15 to 30 ms between two turns, as phones ask for a quick exchange; 4 s without a word end a connection.
_INTERVAL_MIN, _INTERVAL_MAX, _LATENCY, _SUPERVISION_TIMEOUT = 12, 24, 0, 400


class Radio:
    """A controller with a random static address. Set `on_connected` before advertising begins."""

    def __init__(self, host: Host, address: Address, now_ms: Callable[[], int] = boottime_ms) -> None:
        """Use `host`, which is not started yet."""
        self.host = host
        self.address = address
        self.connections: dict[int, Connection] = {}
        self.on_connected: Callable[[Connection], None] = lambda connection: None
        self.on_connection_failed: Callable[[], None] = lambda: None
        self.on_died: Callable[[], None] = lambda: None
        self.now_ms = now_ms
        self._heard: Callable[[Heard], None] | None = None
        self._one_connect = aio.Lock()
        self._connect_ended = aio.Event()
        self._connected: Connection | None = None
        self._connect_status = ErrorCode.SUCCESS.value
        self._is_connecting = False

    async def start(self) -> None:
        """Start the controller. Raises `RadioError`."""
        self.host.on_pdu = self._pdu_received
        self.host.on_death = self._died
        self.host.on(LeConnectionComplete, self._connection_complete)
        self.host.on(DisconnectionComplete, self._disconnection_complete)
        self.host.on(LeAdvertisingReport, self._reported)
        self.host.on(LeExtendedAdvertisingReport, self._reported)
        await self.host.start()
        await self.host.command(LeSetRandomAddress(self.address.octets))

    async def close(self) -> None:
        """Stop everything that is on the air and give the controller back."""
        await self.host.close()

    async def death(self) -> RadioError:
        """Wait until the controller is dead; return what it died of. One that hangs is found out within minutes."""
        while self.host.death is None:
            try:
                await aio.wait_for_ms(self.host.died.wait(), _PROBE_MS)
            except aio.TimeoutError:
                with suppress(RadioError):
                    await self.host.command(LeReadLocalSupportedFeatures())
        return self.host.death

    async def wait_for(self, event: aio.Event, timeout_ms: int) -> None:
        """Wait until `event` is set. Raises `TimeoutError`, or what the controller dies of meanwhile."""

        async def wake() -> None:
            await self.host.died.wait()
            event.set()

        waking = aio.create_task(wake())
        try:
            await aio.wait_for_ms(event.wait(), timeout_ms)
        finally:
            waking.cancel()
        if self.host.death:
            raise self.host.death

    @asynccontextmanager
    async def scanning(self, heard: Callable[[Heard], None]) -> AsyncIterator[None]:
        """Scan within the block and call `heard` with what is heard. Raises `RadioError`."""
        commands = scan_commands(own_address_type=AddressType.RANDOM, extended=self.host.controller.advertises_in_sets)
        self._heard = heard
        try:
            for command in commands.begin:
                await self.host.command(command)
            yield
        finally:
            self._heard = None
            with suppress(RadioError):
                await self.host.try_command(commands.end)

    async def connect(self, peer: Address, timeout_ms: int = CONNECT_TIMEOUT_MS) -> Connection:
        """Connect to `peer`, which must be advertising.

        Raises:
            ConnectionLostError: it did not answer in time, or the connection failed.
            RadioError: the controller is dead or refuses.
        """
        async with self._one_connect:
            self._connect_ended.clear()
            self._connected, self._connect_status = None, ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER.value
            self._is_connecting = True
            try:
                await self.host.command(self._create_connection(peer))
                await aio.wait_for_ms(self._connect_ended.wait(), timeout_ms)
            except aio.TimeoutError:
                await self._cancel_connect()
            except aio.CancelledError:
                await self._abandon_connect()
                raise
            finally:
                self._is_connecting = False
            return self._connect_result()

    def _create_connection(self, peer: Address) -> LeCreateConnection | LeExtendedCreateConnection:
        timing = (_INTERVAL_MIN, _INTERVAL_MAX, _LATENCY, _SUPERVISION_TIMEOUT, 0, 0)
        scan = (_SCAN_INTERVAL, _SCAN_WINDOW)
        if self.host.controller.advertises_in_sets:
            return LeExtendedCreateConnection(
                _NO_FILTER, AddressType.RANDOM, peer.type, peer.octets, _PHY_1M_BIT, *scan, *timing
            )
        return LeCreateConnection(*scan, _NO_FILTER, peer.type, peer.octets, AddressType.RANDOM, *timing)

    async def _cancel_connect(self) -> None:
        """Stop connecting. It may have succeeded in this very moment; the controller says which."""
        await self.host.try_command(LeCreateConnectionCancel())
        with suppress(aio.TimeoutError):
            await aio.wait_for_ms(self._connect_ended.wait(), _CANCEL_TIMEOUT_MS)

    async def _abandon_connect(self) -> None:
        """Stop connecting on behalf of nobody: what has come up in this very moment is ended again."""
        with suppress(RadioError):
            await self._cancel_connect()
            if self._connected:
                await self._connected.disconnect()

    def _connect_result(self) -> Connection:
        if self.host.death:
            raise self.host.death
        if self._connected is None:
            status = self._connect_status
            gave_up = status == ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER  # what a cancelled attempt ends with
            why = "it does not answer" if gave_up else error_name(status)
            raise ConnectionLostError(f"The device could not be reached: {why}")
        return self._connected

    def _connection_complete(self, event: LeConnectionComplete) -> None:
        role = Role(event.role & 1)
        connection = self._new_connection(event, role) if event.status == ErrorCode.SUCCESS else None
        if connection is None:
            self.on_connection_failed()  # it may have been one to us, and then it has ended our advertising
        if role is Role.PERIPHERAL:
            if connection:
                self.on_connected(connection)
        elif self._is_connecting:
            self._connected, self._connect_status = connection, event.status
            self._connect_ended.set()
        elif connection:
            aio.create_task(self._drop(connection))

    def _new_connection(self, event: LeConnectionComplete, role: Role) -> Connection:
        peer = Address(event.peer_address, AddressType(event.peer_address_type & 1))
        connection = Connection(self.host, event.connection_handle, peer, role, self.now_ms)
        self._end(connection.handle, ErrorCode.UNSPECIFIED_ERROR)  # its real end got lost on the way
        self.connections[connection.handle] = connection
        return connection

    async def _drop(self, connection: Connection) -> None:
        """End a connection that came up when nobody waited for it any more."""
        with suppress(RadioError):
            await connection.disconnect()

    def _disconnection_complete(self, event: DisconnectionComplete) -> None:
        if event.status == ErrorCode.SUCCESS:
            self._end(event.connection_handle, event.reason)

    def _end(self, handle: int, reason: int) -> None:
        connection = self.connections.pop(handle, None)
        if connection:
            connection.ended(reason)

    def _pdu_received(self, handle: int, pdu: bytes) -> None:
        connection = self.connections.get(handle)
        if connection:
            connection.pdu_received(pdu)

    def _reported(self, event: LeAdvertisingReport | LeExtendedAdvertisingReport) -> None:
        if self._heard:
            for heard in heard_in(event):
                self._heard(heard)

    def _died(self) -> None:
        self._connect_ended.set()
        for handle in list(self.connections):
            self._end(handle, ErrorCode.HARDWARE_FAILURE)
        self.on_died()
