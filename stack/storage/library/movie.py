"""When a movie was taken: the date with a time zone that phones add, and the creation time of the movie header.

Apple writes `com.apple.quicktime.creationdate` (QuickTime File Format, metadata item keys), others a text in the user
data. The movie header (ISO/IEC 14496-12, 8.2.2) is in UTC.
"""

from stack.storage.library.bounded_file import BoundedFile
from stack.storage.library.boxes import boxes, find

_CREATION_DATE = b"com.apple.quicktime.creationdate"

# Kinds of user data that hold a date: QuickTime's and ExifTool's names for them are ContentCreateDate and date.
_USER_DATES = (b"\xa9day", b"date")

_MAX_KEYS = 1024
_MAX_DATE_BYTES = 64


def movie_seconds(moov: BoundedFile) -> int:
    """The creation time of the movie header, 0 if there is none."""
    header = find(moov, b"mvhd")
    if header is None:
        return 0
    wide = header.at(0, 1) == b"\x01"
    return int.from_bytes(header.at(4, 8 if wide else 4))


def movie_date(moov: BoundedFile) -> str:
    """The first text that should hold a date, "" if there is none."""
    item = _keyed_date(moov) or _user_date(moov)
    return item.decode("utf-8", "replace")


def _keyed_date(moov: BoundedFile) -> bytes:
    keys, items = find(moov, b"meta", b"keys"), find(moov, b"meta", b"ilst")
    if keys is None or items is None:
        return b""
    number = _key_number(keys)
    return _value(items, number.to_bytes(4)) if number else b""


def _key_number(keys: BoundedFile) -> int:
    """Keys are counted from 1; each has a size, a name space and its name."""
    at = 8
    for number in range(1, min(int.from_bytes(keys.at(4, 4)), _MAX_KEYS) + 1):
        size = int.from_bytes(keys.at(at, 4))
        if size < 8:
            return 0
        if size == 8 + len(_CREATION_DATE) and keys.at(at + 8, len(_CREATION_DATE)) == _CREATION_DATE:
            return number
        at += size
    return 0


def _value(items: BoundedFile, kind: bytes) -> bytes:
    """The text in the `data` box of an item, behind its type and locale."""
    data = find(items, kind, b"data")
    return b"" if data is None else data.at(8, _MAX_DATE_BYTES)


def _user_date(moov: BoundedFile) -> bytes:
    """Text, in QuickTime behind its length and language; or an item as iTunes writes it."""
    user_data = find(moov, b"udta")
    if user_data is None:
        return b""
    text = next((box.payload for box in boxes(user_data) if box.kind in _USER_DATES), None)
    if text is not None:
        return text.at(0, _MAX_DATE_BYTES)
    items = find(user_data, b"meta", b"ilst")
    return b"" if items is None else _value(items, _USER_DATES[0])
