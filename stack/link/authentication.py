"""Runs the supplicant over a station: until the port is open, and then for as long as the link lives."""

from collections.abc import Callable
from typing import Final, Protocol

from board import aio
from drivers.nl80211.errors import DisconnectedError
from stack.link.reasons import LinkError, Reason
from stack.wlan.handshake import (
    Authorised,
    Effect,
    Failed,
    Failure,
    InstallGroup,
    InstallPairwise,
    SendEapol,
    State,
    Supplicant,
)

_REASONS: Final = {
    Failure.WRONG_PASSPHRASE: Reason.WRONG_PASSPHRASE,
    Failure.TIMED_OUT: Reason.TIMED_OUT,
    Failure.OTHER_SECURITY: Reason.NOT_WPA2,
    Failure.PEER_MISBEHAVED: Reason.REFUSED,
    Failure.PEER_LEFT: Reason.LOST,
}


class Port(Protocol):
    """The 802.1X port of an associated station, as `drivers.nl80211.station.Station` has it."""

    async def receive_eapol(self) -> bytes:
        """Wait for a frame. Raises `DisconnectedError` and other `RadioError`s."""
        ...

    async def send_eapol(self, frame: bytes) -> bool | None:
        """Send a frame; say whether it was acknowledged, if that is known."""
        ...

    async def install_pairwise_key(self, key: bytes) -> None:
        """Give the chip the temporal key."""

    async def install_group_key(self, key: bytes, index: int, sequence: bytes) -> None:
        """Give the chip a group key."""

    async def authorize(self) -> None:
        """Open the port."""


class Authentication:
    """One association's keys. `prove` first, then `keep` for the rekeys of the link's life."""

    def __init__(self, port: Port, supplicant: Supplicant, now_ms: Callable[[], int]) -> None:
        """Feed `supplicant` from `port`."""
        self._port = port
        self._supplicant = supplicant
        self._now_ms = now_ms

    async def prove(self) -> None:
        """Do the 4-way handshake and open the port. Raises `LinkError`, `RadioError`."""
        while self._supplicant.state is not State.AUTHORISED:
            await self._turn()

    async def keep(self) -> None:
        """Answer rekeys until the connection ends, which raises."""
        while True:
            await self._turn()

    async def _turn(self) -> None:
        for effect in await self._next_effects():
            await self._carry_out(effect)

    async def _next_effects(self) -> tuple[Effect, ...]:
        deadline_ms = self._supplicant.deadline
        try:
            if deadline_ms is None:
                frame = await self._port.receive_eapol()
            else:
                left_ms = max(deadline_ms - self._now_ms(), 0)
                frame = await aio.wait_for_ms(self._port.receive_eapol(), left_ms)
        except aio.TimeoutError:
            return self._supplicant.tick(self._now_ms())
        except DisconnectedError as error:
            return self._supplicant.disconnected(error.reason)
        return self._supplicant.frame_received(frame, self._now_ms())

    async def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SendEapol(frame):
                if await self._port.send_eapol(frame):
                    self._supplicant.frame_acknowledged()
            case InstallPairwise(key):
                await self._port.install_pairwise_key(key)
            case InstallGroup(index, key, rsc):
                await self._port.install_group_key(key, index, rsc)
            case Authorised():
                await self._port.authorize()
            case Failed(failure):
                raise LinkError(_REASONS[failure], failure.value)
