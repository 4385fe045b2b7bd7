"""Sightings of strangers, and of ourselves (alliance protocol, 2). The vectors are tested with discovery."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from stack.alliance.advertisement import (
    for_station,
    parse_sighting,
    repeated_id,
)


def test_device_with_zte_encryption_bit_still_has_a_band_and_a_brand() -> None:
    sighting = parse_sighting(bytes.fromhex("09165003" + "010203040506"))
    assert sighting.head is not None
    assert (sighting.head.brand, sighting.head.supports_5ghz) == (80, True)


@pytest.mark.parametrize(
    ("field", "name", "label"),
    [
        (b"NAS\0", "NAS", "NAS"),
        ("a\u202eb\x07c".encode(), "abc", "abc"),
        (b"\xff\xfeabc", None, "1c5e"),
        (b"", "", "1c5e"),
        (b"\x01\x02", "", "1c5e"),
        ("家庭".encode() + b"\xe5", None, "1c5e"),
    ],
)
def test_foreign_names_are_made_fit_for_a_screen(field: bytes, name: str | None, label: str) -> None:
    payload = repeated_id(b"\x1c\x5e")[6:] + field.ljust(16, b"\0") + b"\x01"
    sighting = parse_sighting(b"\x1e\x16\xff\xff" + payload)
    assert sighting.tail is not None
    assert sighting.tail.name == name
    assert sighting.label == label


@given(st.text(min_size=1), st.binary(min_size=2, max_size=2), st.integers(0, 255), st.booleans())
def test_a_station_reads_its_own_advertisement(name: str, short_id: bytes, brand: int, supports_5ghz: bool) -> None:
    try:
        ours = for_station(name, short_id, brand, supports_5ghz=supports_5ghz)
    except LocalProtocolError:
        return
    assert (len(ours.advertising_data()), len(ours.scan_response())) == (31, 31)
    sighting = parse_sighting(ours.advertising_data() + ours.scan_response())
    assert sighting.listed
    assert sighting.head is not None
    assert (sighting.head.brand, sighting.head.supports_5ghz) == (brand, supports_5ghz)
    assert sighting.short_id == short_id.hex()
    assert sighting.tail is not None
    assert sighting.tail.name
    assert ours.name.startswith(sighting.tail.name)


@given(st.lists(st.tuples(st.sampled_from([1, 6, 7, 9, 0x16, 0xFF]), st.binary(max_size=40)), max_size=6))
def test_any_structures_are_some_sighting(structures: list[tuple[int, bytes]]) -> None:
    sighting = parse_sighting(b"".join(bytes((len(content) + 1, kind)) + content for kind, content in structures))
    assert (sighting.head is not None) == any(kind == 0x16 and len(content) == 8 for kind, content in structures)
    assert (sighting.tail is not None) == any(kind == 0x16 and len(content) == 29 for kind, content in structures)
