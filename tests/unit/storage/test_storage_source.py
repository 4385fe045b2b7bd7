"""The spool as the forwarder sees it."""

import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from stack.storage.errors import ForwarderBusyError, SpoolMissingError
from stack.storage.forward.ledger import Spooled
from stack.storage.forward.source import Source
from stack.storage.spool import Spool
from stack.transfer.entry_store import StoreError
from tests.unit.storage.test_storage_manifest import SPOOLED


def spooled(path: Path) -> Spooled:
    status = path.stat()
    return replace(SPOOLED, name=path.name, size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Spool(tmp_path / "spool"):
        pass
    return tmp_path / "spool"


def test_a_folder_without_a_spool_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolMissingError):
        Source(tmp_path)


def test_whether_somebody_receives_into_it(folder: Path) -> None:
    with Source(folder) as source:
        assert not source.is_received_into()
        with Spool(folder):
            assert source.is_received_into()
        assert not source.is_received_into()


def test_one_forwarder_at_a_time(folder: Path) -> None:
    with Source(folder) as source, Source(folder) as other:
        source.claim()
        with pytest.raises(ForwarderBusyError):
            other.claim()
    with Source(folder) as next_one:
        next_one.claim()


def test_files_are_read_hashed_and_removed(folder: Path) -> None:
    (folder / "a.jpg").write_bytes(b"a photo")
    gone = replace(SPOOLED, name="gone.jpg")
    with Source(folder) as source:
        assert source.sha256("a.jpg") == sha256(b"a photo").digest()
        source.remove([spooled(folder / "a.jpg"), gone])
    assert not (folder / "a.jpg").exists()


def test_what_somebody_has_changed_is_not_ours_to_remove(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    photo = folder / "a.jpg"
    photo.write_bytes(b"a photo")
    entry = spooled(photo)
    photo.write_bytes(b"A PHOTO")
    os.utime(photo, ns=(0, entry.mtime_ns + 5_000_000_000))
    with Source(folder) as source:
        source.remove([entry])
        assert photo.read_bytes() == b"A PHOTO"
        assert "a.jpg was changed" in caplog.text
        source.drop([entry])
    assert not photo.exists()


def test_a_station_keeps_its_id(folder: Path) -> None:
    with Source(folder) as source:
        drawn = source.station_id()
    with Source(folder) as again:
        assert again.station_id() == drawn
    (folder / ".ferry/station").write_text("torn")
    with Source(folder) as another:
        assert len(another.station_id()) == 8


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_file_is_not_read(folder: Path, make: Callable[[Path], object]) -> None:
    make(folder / "odd")
    with Source(folder) as source, pytest.raises(OSError, match="odd"):
        source.open("odd")


def test_what_cannot_be_removed_is_a_sentence(folder: Path) -> None:
    (folder / "a.jpg").mkdir()
    with Source(folder) as source, pytest.raises(StoreError):
        source.drop([replace(SPOOLED, name="a.jpg")])
