"""The ZIP reader against the vectors, archives of every form, and anything at all; the writer against Python's."""

import base64
import contextlib
import io
import json
import struct
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.transfer.zip_format import LocalHeader, ZipError, decode_name, from_dos_time, to_dos_time
from stack.transfer.zip_read import ArchiveTooLargeError, EntryEnd, TruncatedArchiveError, ZipLimits, ZipReader
from stack.transfer.zip_write import ZipWriter

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "alliance.json").read_text())["zip"]


def read(archive: bytes, step: int = 1 << 20, limits: ZipLimits | None = None) -> list[tuple[str, bytes]]:
    """Read `archive` in pieces of `step` bytes; return the entries that came whole. Raises as the reader does."""
    whole: list[tuple[str, bytes]] = []
    read_into(whole, archive, step, limits)
    return whole


def read_into(
    whole: list[tuple[str, bytes]], archive: bytes, step: int = 1 << 20, limits: ZipLimits | None = None
) -> ZipReader:
    reader = ZipReader(limits)
    name, data = "", bytearray()
    for start in range(0, len(archive), step):
        for event in reader.feed(memoryview(archive)[start : start + step]):
            if isinstance(event, LocalHeader):
                name, data = event.name, bytearray()
            elif isinstance(event, EntryEnd):
                assert event.size == len(data)
                assert event.crc == zlib.crc32(data)
                whole.append((name, bytes(data)))
            else:
                data += event
    reader.end()
    return reader


def deflate(data: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def entry(
    data: bytes,
    *,
    name: bytes = b"0/a.jpg",
    method: int = 8,
    flags: int = 0x0808,
    form: str | None = "<4sIII",
    extra: bytes = b"",
    crc: int | None = None,
    sizes: tuple[int, int] | None = None,
) -> bytes:
    """One local header with data and, where `form` is given, a data descriptor of that form."""
    packed = deflate(data) if method == 8 else data
    crc = zlib.crc32(data) if crc is None else crc
    packed_size, size = sizes or (len(packed), len(data))
    in_header = (0, 0, 0) if form and flags & 8 else (crc, packed_size, size)
    header = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, flags, method, 0, 0x21, *in_header, len(name), len(extra))
    fields: tuple[Any, ...] = (crc, packed_size, size)
    if form and "4s" in form:
        fields = (b"PK\7\10", *fields)
    return header + name + extra + packed + (struct.pack(form, *fields) if form and flags & 8 else b"")


def central(count: int, listed: int | None = None, comment: bytes = b"") -> bytes:
    record = (
        struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, 0x0808, 8, 0, 0x21, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    )
    listed = count if listed is None else listed
    end = struct.pack(
        "<4sHHHHIIH", b"PK\5\6", 0, 0, listed & 0xFFFF, listed & 0xFFFF, len(record) * count, 0, len(comment)
    )
    return record * count + end + comment


