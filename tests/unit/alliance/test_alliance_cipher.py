"""Keys and fields from strangers (alliance protocol, 4). The vectors are tested with discovery."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from board.errors import RemoteProtocolError
from stack.alliance.cipher import FieldCipher, FieldError, KeyPair, PeerKeyError


def test_fresh_key_pairs_differ_and_meet() -> None:
    one, other = KeyPair.generate(), KeyPair.generate()
    assert one.public_key != other.public_key
    assert len(one.public_key) == 124
    assert one.cipher_with(other.public_key).decrypt(other.cipher_with(one.public_key).encrypt("家")) == "家"


def spki(key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> str:
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


KEYS = KeyPair.from_private_scalar(7)
GOOD_KEY = KeyPair.from_private_scalar(11).public_key
BAD_KEYS = {
    "empty": "",
    "not base64": "!!!!",
    "not ASCII": "é" * 124,
    "lone surrogate": "\ud800",
    "other curve": spki(ec.derive_private_key(7, ec.SECP384R1()).public_key()),
    "secp256k1": spki(ec.derive_private_key(7, ec.SECP256K1()).public_key()),
    "no curve": spki(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()),
    "off the curve": GOOD_KEY[:-4] + "AA==",
    "infinity": base64.b64encode(base64.b64decode(GOOD_KEY)[:26] + bytes(65)).decode(),
    "cut": GOOD_KEY[:40],
    "giant": GOOD_KEY * 100,
}


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
def test_bad_keys_are_the_peers_fault(key: str) -> None:
    with pytest.raises(PeerKeyError):
        KeyPair.generate().shared_secret(key)


def test_white_space_in_a_key_is_accepted() -> None:
    broken = "\r\n".join((GOOD_KEY[:64], GOOD_KEY[64:])) + "\n"
    assert KEYS.shared_secret(broken) == KEYS.shared_secret(GOOD_KEY)


@given(st.text())
def test_any_key_text_works_or_is_the_peers_fault(key: str) -> None:
    with pytest.raises(RemoteProtocolError):
        KEYS.shared_secret(key)


@given(st.binary(min_size=60, max_size=100))
def test_any_key_bytes_work_or_are_the_peers_fault(der: bytes) -> None:
    head = base64.b64decode(GOOD_KEY)[:27]
    for data in (der, head + der[:64]):
        try:
            secret = KEYS.shared_secret(base64.b64encode(data).decode())
        except PeerKeyError:
            continue
        assert len(secret) == 32


@given(st.text())
def test_any_field_decrypts_or_is_the_peers_fault(field: str) -> None:
    cipher = FieldCipher(bytes(32))
    try:
        plain = cipher.decrypt(field)
    except FieldError:
        return
    assert base64.b64decode(cipher.encrypt(plain)) == base64.b64decode("".join(field.split()))


@given(st.text(), st.binary(min_size=32, max_size=32))
def test_fields_round_trip(plain: str, secret: bytes) -> None:
    assert FieldCipher(secret).decrypt(FieldCipher(secret).encrypt(plain)) == plain
