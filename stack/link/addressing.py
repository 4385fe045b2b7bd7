"""Runs the address machines over a link: an address by DHCP, or one of our own choice, and the peer's MAC."""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import Any, Final, Protocol

from board import aio
from stack.ip.arp import SendArp
from stack.ip.arp_probe import AddressFree, AddressProbe, AddressTaken
from stack.ip.arp_resolve import PeerSearch, Resolved, Unresolved
from stack.ip.dhcp_client import Bound, DhcpClient, Failed, Failure, ProposeStatic, SendDhcp
from stack.link.backend import Addresses
from stack.link.reasons import LinkError, Reason

# Of the time for an address, what is left for one of our own choice when nobody gives one (alliance protocol, 5.2).
_FALLBACK_MS: Final = 1_500
_REASONS: Final = {
    Failure.NO_ANSWER: Reason.NO_ADDRESS,
    Failure.UNUSABLE_OFFER: Reason.BAD_ADDRESS,
    Failure.REFUSED: Reason.NO_ADDRESS,
}


class Wire(Protocol):
    """Whole Ethernet frames of one kind on the link's interface."""

    async def read(self) -> bytes:
        """Wait for a frame."""
        ...

    def write(self, frame: bytes) -> None:
        """Send a frame."""


class Machine(Protocol):
    """What the machines of `stack.ip` have in common."""

    @property
    def deadline(self) -> int | None:
        """When to call `tick`."""
        ...

    def start(self, now: int) -> tuple[Any, ...]:
        """Begin."""
        ...

    def tick(self, now: int) -> tuple[Any, ...]:
        """Act on the deadline."""
        ...

    def frame_received(self, frame: bytes, now: int) -> tuple[Any, ...]:
        """Take a frame."""
        ...


class Addressing:
    """Gets addresses for one interface. `draw` returns a random number below its argument."""

    def __init__(
        self, dhcp: Wire, arp: Wire, mac: bytes, now_ms: Callable[[], int], draw: Callable[[int], int]
    ) -> None:
        """Work as `mac`; `dhcp` brings what is for DHCP clients, `arp` what is ARP."""
        self._dhcp = dhcp
        self._arp = arp
        self._mac = mac
        self._now_ms = now_ms
        self._draw = draw

    async def obtain(self, until_ms: int) -> Addresses:
        """Get an address before `until_ms`. Raises `LinkError`."""
        static_host = 2 + self._draw(253)
        client = DhcpClient(self._mac, self._draw(1 << 32), until=until_ms - _FALLBACK_MS, static_host=static_host)
        end = await self._run(client, self._dhcp)
        match end:
            case Bound(lease):
                return Addresses(lease.address, lease.prefix, lease.server)
            case ProposeStatic(address, prefix, server):
                await self._check_free(address)
                return Addresses(address, prefix, server)
            case Failed(failure):
                raise LinkError(_REASONS[failure], failure.value)
        raise AssertionError(f"{end} is no end of a DHCP client")

    async def find_peer(self, addresses: Addresses) -> bytes:
        """Return the peer's MAC. Raises `LinkError` if nobody answers for its address."""
        end = await self._run(PeerSearch(self._mac, addresses.local, addresses.peer), self._arp)
        if isinstance(end, Resolved):
            return end.mac
        raise LinkError(Reason.NO_ADDRESS, f"nobody answers at {addresses.peer}")

    async def _check_free(self, address: IPv4Address) -> None:
        if isinstance(await self._run(AddressProbe(self._mac, address), self._arp), AddressTaken):
            raise LinkError(Reason.NO_ADDRESS, f"{address} is somebody else's")

    async def _run(self, machine: Machine, wire: Wire) -> Any:
        """Run a machine to its end and return the effect that says so."""
        end = _carry_out(machine.start(self._now_ms()), wire)
        while end is None:
            left_ms = max((machine.deadline or self._now_ms()) - self._now_ms(), 0)
            try:
                frame = await aio.wait_for_ms(wire.read(), left_ms)
            except aio.TimeoutError:
                end = _carry_out(machine.tick(self._now_ms()), wire)
            else:
                end = _carry_out(machine.frame_received(frame, self._now_ms()), wire)
        return end


def _carry_out(effects: Iterable[Any], wire: Wire) -> Any:
    """Send what is to be sent; return the effect that ends the machine, if it is among them."""
    end = None
    for effect in effects:
        match effect:
            case SendDhcp(frame) | SendArp(frame):
                wire.write(frame)
            case Bound() | ProposeStatic() | Failed() | AddressFree() | AddressTaken() | Resolved() | Unresolved():
                end = effect
    return end