@pytest.mark.parametrize("step", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize(
    "title",
    [
        title
        for title, case in VECTORS.items()
        if "error" not in case and "complete" not in case and title != "truncated_before_central_directory"
    ],
)
def test_vector_is_read(title: str, step: int) -> None:
    case = VECTORS[title]
    entries = read(base64.b64decode(case["zipB64"]), step)
    assert [content.decode() for _, content in entries] == [content for _, content in case["files"]]


@pytest.mark.parametrize("step", [1, 1 << 20])
def test_vector_with_gbk_names(step: int) -> None:
    assert read(base64.b64decode(VECTORS["gbk_names_no_flag"]["zipB64"]), step)[0][0] == "0/照片.txt"


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("title", ["crc_wrong", "truncated_in_second_entry", "truncated_before_central_directory"])
def test_broken_vector_is_refused(title: str, step: int) -> None:
    case = VECTORS[title]
    whole: list[tuple[str, bytes]] = []
    with pytest.raises(ZipError):
        read_into(whole, base64.b64decode(case["zipB64"]), step)
    kept = [name.split("/")[-1] for name, _ in whole]
    assert kept == case.get("complete", [name for name, _ in case.get("files", [])])


@pytest.mark.parametrize("step", [1, 13, 1 << 20])
@pytest.mark.parametrize("form", ["<4sIII", "<4sIQQ", "<III", "<IQQ"])
@pytest.mark.parametrize("data", [b"", b"photo", bytes(range(256)) * 300])
def test_every_form_of_descriptor(form: str, data: bytes, step: int) -> None:
    archive = entry(data, form=form) + entry(b"next", form=form) + central(2)
    assert [content for _, content in read(archive, step)] == [data, b"next"]


@pytest.mark.parametrize("method", [0, 8])
def test_sizes_in_the_header(method: int) -> None:
    assert read(entry(b"photo", method=method, flags=0x0800, form=None) + central(1)) == [("0/a.jpg", b"photo")]


def test_zip64_sizes_in_the_local_header() -> None:
    extra = struct.pack("<HHQQ", 1, 16, 5, len(deflate(b"photo")))
    header_sizes = (0xFFFFFFFF, 0xFFFFFFFF)
    archive = entry(b"photo", flags=0x0800, form=None, extra=extra, sizes=header_sizes) + central(1)
    assert read(archive) == [("0/a.jpg", b"photo")]


def test_zip64_end_records() -> None:
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 0, 0) + struct.pack(
        "<4sIQI", b"PK\6\7", 0, 0, 1
    )
    tail = central(1)
    end = tail.index(b"PK\5\6")
    assert len(read(entry(b"x") + tail[:end] + record + tail[end:], 5)) == 1


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (b"GIF89a" + entry(b"x") + central(1), "no ZIP record"),
        (entry(b"x") + b"PK\1\1" + central(1), "no ZIP record"),
        (entry(b"x") + central(1) + b"\0x", "follow the end"),
        (entry(b"x") + central(1) + bytes(70_000), "follow the end"),
        (entry(b"x") + central(0), "does not list"),
        (entry(b"x") + central(2), "more entries"),
        (entry(b"x") + central(1, listed=2), "does not list"),
        (entry(b"x") + central(1)[:47] + entry(b"y"), "follows the central"),
        (entry(b"x", crc=1) + central(1), "does not fit its data descriptor"),
        (entry(b"x", sizes=(3, 2)) + central(1), "does not fit its data descriptor"),
        (entry(b"x", crc=1, flags=0x800, form=None) + central(1), "does not fit its header"),
        (entry(b"xy", sizes=(4, 1), flags=0x800, form=None) + central(1), "does not fit its header"),
        (entry(b"xyz", sizes=(2, 3), flags=0x800, form=None) + central(1), "does not end where"),
        (entry(b"x", method=0) + central(1), "does not say how long"),
        (entry(b"x", name=b"0/IMG.jpg/") + central(1), "directory holds data"),
        (entry(b"x", flags=0x0809) + central(1), "encrypted"),
        (entry(b"x", method=12, flags=0x800, form=None) + central(1), "method 12"),
        (
            entry(b"x", extra=struct.pack("<HH", 1, 4) + b"\0" * 4, sizes=(0xFFFFFFFF, 0xFFFFFFFF), flags=0, form=None),
            "Zip64",
        ),
        (struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 1 << 40, 45, 45, 0, 0, 1, 1, 0, 0), "impossible size"),
        (entry(b"x")[:37] + b"\xff" * 40, "damaged"),
    ],
)
def test_broken_archive_is_refused(archive: bytes, words: str) -> None:
    for step in (1, 1 << 20):
        with pytest.raises(ZipError, match=words):
            read(archive, step)


def test_every_truncation_is_noticed() -> None:
    archive = entry(b"first", form="<III") + entry(b"second" * 50) + central(2, comment=b"bye")
    for length in range(len(archive)):
        with pytest.raises(TruncatedArchiveError):
            read(archive[:length])


def test_zeros_may_fill_up_the_last_block() -> None:
    assert len(read(entry(b"x") + central(1) + bytes(10_240), 1000)) == 1


def test_limit_of_entries_counts_directories() -> None:
    archive = entry(b"", name=b"d/") * 3 + central(3)
    assert read(archive, limits=ZipLimits(entries=3)) == []
    with pytest.raises(ArchiveTooLargeError, match="more than 2 entries"):
        read(archive, limits=ZipLimits(entries=2))


def test_limit_of_bytes() -> None:
    archive = entry(b"x" * 600) + entry(b"y" * 600) + central(2)
    with pytest.raises(ArchiveTooLargeError, match="limit"):
        read(archive, limits=ZipLimits(entry_bytes=599))
    with pytest.raises(ArchiveTooLargeError, match="limit"):
        read(archive, limits=ZipLimits(total_bytes=1199))
    assert len(read(archive, limits=ZipLimits(entry_bytes=600, total_bytes=1200))) == 2


