"""A small authenticator to play against: it says what it is told to, and checks what it hears."""

from stack.wlan.eapol import (
    EapolError,
    Gtk,
    KeyData,
    KeyFrame,
    KeyInformation,
    Message,
    build_key_data,
    build_key_frame,
    build_signed,
    has_good_mic,
    message_of,
    parse_key_data,
    parse_key_frame,
    wrap_key_data,
)
from stack.wlan.handshake import Association
from stack.wlan.keys import Ptk, derive_ptk

_ACK = KeyInformation.ACK
_PAIRWISE = KeyInformation.PAIRWISE
_PROTECTED = KeyInformation.MIC | KeyInformation.SECURE | KeyInformation.ENCRYPTED_KEY_DATA


class Authenticator:
    """The other end of `association`, which is the supplicant's view."""

    def __init__(self, association: Association, anonce: bytes = b"A" * 32, gtk: Gtk | None = None) -> None:
        self.association = association
        self.anonce = anonce
        self.gtk = gtk or Gtk(1, b"G" * 16)
        self.replay_counter = 0
        self.ptk: Ptk | None = None
        self.heard: list[Message] = []

    def m1(self) -> bytes:
        """Begin, or begin again."""
        return build_key_frame(KeyFrame(_PAIRWISE | _ACK, self._next(), nonce=self.anonce, key_length=16))

    def m3(self, key_data: bytes | None = None, *, key_length: int = 16, rsc: int = 7) -> bytes:
        """Prove the PMK; `key_data` is in place of the right one, before it is wrapped."""
        right = build_key_data(KeyData(self.association.peer_rsn, self.gtk))
        return self.signed(
            _PAIRWISE | _PROTECTED | _ACK | KeyInformation.INSTALL,
            nonce=self.anonce,
            key_length=key_length,
            rsc=rsc,
            key_data=self.wrapped(right if key_data is None else key_data),
        )

    def group_1(self, gtk: Gtk, rsc: int = 0) -> bytes:
        """Change the group key."""
        return self.signed(_PROTECTED | _ACK, rsc=rsc, key_data=self.wrapped(build_key_data(KeyData(None, gtk))))

    def signed(
        self,
        information: KeyInformation,
        *,
        nonce: bytes = bytes(32),
        key_length: int = 0,
        rsc: int = 0,
        key_data: bytes = b"",
    ) -> bytes:
        """Build any message with the next replay counter and a right MIC."""
        frame = KeyFrame(
            information,
            self._next(),
            nonce=nonce,
            key_length=key_length,
            rsc=rsc.to_bytes(8, "little"),
            key_data=key_data,
        )
        return build_signed(frame, self.keys.kck)

    def wrapped(self, key_data: bytes) -> bytes:
        """Wrap key data."""
        return wrap_key_data(self.keys.kek, key_data)

    def receive(self, data: bytes) -> bytes | None:
        """Take an answer. Message 2 is answered by message 3. Raises `EapolError` for what is wrong."""
        frame = parse_key_frame(data)
        message = message_of(frame)
        if message is Message.M2:
            self._meet(frame.nonce)
        if not has_good_mic(self.keys.kck, data):
            raise EapolError("The supplicant has another passphrase.")
        assert frame.replay_counter == self.replay_counter, "an answer has the counter of what it answers"
        self.heard.append(message)
        if message is not Message.M2:
            assert not frame.key_data
            return None
        assert frame.key_data == self.association.own_rsn == parse_key_data(frame.key_data).rsn_element
        return self.m3()

    @property
    def keys(self) -> Ptk:
        """The keys of this association, once message 2 came."""
        assert self.ptk is not None
        return self.ptk

    def _meet(self, snonce: bytes) -> None:
        addresses = self.association.own_address, self.association.peer_address
        self.ptk = derive_ptk(self.association.pmk, addresses, (self.anonce, snonce))

    def _next(self) -> int:
        self.replay_counter += 1
        return self.replay_counter
