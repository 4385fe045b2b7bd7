"""The records of a ZIP archive, declared once for the reader and the writer (APPNOTE.TXT 6.3.10)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from board.errors import RemoteProtocolError

LOCAL_SIGNATURE, CENTRAL_SIGNATURE, DESCRIPTOR_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02", b"PK\x07\x08"
END_SIGNATURE, ZIP64_END_SIGNATURE, ZIP64_LOCATOR_SIGNATURE = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"

# signature, version needed, flags, method, time, date, CRC-32, packed size, size, name length, extra length (4.3.7)
LOCAL = struct.Struct("<4sHHHHHIIIHH")
# signature, version made by, version needed, flags, method, time, date, CRC-32, packed size, size, name length,
# extra length, comment length, disk, internal attributes, external attributes, header offset (4.3.12)
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
# signature, record size, made by, needed, disk, central disk, entries on disk, entries, size, offset (4.3.14)
ZIP64_END = struct.Struct("<4sQHHIIQQQQ")
# signature, disk of the Zip64 end record, its offset, disks (4.3.15)
ZIP64_LOCATOR = struct.Struct("<4sIQI")
# signature, disk, central disk, entries on disk, entries, central size, central offset, comment length (4.3.16)
END = struct.Struct("<4sHHHHIIH")
# A data descriptor: with or without signature, sizes of 64 or 32 bits (4.3.9). Longest first.
DESCRIPTORS = (struct.Struct("<4sIQQ"), struct.Struct("<IQQ"), struct.Struct("<4sIII"), struct.Struct("<III"))

ENCRYPTED, HAS_DESCRIPTOR, UTF8_NAME = 0x0001, 0x0008, 0x0800  # general purpose flags (4.4.4)
STORED, DEFLATED = 0, 8  # methods (4.4.5)
IN_ZIP64_EXTRA = 0xFFFFFFFF  # a 32-bit size or offset whose true value is in the Zip64 extra field
IN_ZIP64_RECORD = 0xFFFF  # a 16-bit count whose true value is in the Zip64 end record
ZIP64_EXTRA, TIMESTAMP_EXTRA = 0x0001, 0x5455  # extra fields: 4.5.3, and Info-ZIP's extended timestamp


class ZipError(RemoteProtocolError):
    """The archive is broken, or of a form that cannot be read as a stream."""


@dataclass(frozen=True, slots=True)
class LocalHeader:
    """A local file header (4.3.7). Sizes are those of the header: 0 where a data descriptor will tell."""

    name: str
    modified: datetime | None
    flags: int
    method: int
    crc: int
    packed_size: int
    size: int

    @property
    def is_directory(self) -> bool:
        return self.name.endswith("/")

    @property
    def has_descriptor(self) -> bool:
        return bool(self.flags & HAS_DESCRIPTOR)


def parse_local(record: bytes) -> LocalHeader:
    """Parse a whole local header with its name and extra fields. Raises `ZipError` on an impossible Zip64 field."""
    _, _, flags, method, time, date, crc, packed_size, size, name_length, _ = LOCAL.unpack_from(record)
    extra = dict(extra_fields(record[LOCAL.size + name_length :]))
    size, packed_size = _true_sizes(size, packed_size, extra.get(ZIP64_EXTRA, b""))
    return LocalHeader(
        name=decode_name(record[LOCAL.size : LOCAL.size + name_length], bool(flags & UTF8_NAME)),
        modified=_timestamp(extra.get(TIMESTAMP_EXTRA, b"")) or from_dos_time(date, time),
        flags=flags,
        method=method,
        crc=crc,
        packed_size=packed_size,
        size=size,
    )


def local_length(fixed: bytes) -> int:
    """The length of a whole local header, from its fixed part."""
    name_length, extra_length = LOCAL.unpack_from(fixed)[-2:]
    return LOCAL.size + int(name_length) + int(extra_length)


def central_length(fixed: bytes) -> int:
    """The length of a whole central directory header, from its fixed part."""
    name_length, extra_length, comment_length = CENTRAL.unpack_from(fixed)[10:13]
    return CENTRAL.size + int(name_length) + int(extra_length) + int(comment_length)


def decode_name(raw: bytes, utf8: bool) -> str:
    """Decode an entry's name, whatever it takes: a photo is never refused for its name.

    Without the UTF-8 flag Chinese phones and PCs write GBK (GB18030 reads it). UTF-8 goes first all the same: text
    that is valid UTF-8 is very rarely anything else.
    """
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            if utf8:
                break
    return raw.decode("utf-8", "replace")


def extra_fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk the extra fields (4.5.1) and yield (id, data). A field that runs past the end is the last."""
    position = 0
    while position + 4 <= len(raw):
        field, length = struct.unpack_from("<HH", raw, position)
        yield field, raw[position + 4 : position + 4 + length]
        position += 4 + length


def from_dos_time(date: int, time: int) -> datetime | None:
    """Read MS-DOS date and time (4.4.6): local time, two seconds fine. None where it is no date."""
    try:
        return datetime(
            1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, min(time & 31, 29) * 2
        )
    except ValueError:
        return None


def to_dos_time(moment: datetime) -> tuple[int, int]:
    """Return MS-DOS (date, time) of a local time; years outside 1980 to 2107 become the nearest."""
    year = min(max(moment.year, 1980), 2107)
    date = year - 1980 << 9 | moment.month << 5 | moment.day
    return date, moment.hour << 11 | moment.minute << 5 | moment.second // 2


def _true_sizes(size: int, packed_size: int, zip64: bytes) -> tuple[int, int]:
    """Replace filled-up sizes by those of the Zip64 extra field: it holds only the missing ones, in order (4.5.3)."""
    values = [size, packed_size]
    position = 0
    for index, value in enumerate(values):
        if value == IN_ZIP64_EXTRA and len(zip64) > 0:
            if position + 8 > len(zip64):
                raise ZipError("a Zip64 extra field is too short")
            (values[index],) = struct.unpack_from("<Q", zip64, position)
            position += 8
    return values[0], values[1]


def _timestamp(field: bytes) -> datetime | None:
    """The modification time of an extended timestamp field: flags, then seconds since the epoch."""
    if len(field) < 5 or not field[0] & 1:
        return None
    return datetime.fromtimestamp(int.from_bytes(field[1:5], "little", signed=True), UTC)
