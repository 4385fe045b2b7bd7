"""Dates: what counts as one, in texts, in seconds and in names."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.storage.library.dates import (
    CaptureDate,
    DateSource,
    from_claim,
    from_movie_seconds,
    from_unix_seconds,
    parse_offset,
)
from stack.storage.library.metadata import FileMetadata, parse_answer
from stack.storage.library.name_dates import PATTERNS, NamePattern, from_name

SHANGHAI = timezone(timedelta(hours=8))
LOCAL = datetime(2026, 11, 23, 10, 15)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
EIGHT = timedelta(hours=8)


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("2026:11:23 10:15:00", "", (LOCAL, None)),
        ("2026:11:23 10:15:00", "+08:00", (LOCAL, EIGHT)),
        ("2026:11:23 10:15:00", "nonsense", (LOCAL, None)),
        ("2026-11-23 10:15:00", "", (LOCAL, None)),
        ("2026-11-23T10:15:00+0800", "", (LOCAL, EIGHT)),
        ("2026-11-23T10:15:00.123+08:00", "", (LOCAL, EIGHT)),
        ("2026-11-23T10:15:00Z", "", (LOCAL, timedelta())),
        ("\x00\x18\x55\xc42026-11-23T10:15:00-0330", "", (LOCAL, -timedelta(hours=3, minutes=30))),
        ("2026:11:23 10:15:00", "+15:00", (LOCAL, None)),
        ("2026", "", None),
        ("2026:11:23", "", None),
        ("    :  :     :  :  ", "", None),
        ("2026:13:23 10:15:00", "", None),
        ("2026:02:30 10:15:00", "", None),
        ("2026:11:23 24:15:00", "", None),
        ("0000:00:00 00:00:00", "", None),
        ("２０２６:11:23 10:15:00", "", None),
        ("", "", None),
    ],
)
def test_claims_of_files(text: str, offset: str, expected: tuple[datetime, timedelta | None] | None) -> None:
    found = from_claim(text, DateSource.EXIF, offset)
    assert found == (expected and CaptureDate(*expected, DateSource.EXIF))


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("+08:00", EIGHT),
        ("-0330", -timedelta(hours=3, minutes=30)),
        ("Z", timedelta()),
        ("+14:00", timedelta(hours=14)),
        ("+14:15", None),
        ("+08:75", None),
        ("08:00", None),
        ("", None),
    ],
)
def test_offsets(text: str, offset: timedelta | None) -> None:
    assert parse_offset(text) == offset


@pytest.mark.parametrize("seconds", [3_878_244_900, 1_795_400_100])
def test_movies_count_since_1904_or_1970(seconds: int) -> None:
    assert from_movie_seconds(seconds, SHANGHAI) == CaptureDate(LOCAL, EIGHT, DateSource.CONTAINER)


def test_a_movie_without_a_date_has_none() -> None:
    assert from_movie_seconds(0, UTC) is None


@given(st.integers(0, 2**64 - 1))
def test_any_number_of_a_movie_is_a_date_or_none(seconds: int) -> None:
    found = from_movie_seconds(seconds, SHANGHAI)
    assert found is None or found.is_plausible(NOW) in (True, False)


@given(st.floats())
def test_any_number_of_an_archive_is_a_date_or_none(seconds: float) -> None:
    assert isinstance(from_unix_seconds(seconds, UTC, DateSource.ARCHIVE), CaptureDate | None)


@pytest.mark.parametrize(
    ("local", "offset", "plausible"),
    [
        (datetime(1989, 12, 31), None, False),
        (datetime(1990, 1, 1), None, True),
        (datetime(2026, 11, 25, 11, 59), None, True),
        (datetime(2026, 11, 25, 12, 1), None, False),
        (datetime(2026, 11, 25, 19, 59), EIGHT, True),
        (datetime(2026, 11, 25, 20, 1), EIGHT, False),
        (datetime.max, -EIGHT, False),
    ],
)
def test_what_can_be_true(local: datetime, offset: timedelta | None, plausible: bool) -> None:
    assert CaptureDate(local, offset, DateSource.EXIF).is_plausible(NOW) is plausible


def test_without_a_clock_the_future_is_not_known() -> None:
    assert CaptureDate(datetime(2060, 1, 1), None, DateSource.EXIF).is_plausible(None)


def expected_in_name(name: str) -> CaptureDate:
    if name.startswith("PXL_"):
        return CaptureDate(datetime(2026, 11, 23, 18, 15), EIGHT, DateSource.NAME)
    if "1700000000000" in name:
        return CaptureDate(datetime(2023, 11, 15, 6, 13, 20), EIGHT, DateSource.NAME)
    return CaptureDate(LOCAL.replace(hour=0, minute=0) if "-WA" in name else LOCAL, None, DateSource.NAME)


@pytest.mark.parametrize("name", [name for known in PATTERNS for name in known.examples])
def test_names_of_phones(name: str) -> None:
    """The issue's four and more; each is an example of its pattern."""
    assert from_name(name, SHANGHAI)[0] == expected_in_name(name)


@pytest.mark.parametrize("known", PATTERNS, ids=lambda known: known.examples[0])
def test_each_pattern_finds_its_examples(known: NamePattern) -> None:
    assert all(known.pattern.search(example) for example in known.examples)


@pytest.mark.parametrize(
    "name",
    [
        "IMG_0001.jpg",
        "DSC00123.ARW",
        "IMG_20261323_101500.jpg",
        "IMG_20261123_250000.jpg",
        "1234567890123456.jpg",
        "9700000000000.jpg",
        "120261123_1015001.jpg",
        "invoice-2026.pdf",
        "2026-11-23.txt",
        "",
    ],
)
def test_names_without_a_date(name: str) -> None:
    assert from_name(name, SHANGHAI) == []


@given(st.text(max_size=255) | st.from_regex(PATTERNS[1].pattern) | st.from_regex(PATTERNS[5].pattern))
def test_any_name_is_read(name: str) -> None:
    assert all(claim.source is DateSource.NAME for claim in from_name(name, SHANGHAI))


def test_claims_come_in_their_order() -> None:
    metadata = FileMetadata(
        taken="2026:11:23 10:15:00",
        taken_offset="+08:00",
        digitized="2025:01:01 00:00:00",
        digitized_offset="+01:00",
        movie_date="2024-01-01T00:00:00Z",
        movie_seconds=1_700_000_000,
    )
    found = [claim and (claim.local.year, claim.utc_offset) for claim in metadata.claims(UTC)]
    assert found == [
        (2026, EIGHT),
        (2025, timedelta(hours=1)),
        (2024, timedelta()),
        (2023, timedelta()),
    ]


GOOD = (
    b'{"taken": "a", "taken_offset": "", "digitized": "", "digitized_offset": "", "movie_date": "",'
    b' "movie_seconds": 7, "problem": ""}'
)


def test_a_good_answer() -> None:
    assert parse_answer(GOOD) == FileMetadata(taken="a", movie_seconds=7)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff",
        b"[]",
        b"7",
        b"{}",
        b"[" * 4000,
        GOOD.replace(b'"a"', b"1"),
        GOOD.replace(b'"a"', b'"' + b"a" * 65 + b'"'),
        GOOD.replace(b"7", b"-1"),
        GOOD.replace(b"7", b"1e999"),
        GOOD.replace(b"7", b"true"),
        GOOD.replace(b"7", b"18446744073709551616"),
    ],
)
def test_a_bad_answer_is_none(answer: bytes) -> None:
    assert parse_answer(answer) is None
