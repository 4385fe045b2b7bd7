"""A phone's group owner as far as a station sees it: association and the authenticator of the 4-way handshake."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from stack.wlan.eapol import (
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
    parse_key_frame,
    wrap_key_data,
)
from stack.wlan.keys import Ptk, derive_pmk, derive_ptk

RSN = bytes.fromhex("30140100000fac040100000fac040100000fac020c00")
GTK = bytes(range(16))
ANONCE = bytes(range(32))
HANDSHAKE_TIMEOUT = 15
_REPEAT_S = 0.02
_REPEATS = 2


@dataclass
class AccessPoint:
    """One access point on the fake air. `status` is what it answers to an association, `is_silent` answers nothing.

    `send_eapol` and `deauthenticate` are set by the chip that has associated.
    """

    ssid: bytes = b"DIRECT-ab-phone"
    passphrase: str = "radiolab123"
    bssid: bytes = bytes.fromhex("060000000000")
    frequency_mhz: int = 2437
    signal_mbm: int = -4200
    status: int = 0
    is_silent: bool = False
    is_secured: bool = False
    send_eapol: Callable[[bytes], None] = lambda frame: None
    deauthenticate: Callable[[int], None] = lambda reason: None
    _station: bytes = b""
    _ptk: Ptk = field(default_factory=lambda: Ptk(b"", b"", b""))
    _counter: int = 0
    _repeat: asyncio.TimerHandle | None = None

    @property
    def elements(self) -> bytes:
        """What its probe responses say."""
        return bytes((0, len(self.ssid))) + self.ssid + RSN

    @property
    def pmk(self) -> bytes:
        """The key that the passphrase stands for."""
        return derive_pmk(self.ssid, self.passphrase)

    def associated(self, station: bytes) -> None:
        """Begin the handshake with a station."""
        self._station, self._counter, self.is_secured = station, 0, False
        self._send_m1()

    def left(self) -> None:
        """The station has gone."""
        self.is_secured = False
        if self._repeat:
            self._repeat.cancel()

    def eapol_came(self, data: bytes) -> None:
        """Take a frame of the station."""
        frame = parse_key_frame(data)
        if message_of(frame) is Message.M2:
            self._m2_came(frame, data)
        elif has_good_mic(self._ptk.kck, data):
            self.is_secured = True

    def _m2_came(self, frame: KeyFrame, data: bytes) -> None:
        self._ptk = derive_ptk(self.pmk, (self.bssid, self._station), (ANONCE, frame.nonce))
        if not has_good_mic(self._ptk.kck, data):
            return  # message 1 comes again, as from hostapd
        if self._repeat:
            self._repeat.cancel()
        self._counter += 1
        information = (
            KeyInformation.PAIRWISE
            | KeyInformation.INSTALL
            | KeyInformation.ACK
            | KeyInformation.MIC
            | KeyInformation.SECURE
            | KeyInformation.ENCRYPTED_KEY_DATA
        )
        key_data = wrap_key_data(self._ptk.kek, build_key_data(KeyData(RSN, Gtk(1, GTK))))
        m3 = KeyFrame(information, self._counter, ANONCE, 16, key_data=key_data)
        self.send_eapol(build_signed(m3, self._ptk.kck))

    def _send_m1(self) -> None:
        self._counter += 1
        if self._counter > 1 + _REPEATS:
            self.deauthenticate(HANDSHAKE_TIMEOUT)
            return
        m1 = KeyFrame(KeyInformation.PAIRWISE | KeyInformation.ACK, self._counter, ANONCE, 16)
        self.send_eapol(build_key_frame(m1))
        self._repeat = asyncio.get_running_loop().call_later(_REPEAT_S, self._send_m1)