def test_deflate_bomb_is_stopped_early() -> None:
    bomb = entry(bytes(64 << 20)) + central(1)
    limits = ZipLimits(ratio=100, ratio_from_bytes=4 << 20)
    unpacked = 0

    def unpack() -> None:
        nonlocal unpacked
        for event in ZipReader(limits).feed(memoryview(bomb)):
            unpacked += len(event) if isinstance(event, bytes) else 0

    with pytest.raises(ArchiveTooLargeError, match="100 times"):
        unpack()
    assert unpacked <= 5 << 20


def test_inflating_is_bounded_at_each_step() -> None:
    data = bytes(8 << 20)
    pieces = [event for event in ZipReader().feed(memoryview(entry(data))) if isinstance(event, bytes)]
    assert max(map(len, pieces)) <= 1 << 20
    assert sum(map(len, pieces)) == len(data)


def test_names_without_flag_fall_back() -> None:
    assert decode_name("照片".encode("gb18030"), utf8=False) == "照片"
    assert decode_name("照片".encode(), utf8=False) == "照片"
    assert decode_name(b"\xff\xfe\xff", utf8=True) == "\ufffd\ufffd\ufffd"
    assert decode_name(b"\x80", utf8=False) != ""


def test_times() -> None:
    moment = datetime(2026, 11, 23, 10, 15, 42)
    assert from_dos_time(*to_dos_time(moment)) == moment
    assert from_dos_time(0, 0) is None
    extra = struct.pack("<HHBi", 0x5455, 5, 1, 1_700_000_000)
    header = next(ZipReader().feed(memoryview(entry(b"x", extra=extra))))
    assert isinstance(header, LocalHeader)
    assert header.modified == datetime.fromtimestamp(1_700_000_000, UTC)


def write(files: list[tuple[str, bytes]]) -> bytes:
    writer = ZipWriter()
    archive = bytearray()
    for name, data in files:
        archive += writer.begin(name, datetime(2026, 11, 23))
        for start in range(0, len(data), 0xFFFF):
            piece = data[start : start + 0xFFFF]
            archive += writer.block(memoryview(piece)) + piece
        archive += writer.end()
    return bytes(archive + writer.close())


FILES = [("0/照片.jpg", b"photo" * 30_000), ("1/empty", b""), ("2/b.txt", b"b")]


def test_writer_is_read_by_python() -> None:
    with zipfile.ZipFile(io.BytesIO(write(FILES))) as archive:
        assert archive.testzip() is None
        assert [(info.filename, archive.read(info)) for info in archive.infolist()] == FILES
        assert archive.infolist()[0].date_time == (2026, 11, 23, 0, 0, 0)


@pytest.mark.parametrize("step", [1, 4096, 1 << 20])
def test_writer_is_read_by_reader(step: int) -> None:
    assert read(write(FILES), step) == FILES


def test_writer_turns_to_zip64_with_many_entries() -> None:
    archive = write([(f"{index}/a", b"") for index in range(70_000)])
    assert b"PK\6\6" in archive
    assert len(read(archive, limits=ZipLimits(entries=70_000))) == 70_000
    with zipfile.ZipFile(io.BytesIO(archive)) as other:
        assert len(other.infolist()) == 70_000


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_are_read_or_refused(junk: bytes, step: int) -> None:
    for archive in (junk, b"PK\3\4" + junk, entry(b"x") + junk, entry(b"x") + b"PK\1\2" + junk):
        with pytest.raises(ZipError):
            read(archive, step, ZipLimits(total_bytes=1 << 20))


@given(st.data())
def test_any_damage_is_read_or_refused(data: st.DataObject) -> None:
    """Flip bytes in an archive: what comes out as whole is what went in, or the archive is refused."""
    archive = bytearray(entry(b"photo" * 100) + entry(b"stored", method=0, flags=0x800, form=None) + central(2))
    for _ in range(data.draw(st.integers(1, 3))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    whole: list[tuple[str, bytes]] = []
    with contextlib.suppress(ZipError):
        read_into(whole, bytes(archive), data.draw(st.integers(1, 300)))
    assert {content for _, content in whole} <= {b"photo" * 100, b"stored"}
