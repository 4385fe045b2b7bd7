"""Media files made by hand, good and bad, and what ExifTool says of dates. Shares no code with the library."""

import struct
from collections.abc import Mapping, Sequence

TAKEN = "2026:11:23 10:15:00"
MOVIE_SECONDS = 3_878_244_900  # 2026-11-23 02:15:00 UTC since 1904

EXIF_POINTER, DATE_TAKEN, OFFSET_TAKEN = 0x8769, 0x9003, 0x9011
_ASCII, _LONG = 2, 4
CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")


def directory(start: int, entries: Sequence[tuple[int, int, int, bytes]], following: int = 0) -> bytes:
    """A TIFF directory that lies at `start`: (tag, type, count, value); long values come behind it."""
    heap = start + 2 + 12 * len(entries) + 4
    table, values = struct.pack(">H", len(entries)), b""
    for tag, kind, count, value in entries:
        if len(value) > 4:
            value, values = struct.pack(">I", heap + len(values)), values + value
        table += struct.pack(">HHI", tag, kind, count) + value.ljust(4, b"\0")
    return table + struct.pack(">I", following) + values


def ascii_entry(tag: int, text: str) -> tuple[int, int, int, bytes]:
    value = text.encode() + b"\0"
    return tag, _ASCII, len(value), value


def dates(taken: str = TAKEN, offset: str = "") -> list[tuple[int, int, int, bytes]]:
    return [ascii_entry(DATE_TAKEN, taken)] + ([ascii_entry(OFFSET_TAKEN, offset)] if offset else [])


def pointer(tag: int, to: int) -> tuple[int, int, int, bytes]:
    return tag, _LONG, 1, struct.pack(">I", to)


def tiff(taken: str = TAKEN, offset: str = "") -> bytes:
    """A TIFF structure with its EXIF directory."""
    first = directory(8, [pointer(EXIF_POINTER, 26)])
    return b"MM\0*" + struct.pack(">I", 8) + first + directory(26, dates(taken, offset))


def jpeg(exif: bytes) -> bytes:
    segment = b"Exif\0\0" + exif
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + b"\xff\xd9"


def box(kind: bytes, *parts: bytes) -> bytes:
    payload = b"".join(parts)
    return struct.pack(">I", 8 + len(payload)) + kind + payload


def movie(*more: bytes, seconds: int = MOVIE_SECONDS, version: int = 0) -> bytes:
    """A movie of nothing but its header and `more` boxes in `moov`."""
    times = struct.pack(">IIII" if version == 0 else ">QQIQ", seconds, seconds, 1000, 1000)
    header = box(b"mvhd", bytes([version, 0, 0, 0]), times, bytes(80))
    return box(b"ftyp", b"qt  \0\0\0\0") + box(b"moov", header, *more)


def item(kind: bytes, value: str) -> bytes:
    """An item of metadata with its text."""
    return box(kind, box(b"data", struct.pack(">II", 1, 0), value.encode()))


def keyed_date(text: str) -> bytes:
    """Apple's item of metadata, behind another one."""
    names = [b"com.apple.quicktime.make", b"com.apple.quicktime.creationdate"]
    keys = b"".join(struct.pack(">I", 8 + len(name)) + b"mdta" + name for name in names)
    values = ["Ferry", text]
    items = b"".join(item(struct.pack(">I", number), value) for number, value in enumerate(values, 1))
    handler = box(b"hdlr", bytes(8), b"mdta", bytes(14))
    return box(b"meta", handler, box(b"keys", struct.pack(">II", 0, len(names)), keys), box(b"ilst", items))


def user_date(kind: bytes, payload: bytes) -> bytes:
    return box(b"udta", box(b"name", b"x"), box(kind, payload))


