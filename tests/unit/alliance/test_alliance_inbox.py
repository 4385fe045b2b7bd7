"""The writes of one connection, put together: pieces, new beginnings, time, bounds, and nonsense (protocol 3.2)."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import RemoteProtocolError
from stack.alliance.inbox import PATIENCE_MS, Inbox
from stack.alliance.jsonobject import JsonError
from stack.alliance.link_info import MAX_BYTES, LinkInfoError

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors/alliance.json").read_text("utf-8"))
OFFERS = [
    bytes.fromhex(case["bytesHex"]) if "bytesHex" in case else case["bytesUtf8"].encode()
    for case in VECTORS["gatt"]["p2p"]
]
OFFER, OTHER = b'{"id":"1c5e","ssid":"DIRECT-aa"}', b'{"id":"9a9a","ssid":"DIRECT-bb"}'
NESTED = b'{"id":"1c5e","catShareCrypto":{"v":1,"k":{"n":2}},"ssid":"DIRECT-aa"}'


def pieces(value: bytes, size: int) -> list[bytes]:
    return [value[at : at + size] for at in range(0, len(value), size)]


def put_all(inbox: Inbox, parts: list[bytes], now_ms: int = 0) -> list[bytes | None]:
    return [inbox.put(part, now_ms) for part in parts]


@pytest.mark.parametrize("offer", OFFERS)
def test_one_write(offer: bytes) -> None:
    assert Inbox().put(offer, 0) == offer


@pytest.mark.parametrize("offer", [*OFFERS, NESTED])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 18, 20, 100])
def test_plain_writes_in_pieces(offer: bytes, size: int) -> None:
    clean = offer[offer.index(b"{") :]
    *before, last = put_all(Inbox(), pieces(clean, size))
    assert not any(before)
    assert last == clean


@pytest.mark.parametrize("first", range(1, len(NESTED)))
def test_any_cut_through_nested_objects(first: int) -> None:
    for second in range(first + 1, len(NESTED)):
        parts = [NESTED[:first], NESTED[first:second], NESTED[second:]]
        assert put_all(Inbox(), parts) == [None, None, NESTED]


def test_a_whole_nested_object_in_one_piece_is_no_offer() -> None:
    parts = [b'{"a":', b'{"b":1}', b',"c":{"d":2},"e":', b'"f"}']
    assert put_all(Inbox(), parts) == [None, None, None, b"".join(parts)]


@pytest.mark.parametrize("before", [b"\0\0", b"junk", b"\xff\xfe", b"}", b"\r\n"])
def test_bytes_before_the_first_brace(before: bytes) -> None:
    value = Inbox().put(before + OFFER, 0)
    assert value is not None
    assert value.endswith(OFFER)
    assert put_all(Inbox(), pieces(before + OFFER, 18)) == [None, OFFER]


def test_bytes_behind_the_last_brace() -> None:
    assert Inbox().put(OFFER + b"\0\0\0", 0) is not None
    assert put_all(Inbox(), [OFFER[:10], OFFER[10:] + b"\0"])[-1] == OFFER + b"\0"


def test_an_inbox_is_empty_after_an_offer() -> None:
    inbox = Inbox()
    assert put_all(inbox, [OFFER[:10], OFFER[10:], OTHER, OFFER[:5], OFFER[5:]]) == [None, OFFER, OTHER, None, OFFER]


@pytest.mark.parametrize("cut", range(1, len(OFFER)))
def test_a_new_object_starts_over(cut: int) -> None:
    if OFFER[:cut].endswith(b":"):
        return  # an object is due there
    assert put_all(Inbox(), [OFFER[:cut], OTHER]) == [None, OTHER]
    assert put_all(Inbox(), [OFFER[:cut], *pieces(OTHER, 18)]) == [None, None, OTHER]


def test_a_new_object_may_begin_with_space() -> None:
    assert put_all(Inbox(), [OFFER[:12], b' {\n "id":"9a9a"}']) == [None, b' {\n "id":"9a9a"}']


def test_another_connection_has_another_inbox() -> None:
    first, second = Inbox(), Inbox()
    assert first.put(OFFER[:10], 0) is None
    with pytest.raises(LinkInfoError):
        second.put(OFFER[10:], 0)
    assert first.put(OFFER[10:], 0) == OFFER


# Time.


@pytest.mark.parametrize(("late_ms", "whole"), [(0, True), (PATIENCE_MS, True), (PATIENCE_MS + 1, False)])
def test_pieces_wait_five_seconds(late_ms: int, whole: bool) -> None:
    inbox = Inbox()
    assert inbox.put(OFFER[:10], 1_000_000) is None
    if whole:
        assert inbox.put(OFFER[10:], 1_000_000 + late_ms) == OFFER
    else:
        with pytest.raises(LinkInfoError, match="no JSON"):
            inbox.put(OFFER[10:], 1_000_000 + late_ms)


def test_the_five_seconds_count_from_the_first_piece() -> None:
    inbox = Inbox()
    for second, part in enumerate(pieces(OFFER, 6)[:5]):
        assert inbox.put(part, 1500 * second if second < 4 else 4500) is None
    with pytest.raises(LinkInfoError):
        inbox.put(pieces(OFFER, 6)[5], PATIENCE_MS + 1)


def test_a_new_beginning_has_its_own_five_seconds() -> None:
    inbox = Inbox()
    assert inbox.put(OFFER[:10], 0) is None
    assert inbox.put(OTHER[:10], 4000) is None
    assert inbox.put(OTHER[10:], 4000 + PATIENCE_MS) == OTHER


# Bounds.


def padded(length: int) -> bytes:
    """Return an offer of `length` bytes."""
    return b'{"id":"' + b"x" * (length - 9) + b'"}'


def test_an_offer_of_one_kibibyte_passes_and_no_more() -> None:
    assert put_all(Inbox(), pieces(padded(MAX_BYTES), 512))[-1] == padded(MAX_BYTES)
    with pytest.raises(LinkInfoError, match="longer than 1024 bytes"):
        put_all(Inbox(), pieces(padded(MAX_BYTES + 1), 512))


@pytest.mark.parametrize("size", [18, 512])
def test_what_never_ends_is_forgotten_at_one_kibibyte(size: int) -> None:
    inbox = Inbox()
    assert inbox.put(b'{"id":"', 0) is None
    for _ in range((MAX_BYTES - 7) // size):
        assert inbox.put(b"x" * size, 0) is None
    with pytest.raises(LinkInfoError):
        inbox.put(b"x" * size, 0)
    assert inbox.put(OFFER, 0) == OFFER


@pytest.mark.parametrize("byte", [b"{", b'"', b"x", b"\\", b"[", b"\0", b"}", b'{"', b'{"a":'])
def test_64_kibibytes_of_anything_are_refused(byte: bytes) -> None:
    inbox = Inbox()
    with pytest.raises(RemoteProtocolError):
        inbox.put(byte * 65_536, 0)
    assert inbox.put(OFFER, 0) == OFFER


# Nonsense.


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (b"", LinkInfoError),
        (b"hello", LinkInfoError),
        (b"[1,2]", LinkInfoError),
        (b"}", LinkInfoError),
        (b"{}}", JsonError),
        (b"{x}", JsonError),
        (b'{"a":1,}', JsonError),
        (b'{"a":1 "b":2}', JsonError),
        (b'{"a":1,"a":2}', JsonError),
        (b'{"a":NaN}', JsonError),
        (b'{"a":"\xff"}', JsonError),
        (b"{" * 20 + b"}" * 20, JsonError),
    ],
)
def test_what_can_never_become_an_offer_is_refused_at_once(value: bytes, error: type[RemoteProtocolError]) -> None:
    inbox = Inbox()
    with pytest.raises(error):
        inbox.put(value, 0)
    assert inbox.put(OFFER, 0) == OFFER


def test_what_turns_bad_in_a_later_piece_is_refused_there() -> None:
    inbox = Inbox()
    assert inbox.put(b'{"id":"\xff', 0) is None
    with pytest.raises(JsonError, match="UTF-8"):
        inbox.put(b'"}', 0)
    assert inbox.put(OFFER, 0) == OFFER


def test_characters_may_be_cut() -> None:
    offer = '{"id":"照片 \\" {\\"","ssid":"DIRECT-家"}'.encode()
    for size in (1, 2, 3, 5):
        assert put_all(Inbox(), pieces(offer, size))[-1] == offer


TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
OBJECTS = st.dictionaries(TEXTS, TEXTS | st.integers(-9, 9), min_size=1, max_size=3)
TREES = st.dictionaries(TEXTS, TEXTS | OBJECTS, min_size=1, max_size=4)


@given(TREES.filter(lambda tree: len(json.dumps(tree)) < MAX_BYTES), st.lists(st.integers(1, 400), max_size=6))
def test_any_object_cut_anywhere_is_put_together(tree: dict[str, object], cuts: list[int]) -> None:
    value = json.dumps(tree).encode()
    edges = sorted({0, len(value), *(1 + cut % len(value) for cut in cuts)})
    parts = [value[first:last] for first, last in pairwise(edges)]
    *before, last = put_all(Inbox(), parts)
    assert not any(before)
    assert last == value
