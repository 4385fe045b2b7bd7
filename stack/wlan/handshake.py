"""The supplicant of the WPA2-PSK handshakes: 4-way and group key (IEEE 802.11-2020, 12.7.6 and 12.7.7).

    AWAITING_M1 > AWAITING_M3 > AUTHORISED

The law: nothing is believed that has no valid MIC but message 1, and that leads to message 2 only. A message with a
MIC needs a replay counter above the last one's. A temporal key is installed once, when it is proven; a group key when
it differs from all that are installed. Whatever is repeated is answered again, and installs nothing. One deadline
holds from the start until AUTHORISED, and no traffic moves it. FAILED ignores everything.

Once AUTHORISED, a message 1 with a new nonce offers new keys. It may be forged, so those in use stay in use until a
message 3 proves the new ones, and nobody waits for that.

A frame that the law passes over becomes `Discarded`, for a log.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from board.errors import LocalProtocolError
from stack.wlan.eapol import (
    HMAC_SHA1_AES,
    EapolError,
    Gtk,
    KeyFrame,
    KeyInformation,
    Message,
    build_signed,
    has_good_mic,
    message_of,
    parse_key_data,
    parse_key_frame,
    unwrap_key_data,
)
from stack.wlan.elements import ADDRESS_BYTES
from stack.wlan.keys import NONCE_BYTES, PMK_BYTES, TK_BYTES, Ptk, derive_ptk

# Reason codes (table 9-49).
_FOUR_WAY_HANDSHAKE_TIMEOUT = 15

_RSC_BYTES = 6  # of the field's eight, CCMP's packet number takes six


class State(Enum):
    """Where a supplicant is."""

    AWAITING_M1 = auto()
    AWAITING_M3 = auto()
    AUTHORISED = auto()
    FAILED = auto()


class Input(Enum):
    """What can happen to a supplicant. Messages have passed all checks."""

    M1 = auto()
    M1_TOO_OFTEN = auto()
    M3 = auto()
    M3_AGAIN = auto()
    GROUP_1 = auto()
    OTHER_SECURITY = auto()
    BAD_KEYS = auto()
    REFUSED = auto()
    LEFT = auto()
    TIMEOUT = auto()


class Failure(Enum):
    """Why a handshake failed, in words for a log and a screen."""

    WRONG_PASSPHRASE = "the peer does not accept the passphrase"  # noqa: S105 - that is no password
    TIMED_OUT = "the handshake did not end in time"
    OTHER_SECURITY = "the handshake speaks of other security than the beacon did"
    PEER_MISBEHAVED = "the peer sent keys that cannot be used"
    PEER_LEFT = "the peer ended the association"


@dataclass(frozen=True, slots=True)
class SendEapol:
    """Send `frame`, from the EAPOL header on, to the peer. It must be out before the effects after it are done."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class InstallPairwise:
    """Install the temporal key for CCMP, key index 0, counters at zero."""

    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class InstallGroup:
    """Install a group key for CCMP. `rsc` is the packet number to receive after, 6 bytes, the lowest first."""

    index: int
    key: bytes = field(repr=False)
    rsc: bytes


@dataclass(frozen=True, slots=True)
class Authorised:
    """Open the port: data may flow."""


@dataclass(frozen=True, slots=True)
class Discarded:
    """A frame was passed over; `reason` is one sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The handshake is over, this is its last effect. Disassociate."""

    reason: Failure


Effect = SendEapol | InstallPairwise | InstallGroup | Authorised | Discarded | Failed