def cr3(taken: str = TAKEN) -> bytes:
    """Canon's raw file: the EXIF directory is the first of its own TIFF structure."""
    exif = b"MM\0*" + struct.pack(">I", 8) + directory(8, dates(taken))
    canon = box(b"uuid", CANON, box(b"CNCV", b"CanonCR3_001/00.09.00/00.00.00"), box(b"CMT2", exif))
    header = box(b"mvhd", bytes(4), struct.pack(">IIII", MOVIE_SECONDS, MOVIE_SECONDS, 1000, 1000), bytes(80))
    return box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", canon, header)


def raf(taken: str = TAKEN) -> bytes:
    photo = jpeg(tiff(taken))
    head = (b"FUJIFILMCCD-RAW 0201FF383501FinePix".ljust(84, b"\0")) + struct.pack(">II", 160, len(photo))
    return head.ljust(160, b"\0") + photo


def webp(taken: str = TAKEN, prefix: bytes = b"") -> bytes:
    exif = prefix + tiff(taken)
    chunks = b"VP8X" + struct.pack("<I", 10) + b"\x08" + bytes(9)
    chunks += b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def heif(taken: str = TAKEN, *, in_meta: bool = False, version: int = 1) -> bytes:
    """A HEIF file without a picture: its EXIF is item 2 of two, in `mdat` or in `idat`."""
    exif = struct.pack(">I", 6) + b"Exif\0\0" + tiff(taken)
    start = 0 if in_meta else len(_heif_head(0, len(exif), exif, in_meta, version)) + 8
    head = _heif_head(start, len(exif), exif, in_meta, version)
    return head if in_meta else head + box(b"mdat", exif)


def _heif_head(start: int, size: int, exif: bytes, in_meta: bool, version: int) -> bytes:
    number = ">I" if version == 2 else ">H"
    infe = [box(b"infe", b"\2\0\0\0", struct.pack(">HH", item, 0), kind, b"\0") for item, kind in _ITEMS]
    iinf = box(b"iinf", b"\0\0\0\0", struct.pack(">H", len(infe)), *infe)
    table = struct.pack(">HH", 0x4400, 0)[:2] + struct.pack(number, len(_ITEMS))
    for item, _ in _ITEMS:
        method = struct.pack(">H", 1 if in_meta else 0) if version else b""
        table += struct.pack(number, item) + method + struct.pack(">HHII", 0, 1, start, size)
    iloc = box(b"iloc", bytes([version, 0, 0, 0]), table)
    handler = box(b"hdlr", bytes(8), b"pict", bytes(13))
    parts = [handler, iinf, iloc] + ([box(b"idat", exif)] if in_meta else [])
    return box(b"ftyp", b"heix\0\0\0\0mif1heix") + box(b"meta", bytes(4), *parts)


_ITEMS = ((1, b"hvc1"), (2, b"Exif"))

HANDMADE: dict[str, bytes] = {
    "a.tif": tiff(),
    "a.jpg": jpeg(tiff(offset="+08:00")),
    "a.webp": webp(),
    "prefixed.webp": webp(prefix=b"Exif\0\0"),
    "a.heic": heif(),
    "version0.heic": heif(version=0),
    "version2.heic": heif(version=2),
    "idat.heic": heif(in_meta=True),
    "a.cr3": cr3(),
    "a.raf": raf(),
    "plain.mov": movie(),
    "wide.mov": movie(version=1),
    "since1970.mov": movie(seconds=1_795_400_100),
    "keyed.mov": movie(keyed_date("2026-11-23T10:15:00+0800")),
    "day.mov": movie(user_date(b"\xa9day", struct.pack(">HH", 24, 0x55C4) + b"2026-11-23T10:15:00+0800")),
    "itunes.m4v": movie(
        box(
            b"udta",
            box(b"meta", bytes(4), box(b"hdlr", bytes(25)), box(b"ilst", item(b"\xa9day", "2026-11-23T10:15:00+0800"))),
        )
    ),
    "date.mp4": movie(user_date(b"date", b"2026-11-23T10:15:00+0800")),
}


ENDLESS = 0xFFFFFFFF


def _field(tag: int, kind: int, count: int) -> bytes:
    return struct.pack(">HHII", tag, kind, count, 8)


