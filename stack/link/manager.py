"""Runs the link's machine over a backend: each state's step within its time, and home from wherever it ends.

Several networks may have the name of the phone's. The strongest is tried first, then the one that was tried least; one
that does not take the passphrase is left out from then on. When a whole round over the frequencies finds nothing else,
what is wrong with those that were found is the reason.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from board import aio
from board.clock import boottime_ms
from drivers.errors import RadioError
from drivers.netlink.message import OverrunError
from stack.link.backend import Addresses, Backend, Loss, Network, Offer
from stack.link.machine import DEFAULT_LIMITS, Input, Limits, LinkMachine, State
from stack.link.plan import Memory, scans
from stack.link.reasons import LinkError, Reason

# What another try may cure. A wrong passphrase stays wrong, but another network may take it.
_TRY_AGAIN: Final = frozenset({Reason.REFUSED, Reason.LOST, Reason.TIMED_OUT})
_TRY_ANOTHER: Final = frozenset({Reason.WRONG_PASSPHRASE, Reason.NOT_WPA2})

Told = Callable[[State], None]


@dataclass(frozen=True, slots=True)
class Link:
    """A road to a phone, by `interface`. `lost` is set when it ends by itself."""

    interface: str
    addresses: Addresses
    frequency_mhz: int
    lost: Loss


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
        self._details: dict[Reason, str] = {}
        self._tries: Counter[bytes] = Counter()
        self._closed_to_us: set[bytes] = set()
        self._obstacle: LinkError | None = None
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
        self._obstacle = None
        self._details.clear()
        self._tries.clear()
        self._closed_to_us.clear()
        try:
            self._fire(Input.START)
            while self._machine.state in self._steps:
                await self._step()
            if self._machine.state is not State.UP:
                reason = self._machine.reason or Reason.RADIO_TROUBLE
                raise LinkError(reason, self._details.get(reason, ""))
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
            is_looking = self._machine.state is State.SCANNING
            self._fire(Input.TIMEOUT, self._obstacle.reason if self._obstacle and is_looking else None)
        except LinkError as error:
            self._failed(error)
        except OverrunError as error:
            self._failed(LinkError(Reason.RADIO_TROUBLE, str(error)), is_passing=True)
        except RadioError as error:
            self._failed(LinkError(Reason.RADIO_TROUBLE, str(error)))
        else:
            self._fire(Input.DONE)

    def _failed(self, error: LinkError, *, is_passing: bool = False) -> None:
        self._details[error.reason] = error.detail
        state = self._machine.state
        again = (is_passing or error.reason in _TRY_AGAIN) and state is not State.PREPARING
        another = error.reason in _TRY_ANOTHER and state in (State.JOINING, State.HANDSHAKING)
        if another:
            assert self._network is not None
            self._closed_to_us.add(self._network.bssid)
            self._obstacle = error
        self._fire(Input.RETRY if again or another else Input.FAILED, error.reason)

    def _fire(self, occasion: Input, reason: Reason | None = None) -> None:
        before = self._machine.state
        if self._machine.fire(occasion, self._now_ms(), reason) is not before:
            self._told(self._machine.state)

    async def _go_home(self) -> None:
        """Close the backend's work, whatever happened. What cancels us waits: no trace may stay."""
        self._fire(Input.STOP)
        if self._machine.state is State.CLOSING:
            await aio.to_the_end(aio.create_task(self._close()))

    async def _close(self) -> None:
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
        if not any(self._backend.frequencies_mhz()):
            raise LinkError(Reason.RADIO_OFF, "it has no usable channel")
        while True:
            for frequencies_mhz in scans(self._offer.freq_mhz, self._memory, *self._backend.frequencies_mhz()):
                if await self._find(frequencies_mhz):
                    return
            if self._obstacle:
                raise self._obstacle

    async def _find(self, frequencies_mhz: Sequence[int]) -> bool:
        """Choose a network among those that answer, if there is one to choose."""
        try:
            heard = await self._backend.scan(self._offer.ssid.encode(), frequencies_mhz)
        except LinkError as error:
            if error.reason not in _TRY_ANOTHER:
                raise
            self._obstacle = self._obstacle or error
            self._details[error.reason] = error.detail
            return False
        open_to_us = [each for each in heard if each.bssid not in self._closed_to_us]
        if open_to_us:
            self._network = min(open_to_us, key=lambda each: self._tries[each.bssid])
            self._tries[self._network.bssid] += 1
            self._memory.found(self._network.frequency_mhz)
        return bool(open_to_us)

    async def _join(self) -> None:
        assert self._network is not None
        await self._backend.associate(self._network)

    async def _handshake(self) -> None:
        await self._backend.handshake()

    async def _address(self) -> None:
        """Get addresses and let the flow pass. A connection that ends meanwhile ends that at once."""
        assert self._machine.deadline_ms is not None
        asking = aio.create_task(self._backend.address(self._machine.deadline_ms))
        watching = aio.create_task(self._cancel_when_lost(asking))
        try:
            self._addresses = await asking
        except aio.CancelledError:
            if not self._backend.lost.is_set():
                raise
            raise LinkError(self._backend.lost.reason) from None
        finally:
            watching.cancel()
        await self._backend.admit(self._addresses, self._offer.port)

    async def _cancel_when_lost(self, asking: aio.Task[Addresses]) -> None:
        await self._backend.lost.wait()
        asking.cancel()
