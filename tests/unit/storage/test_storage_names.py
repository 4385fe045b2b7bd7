"""Names from the air become one harmless component, whatever they were."""

import base64
import io
import json
import re
import unicodedata
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.storage.names import DEFAULT_NAME, numbered, safe_name

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "alliance.json").read_text())["zip"]
UTF8_FLAG = 0x800

text = st.text(st.characters() | st.sampled_from('/\\.-_ :CONUL1¹"*?\ud800\u202e\u0301\x00é'), max_size=300)
stems = st.text(st.sampled_from("a .照"), min_size=1, max_size=300)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("IMG_0001.jpg", "IMG_0001.jpg"),
        ("0/IMG_0001.jpg", "IMG_0001.jpg"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\evil.txt", "evil.txt"),
        ("C:\\Users\\me\\a.jpg", "a.jpg"),
        ("//host/share/a.jpg", "a.jpg"),
        ("C:evil.txt", "C_evil.txt"),
        ("", DEFAULT_NAME),
        (".", DEFAULT_NAME),
        ("..", DEFAULT_NAME),
        ("0/", DEFAULT_NAME),
        (" . . ", DEFAULT_NAME),
        ("a\x00b.txt", "a_b.txt"),
        ("a\nb\x7f\x85.txt", "a_b__.txt"),
        ("a\u202egpj.exe", "a_gpj.exe"),
        ("a\u2028b", "a_b"),
        ('<>:"|?*', "_______"),
        ("trailing. . ", "trailing"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("com¹ .txt", "_com¹ .txt"),
        ("CONTRACT.pdf", "CONTRACT.pdf"),
        ("-rf", "_-rf"),
        (".ferry", "_.ferry"),
        (".jpg", "_.jpg"),
        ("e\u0301.jpg", "\u00e9.jpg"),
        ("\ud83d.jpg", "_.jpg"),
        ("👩\u200d🚀.jpg", "👩\u200d🚀.jpg"),
        ("照片.txt", "照片.txt"),
    ],
)
def test_safe_name(raw: str, name: str) -> None:
    assert safe_name(raw) == name


def archives() -> dict[str, bytes]:
    whole = {name: vector for name, vector in VECTORS.items() if "files" in vector and "truncated" not in name}
    return {name: base64.b64decode(vector["zipB64"]) for name, vector in whole.items()}


@pytest.mark.parametrize("vector", archives())
def test_vectors(vector: str) -> None:
    with zipfile.ZipFile(io.BytesIO(archives()[vector])) as archive:
        names = [offered(entry) for entry in archive.infolist() if not entry.orig_filename.endswith("/")]
    assert [safe_name(name) for name in names] == [name for name, _ in VECTORS[vector]["files"]]


def offered(entry: zipfile.ZipInfo) -> str:
    name = entry.orig_filename
    return name if entry.flag_bits & UTF8_FLAG else name.encode("cp437").decode("gbk")


def test_long_names_keep_their_extension() -> None:
    assert safe_name("照" * 30_000 + ".jpeg") == "照" * 83 + ".jpeg"
    assert safe_name("a" * 70_000) == "a" * 255
    assert safe_name("a." + "b" * 70_000) == "a." + "b" * 253
    assert numbered("照" * 83 + ".jpeg", 12) == "照" * 81 + " (12).jpeg"


def test_a_cut_name_is_checked_again() -> None:
    assert safe_name("CON" + " " * 300 + "x.jpg") == "_CON.jpg"
    assert safe_name("a" + " " * 300 + "x") == "a"


def test_numbered() -> None:
    assert numbered("IMG.jpg", 2) == "IMG (2).jpg"
    assert numbered("README", 3) == "README (3)"
    assert numbered("_.jpg", 2) == "_ (2).jpg"


@given(text)
def test_names_are_harmless(raw: str) -> None:
    assert_harmless(safe_name(raw))


@given(text, st.integers(2, 10**6))
def test_numbered_names_are_harmless(raw: str, number: int) -> None:
    name = numbered(safe_name(raw), number)
    assert_harmless(name)
    assert f" ({number})" in name


@given(stems, st.sampled_from(["", ".jpg", ".x" * 9]))
def test_lengths_at_the_limit(stem: str, extension: str) -> None:
    assert_harmless(safe_name(stem + extension))
    assert_harmless(numbered(safe_name(stem + extension), 77))


@given(text)
def test_a_safe_name_stays_as_it_is(raw: str) -> None:
    assert safe_name(safe_name(raw)) == safe_name(raw)


def assert_harmless(name: str) -> None:
    assert 0 < len(name.encode()) <= 255
    assert not set(name) & set('/\\<>:"|?*')
    assert name[0] not in ".-"
    assert name[-1] not in ". "
    assert unicodedata.is_normalized("NFC", name)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name)
    assert not any(unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF") for char in name)
    assert not re.match(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *([.]|$)", name)
