"""Generic netlink: a recorded family, and what is broken."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.netlink.attributes import NetlinkFormatError
from drivers.netlink.generic import Family, generic_body, parse_family, split_generic
from drivers.netlink.message import split_messages
from tests.unit.netlink.recorded import recorded


def test_a_recorded_family() -> None:
    (message,) = split_messages(recorded("family_nlctrl"))
    assert parse_family(message.body) == Family(id=16, version=2, groups={"notify": 16})


def test_a_body_is_split_as_it_is_built() -> None:
    assert generic_body(3, 1, b"abcd") == b"\3\1\0\0abcd"
    assert split_generic(generic_body(3, 1, b"abcd")) == (3, b"abcd")


@pytest.mark.parametrize("body", [b"", b"\1\2\0", b"\1\2\0\0"], ids=["empty", "short", "without its number"])
def test_a_broken_family(body: bytes) -> None:
    with pytest.raises(NetlinkFormatError):
        parse_family(body)


@given(st.integers(0, 200), st.binary(max_size=20))
def test_any_bytes_raise_format_errors_only(kept: int, noise: bytes) -> None:
    with suppress(NetlinkFormatError):
        parse_family(recorded("family_nlctrl")[16 : 16 + kept] + noise)
