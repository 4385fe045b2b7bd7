"""A ZIP archive written forward, as `java.util.zip.ZipInputStream` reads it. Sans-io.

The law (alliance protocol, 6.6): every entry is deflated with a signed data descriptor and UTF-8 name, because Java
refuses stored entries with a descriptor; no Zip64 field in local headers; a descriptor of 64-bit sizes exactly when
a size exceeds 32 bits. Photos do not shrink, so the deflate stream is made of stored blocks (RFC 1951, 3.2.4): five
bytes in front of each block, and the file's bytes are never touched.
"""

import struct
from dataclasses import dataclass
from datetime import datetime

from stack.transfer.inflate import crc32
from stack.transfer.zip_format import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    DESCRIPTOR_SIGNATURE,
    DESCRIPTORS,
    END,
    END_SIGNATURE,
    HAS_DESCRIPTOR,
    IN_ZIP64_EXTRA,
    IN_ZIP64_RECORD,
    LOCAL,
    LOCAL_SIGNATURE,
    UTF8_NAME,
    ZIP64_END,
    ZIP64_END_SIGNATURE,
    ZIP64_EXTRA,
    ZIP64_LOCATOR,
    ZIP64_LOCATOR_SIGNATURE,
    to_dos_time,
)

BLOCK_LIMIT = 0xFFFF
BLOCK_HEADER = struct.Struct("<BHH")  # final flag and type, length, its complement
_LAST_BLOCK = BLOCK_HEADER.pack(1, 0, 0xFFFF)
_DESCRIPTOR_64, _DESCRIPTOR_32 = DESCRIPTORS[0], DESCRIPTORS[2]
_VERSION, _VERSION_ZIP64 = 20, 45
_FLAGS = UTF8_NAME | HAS_DESCRIPTOR


@dataclass(slots=True)
class _Entry:
    name: bytes
    date: int
    time: int
    offset: int
    crc: int = 0
    packed_size: int = 0
    size: int = 0


class ZipWriter:
    """Makes one archive: `begin`, `block` for every piece, `end` for each file, `close` at last.

    Each method returns the bytes that belong into the stream at this point. Memory grows by some 100 bytes an entry.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._offset = 0

    def begin(self, name: str, modified: datetime) -> bytes:
        """Start an entry. `name` must be unique and relative; `modified` is local time."""
        raw = name.encode()
        date, time = to_dos_time(modified)
        self._entries.append(_Entry(raw, date, time, self._offset))
        header = LOCAL.pack(LOCAL_SIGNATURE, _VERSION, _FLAGS, DEFLATED, time, date, 0, 0, 0, len(raw), 0)
        return self._count(header + raw)

    def block(self, data: memoryview) -> bytes:
        """Announce the next 1 to `BLOCK_LIMIT` bytes of the entry: return what goes in front of them."""
        entry = self._entries[-1]
        entry.crc = crc32(data, entry.crc)
        entry.size += len(data)
        entry.packed_size += BLOCK_HEADER.size + len(data)
        self._offset += BLOCK_HEADER.size + len(data)
        return BLOCK_HEADER.pack(0, len(data), len(data) ^ 0xFFFF)

    def end(self) -> bytes:
        """End the entry."""
        entry = self._entries[-1]
        entry.packed_size += len(_LAST_BLOCK)
        form = _DESCRIPTOR_64 if max(entry.packed_size, entry.size) > 0xFFFFFFFF else _DESCRIPTOR_32
        return self._count(_LAST_BLOCK + form.pack(DESCRIPTOR_SIGNATURE, entry.crc, entry.packed_size, entry.size))

    def close(self) -> bytes:
        """End the archive with its central directory."""
        directory = b"".join(_central(entry) for entry in self._entries)
        return directory + _end_records(len(self._entries), len(directory), self._offset)

    def _count(self, record: bytes) -> bytes:
        self._offset += len(record)
        return record


def _central(entry: _Entry) -> bytes:
    """Make a central directory header; sizes and offset that need 64 bits move to a Zip64 extra field (4.5.3)."""
    values = (entry.size, entry.packed_size, entry.offset)
    large = [value for value in values if value >= IN_ZIP64_EXTRA]
    extra = struct.pack(f"<HH{len(large)}Q", ZIP64_EXTRA, 8 * len(large), *large) if large else b""
    size, packed_size, offset = (min(value, IN_ZIP64_EXTRA) for value in values)
    version = _VERSION_ZIP64 if large else _VERSION
    return (
        CENTRAL.pack(
            *(CENTRAL_SIGNATURE, version, version, _FLAGS, DEFLATED, entry.time, entry.date, entry.crc),
            *(packed_size, size, len(entry.name), len(extra), 0, 0, 0, 0, offset),
        )
        + entry.name
        + extra
    )


def _end_records(entries: int, size: int, offset: int) -> bytes:
    end = END.pack(
        *(END_SIGNATURE, 0, 0, min(entries, IN_ZIP64_RECORD), min(entries, IN_ZIP64_RECORD)),
        *(min(size, IN_ZIP64_EXTRA), min(offset, IN_ZIP64_EXTRA), 0),
    )
    if entries < IN_ZIP64_RECORD and offset + size < IN_ZIP64_EXTRA:
        return end
    made_by = _VERSION_ZIP64
    record_size = ZIP64_END.size - 12
    zip64 = ZIP64_END.pack(ZIP64_END_SIGNATURE, record_size, made_by, made_by, 0, 0, entries, entries, size, offset)
    return zip64 + ZIP64_LOCATOR.pack(ZIP64_LOCATOR_SIGNATURE, 0, offset + size, 1) + end
