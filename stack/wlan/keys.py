"""From a passphrase to the keys of one association (IEEE 802.11-2020, 12.7.1 and annex J.4)."""

import hashlib
import hmac
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from board.errors import LocalProtocolError

PMK_BYTES: Final = 32
NONCE_BYTES: Final = 32
KCK_BYTES: Final = 16
KEK_BYTES: Final = 16
TK_BYTES: Final = 16

_ROUNDS = 4096
_PASSPHRASE = re.compile(r"[ -~]{8,63}")
_PSK = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Ptk:
    """The pairwise transient key in its parts: confirmation, encryption of key data, and the temporal key."""

    kck: bytes = field(repr=False)
    kek: bytes = field(repr=False)
    tk: bytes = field(repr=False)


class PmkCache:
    """PMKs by SSID and passphrase: the derivation costs a small board tens of milliseconds, a second join none."""

    def __init__(self, capacity: int = 8) -> None:
        """Keep the `capacity` PMKs that were used last."""
        self._capacity = capacity
        self._kept: OrderedDict[tuple[bytes, str], bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def pmk(self, ssid: bytes, passphrase: str) -> bytes:
        """Return the PMK, derived at most once while it is kept. Raises `LocalProtocolError` as `derive_pmk` does."""
        wanted = (ssid, passphrase)
        if wanted not in self._kept:
            self._kept[wanted] = derive_pmk(ssid, passphrase)
        self._kept.move_to_end(wanted)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return self._kept[wanted]


def derive_pmk(ssid: bytes, passphrase: str) -> bytes:
    """Derive the PMK, 32 bytes, from 8 to 63 printable ASCII characters; 64 hex digits are the PMK itself.

    Raises `LocalProtocolError` for anything else: credentials are checked where they come in.
    """
    if _PSK.fullmatch(passphrase):
        return bytes.fromhex(passphrase)
    if not _PASSPHRASE.fullmatch(passphrase):
        raise LocalProtocolError("A passphrase is 8 to 63 printable ASCII characters, or 64 hex digits.")
    return hashlib.pbkdf2_hmac("sha1", passphrase.encode("ascii"), ssid, _ROUNDS, PMK_BYTES)


def derive_ptk(pmk: bytes, addresses: tuple[bytes, bytes], nonces: tuple[bytes, bytes]) -> Ptk:
    """Derive the PTK for CCMP by PRF-384 (12.7.1.3). The order of the two addresses, and of the nonces, is free."""
    expanded = prf(
        pmk,
        "Pairwise key expansion",
        b"".join((*sorted(addresses), *sorted(nonces))),
        KCK_BYTES + KEK_BYTES + TK_BYTES,
    )
    return Ptk(
        kck=expanded[:KCK_BYTES],
        kek=expanded[KCK_BYTES : KCK_BYTES + KEK_BYTES],
        tk=expanded[KCK_BYTES + KEK_BYTES :],
    )


def prf(key: bytes, label: str, data: bytes, size_bytes: int) -> bytes:
    """The pseudorandom function over HMAC-SHA-1 (12.7.1.2)."""
    blocks = range(-(-size_bytes // hashlib.sha1(usedforsecurity=False).digest_size))
    seed = label.encode() + b"\0" + data
    return b"".join(hmac.digest(key, seed + bytes((number,)), "sha1") for number in blocks)[:size_bytes]
