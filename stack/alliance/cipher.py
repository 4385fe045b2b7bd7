"""Hides Wi-Fi credentials in the GATT write (alliance protocol, 4).

ECDH on P-256, the bare X coordinate as AES-256 key, CTR from a constant counter. This is no more than obfuscation:
nobody is authenticated, and all fields share one key stream. It is what phones speak.
"""

import base64
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from board.errors import RemoteProtocolError

_CURVE: Final = ec.SECP256R1()
_INITIAL_COUNTER: Final = b"0102030405060708"

# An uncompressed P-256 key is 124 characters; some encoders break lines.
_MAX_KEY_CHARS = 256


class PeerKeyError(RemoteProtocolError):
    """The peer's public key is not a point on P-256."""

    remedy = "Share again. If it happens every time, report the phone's model and app version."


class FieldError(RemoteProtocolError):
    """An encrypted field is not base64, or not text after decryption."""

    remedy = "Share again: the phone may have used a key from before."


class FieldCipher:
    """Encrypts and decrypts single fields under one shared secret."""

    def __init__(self, secret: bytes) -> None:
        """Take the 32 bytes of `KeyPair.shared_secret`."""
        self._cipher = Cipher(algorithms.AES(secret), modes.CTR(_INITIAL_COUNTER))

    def encrypt(self, plain: str) -> str:
        """Encrypt one field, to base64."""
        return base64.b64encode(self._apply(plain.encode())).decode("ascii")

    def decrypt(self, encrypted: str) -> str:
        """Decrypt one base64 field, or raise `FieldError`."""
        try:
            return self._apply(_decode_base64(encrypted)).decode()
        except ValueError as error:
            raise FieldError("An encrypted field does not decrypt to text.") from error

    def _apply(self, data: bytes) -> bytes:
        # Each field starts from the same counter. In counter mode both directions are one operation.
        return self._cipher.encryptor().update(data)


class KeyPair:
    """A key pair on P-256. Make a new one after every accepted offer: it limits what a replay can do."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        """Wrap `private_key`; `generate` is the usual way."""
        self._private_key = private_key
        spki = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public_key: Final = base64.b64encode(spki).decode("ascii")

    @classmethod
    def generate(cls) -> "KeyPair":
        """Draw a new key pair. The only randomness of this package."""
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def from_private_scalar(cls, scalar: int) -> "KeyPair":
        """Rebuild the key pair of a known private scalar, for test vectors."""
        return cls(ec.derive_private_key(scalar, _CURVE))

    def shared_secret(self, peer_key: str) -> bytes:
        """Agree on 32 bytes with the owner of `peer_key`, leading zeros kept. Raises `PeerKeyError`."""
        return self._private_key.exchange(ec.ECDH(), _load_public_key(peer_key))

    def cipher_with(self, peer_key: str) -> FieldCipher:
        """Make the cipher that both sides share. Raises `PeerKeyError`."""
        return FieldCipher(self.shared_secret(peer_key))


def _load_public_key(text: str) -> ec.EllipticCurvePublicKey:
    if len(text) > _MAX_KEY_CHARS:
        raise PeerKeyError("The peer's public key is too long.")
    try:
        key = load_der_public_key(_decode_base64(text))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PeerKeyError("The peer's public key does not decode.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise PeerKeyError("The peer's public key is not on P-256.")
    return key


def _decode_base64(text: str) -> bytes:
    """Decode standard base64, white space allowed. Raises `ValueError`."""
    return base64.b64decode("".join(text.split()), validate=True)
