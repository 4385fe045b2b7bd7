"""ExifTool is the judge: the same date and offset in every sample, kept, made by hand, and written by it just now."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from stack.storage.library.dates import first_plausible, parse_offset
from stack.storage.library.metadata_reader import MetadataReader
from tests.unit.storage.media import HANDMADE, exiftool_date

FOLDER = Path(__file__).parents[1] / "vectors" / "library"
MOVIES = sorted(FOLDER.glob("*.m[po]*"))
PHOTOS = sorted(path for path in FOLDER.glob("*.*") if path.suffix not in (".mp4", ".mov", ".json", ".sh"))

# ExifTool does not look for EXIF inside the metadata box; ISO/IEC 14496-12, 8.11.3 allows it there.
NOT_READ = {"handmade-idat.heic"}

WRITTEN = [
    ("1995:06:05 04:03:02", "-09:30"),
    ("2026:02:28 23:59:59", "+14:00"),
    ("2024:02:29 00:00:00", "+05:45"),
]

pytestmark = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="needs exiftool: apt-get install libimage-exiftool-perl"
)


@pytest.fixture(scope="module")
def reader() -> Iterator[MetadataReader]:
    with MetadataReader() as opened:
        yield opened


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All samples in one folder, those of other tools also with the dates of `WRITTEN`."""
    folder = tmp_path_factory.mktemp("samples")
    for path in MOVIES + PHOTOS:
        shutil.copy(path, folder)
    for name, content in HANDMADE.items():
        (folder / f"handmade-{name}").write_bytes(content)
    for number, (taken, offset) in enumerate(WRITTEN):
        write(folder, f"written{number}-%f.%e", taken, offset)
    return folder


def write(folder: Path, name: str, taken: str, offset: str) -> None:
    exif = [f"-DateTimeOriginal={taken}", f"-OffsetTimeOriginal={offset}"]
    subprocess.run(["exiftool", "-q", *exif, "-o", f"{folder}/{name}", *PHOTOS], check=True)
    movies = [f"-QuickTime:CreateDate={taken}", f"-Keys:CreationDate={taken}{offset}"]
    subprocess.run(["exiftool", "-q", *movies, "-o", f"{folder}/{name}", *MOVIES], check=True)


def test_every_date_is_exiftools(reader: MetadataReader, samples: Path) -> None:
    asked = subprocess.run(["exiftool", "-json", "-G1", "-time:all", samples], capture_output=True, check=True)
    said = {Path(each["SourceFile"]).name: exiftool_date(each) for each in json.loads(asked.stdout)}
    assert len(said) == len(HANDMADE) + (1 + len(WRITTEN)) * len(MOVIES + PHOTOS)
    assert sum(said[name][0].startswith("1995") for name in said) == len(MOVIES + PHOTOS)
    expected = {name: (taken, parse_offset(offset)) for name, (taken, offset) in said.items() if name not in NOT_READ}
    assert {name: ours(reader, samples / name) for name in expected} == expected


def ours(reader: MetadataReader, path: Path) -> tuple[str, object]:
    file = os.open(path, os.O_RDONLY)
    try:
        date = first_plausible(reader.read(file).claims(UTC), None)
    finally:
        os.close(file)
    return (f"{date.local:%Y:%m:%d %H:%M:%S}", date.utc_offset) if date else ("", None)
