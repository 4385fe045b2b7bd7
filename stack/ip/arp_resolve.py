"""Who has the peer's address? Asked before the kernel needs to know, so that TCP's first packet does not wait.

    INIT > ASKING > RESOLVED | UNRESOLVED

The law: any ARP packet in which the peer's address belongs to a station answers the question, the first one counts.
Nothing proves it: whoever drives this compares the answer with the BSSID, which the handshake has proven. RESOLVED
and UNRESOLVED ignore everything.
"""

from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address
from typing import Final

from board.errors import LocalProtocolError
from stack.ip.arp import SendArp, parse_arp, who_has
from stack.ip.frames import FrameError, check_mac, is_station


class State(Enum):
    """Where a search is."""

    INIT = auto()
    ASKING = auto()
    RESOLVED = auto()
    UNRESOLVED = auto()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The peer's MAC address."""

    mac: bytes


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Nobody answered for the peer's address."""


Effect = SendArp | Resolved | Unresolved


@dataclass(frozen=True, slots=True)
class Limits:
    """How many times to ask, and how far apart."""

    requests: int = 5
    interval_ms: int = 200


DEFAULT_LIMITS: Final = Limits()


class PeerSearch:
    """The machine. Feed it the ARP frames of the link; carry out what it returns. Times are monotonic ms."""

    def __init__(self, mac: bytes, address: IPv4Address, peer: IPv4Address, *, limits: Limits = DEFAULT_LIMITS) -> None:
        """Prepare to ask for `peer` from our own `mac` and `address`."""
        check_mac(mac)
        self._mac = mac
        self._question = who_has(peer, mac, address)
        self._peer = peer
        self._limits = limits
        self._state = State.INIT
        self._asked = 0
        self._deadline: int | None = None

    @property
    def state(self) -> State:
        """Where the machine is."""
        return self._state

    @property
    def deadline(self) -> int | None:
        """When to call `tick` at the latest; `None` before the start and once the machine is done."""
        return self._deadline

    def start(self, now: int) -> tuple[Effect, ...]:
        """Ask at once."""
        if self._state is not State.INIT:
            raise LocalProtocolError("A search starts once.")
        self._state = State.ASKING
        return self._ask(now)

    def tick(self, now: int) -> tuple[Effect, ...]:
        """Act on the deadline if it has passed."""
        if self._deadline is None or now < self._deadline:
            return ()
        return self._ask(now) if self._asked < self._limits.requests else self._finish(State.UNRESOLVED, Unresolved())

    def frame_received(self, frame: bytes, now: int) -> tuple[Effect, ...]:
        """Take one Ethernet frame. One that is no answer leaves time its right: no traffic holds a search up."""
        try:
            packet = parse_arp(frame)
        except FrameError:
            return self.tick(now)
        is_answer = packet.sender_address == self._peer and is_station(packet.sender_mac)
        if self._state is not State.ASKING or not is_answer or packet.sender_mac == self._mac:
            return self.tick(now)
        return self._finish(State.RESOLVED, Resolved(packet.sender_mac))

    def _ask(self, now: int) -> tuple[Effect, ...]:
        self._asked += 1
        self._deadline = now + self._limits.interval_ms
        return (SendArp(self._question),)

    def _finish(self, state: State, effect: Effect) -> tuple[Effect, ...]:
        self._state = state
        self._deadline = None
        return (effect,)