@dataclass(frozen=True, slots=True)
class Association:
    """What is settled before the handshake. Addresses are in the order of the air.

    `own_rsn` is the RSN element of our association request, `peer_rsn` that of the beacon or probe response, whole.
    """

    pmk: bytes = field(repr=False)
    own_address: bytes
    peer_address: bytes
    own_rsn: bytes
    peer_rsn: bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """`repeated_m1` is how many times message 1 may come again although the peer's radio had our message 2.

    That is what a group owner does that has another passphrase: after 0.1, 1.1 and 2.1 s. The first may have crossed
    message 2 on its way, the second may be of a phone that is busy.
    """

    handshake_ms: int = 4000
    repeated_m1: int = 2


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys that a nonce of the peer leads to, with one of ours."""

    anonce: bytes
    ptk: Ptk


_NO_KEYS: Final = _Keys(b"", Ptk(b"", b"", b""))


@dataclass(frozen=True, slots=True)
class Rule:
    """Do `do` in order and go to state `to`."""

    to: State
    do: tuple[Callable[["Supplicant"], tuple[Effect, ...]], ...]


class Supplicant:
    """The machine. Feed it the EAPOL frames of the peer's address; carry out what it returns, in order.

    Times are monotonic milliseconds.
    """

    def __init__(
        self,
        association: Association,
        draw_nonce: Callable[[], bytes],
        *,
        now: int,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Start before CONNECT: message 1 may overtake its answer. `draw_nonce` returns 32 random bytes, new ones."""
        self._snonce = draw_nonce()
        _check_sizes(association, self._snonce)
        self._association = association
        self._draw_nonce = draw_nonce
        self._limits = limits
        self._state = State.AWAITING_M1
        self._deadline: int | None = now + limits.handshake_ms
        self._frame = KeyFrame(KeyInformation(0), 0)
        self._offered = _NO_KEYS
        self._in_use = _NO_KEYS
        self._replay_counter = -1
        self._gtk = Gtk(0, b"")
        self._installed: dict[int, bytes] = {}
        self._is_acknowledged = False
        self._repeated_m1 = 0

    @property
    def state(self) -> State:
        """Where the machine is."""
        return self._state

    @property
    def deadline(self) -> int | None:
        """When to call `tick` at the latest; `None` once nothing is awaited."""
        return self._deadline

    def frame_received(self, frame: bytes, now: int) -> tuple[Effect, ...]:
        """Take one frame, from the EAPOL header on."""
        if self._state is State.FAILED:
            return ()
        if self._is_late(now):
            return self.tick(now)
        try:
            occasion = self._judge(frame)
        except EapolError as error:
            return (Discarded(str(error)),)
        return self._fire(occasion)

    def frame_acknowledged(self) -> None:
        """The peer's radio has acknowledged the frame that was sent last."""
        self._is_acknowledged = self._state is State.AWAITING_M3

    def disconnected(self, reason_code: int) -> tuple[Effect, ...]:
        """The peer has deauthenticated or disassociated us (reason codes in 9.4.1.7), or is gone."""
        is_refusal = reason_code == _FOUR_WAY_HANDSHAKE_TIMEOUT and self._state is State.AWAITING_M3
        return self._fire(Input.REFUSED if is_refusal else Input.LEFT)

    def tick(self, now: int) -> tuple[Effect, ...]:
        """Act on the deadline if it has passed."""
        return self._fire(Input.TIMEOUT) if self._is_late(now) else ()

    def _is_late(self, now: int) -> bool:
        return self._deadline is not None and now >= self._deadline

    def _fire(self, occasion: Input) -> tuple[Effect, ...]:
        if self._state is State.FAILED:
            return ()
        rule = _RULES[self._state, occasion]
        effects = tuple(effect for act in rule.do for effect in act(self))
        self._state = rule.to
        if rule.to in (State.AUTHORISED, State.FAILED):
            self._deadline = None
        return effects

    def _judge(self, data: bytes) -> Input:
        """Check a frame as far as the state asks for. Raises `EapolError` for one to be passed over."""
        self._frame = parse_key_frame(data)
        message = message_of(self._frame)
        judge = _JUDGES.get((self._state, message))
        if judge is None:
            raise EapolError(f"{message.value} does not belong here.".capitalize())
        if self._frame.descriptor_version != HMAC_SHA1_AES:
            raise EapolError(f"Key descriptor version {self._frame.descriptor_version} was not agreed on.")
        return judge(self, data)

    def _judge_m1(self, _: bytes) -> Input:
        if self._frame.nonce == self._in_use.anonce:
            raise EapolError("Message 1 has the nonce of the keys in use.")
        if self._is_acknowledged:
            self._repeated_m1 += 1
        return Input.M1_TOO_OFTEN if self._repeated_m1 > self._limits.repeated_m1 else Input.M1

    def _judge_m3(self, data: bytes) -> Input:
        is_again = self._frame.nonce == self._in_use.anonce
        keys = self._in_use if is_again else self._offered
        self._authenticate(data, keys)
        if self._frame.nonce != keys.anonce:
            raise EapolError("Message 3 has another nonce than message 1.")
        if self._frame.key_length != TK_BYTES:
            return Input.BAD_KEYS
        return self._judge_key_data(keys, Input.M3_AGAIN if is_again else Input.M3)

    def _judge_group_1(self, data: bytes) -> Input:
        self._authenticate(data, self._in_use)
        return self._judge_key_data(self._in_use, Input.GROUP_1)

    def _authenticate(self, data: bytes, keys: _Keys) -> None:
        """The MIC first: nothing of a frame is looked at, or remembered, before it is known whose it is."""
        if not has_good_mic(keys.ptk.kck, data):
            raise EapolError("The MIC is wrong.")
        if self._frame.replay_counter <= self._replay_counter:
            raise EapolError("The replay counter has been used.")
        self._replay_counter = self._frame.replay_counter

    def _judge_key_data(self, keys: _Keys, verdict: Input) -> Input:
        try:
            key_data = parse_key_data(unwrap_key_data(keys.ptk.kek, self._frame.key_data))
        except EapolError:
            return Input.BAD_KEYS
        if verdict is not Input.GROUP_1 and key_data.rsn_element != self._association.peer_rsn:
            return Input.OTHER_SECURITY
        if key_data.gtk is None or len(key_data.gtk.key) != TK_BYTES:
            return Input.BAD_KEYS
        self._gtk = key_data.gtk
        return verdict

    def _derive_keys(self) -> tuple[Effect, ...]:
        """The same nonce of ours for every message 1: who sends it is not known, so it must not cost us anything."""
        addresses = self._association.own_address, self._association.peer_address
        ptk = derive_ptk(self._association.pmk, addresses, (self._frame.nonce, self._snonce))
        self._offered = _Keys(self._frame.nonce, ptk)
        return ()

    def _use_offered(self) -> tuple[Effect, ...]:
        """The keys are proven. What comes next gets another nonce of ours."""
        self._in_use = self._offered
        self._snonce = self._draw_nonce()
        return ()

    def _send_m2(self) -> tuple[Effect, ...]:
        self._is_acknowledged = False
        frame = KeyFrame(
            KeyInformation.PAIRWISE | KeyInformation.MIC,
            self._frame.replay_counter,
            nonce=self._snonce,
            key_data=self._association.own_rsn,
        )
        return (SendEapol(build_signed(frame, self._offered.ptk.kck)),)

    def _send_m4(self) -> tuple[Effect, ...]:
        return self._answer(KeyInformation.PAIRWISE | KeyInformation.SECURE)

    def _send_group_2(self) -> tuple[Effect, ...]:
        return self._answer(KeyInformation.SECURE)

    def _answer(self, information: KeyInformation) -> tuple[Effect, ...]:
        answer = KeyFrame(information | KeyInformation.MIC, self._frame.replay_counter)
        return (SendEapol(build_signed(answer, self._in_use.ptk.kck)),)

    def _install_pairwise(self) -> tuple[Effect, ...]:
        return (InstallPairwise(self._in_use.ptk.tk),)

    def _install_group(self) -> tuple[Effect, ...]:
        if self._gtk.key in self._installed.values():
            return ()
        self._installed[self._gtk.index] = self._gtk.key
        return (InstallGroup(self._gtk.index, self._gtk.key, self._frame.rsc[:_RSC_BYTES]),)


