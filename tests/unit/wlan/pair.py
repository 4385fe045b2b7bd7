"""A supplicant and its authenticator, as far along as a test wants them."""

from itertools import count

from stack.wlan.eapol import Gtk
from stack.wlan.handshake import Association, Effect, Limits, SendEapol, State, Supplicant
from stack.wlan.keys import NONCE_BYTES
from stack.wlan.rsn import PSK_CCMP_ELEMENT, Akm, Rsn, build_rsn
from tests.unit.wlan.authenticator import Authenticator

GROUP = Association(
    pmk=b"pmk".ljust(32),
    own_address=bytes.fromhex("020000000110"),
    peer_address=bytes.fromhex("060000000000"),
    own_rsn=PSK_CCMP_ELEMENT,
    peer_rsn=build_rsn(Rsn(akms=(Akm.PSK, Akm.SAE), capabilities=0x0C)),
)
SNONCE = b"S" * 32
GTK = Gtk(1, b"G" * 16)
NEXT_GTK = Gtk(2, b"N" * 16)


def started(limits: Limits | None = None) -> tuple[Supplicant, Authenticator]:
    nonces = (bytes((number,)) * NONCE_BYTES for number in count(SNONCE[0]))
    return Supplicant(GROUP, lambda: next(nonces), now=0, limits=limits or Limits()), Authenticator(GROUP, gtk=GTK)


def met() -> tuple[Supplicant, Authenticator]:
    """Message 2 is out, and the authenticator has the keys; its own message 3 is dropped."""
    supplicant, authenticator = started()
    authenticator.receive(sent(supplicant.frame_received(authenticator.m1(), 0)))
    assert supplicant.state is State.AWAITING_M3
    return supplicant, authenticator


def authorised() -> tuple[Supplicant, Authenticator]:
    supplicant, authenticator = met()
    effects = supplicant.frame_received(authenticator.m3(), 0)
    assert authenticator.receive(sent(effects[:1])) is None
    assert supplicant.state is State.AUTHORISED
    return supplicant, authenticator


def sent(effects: tuple[Effect, ...]) -> bytes:
    """The one frame that is sent, and nothing else happens."""
    (effect,) = effects
    assert isinstance(effect, SendEapol), effect
    return effect.frame
