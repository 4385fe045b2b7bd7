"""JSON from strangers: bounded, typed, never a surprise (alliance protocol, 8)."""

import contextlib
import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.alliance.jsonobject import MAX_DEPTH, MAX_TOKENS, JsonError, JsonObject, parse_object
from stack.alliance.text import clean_text

LIMIT = 3_000_000
INT64_MAX = 2**63 - 1


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


REFUSED = {
    "empty": "",
    "no object": "[1]",
    "number": "1",
    "cut": '{"a":',
    "two": "{}{}",
    "NaN": '{"a":NaN}',
    "Infinity": '{"a":-Infinity}',
    "twice": '{"a":1,"a":2}',
    "twice inside": '{"a":{"b":1,"b":2}}',
    "too deep": nested(MAX_DEPTH + 1),
    "far too deep": nested(100_000),
    "unclosed depth": "[" * 100_000,
    "too many values": '{"a":[' + "1," * MAX_TOKENS + "1]}",
    "raw line feed in a string": '{"a":"b\nc"}',
    "lone surrogate": '{"a":"\ud800"}',
    "byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(JsonError):
        parse_object(text, LIMIT)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(JsonError):
        parse_object(b'{"a":"\xff"}', LIMIT)


def test_size_is_counted_in_bytes_and_before_parsing() -> None:
    text = '{"a":"家"}'
    size = len(text.encode())
    assert parse_object(text, size).text("a") == "家"
    with pytest.raises(JsonError):
        parse_object(text, size - 1)
    with pytest.raises(JsonError):
        parse_object(text.encode(), size - 1)


def test_depth_up_to_the_limit_and_brackets_in_strings_are_fine() -> None:
    assert parse_object(nested(MAX_DEPTH), LIMIT).fields
    assert parse_object(json.dumps({"a": '["{' * 1000}), LIMIT).text("a") == '["{' * 1000


@pytest.mark.parametrize(
    "text",
    ['{"a":' + '"\\' * 500_000, '{"a":"' + '\\"' * 500_000, '"' * 1_000_001, '{"a":' + "9" * 1_000_000 + "}"],
    ids=["backslashes", "escaped quotes", "quotes", "digits"],
)
def test_hostile_text_costs_linear_time(text: str) -> None:
    started = time.process_time()
    with contextlib.suppress(JsonError):
        parse_object(text, LIMIT)
    assert time.process_time() - started < 1.5


FIELDS = JsonObject(
    {
        "text": "abc",
        "number": 7,
        "digits": "-42",
        "whole": 3.0,
        "fraction": 3.5,
        "true": True,
        "null": None,
        "list": [1],
        "lone": "a\ud800b",
        "pair": "\ud83d\ude00",
        "huge digits": "9" * 5000,
        "arabic digits": "٣",
        "infinite": float("inf"),
        "big float": -1e300,
    }
)


@pytest.mark.parametrize(
    ("name", "text", "integer"),
    [
        ("text", "abc", None),
        ("number", "7", 7),
        ("digits", "-42", -42),
        ("whole", None, 3),
        ("fraction", None, None),
        ("true", None, None),
        ("null", None, None),
        ("list", None, None),
        ("missing", None, None),
        ("lone", "a\ufffdb", None),
        ("pair", "😀", None),
        ("huge digits", "9" * 5000, INT64_MAX),
        ("arabic digits", "٣", None),
        ("infinite", None, None),
        ("big float", None, -INT64_MAX),
    ],
)
def test_typed_getters(name: str, text: str | None, integer: int | None) -> None:
    assert FIELDS.text(name) == text
    assert FIELDS.integer(name) == integer


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("0", 0),
        ("-1", -1),
        (str(2**63 - 1), INT64_MAX),
        (str(2**63), INT64_MAX),
        (f"-{2**70}", -INT64_MAX),
        ("1" * 10_000, INT64_MAX),
        ("1e999", None),
        ("1.0", 1),
    ],
)
def test_integers_saturate(number: str, value: int | None) -> None:
    assert parse_object(f'{{"n":{number}}}', LIMIT).integer("n") == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-INT64_MAX, INT64_MAX) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_what_we_write_we_read(fields: dict[str, object]) -> None:
    assert parse_object(JsonObject(fields).to_json(), LIMIT).fields == fields


@given(st.text(st.characters()) | st.text('[]{}":,\\u0123dD8e-+.NaInfity \n'))
def test_any_text_is_an_object_or_the_peers_fault(text: str) -> None:
    try:
        parsed = parse_object(text, LIMIT)
    except JsonError:
        return
    assert json.loads(text).keys() == parsed.fields.keys()


@given(st.binary())
def test_any_bytes_are_an_object_or_the_peers_fault(data: bytes) -> None:
    try:
        parse_object(data, LIMIT)
    except JsonError:
        return
    assert json.loads(data) is not None


def test_what_utf8_cannot_carry_is_replaced_when_written() -> None:
    assert JsonObject({"fileName": "\udcff.jpg"}).to_json() == '{"fileName":"?.jpg"}'


@given(st.text(st.characters(categories=["C", "L", "Z", "S"])), st.integers(0, 20))
def test_clean_text_is_short_and_shows_what_it_holds(text: str, limit: int) -> None:
    cleaned = clean_text(text, limit)
    assert len(cleaned) <= limit
    assert cleaned == cleaned.strip()
    cleaned.encode()
    assert not set(cleaned) & {chr(code) for code in (*range(32), 0x7F, 0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F))}
    remaining = iter(text)
    assert all(char in remaining for char in cleaned), "nothing is added or reordered"


def test_joined_emoji_and_words_stay_joined() -> None:
    family = "👨\u200d👩\u200d👧"
    assert clean_text(family, 10) == family
    assert all(ord(one) != 0x2066 for one, _ in pairwise(clean_text("\u2066a\u2069b\u2067c", 9)))
