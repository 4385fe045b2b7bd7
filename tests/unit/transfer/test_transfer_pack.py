"""Files in, chunks out: what is packed is what Python's zipfile reads, and a file that changes is noticed."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from stack.transfer.http import ChunkedBody
from stack.transfer.pack import CHUNK_SIZE, FileChangedError, NothingToShareError, Packer, common_type, pick


def unchunk(chunks: list[bytes]) -> bytes:
    body = ChunkedBody()
    payload = b""
    for chunk in chunks:
        buffer = bytearray(chunk)
        start, end = body.decode(buffer, len(buffer))
        payload += buffer[start:end]
    return payload


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, CHUNK_SIZE - 60, CHUNK_SIZE, 3 * CHUNK_SIZE + 17])
def test_files_of_any_size(tmp_path: Path, size: int) -> None:
    contents = [os.urandom(size), b"next", os.urandom(size // 2)]
    for number, content in enumerate(contents):
        (tmp_path / f"照片 {number}.jpg").write_bytes(content)
    packer = Packer(pick([tmp_path]))
    chunks = [bytes(chunk) for chunk in packer]
    assert max(map(len, chunks)) <= CHUNK_SIZE
    assert packer.packed_bytes == sum(map(len, contents))
    with zipfile.ZipFile(io.BytesIO(unchunk(chunks))) as archive:
        assert archive.testzip() is None
        assert [archive.read(info) for info in archive.infolist()] == contents
        assert [info.filename for info in archive.infolist()] == [f"{n}/照片 {n}.jpg" for n in range(3)]


def test_many_small_files_share_chunks(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number:03}").write_bytes(b"x" * 100)
    chunks = [bytes(chunk) for chunk in Packer(pick([tmp_path]))]
    assert len(chunks) == 1


@pytest.mark.parametrize("change", ["shorter", "longer", "touched", "gone"])
def test_file_that_changes_fails_the_transfer(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(100_000))
    files = pick([path])
    if change == "gone":
        path.unlink()
    elif change == "touched":
        os.utime(path, ns=(1, 1))
    else:
        path.write_bytes(bytes(99_000 if change == "shorter" else 101_000))
    with pytest.raises((FileChangedError, FileNotFoundError)):
        list(Packer(files))


def test_folders_are_walked(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.jpg").write_bytes(b"b")
    (tmp_path / "a.png").write_bytes(b"a")
    files = pick([tmp_path, tmp_path / "a.png"])
    assert [file.path.name for file in files] == ["a.png", "b.jpg", "a.png"]
    assert common_type(files) == "image/*"
    assert common_type(files[:1]) == "image/png"
    with pytest.raises(NothingToShareError):
        pick([tmp_path / "absent"])


def test_what_a_spool_keeps_is_not_shared(tmp_path: Path) -> None:
    (tmp_path / ".ferry").mkdir()
    (tmp_path / ".ferry" / "journal.db").write_bytes(b"journal")
    (tmp_path / "a.jpg").write_bytes(b"a")
    assert [file.path.name for file in pick([tmp_path])] == ["a.jpg"]
