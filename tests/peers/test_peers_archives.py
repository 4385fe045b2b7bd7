"""Archives of other makers, streamed into the reader: Info-ZIP, bsdtar, and Python's zipfile on a pipe."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from stack.transfer.zip_format import LocalHeader
from stack.transfer.zip_read import EntryEnd, ZipReader

FILES = {
    "IMG_0001.jpg": os.urandom(200_000),
    "照片.txt": "你好".encode() * 9000,
    "empty.bin": b"",
    "zeros.raw": bytes(3 << 20),
    "sub/deeper/b.txt": b"b",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "files"


def read(archive: bytes, step: int) -> dict[str, bytes]:
    reader = ZipReader()
    whole, name, data = {}, "", bytearray()
    for at in range(0, len(archive), step):
        for event in reader.feed(memoryview(archive)[at : at + step]):
            if isinstance(event, LocalHeader):
                name, data = event.name, bytearray()
            elif isinstance(event, EntryEnd):
                whole[name.removeprefix("./")] = bytes(data)
            else:
                data += event
    reader.end()
    return whole


def run(command: list[str], folder: Path) -> bytes:
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True, timeout=30).stdout


def info_zip(*options: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        if shutil.which("zip") is None:
            pytest.skip("needs zip: apt-get install zip")
        return run(["zip", "-q", *options, "-r", "-", "."], folder)

    return make


def bsdtar(*options: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        if shutil.which("bsdtar") is None:
            pytest.skip("needs bsdtar: apt-get install libarchive-tools")
        return run(["bsdtar", "--format", "zip", *options, "-cf", "-", *sorted(os.listdir(folder))], folder)

    return make


class Pipe:
    """A stream that cannot seek, so that zipfile writes data descriptors."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes) -> int:
        self.data += data
        return len(data)

    def flush(self) -> None:
        pass


def zipfile_on_a_pipe(zip64: bool) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        pipe = Pipe()
        with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
            for name in FILES:
                with archive.open(name, "w", force_zip64=zip64) as entry:
                    entry.write((folder / name).read_bytes())
        return bytes(pipe.data)

    return make


@pytest.mark.parametrize("step", [1000, 256 * 1024])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(info_zip(), id="info-zip"),
        pytest.param(info_zip("-fd"), id="info-zip with descriptors"),
        pytest.param(info_zip("-fz"), id="info-zip with zip64"),
        pytest.param(bsdtar(), id="bsdtar"),
        pytest.param(bsdtar("--options", "zip:compression=store"), id="bsdtar stored"),
        pytest.param(bsdtar("--options", "zip:zip64"), id="bsdtar with zip64"),
        pytest.param(zipfile_on_a_pipe(zip64=False), id="zipfile on a pipe"),
        pytest.param(zipfile_on_a_pipe(zip64=True), id="zipfile on a pipe with zip64"),
    ],
)
def test_archive_of_another_maker_is_read(make: Callable[[Path], bytes], folder: Path, step: int) -> None:
    assert read(make(folder), step) == FILES
