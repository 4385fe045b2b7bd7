"""Is anybody using this address? RFC 5227 in a hurry: its seconds of waiting are more than a link has.

    INIT > PROBING > FREE | CONFLICT

The law: the address is free when every probe went unanswered for its interval. Then it is announced once, so that the
peers know it before they are spoken to. FREE and CONFLICT ignore everything.
"""

from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address
from typing import Final

from board.errors import LocalProtocolError
from stack.ip.arp import NO_ADDRESS, ArpPacket, Operation, SendArp, parse_arp, who_has
from stack.ip.frames import FrameError, check_mac


class State(Enum):
    """Where a probe is."""

    INIT = auto()
    PROBING = auto()
    FREE = auto()
    CONFLICT = auto()


@dataclass(frozen=True, slots=True)
class AddressFree:
    """Nobody has the address. It is ours, and the announcement is on its way."""


@dataclass(frozen=True, slots=True)
class AddressTaken:
    """`holder`, a MAC address, has the address or wants it too. Draw another one."""

    holder: bytes


Effect = SendArp | AddressFree | AddressTaken


@dataclass(frozen=True, slots=True)
class Limits:
    """How many probes, and how far apart."""

    probes: int = 2
    interval_ms: int = 150


DEFAULT_LIMITS: Final = Limits()


class AddressProbe:
    """The machine. Feed it the ARP frames of the link; carry out what it returns. Times are monotonic ms."""

    def __init__(self, mac: bytes, address: IPv4Address, *, limits: Limits = DEFAULT_LIMITS) -> None:
        """Prepare to probe for `address` from the interface with address `mac`."""
        check_mac(mac)
        self._mac = mac
        self._address = address
        self._limits = limits
        self._state = State.INIT
        self._sent = 0
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
        """Probe at once."""
        if self._state is not State.INIT:
            raise LocalProtocolError("An address probe starts once.")
        self._state = State.PROBING
        return self._probe(now)

    def tick(self, now: int) -> tuple[Effect, ...]:
        """Act on the deadline if it has passed."""
        if self._deadline is None or now < self._deadline:
            return ()
        if self._sent < self._limits.probes:
            return self._probe(now)
        self._finish(State.FREE)
        return SendArp(who_has(self._address, self._mac, self._address)), AddressFree()

    def frame_received(self, frame: bytes, now: int) -> tuple[Effect, ...]:
        """Take one Ethernet frame. One that is no conflict leaves time its right: no traffic holds a probe up."""
        try:
            packet = parse_arp(frame)
        except FrameError:
            return self.tick(now)
        if self._state is not State.PROBING or not self._is_conflict(packet):
            return self.tick(now)
        self._finish(State.CONFLICT)
        return (AddressTaken(packet.sender_mac),)

    def _probe(self, now: int) -> tuple[Effect, ...]:
        self._sent += 1
        self._deadline = now + self._limits.interval_ms
        return (SendArp(who_has(self._address, self._mac)),)

    def _finish(self, state: State) -> None:
        self._state = state
        self._deadline = None

    def _is_conflict(self, packet: ArpPacket) -> bool:
        """Somebody has the address, or probes for it at the same time (RFC 5227, 2.1.1). Our own echo is neither."""
        if packet.sender_mac == self._mac:
            return False
        is_probe = packet.operation is Operation.REQUEST and packet.sender_address == NO_ADDRESS
        return packet.sender_address == self._address or (is_probe and packet.target_address == self._address)
