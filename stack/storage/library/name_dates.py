"""Dates in the names that phones and their programs give. The patterns are data; each has the names it is for.

A pattern matches anywhere in the name, but never inside a longer number. What it finds is a claim, and
`CaptureDate.is_plausible` judges it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import Enum

from stack.storage.library.dates import CaptureDate, DateSource, from_unix_seconds


class Reading(Enum):
    """What the numbers of a pattern are."""

    LOCAL = "year to second, by the phone's clock"
    UTC = "year to second, in UTC"
    MILLISECONDS = "milliseconds since 1970"
    DAY = "year to day; the time is taken as midnight"


@dataclass(frozen=True, slots=True)
class NamePattern:
    """One way to write a date into a name."""

    pattern: re.Pattern[str]
    reading: Reading
    examples: tuple[str, ...]


_YEAR, _TWO = "((?:19|20)[0-9]{2})", "([0-9]{2})"
_DAY, _TIME = _YEAR + _TWO + _TWO, _TWO + _TWO + _TWO
_START, _END = "(?<![0-9])", "(?![0-9])"
_MILLISECONDS = "(?:[0-9]{3})?"


def _dashed(middle: str) -> str:
    return "-".join((_YEAR, _TWO, _TWO)) + middle + "-".join((_TWO, _TWO, _TWO))


PATTERNS: tuple[NamePattern, ...] = (
    NamePattern(
        re.compile(f"^PXL_{_DAY}_{_TIME}"),
        Reading.UTC,
        ("PXL_20261123_101500123.jpg", "PXL_20261123_101500123.MP.jpg", "PXL_20261123_101500123.RAW-02.ORIGINAL.dng"),
    ),
    NamePattern(
        re.compile(f"{_START}{_DAY}[_-]?{_TIME}{_MILLISECONDS}{_END}"),
        Reading.LOCAL,
        (
            "IMG_20261123_101500.jpg",
            "VID_20261123_101500.mp4",
            "IMG20261123101500.jpg",
            "IMG_20261123_101500_1.jpg",
            "IMG_20261123_101500123.jpg",
            "20261123_101500.heic",
            "MVIMG_20261123_101500.jpg",
            "PANO_20261123_101500.jpg",
            "video_20261123_101500.mp4",
            "Screenshot_20261123_101500_com.tencent.mm.jpg",
            "Screenshot_20261123-101500.png",
            "SVID_20261123_101500_1.mp4",
        ),
    ),
    NamePattern(
        re.compile(_START + _dashed("-") + _END),
        Reading.LOCAL,
        (
            "Screenshot_2026-11-23-10-15-00-123_com.tencent.mm.jpg",
            "Screenrecorder-2026-11-23-10-15-00-123.mp4",
            "signal-2026-11-23-10-15-00-123.jpg",
        ),
    ),
    NamePattern(re.compile(_START + _dashed("_") + _END), Reading.LOCAL, ("photo_2026-11-23_10-15-00.jpg",)),
    NamePattern(
        re.compile(f"{_START}{_YEAR}-{_TWO}-{_TWO} (?:at )?{_TWO}[.-]{_TWO}[.-]{_TWO}{_END}"),
        Reading.LOCAL,
        ("WhatsApp Image 2026-11-23 at 10.15.00.jpeg", "2026-11-23 10.15.00.jpg"),
    ),
    NamePattern(
        re.compile(f"{_START}(1[0-9]{{12}}){_END}"),
        Reading.MILLISECONDS,
        ("wx_camera_1700000000000.mp4", "mmexport1700000000000.jpg", "FB_IMG_1700000000000.jpg", "1700000000000.jpg"),
    ),
    NamePattern(
        re.compile(f"^(?:IMG|VID)-{_DAY}-WA[0-9]{{4}}"),
        Reading.DAY,
        ("IMG-20261123-WA0001.jpg", "VID-20261123-WA0012.mp4"),
    ),
)


def from_name(name: str, zone: tzinfo) -> list[CaptureDate]:
    """All dates that patterns find in the name, the most trusted first. Moments are shown by the clocks in `zone`."""
    claims = []
    for known in PATTERNS:
        found = known.pattern.search(name)
        claim = _claim(known.reading, found, zone) if found else None
        if claim is not None:
            claims.append(claim)
    return claims


def _claim(reading: Reading, found: re.Match[str], zone: tzinfo) -> CaptureDate | None:
    if reading is Reading.MILLISECONDS:
        return from_unix_seconds(int(found[1]) / 1000, zone, DateSource.NAME)
    try:
        local = datetime(*map(int, found.groups()))  # type: ignore[arg-type]  # three numbers or six
    except ValueError:
        return None
    if reading is Reading.UTC:
        return from_unix_seconds(local.replace(tzinfo=UTC).timestamp(), zone, DateSource.NAME)
    return CaptureDate(local, None, DateSource.NAME)