def _many(count: int, field: bytes) -> bytes:
    return b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", count) + field * count + bytes(4)


# Each is answered within the limits. The dates that three of them hold in front of the bomb may be found or not.
BOMBS: dict[str, bytes] = {
    "next directory is the first": b"MM\0*" + struct.pack(">I", 8) + directory(8, dates(), following=8),
    "two directories in a ring": b"MM\0*\0\0\0\x08" + directory(8, [], 14) + directory(14, [], 8),
    "EXIF directory is its own": b"MM\0*" + struct.pack(">I", 8) + directory(8, [pointer(EXIF_POINTER, 8)]),
    "EXIF beyond the end": jpeg(b"MM\0*" + struct.pack(">I", 8) + directory(8, [pointer(EXIF_POINTER, ENDLESS)])),
    "text of 4 GiB": _many(1, _field(DATE_TAKEN, _ASCII, ENDLESS)),
    "1000 texts of 4 GiB": _many(1000, _field(DATE_TAKEN, _ASCII, ENDLESS)),
    "no end of box": box(b"ftyp", b"qt  ") + struct.pack(">I", ENDLESS) + b"moov",
    "large box of 2^64": box(b"ftyp", b"qt  ") + struct.pack(">I4sQ", 1, b"moov", 2**64 - 1),
    "box of size 2": box(b"ftyp", b"qt  ") + struct.pack(">I", 2) + b"moov" + bytes(64),
    "keys without end": movie(
        box(b"meta", box(b"hdlr", bytes(25)), box(b"keys", bytes(4), struct.pack(">I", ENDLESS)), box(b"ilst"))
    ),
    "keys of size 0": movie(
        box(b"meta", box(b"hdlr", bytes(25)), box(b"keys", bytes(4), struct.pack(">I", 9), bytes(99)), box(b"ilst"))
    ),
    "boxes in boxes": box(b"ftyp", b"qt  ") + (struct.pack(">I", 0) + b"moov") * 50_000,
    "items without end": box(b"ftyp", b"heic")
    + box(b"meta", bytes(4), box(b"iinf", b"\1\0\0\0", b"\xff" * 64), box(b"iloc", b"\2\0\0\0\xff\xff" + b"\xff" * 64)),
    "chunk of 4 GiB": b"RIFF\xff\xff\xff\xffWEBPVP8X\xff\xff\xff\xff",
    "chunks of nothing": b"RIFF\xff\xff\xff\xffWEBP" + b"VP8 \0\0\0\0" * 100_000,
    "png without end": b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0IDAT\0\0\0\0" * 50_000,
    "jpeg of segments": b"\xff\xd8" + b"\xff\xe1\0\x02" * 50_000,
    "raf that points nowhere": b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + b"\xff" * 8,
    "empty": b"",
    "one byte": b"M",
}

# 65,535 fields of 999 numbers each: nothing but time stops it.
SLOW = _many(0xFFFF, _field(0x0111, 5, 999)) + bytes(8192)


def exiftool_date(said: Mapping[str, object]) -> tuple[str, str]:
    """The capture date and its offset in what `exiftool -json -G1` said: ("2026:11:23 10:15:00", "+08:00")."""
    for date, offset in (("DateTimeOriginal", "OffsetTimeOriginal"), ("CreateDate", "OffsetTimeDigitized")):
        for group in ("ExifIFD", "IFD0"):
            taken = str(said.get(f"{group}:{date}", ""))
            if taken:
                return taken[:19], str(said.get(f"{group}:{offset}", ""))
    keys = (
        "Keys:CreationDate",
        "UserData:ContentCreateDate",
        "ItemList:ContentCreateDate",
        "UserData:DateTimeOriginal",
    )
    zoned = next((str(said[key]) for key in keys if key in said), "")
    if zoned:
        return zoned[:19], zoned[19:]
    moment = str(said.get("QuickTime:CreateDate", "0000")).removesuffix("+00:00").removesuffix("Z")
    return ("", "") if moment.startswith("0000") else (moment, "+00:00")
