"""A damaged journal is made anew, whatever gets in the way: a kill at any step, files that cannot be read or named."""

import errno
import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from itertools import count
from pathlib import Path
from types import FrameType

import pytest

from stack.storage.errors import DiskFailedError
from stack.storage.folder import Folder
from stack.storage.items import SpoolLimits
from stack.storage.journal import Journal
from stack.storage.spool import Spool
from tests.unit.storage.phone import deliver

NAMES = ["a.jpg", "b.jpg", "c.jpg"]
CHANGES = {"touch", "rename", "unlink", "fsync", "begin_task", "record", "break_unfinished"}
QUICK = SpoolLimits(reserve_bytes=0)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """As after a crash: there is a log, for which the journal is checked."""
    folder = tmp_path / "photos"
    with Spool(folder, limits=QUICK) as spool:
        deliver(spool, [(name, name.encode()) for name in NAMES])
    journal = folder / ".ferry/journal.db"
    content = journal.read_bytes()
    journal.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    (folder / ".ferry/journal.db-wal").touch()
    return folder


def journalled(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / ".ferry/journal.db")) as journal:
        return [str(name) for (name,) in journal.execute("SELECT name FROM entry ORDER BY name")]


def own(folder: Path, pattern: str) -> list[Path]:
    return list((folder / ".ferry").glob(pattern))


def start(folder: Path) -> None:
    Spool(folder, limits=QUICK).close()


def test_killed_at_any_step_the_next_start_knows_all_files(damaged: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    for step in count(1):
        shutil.copytree(damaged, folder)
        was_killed = is_killed(folder, step)
        start(folder)
        assert journalled(folder) == NAMES, f"after a kill before step {step}"
        assert own(folder, "rebuilding") == []
        if not was_killed:
            break
        shutil.rmtree(folder)
    assert step > 10


def is_killed(folder: Path, step: int) -> bool:
    """Start in another process, which may be killed at this step."""
    process = os.fork()
    if not process:
        try:
            sys.setprofile(Killer(step))
            start(folder)
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


class Killer:
    """A profiler (sys.setprofile) that kills its process before the call of this number that changes the disk."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, frame: FrameType, event: str, function: object) -> None:
        name = frame.f_code.co_name if event == "call" else getattr(function, "__name__", "")
        if event in ("call", "c_call") and name in CHANGES:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


def test_a_journal_that_was_made_anew_is_kept(damaged: Path) -> None:
    with Spool(damaged, limits=QUICK) as spool:
        deliver(spool, [("d.jpg", b"d")])
    start(damaged)
    assert journalled(damaged) == [*NAMES, "d.jpg"]
    assert len(own(damaged, "journal.damaged-*.db")) == 1


@pytest.mark.parametrize("method", ["begin_task", "record"])
def test_a_disk_that_fails_is_tried_again(damaged: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def fail(*_: object) -> None:
        raise DiskFailedError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, method, fail)
        with pytest.raises(DiskFailedError):
            start(damaged)
    start(damaged)
    assert journalled(damaged) == NAMES


def test_a_name_that_is_not_utf_8_is_left_out_and_said(damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open(os.fsencode(damaged) + b"/a\xff.jpg", "wb") as file:
        file.write(b"hello")
    start(damaged)
    assert journalled(damaged) == NAMES
    assert "'a\\udcff.jpg'" in caplog.text
    assert "3 files" in caplog.text


def test_a_file_that_cannot_be_read_is_left_out_and_said(
    damaged: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sha256 = Folder.sha256

    def sha256_or_not(self: Folder, name: str) -> bytes:
        if name == "b.jpg":
            raise OSError(errno.EIO, "Input/output error")
        return sha256(self, name)

    monkeypatch.setattr(Folder, "sha256", sha256_or_not)
    start(damaged)
    assert journalled(damaged) == ["a.jpg", "c.jpg"]
    assert "'b.jpg': [Errno 5] Input/output error" in caplog.text


def test_a_folder_that_cannot_be_listed_is_an_error_for_people(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names(_: Folder) -> list[str]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Folder, "names", names)
    with pytest.raises(DiskFailedError):
        start(damaged)
