"""When a photo was taken, and who says so. Pure: every text is an untrusted claim, the clock is passed in.

A claim counts only if it is plausible: digital photos begin in 1990, and none is taken after tomorrow. So the zeros,
the 1904s and the 1980s of devices without a clock are no dates.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import Enum

FIRST_YEAR = 1990

# A local time without its offset can be 14 hours ahead of UTC.
_AHEAD = timedelta(days=1)

# ISO/IEC 14496-12, 8.2.2: seconds since 1904; some devices count since 1970, as ExifTool knows too.
_SECONDS_1904_TO_1970 = 2_082_844_800

_MAX_OFFSET = timedelta(hours=14)

# EXIF 4.6.5: "2026:11:23 10:15:00"; ISO 8601: "2026-11-23T10:15:00+0800".
_CLAIM = re.compile(
    r"([0-9]{4})[:/.-]([0-9]{2})[:/.-]([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:\.[0-9]{1,9})? ?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")


class DateSource(Enum):
    """Where a date comes from; the first that has one wins."""

    EXIF = "exif"
    CONTAINER = "container"
    NAME = "name"
    ARCHIVE = "archive"
    ARRIVAL = "arrival"


RANK = {source: rank for rank, source in enumerate(DateSource)}


@dataclass(frozen=True, slots=True)
class CaptureDate:
    """What a clock showed where the photo was taken, to the second, and its offset from UTC where that is known."""

    local: datetime
    utc_offset: timedelta | None
    source: DateSource

    def is_plausible(self, now: datetime | None) -> bool:
        """Whether it can be true at `now` in UTC; None if the wall clock is not good."""
        if self.local.year < FIRST_YEAR:
            return False
        return now is None or self._earliest_utc() <= now.replace(tzinfo=None) + _AHEAD

    def _earliest_utc(self) -> datetime:
        try:
            return self.local - (self.utc_offset or timedelta())
        except OverflowError:
            return datetime.max


def from_claim(text: str, source: DateSource, offset: str = "") -> CaptureDate | None:
    """The date in a text of EXIF or of a container; `offset` is EXIF's (4.6.5.1.9), if `text` has none."""
    found = _CLAIM.search(text)
    if found is None:
        return None
    try:
        local = datetime(*map(int, found.groups()[:6]))  # type: ignore[arg-type]  # six numbers
    except ValueError:
        return None
    return CaptureDate(local, parse_offset(found[7] or offset), source)


def from_movie_seconds(seconds: int, zone: tzinfo) -> CaptureDate | None:
    """The creation time of a movie header, which is UTC, as the clocks in `zone` showed it. Zero means none."""
    if seconds <= 0:
        return None
    since_1970 = seconds - _SECONDS_1904_TO_1970 if seconds >= _SECONDS_1904_TO_1970 else seconds
    return from_unix_seconds(since_1970, zone, DateSource.CONTAINER)


def from_unix_seconds(seconds: float, zone: tzinfo, source: DateSource) -> CaptureDate | None:
    """A moment in seconds since 1970, as the clocks in `zone` showed it."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        return None
    return CaptureDate(moment.replace(tzinfo=None, microsecond=0), moment.utcoffset(), source)


def parse_offset(text: str) -> timedelta | None:
    """The offset from UTC in `+08:00`, `+0800` or `Z`. None if it is none on earth."""
    if text.strip() == "Z":
        return timedelta()
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    if offset > _MAX_OFFSET or int(found[3]) > 59:
        return None
    return -offset if found[1] == "-" else offset


def first_plausible(claims: Iterable[CaptureDate | None], now: datetime | None) -> CaptureDate | None:
    """The first claim that can be true at `now`."""
    return next((claim for claim in claims if claim is not None and claim.is_plausible(now)), None)
