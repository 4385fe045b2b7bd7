"""The peripheral role: advertise, serve everyone who connects, and stay visible whatever they do.

The law: a connection ends legacy advertising, so it is enabled again at once, or when the controller has room. A
connection without traffic is dropped after `idle_ms` and not before, any after `stay_ms`; only when the last slot is
taken the one that has been silent longest goes, for phones must always be able to find us. Nothing runs while nobody is
connected.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from board import aio
from board.errors import LocalProtocolError
from drivers.errors import RadioError
from drivers.hci.codes import ErrorCode
from drivers.hci.errors import CommandError
from stack.ble.advertising import Advertising, advertising_commands
from stack.ble.att_server import AttServer
from stack.ble.connection import Connection
from stack.ble.gatt import Service, attribute_table
from stack.ble.radio import Radio

_FEWEST_SLOTS = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may be connected, two at least, how long one may be silent, and how long it may stay at all."""

    slots: int = 4
    idle_ms: int = 30_000
    stay_ms: int = 120_000

    def __post_init__(self) -> None:
        if self.slots < _FEWEST_SLOTS:
            raise LocalProtocolError("With one slot, every phone would be dropped to make room for the next one.")


_RETRY_MS, _SLOW_RETRY_MS = 1_000, 10_000
DEFAULT_LIMITS: Final = Limits()

Serve = Callable[[Connection], Sequence[Service]]


class Peripheral:
    """Advertises and serves. `serve` is called for each connection and returns the services that it sees."""

    def __init__(self, radio: Radio, advertising: Advertising, serve: Serve, limits: Limits = DEFAULT_LIMITS) -> None:
        """Prepare; nothing is on the air before `start`."""
        self._radio = radio
        self._commands = advertising_commands(advertising, in_set=radio.host.controller.advertises_in_sets)
        self._serve = serve
        self._limits = limits
        self._staying: list[Connection] = []
        self._leaving: list[Connection] = []
        self._hidden = False
        self._visible_again = aio.Event()
        self._tasks: list[aio.Task[None]] = []

    async def start(self) -> None:
        """Begin to advertise. Raises `RadioError`."""
        self._radio.on_connected = self._connected
        self._radio.on_connection_failed = self._hide
        self._radio.on_died = self._visible_again.set  # who finds the radio dead has no more to do
        for command in self._commands.setup:
            await self._radio.host.command(command)
        await self._radio.host.command(self._commands.enable)
        self._tasks.append(aio.create_task(self._stay_visible()))

    async def stop(self) -> None:
        """Stop advertising; those who are connected stay. Raises `RadioError`."""
        for task in self._tasks:
            task.cancel()
        await self._radio.host.try_command(self._commands.disable)

    def _connected(self, connection: Connection) -> None:
        connection.server = AttServer(attribute_table(self._serve(connection)))
        self._staying.append(connection)
        aio.create_task(self._look_after(connection))
        if len(self._staying) >= self._limits.slots:
            self._make_room()
        self._hide()

    def _hide(self) -> None:
        self._hidden = True
        self._visible_again.set()

    async def _stay_visible(self) -> None:
        with suppress(RadioError):
            while self._radio.host.death is None:
                await self._visible_again.wait()
                self._visible_again.clear()
                if self._hidden:
                    await self._become_visible()

    async def _become_visible(self) -> None:
        self._hidden = False  # first: a connection that comes meanwhile hides us again
        try:
            await self._radio.host.command(self._commands.enable)
        except CommandError:  # no room for one more connection, or the controller is busy
            self._hidden = True
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        """Let the end of a connection try again: of an older one if there are several, for the newest is at work.

        The controller may have been busy for another reason, so time tries again too.
        """
        if len(self._staying) > 1 and not self._leaving:
            self._make_room()
        with suppress(aio.TimeoutError):
            await aio.wait_for_ms(self._visible_again.wait(), _SLOW_RETRY_MS if self._staying else _RETRY_MS)
        self._visible_again.set()

    async def _look_after(self, connection: Connection) -> None:
        with suppress(RadioError):
            await self._wait_until_idle(connection)
            await connection.disconnect()
        (self._staying if connection in self._staying else self._leaving).remove(connection)
        self._visible_again.set()

    async def _wait_until_idle(self, connection: Connection) -> None:
        latest_ms = self._radio.now_ms() + self._limits.stay_ms
        while not connection.closed.is_set():
            left_ms = min(connection.last_active_ms + self._limits.idle_ms, latest_ms) - self._radio.now_ms()
            if left_ms <= 0:
                return
            with suppress(aio.TimeoutError):
                await aio.wait_for_ms(connection.closed.wait(), left_ms)

    def _make_room(self) -> None:
        """Drop the connection that has been silent longest."""
        silent = min(self._staying, key=lambda each: each.last_active_ms)
        self._staying.remove(silent)
        self._leaving.append(silent)
        aio.create_task(self._drop(silent))

    async def _drop(self, connection: Connection) -> None:
        with suppress(RadioError):
            await connection.disconnect(ErrorCode.REMOTE_DEVICE_TERMINATED_CONNECTION_DUE_TO_LOW_RESOURCES)