def _authorise(_: Supplicant) -> tuple[Effect, ...]:
    return (Authorised(),)


def _failure(reason: Failure) -> Rule:
    return Rule(State.FAILED, (lambda _: (Failed(reason),),))


def _check_sizes(association: Association, snonce: bytes) -> None:
    sizes = (len(association.pmk), len(association.own_address), len(association.peer_address), len(snonce))
    if sizes != (PMK_BYTES, ADDRESS_BYTES, ADDRESS_BYTES, NONCE_BYTES):
        raise LocalProtocolError(f"PMK, addresses and nonce have {sizes} bytes, which cannot be.")


_JUDGES: Final[Mapping[tuple[State, Message], Callable[[Supplicant, bytes], Input]]] = {
    (State.AWAITING_M1, Message.M1): Supplicant._judge_m1,
    (State.AWAITING_M3, Message.M1): Supplicant._judge_m1,
    (State.AWAITING_M3, Message.M3): Supplicant._judge_m3,
    (State.AUTHORISED, Message.M1): Supplicant._judge_m1,
    (State.AUTHORISED, Message.M3): Supplicant._judge_m3,
    (State.AUTHORISED, Message.GROUP_1): Supplicant._judge_group_1,
}

_PROVEN = (
    Supplicant._use_offered,
    Supplicant._send_m4,  # first: with the new key installed it would go out so encrypted that the peer cannot read it
    Supplicant._install_pairwise,
    Supplicant._install_group,
)
_RULES: Final[Mapping[tuple[State, Input], Rule]] = {
    (State.AWAITING_M1, Input.M1): Rule(State.AWAITING_M3, (Supplicant._derive_keys, Supplicant._send_m2)),
    (State.AWAITING_M1, Input.LEFT): _failure(Failure.PEER_LEFT),
    (State.AWAITING_M1, Input.TIMEOUT): _failure(Failure.TIMED_OUT),
    (State.AWAITING_M3, Input.M1): Rule(State.AWAITING_M3, (Supplicant._derive_keys, Supplicant._send_m2)),
    (State.AWAITING_M3, Input.M1_TOO_OFTEN): _failure(Failure.WRONG_PASSPHRASE),
    (State.AWAITING_M3, Input.M3): Rule(State.AUTHORISED, (*_PROVEN, _authorise)),
    (State.AWAITING_M3, Input.OTHER_SECURITY): _failure(Failure.OTHER_SECURITY),
    (State.AWAITING_M3, Input.BAD_KEYS): _failure(Failure.PEER_MISBEHAVED),
    (State.AWAITING_M3, Input.REFUSED): _failure(Failure.WRONG_PASSPHRASE),
    (State.AWAITING_M3, Input.LEFT): _failure(Failure.PEER_LEFT),
    (State.AWAITING_M3, Input.TIMEOUT): _failure(Failure.TIMED_OUT),
    (State.AUTHORISED, Input.M1): Rule(State.AUTHORISED, (Supplicant._derive_keys, Supplicant._send_m2)),
    (State.AUTHORISED, Input.M3): Rule(State.AUTHORISED, _PROVEN),
    # Our message 4 was lost. It may bring a newer group key, but the temporal key is in use.
    (State.AUTHORISED, Input.M3_AGAIN): Rule(State.AUTHORISED, (Supplicant._send_m4, Supplicant._install_group)),
    (State.AUTHORISED, Input.GROUP_1): Rule(State.AUTHORISED, (Supplicant._install_group, Supplicant._send_group_2)),
    (State.AUTHORISED, Input.OTHER_SECURITY): _failure(Failure.OTHER_SECURITY),
    (State.AUTHORISED, Input.BAD_KEYS): _failure(Failure.PEER_MISBEHAVED),
    (State.AUTHORISED, Input.LEFT): _failure(Failure.PEER_LEFT),
}
