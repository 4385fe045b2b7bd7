"""What the link manager needs of a radio: one step a state of the machine. Two backends have it.

A step ends by returning, or raises `LinkError` with the reason; it may be cancelled at any moment, and `close` undoes
whatever has been done until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Protocol

from board import aio
from stack.link.reasons import Reason


@dataclass(frozen=True, slots=True)
class Offer:
    """The way to a phone's group, as it came over Bluetooth; validated there. `freq_mhz` is a hint."""

    ssid: str
    psk: str = field(repr=False)
    port: int
    freq_mhz: int | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """A network that was heard. `bssid` is in the order of the air, `rsn_element` whole, as it was sent."""

    ssid: bytes
    bssid: bytes
    frequency_mhz: int
    signal_dbm: int
    rsn_element: bytes


@dataclass(frozen=True, slots=True)
class Addresses:
    """Both ends of the link."""

    local: IPv4Address
    prefix: int
    peer: IPv4Address


class Loss(aio.Event):
    """Set when a connection ends by itself; `reason` says why."""

    reason: Reason = Reason.LOST


class Backend(Protocol):
    """One way to join a group. `lost` is set when the connection ends by itself after the handshake."""

    lost: Loss

    @property
    def interface(self) -> str:
        """The name of the link's interface, from `prepare` to `close`."""
        ...

    async def prepare(self, offer: Offer) -> None:
        """Make an interface, shut its firewall, switch IPv6 off, and compute the key."""

    def frequencies_mhz(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return where this radio may send, and where it may only listen."""

    async def scan(self, ssid: bytes, frequencies_mhz: Sequence[int]) -> list[Network]:
        """Ask for `ssid` on some frequencies; return who answered, the best first."""

    async def associate(self, network: Network) -> None:
        """Associate."""

    async def handshake(self) -> None:
        """Prove the passphrase and install the keys."""

    async def address(self, until_ms: int) -> Addresses:
        """Get an address."""

    async def admit(self, addresses: Addresses, port: int) -> None:
        """Let the one flow to the peer's `port` pass."""

    async def close(self) -> None:
        """Leave, and leave no trace. Never raises; may be called at any time, and again."""
