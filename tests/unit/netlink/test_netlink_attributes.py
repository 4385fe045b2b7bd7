"""Attributes: what is built is parsed again, and what is broken raises `NetlinkFormatError` only."""

from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from drivers.netlink import attributes as netlink
from drivers.netlink.attributes import Attributes, NetlinkFormatError, attribute, build, parse, split


@dataclass(frozen=True, slots=True)
class Inner(Attributes):
    index: int | None = attribute(1, netlink.U16)
    name: str | None = attribute(2, netlink.STRING)


@dataclass(frozen=True, slots=True)
class Outer(Attributes):
    small: int | None = attribute(1, netlink.U8)
    signed: int | None = attribute(2, netlink.S32)
    wide: int | None = attribute(3, netlink.BE64)
    blob: bytes | None = attribute(4, netlink.BYTES)
    flag: bool | None = attribute(5, netlink.FLAG)
    inner: Inner | None = attribute(6, netlink.nested(Inner))
    row: tuple[Inner, ...] | None = attribute(7, netlink.array_of(netlink.nested(Inner)))
    elements: tuple[bytes, ...] | None = attribute(8, netlink.list_of(netlink.BYTES))
    table: dict[int, int] | None = attribute(9, netlink.indexed(netlink.U32))
    numbers: tuple[int, ...] | None = attribute(10, netlink.packed(2))
    present: frozenset[int] | None = attribute(11, netlink.NUMBERS)


def some(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | values


inners = st.builds(
    Inner,
    index=some(st.integers(0, 0xFFFF)),
    name=some(st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: text.rstrip("\0"))),
)
outers = st.builds(
    Outer,
    small=some(st.integers(0, 0xFF)),
    signed=some(st.integers(-(1 << 31), (1 << 31) - 1)),
    wide=some(st.integers(0, (1 << 64) - 1)),
    blob=some(st.binary(max_size=70)),
    flag=some(st.just(True)),
    inner=some(inners),
    row=some(st.lists(inners, max_size=4).map(tuple)),
    elements=some(st.lists(st.binary(max_size=9), max_size=4).map(tuple)),
    table=some(st.dictionaries(st.integers(0, 0x3FFF), st.integers(0, 0xFFFF_FFFF), max_size=4)),
    numbers=some(st.lists(st.integers(0, 0xFFFF), max_size=5).map(tuple)),
    present=some(st.frozensets(st.integers(0, 0x3FFF), max_size=5)),
)


@given(outers)
def test_what_is_built_is_parsed_again(value: Outer) -> None:
    data = build(value)
    assert len(data) % 4 == 0
    assert parse(Outer, data) == value


@given(st.binary(max_size=200))
def test_any_bytes_raise_format_errors_only(data: bytes) -> None:
    with suppress(NetlinkFormatError):
        parse(Outer, data)


@given(outers, st.integers(1, 300))
def test_a_truncated_message_raises_format_errors_only(value: Outer, missing: int) -> None:
    with suppress(NetlinkFormatError):
        parse(Outer, build(value)[:-missing])


def test_what_is_not_declared_is_skipped_and_the_last_of_two_counts() -> None:
    data = netlink.join(99, b"new") + netlink.join(1, b"\1") + netlink.join(1, b"\2")
    assert parse(Outer, data) == Outer(small=2)


def test_an_element_of_a_list_is_always_number_one() -> None:
    assert [number for number, _ in split(netlink.list_of(netlink.BYTES).build((b"a", b"b", b"c")))] == [1, 1, 1]
    assert [number for number, _ in split(netlink.array_of(netlink.BYTES).build((b"a", b"b", b"c")))] == [1, 2, 3]


@pytest.mark.parametrize(
    "data",
    ["0300", "03000100", "0900010001000000", "0600010001020000", "0c0009000700010001020300"],
    ids=[
        "too short for a header is no attribute",
        "shorter than its header",
        "past the end",
        "wrong size",
        "in a table",
    ],
)
def test_what_is_broken(data: str) -> None:
    if len(data) == 4:
        assert parse(Outer, bytes.fromhex(data)) == Outer()
        return
    with pytest.raises(NetlinkFormatError):
        parse(Outer, bytes.fromhex(data))


def test_what_does_not_fit_is_our_fault() -> None:
    with pytest.raises(LocalProtocolError, match="256 does not fit"):
        build(Outer(small=256))
    with pytest.raises(LocalProtocolError, match="65532 bytes"):
        build(Outer(blob=bytes(65_532)))
