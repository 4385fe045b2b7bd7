"""The alliance's encryption, written a second time from the protocol's text (4) so that it can disagree with ours."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDH, SECP256R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

ENCRYPTED = ("ssid", "psk", "mac")
_COUNTER = b"0102030405060708"


class Keys:
    """One side's key pair. `public` is base64 of the SubjectPublicKeyInfo."""

    def __init__(self) -> None:
        self._private = generate_private_key(SECP256R1())
        spki = self._private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public = base64.b64encode(spki).decode()

    def close(self, fields: dict[str, Any], peer: str) -> bytes:
        """Make the p2p JSON of clear `fields` for the owner of `peer`."""
        closed = {
            name: base64.b64encode(self._crypt(value.encode(), peer)).decode() if name in ENCRYPTED else value
            for name, value in fields.items()
        }
        return json.dumps({**closed, "key": self.public}).encode()

    def open(self, value: bytes) -> dict[str, Any]:
        """Read a p2p JSON and decrypt its fields. Raises `ValueError` while it is incomplete."""
        fields: dict[str, Any] = json.loads(value)
        peer = fields.get("key")
        if not peer:
            return fields
        return {
            name: self._crypt(base64.b64decode(field), peer).decode() if name in ENCRYPTED else field
            for name, field in fields.items()
        }

    def _crypt(self, data: bytes, peer: str) -> bytes:
        public = load_der_public_key(base64.b64decode(peer))
        assert isinstance(public, EllipticCurvePublicKey)
        secret = self._private.exchange(ECDH(), public)
        return Cipher(AES(secret), CTR(_COUNTER)).encryptor().update(data)
