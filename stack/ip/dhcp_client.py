"""The DHCP client of a link that is seconds old and lives for minutes (RFC 2131, 4.4).

    INIT > SELECTING > REQUESTING > BOUND

The law: the first offer that a station may take is taken. Each state asks again after 0.3, 0.6, 1.2 s and so on, until
one deadline that no traffic moves. If nothing usable was heard by then, and a host number was given for that, the
machine proposes an address in Android's network instead (PROPOSED). The last three states ignore everything.
A lease is not renewed: a group lives shorter than that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address
from typing import Final

from board.errors import LocalProtocolError, RemoteProtocolError
from stack.ip.dhcp import (
    CLIENT_PORT,
    ETHERNET,
    SERVER_PORT,
    DhcpError,
    DhcpMessage,
    MessageType,
    Op,
    Option,
    build_dhcp,
    parse_dhcp,
)
from stack.ip.frames import (
    BROADCAST_MAC,
    ETHERTYPE_IPV4,
    Datagram,
    EthernetFrame,
    build_datagram,
    build_ethernet,
    check_mac,
    parse_datagram,
    parse_ethernet,
)
from stack.ip.lease import ANDROID_GROUP_OWNER, ANDROID_PREFIX, Lease, android_address, read_lease

_UNSPECIFIED = IPv4Address(0)
_LIMITED_BROADCAST = IPv4Address("255.255.255.255")


class State(Enum):
    """Where a client is."""

    INIT = auto()
    SELECTING = auto()
    REQUESTING = auto()
    BOUND = auto()
    PROPOSED = auto()
    FAILED = auto()


class Input(Enum):
    """What can happen to a client. Messages have passed all checks."""

    START = auto()
    OFFER = auto()
    ACK = auto()
    NAK = auto()
    NAK_TOO_OFTEN = auto()
    ASK_AGAIN = auto()
    FALL_BACK = auto()
    GIVE_UP = auto()


class Failure(Enum):
    """Why there is no address, in words for a log and a screen."""

    NO_ANSWER = "the peer gave no address in time"
    UNUSABLE_OFFER = "the peer offered an address that cannot be used"
    REFUSED = "the peer refused the address that it had offered"


@dataclass(frozen=True, slots=True)
class SendDhcp:
    """Send `frame`, a whole Ethernet frame to everybody."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Bound:
    """The address is ours."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class ProposeStatic:
    """Nobody answered. Use this address if a probe finds nobody who has it."""

    address: IPv4Address
    prefix: int
    server: IPv4Address


@dataclass(frozen=True, slots=True)
class Discarded:
    """A frame was passed over; `reason` is one sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no address, this is the last effect."""

    reason: Failure


Effect = SendDhcp | Bound | ProposeStatic | Discarded | Failed


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for an answer the first time, and how many refusals to take."""

    first_wait_ms: int = 300
    naks: int = 3


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Rule:
    """Do `do` and go to state `to`."""

    to: State
    do: Callable[["DhcpClient"], Effect]


