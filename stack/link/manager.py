"""Runs the link's machine over a backend: each state's step within its time, and home from wherever it ends."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from board import aio
from board.clock import boottime_ms
from drivers.errors import RadioError
from stack.link.backend import Addresses, Backend, Network, Offer
from stack.link.machine import DEFAULT_LIMITS, Input, Limits, LinkMachine, State
from stack.link.plan import Memory, scans
from stack.link.reasons import LinkError, Reason

# What another try may cure. A wrong passphrase stays wrong.
_TRY_AGAIN: Final = frozenset({Reason.REFUSED, Reason.LOST, Reason.TIMED_OUT})

Told = Callable[[State], None]


@dataclass(frozen=True, slots=True)
class Link:
    """A road to a phone, by `interface`. `lost` is set when it ends by itself."""

    interface: str
    addresses: Addresses
    frequency_mhz: int
    lost: aio.Event


class LinkManager:
    """Joins one group at a time. `memory` remembers where groups were, `told` hears of each new state."""

    def __init__(
        self,
        backend: Backend,
        memory: Memory,
        told: Told = lambda state: None,
        limits: Limits = DEFAULT_LIMITS,
        now_ms: Callable[[], int] = boottime_ms,
    ) -> None:
        """Use `backend`, with which nobody else may do anything meanwhile."""
        self._backend = backend
        self._memory = memory
        self._told = told
        self._limits = limits
        self._now_ms = now_ms
        self._machine = LinkMachine(limits)
        self._offer = Offer("", "", 0)
        self._network: Network | None = None
        self._addresses: Addresses | None = None
        self._detail = ""
        self._steps: Mapping[State, Callable[[], Coroutine[Any, Any, None]]] = {
            State.PREPARING: self._prepare,
            State.SCANNING: self._scan,
            State.JOINING: self._join,
            State.HANDSHAKING: self._handshake,
            State.ADDRESSING: self._address,
        }

    @asynccontextmanager
    async def joined(self, offer: Offer) -> AsyncIterator[Link]:
        """Join the group of `offer` for the time of the block. Raises `LinkError`."""
        self._offer = offer
        self._machine = LinkMachine(self._limits)
        self._detail = ""
        try:
            self._fire(Input.START)
            while self._machine.state in self._steps:
                await self._step()
            if self._machine.state is not State.UP:
                raise LinkError(self._machine.reason or Reason.RADIO_TROUBLE, self._detail)
            assert self._network is not None
            assert self._addresses is not None
            found = self._network.frequency_mhz
            yield Link(self._backend.interface, self._addresses, found, self._backend.lost)
        finally:
            await self._go_home()

    async def _step(self) -> None:
        """Do the step of the state within its time, and tell the machine how it ended."""
        assert self._machine.deadline_ms is not None
        left_ms = max(self._machine.deadline_ms - self._now_ms(), 0)
        try:
            await aio.wait_for_ms(self._steps[self._machine.state](), left_ms)
        except aio.TimeoutError:
            if self._machine.state is not State.SCANNING:
                self._detail = ""
            self._fire(Input.TIMEOUT)
        except LinkError as error:
            self._failed(error)
        except RadioError as error:
            self._failed(LinkError(Reason.RADIO_TROUBLE, str(error)))
        else:
            self._fire(Input.DONE)

    def _failed(self, error: LinkError) -> None:
        self._detail = error.detail
        again = error.reason in _TRY_AGAIN and self._machine.state is not State.PREPARING
        self._fire(Input.RETRY if again else Input.FAILED, error.reason)

    def _fire(self, occasion: Input, reason: Reason | None = None) -> None:
        before = self._machine.state
        if self._machine.fire(occasion, self._now_ms(), reason) is not before:
            self._told(self._machine.state)

    async def _go_home(self) -> None:
        """Close the backend's work, whatever happened. What cancels us waits: no trace may stay."""
        self._fire(Input.STOP)
        if self._machine.state is State.CLOSING:
            try:
                await aio.wait_for_ms(self._backend.close(), self._limits.close_ms)
            except aio.TimeoutError:
                self._fire(Input.TIMEOUT)
            else:
                self._fire(Input.DONE)

    async def _prepare(self) -> None:
        await self._backend.prepare(self._offer)

    async def _scan(self) -> None:
        """Ask in the order of the plan, round after round, until somebody answers or the time is up."""
        ssid = self._offer.ssid.encode()
        if not any(self._backend.frequencies_mhz()):
            raise LinkError(Reason.RADIO_OFF, "it has no usable channel")
        while True:
            for frequencies_mhz in scans(self._offer.freq_mhz, self._memory, *self._backend.frequencies_mhz()):
                heard = await self._backend.scan(ssid, frequencies_mhz)
                if heard:
                    self._network = heard[0]
                    self._memory.found(heard[0].frequency_mhz)
                    return

    async def _join(self) -> None:
        assert self._network is not None
        await self._backend.associate(self._network)

    async def _handshake(self) -> None:
        await self._backend.handshake()

    async def _address(self) -> None:
        assert self._machine.deadline_ms is not None
        self._addresses = await self._backend.address(self._machine.deadline_ms)
        await self._backend.admit(self._addresses, self._offer.port)
