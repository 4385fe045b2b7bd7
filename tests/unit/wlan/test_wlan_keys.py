"""Keys: the standard's own vectors, and what real peers agreed on."""

import pytest

from board.errors import LocalProtocolError
from stack.wlan.keys import PmkCache, Ptk, derive_pmk, derive_ptk, prf
from tests.unit.wlan.recordings import RECORDINGS, Recording

IEEE_PMK = "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"
ASSID_PMK = "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"


@pytest.mark.parametrize(
    ("ssid", "passphrase", "pmk"),
    [
        (b"IEEE", "password", IEEE_PMK),
        (b"ThisIsASSID", "ThisIsAPassword", ASSID_PMK),
        (b"Z" * 32, "a" * 32, "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62"),
    ],
)
def test_passphrases_of_annex_j_4(ssid: bytes, passphrase: str, pmk: str) -> None:
    assert derive_pmk(ssid, passphrase).hex() == pmk


@pytest.mark.parametrize(
    ("key", "prefix", "data", "expected"),
    [
        (b"\x0b" * 20, "prefix", b"Hi There", "bcd4c650b30b9684951829e0d75f9d54b862175ed9f00606"),
        (
            b"Jefe",
            "prefix-2",
            b"what do ya want for nothing?",
            "47c4908e30c947521ad20be9053450ecbea23d3aa604b77326d8b3825ff7475c",
        ),
    ],
)
def test_prf_of_annex_j_3(key: bytes, prefix: str, data: bytes, expected: str) -> None:
    assert prf(key, prefix, data, len(expected) // 2).hex() == expected


def test_ptk_of_annex_j_7() -> None:
    addresses = bytes.fromhex("a0a1a1a3a4a5"), bytes.fromhex("b0b1b2b3b4b5")
    nonces = (
        bytes.fromhex("c0c1c2c3c4c5c6c7c8c9d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5"),
        bytes.fromhex("e0e1e2e3e4e5e6e7e8e9f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405"),
    )
    expected = Ptk(
        bytes.fromhex("379f9852d0199236b94e407ce4c00ec8"),
        bytes.fromhex("47c9edc01c2c6e5b4910caddfb3e51a7"),
        bytes.fromhex("b2360c79e9710fdd58bea93deaf06599"),
    )
    assert derive_ptk(bytes.fromhex(ASSID_PMK), addresses, nonces) == expected
    assert derive_ptk(bytes.fromhex(ASSID_PMK), addresses[::-1], nonces[::-1]) == expected


@pytest.mark.parametrize("recording", RECORDINGS.values(), ids=list(RECORDINGS))
def test_keys_that_real_peers_agreed_on(recording: Recording) -> None:
    pmk = derive_pmk(recording.values["ssid"].encode(), recording.values["passphrase"])
    assert pmk == recording.pmk
    ptk = derive_ptk(pmk, (recording.aa, recording.spa), (recording.anonce, recording.snonce))
    assert ptk == Ptk(recording.kck, recording.kek, recording.tk)


def test_64_hex_digits_are_the_key_itself() -> None:
    assert derive_pmk(b"any", ASSID_PMK.upper()).hex() == ASSID_PMK


@pytest.mark.parametrize("passphrase", ["", "sevench", "g" * 64, "a" * 65, "pass\nword", "pässword", "password\n"])
def test_what_is_no_passphrase_is_our_bug(passphrase: str) -> None:
    with pytest.raises(LocalProtocolError, match="8 to 63"):
        derive_pmk(b"net", passphrase)


def test_the_cache_keeps_what_was_used_last() -> None:
    cache = PmkCache(capacity=2)
    first = cache.pmk(b"IEEE", "password")
    assert first.hex() == IEEE_PMK
    cache.pmk(b"IEEE", "passwort")
    assert cache.pmk(b"IEEE", "password") is first
    cache.pmk(b"other", "password")
    assert len(cache) == 2
    assert cache.pmk(b"IEEE", "password") is first
    assert cache.pmk(b"other", "password") != first


def test_keys_are_not_printed() -> None:
    assert "6b" not in repr(Ptk(b"k" * 16, b"k" * 16, b"k" * 16))
    assert "kkk" not in repr(Ptk(b"k" * 16, b"k" * 16, b"k" * 16))