class DhcpClient:
    """The machine. Feed it the Ethernet frames of the link; carry out what it returns. Times are monotonic ms."""

    def __init__(
        self,
        mac: bytes,
        xid: int,
        *,
        until: int,
        static_host: int | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Prepare. `xid` is a random 32-bit number, `until` the time to give up at.

        `static_host`, drawn from 2 to 254, allows the fallback to 192.168.49.`static_host`.
        """
        check_mac(mac)
        self._mac = mac
        self._xid = xid
        self._until = until
        self._static = None if static_host is None else android_address(static_host)
        self._limits = limits
        self._state = State.INIT
        self._wait_ms = limits.first_wait_ms
        self._ask_again = until
        self._lease: Lease | None = None
        self._naks = 0
        self._has_unusable_offer = False

    @property
    def state(self) -> State:
        """Where the machine is."""
        return self._state

    @property
    def deadline(self) -> int | None:
        """When to call `tick` at the latest; `None` before the start and once the machine is done."""
        return min(self._ask_again, self._until) if self._state in _WAITING else None

    def start(self, now: int) -> tuple[Effect, ...]:
        """Ask at once."""
        if self._state is not State.INIT:
            raise LocalProtocolError("A DHCP client starts once.")
        return self._fire(Input.START, now)

    def tick(self, now: int) -> tuple[Effect, ...]:
        """Act on the deadline if it has passed."""
        if self.deadline is None or now < self.deadline:
            return ()
        return self._fire(self._how_to_end() if now >= self._until else Input.ASK_AGAIN, now)

    def frame_received(self, frame: bytes, now: int) -> tuple[Effect, ...]:
        """Take one Ethernet frame. What is not for a DHCP client is passed over without a word.

        A frame that is passed over leaves time its right: no traffic keeps the machine from asking again.
        """
        if self._state not in _WAITING:
            return ()
        payload = _for_client(frame)
        if payload is None or now >= self._until:
            return self.tick(now)
        try:
            occasion = self._judge(parse_dhcp(payload))
        except DhcpError as error:
            return (Discarded(str(error)), *self.tick(now))
        return self._fire(occasion, now)

    def _fire(self, occasion: Input, now: int) -> tuple[Effect, ...]:
        rule = _RULES[self._state, occasion]
        self._wait_ms = 2 * self._wait_ms if occasion is Input.ASK_AGAIN else self._limits.first_wait_ms
        self._ask_again = now + self._wait_ms
        self._state = rule.to
        return (rule.do(self),)

    def _how_to_end(self) -> Input:
        return Input.FALL_BACK if self._static is not None and not self._has_unusable_offer else Input.GIVE_UP

    def _judge(self, message: DhcpMessage) -> Input:
        """Check a message as far as the state asks for. Raises `DhcpError` for one to be passed over."""
        if (message.op, message.xid, message.client_mac) != (Op.REPLY, self._xid, self._mac):
            raise DhcpError("The message answers somebody else.")
        judge = _JUDGES.get((self._state, message.type))
        if judge is None:
            raise DhcpError(f"A DHCP {message.type.name} does not belong here.")
        return judge(self, message)

    def _judge_offer(self, message: DhcpMessage) -> Input:
        self._lease = self._read_lease(message)
        return Input.OFFER

    def _judge_rapid_ack(self, message: DhcpMessage) -> Input:
        if Option.RAPID_COMMIT not in message.options:
            raise DhcpError("A DHCP ACK came that was not asked for.")
        self._lease = self._read_lease(message)
        return Input.ACK

    def _judge_ack(self, message: DhcpMessage) -> Input:
        lease = self._read_lease(message)
        if (lease.address, lease.server) != (self._offered.address, self._offered.server):
            raise DhcpError("The DHCP ACK is about another address than the one that was asked for.")
        self._lease = lease
        return Input.ACK

    def _judge_nak(self, message: DhcpMessage) -> Input:
        if message.address(Option.SERVER_IDENTIFIER) != self._offered.server:
            raise DhcpError("The DHCP NAK is from another server.")
        self._naks += 1
        return Input.NAK_TOO_OFTEN if self._naks > self._limits.naks else Input.NAK

    def _read_lease(self, message: DhcpMessage) -> Lease:
        try:
            return read_lease(message)
        except DhcpError:
            self._has_unusable_offer = True
            raise

    @property
    def _offered(self) -> Lease:
        assert self._lease is not None, "the law lets nothing ask before an offer"
        return self._lease

    def _discover(self) -> Effect:
        return self._send(MessageType.DISCOVER, {Option.RAPID_COMMIT: b""})

    def _request(self) -> Effect:
        chosen: dict[int, bytes] = {
            Option.REQUESTED_ADDRESS: self._offered.address.packed,
            Option.SERVER_IDENTIFIER: self._offered.server.packed,
        }
        return self._send(MessageType.REQUEST, chosen)

    def _send(self, message_type: MessageType, options: Mapping[int, bytes]) -> Effect:
        """Answers may come to our own address: over the air they are faster and safer than a broadcast."""
        message = DhcpMessage(
            Op.REQUEST,
            self._xid,
            self._mac,
            {
                Option.MESSAGE_TYPE: bytes((message_type,)),
                Option.CLIENT_IDENTIFIER: bytes((ETHERNET,)) + self._mac,
                **options,
                Option.PARAMETER_REQUEST_LIST: bytes((Option.SUBNET_MASK,)),
            },
        )
        datagram = Datagram(_UNSPECIFIED, _LIMITED_BROADCAST, CLIENT_PORT, SERVER_PORT, build_dhcp(message))
        packet = build_datagram(datagram)
        return SendDhcp(build_ethernet(EthernetFrame(BROADCAST_MAC, self._mac, ETHERTYPE_IPV4, packet)))

    def _bind(self) -> Effect:
        return Bound(self._offered)

    def _propose(self) -> Effect:
        assert self._static is not None, "the law falls back only with an address to fall back to"
        return ProposeStatic(self._static, ANDROID_PREFIX, ANDROID_GROUP_OWNER)

    def _refused(self) -> Effect:
        return Failed(Failure.REFUSED)

    def _give_up(self) -> Effect:
        return Failed(Failure.UNUSABLE_OFFER if self._has_unusable_offer else Failure.NO_ANSWER)


def _for_client(frame: bytes) -> bytes | None:
    """Return what a frame brings to the port of DHCP clients, or `None`."""
    try:
        datagram = parse_datagram(parse_ethernet(frame, ETHERTYPE_IPV4).payload)
    except RemoteProtocolError:
        return None
    is_ours = (datagram.source_port, datagram.destination_port) == (SERVER_PORT, CLIENT_PORT)
    return datagram.payload if is_ours else None


_WAITING: Final = frozenset({State.SELECTING, State.REQUESTING})

_JUDGES: Final[Mapping[tuple[State, MessageType], Callable[[DhcpClient, DhcpMessage], Input]]] = {
    (State.SELECTING, MessageType.OFFER): DhcpClient._judge_offer,
    (State.SELECTING, MessageType.ACK): DhcpClient._judge_rapid_ack,
    (State.REQUESTING, MessageType.ACK): DhcpClient._judge_ack,
    (State.REQUESTING, MessageType.NAK): DhcpClient._judge_nak,
}

_RULES: Final[Mapping[tuple[State, Input], Rule]] = {
    (State.INIT, Input.START): Rule(State.SELECTING, DhcpClient._discover),
    (State.SELECTING, Input.OFFER): Rule(State.REQUESTING, DhcpClient._request),
    (State.SELECTING, Input.ACK): Rule(State.BOUND, DhcpClient._bind),
    (State.SELECTING, Input.ASK_AGAIN): Rule(State.SELECTING, DhcpClient._discover),
    (State.SELECTING, Input.FALL_BACK): Rule(State.PROPOSED, DhcpClient._propose),
    (State.SELECTING, Input.GIVE_UP): Rule(State.FAILED, DhcpClient._give_up),
    (State.REQUESTING, Input.ACK): Rule(State.BOUND, DhcpClient._bind),
    (State.REQUESTING, Input.NAK): Rule(State.SELECTING, DhcpClient._discover),
    (State.REQUESTING, Input.NAK_TOO_OFTEN): Rule(State.FAILED, DhcpClient._refused),
    (State.REQUESTING, Input.ASK_AGAIN): Rule(State.REQUESTING, DhcpClient._request),
    (State.REQUESTING, Input.FALL_BACK): Rule(State.PROPOSED, DhcpClient._propose),
    (State.REQUESTING, Input.GIVE_UP): Rule(State.FAILED, DhcpClient._give_up),
}
