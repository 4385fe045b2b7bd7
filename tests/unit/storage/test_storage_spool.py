"""The spool: files lie whole under their names, nothing twice, nothing lost, nothing half."""

import errno
import os
import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from stack.storage.errors import (
    DiskFailedError,
    DiskFullError,
    DiskStalledError,
    FileGoneError,
    FileTooLargeError,
    FolderBusyError,
    FolderUnusableError,
    SpoolClosedError,
)
from stack.storage.folder import Folder
from stack.storage.items import MIB, SpoolLimits
from stack.storage.journal import Journal
from stack.storage.spool import Spool, SpoolTask
from stack.transfer.entry_store import Ending, NoSpaceError, StoreError, TaskInfo
from tests.unit.storage.phone import MODIFIED, Delivery, deliver, incoming, offer, send, settled, visible, write

A, B = b"a" * 100_000, b"b" * 100_000
QUICK = SpoolLimits(reserve_bytes=0, stall_s=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    with Spool(folder, limits=QUICK) as spool:
        yield spool


def journalled(folder: Path) -> list[str]:
    return [str(name) for (name,) in rows(folder, "SELECT name FROM entry ORDER BY name")]


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / ".ferry" / "journal.db")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_files_lie_flat_and_are_journalled(folder: Path, spool: Spool) -> None:
    delivery = deliver(spool, [("0/a.jpg", A), ("1/b.jpg", B), ("2/empty", b"")])
    assert delivery.error is None
    assert visible(folder) == {"a.jpg": A, "b.jpg": B, "empty": b""}
    assert delivery.names == journalled(folder) == ["a.jpg", "b.jpg", "empty"]
    assert delivery.fates == ["stored"] * 3
    assert [entry.size_bytes for entry in delivery.kept] == [len(A), len(B), 0]
    assert incoming(folder) == []


def test_files_have_their_time_and_mode(folder: Path, spool: Spool) -> None:
    deliver(spool, [("a.jpg", A)])
    status = (folder / "a.jpg").stat()
    assert status.st_mtime == MODIFIED
    assert status.st_mode & 0o137 == 0


@pytest.mark.parametrize("modified", [None, -1.0, 1e300, float("nan"), float("inf")])
def test_any_time_will_do(folder: Path, spool: Spool, modified: float | None) -> None:
    task = spool.open_task(offer([]), lambda _: None)
    writer = task.begin("a.jpg", modified)
    writer.write(A)
    writer.keep(b"\0" * 32)
    assert settled(lambda done: task.settle(Ending.COMPLETE, done)) == [None]
    assert abs((folder / "a.jpg").stat().st_mtime - folder.stat().st_mtime) < 60


@pytest.mark.parametrize("piece_bytes", [1000, 64 << 10, 100_000, 4 * MIB])
def test_pieces_of_any_size(folder: Path, spool: Spool, piece_bytes: int) -> None:
    content = os.urandom(3 * MIB + 17)
    deliver(spool, [("a.jpg", content), ("b.jpg", content[:70_001]), ("c.jpg", content[:10])], piece_bytes=piece_bytes)
    deliver(spool, [("a.jpg", content[1:])], piece_bytes=piece_bytes)
    expected = {"a.jpg": content, "b.jpg": content[:70_001], "c.jpg": content[:10], "a (2).jpg": content[1:]}
    assert visible(folder) == expected


def test_a_task_is_recorded(folder: Path, tmp_path: Path) -> None:
    clock = iter(range(1000))
    with Spool(folder, limits=QUICK, now=lambda: float(next(clock))) as spool:
        deliver(spool, [("a.jpg", A)], Ending.CANCELLED)
        said = rows(folder, "SELECT task_id, sender_name, announced_files, announced_bytes, started, ending FROM task")
    assert said == [("task 1", "Anna's phone", 1, len(A), 1.0, "cancelled")]


def test_many_entries_and_few_syncs(folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    sync = os.fsync

    def fsync(file: int) -> None:
        syncs.append(file)
        sync(file)

    monkeypatch.setattr(os, "fsync", fsync)
    files = [(f"{number}.jpg", b"%d" % number * 5000) for number in range(600)]
    delivery = deliver(spool, files)
    assert visible(folder) == dict(files)
    assert delivery.names == [name for name, _ in files]
    assert len(syncs) < 600 or os.uname().release < "5.8"


class TestKnown:
    def test_what_came_before_is_already_safe(self, folder: Path, spool: Spool) -> None:
        files = [("a.jpg", A), ("b.jpg", B), ("empty", b"")]
        deliver(spool, files)
        again = deliver(spool, [("0/other name.jpg", A), *files])
        assert again.fates == ["already safe"] * 4
        assert again.names == ["a.jpg", "a.jpg", "b.jpg", "empty"]
        assert visible(folder) == dict(files)

    def test_what_was_deleted_is_stored_again(self, folder: Path, spool: Spool) -> None:
        deliver(spool, [("a.jpg", A)])
        (folder / "a.jpg").unlink()
        assert deliver(spool, [("a.jpg", A)]).fates == ["stored"]
        assert visible(folder) == {"a.jpg": A}

    def test_what_was_changed_is_stored_again(self, folder: Path, spool: Spool) -> None:
        deliver(spool, [("a.jpg", A)])
        (folder / "a.jpg").write_bytes(B)
        assert deliver(spool, [("a.jpg", A)]).fates == ["stored"]
        assert visible(folder) == {"a.jpg": B, "a (2).jpg": A}

    def test_what_was_replaced_by_a_link_is_stored_again(self, folder: Path, spool: Spool) -> None:
        deliver(spool, [("a.jpg", A)])
        (folder / "a.jpg").rename(folder / "moved")
        (folder / "a.jpg").symlink_to("moved")
        assert deliver(spool, [("a.jpg", A)]).names == ["a (2).jpg"]

    def test_a_touched_file_is_recognised_by_its_content(self, folder: Path, spool: Spool) -> None:
        deliver(spool, [("a.jpg", A)])
        os.utime(folder / "a.jpg", (1, 1))
        assert deliver(spool, [("a.jpg", A)]).fates == ["already safe"]
        assert deliver(spool, [("b.jpg", A)]).names == ["a.jpg"]
        assert visible(folder) == {"a.jpg": A}

    @pytest.mark.parametrize(("filesystem", "fate"), [("vfat", "already safe"), ("ext4", "stored")])
    def test_a_time_that_fat_rounds_is_the_same_only_there(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, filesystem: str, fate: str
    ) -> None:
        monkeypatch.setattr("stack.storage.folder._filesystem", lambda path: filesystem)
        with Spool(folder, limits=QUICK) as spool:
            deliver(spool, [("a.jpg", A)])
            os.utime(folder / "a.jpg", (MODIFIED - 2, MODIFIED - 2))
            assert deliver(spool, [("b.jpg", A)]).fates == [fate]

    def test_a_known_file_that_goes_before_the_end_fails_the_task(self, folder: Path, spool: Spool) -> None:
        deliver(spool, [("a.jpg", A)])
        task = spool.open_task(offer([]), lambda _: None)
        send(task, "a.jpg", A)
        (folder / "a.jpg").unlink()
        send(task, "b.jpg", B)
        errors = settled(lambda done: task.settle(Ending.COMPLETE, done))
        assert [type(error) for error in errors] == [FileGoneError]
        assert visible(folder) == {"b.jpg": B}
        assert deliver(spool, [("a.jpg", A)]).fates == ["stored"]

    def test_another_file_under_an_old_name_does_not_pass_for_it(self, folder: Path, spool: Spool) -> None:
        deliver(spool, [("a.jpg", A)])
        (folder / "a.jpg").unlink()
        deliver(spool, [("a.jpg", B)])
        assert deliver(spool, [("a.jpg", A)]).names == ["a (2).jpg"]
        assert visible(folder) == {"a.jpg": B, "a (2).jpg": A}

    def test_a_known_file_is_never_written(self, folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
        deliver(spool, [("a.jpg", A)])
        monkeypatch.setattr(Folder, "create_temporary", forbidden)
        assert deliver(spool, [("a.jpg", A)]).fates == ["already safe"]

    def test_a_file_too_large_to_hold_waits_in_a_temporary(self, folder: Path) -> None:
        limits = SpoolLimits(reserve_bytes=0, held_bytes=200_000, step_bytes=100_000)
        content = os.urandom(MIB)
        with Spool(folder, limits=limits) as spool:
            deliver(spool, [("a.jpg", content)])
            assert deliver(spool, [("a.jpg", content)]).fates == ["already safe"]
            assert deliver(spool, [("a.jpg", content[1:])]).names == ["a (2).jpg"]
            assert deliver(spool, [("a.jpg", content + A)]).names == ["a (3).jpg"]
        assert visible(folder) == {"a.jpg": content, "a (2).jpg": content[1:], "a (3).jpg": content + A}
        assert incoming(folder) == []

    def test_the_copy_of_a_broken_task_counts(self, folder: Path, spool: Spool) -> None:
        deliver(spool, [("a.jpg", A)], Ending.BROKEN)
        assert deliver(spool, [("a.jpg", A), ("b.jpg", B)]).fates == ["already safe", "stored"]


class TestWithinOneTask:
    def test_every_name_appears(self, folder: Path, spool: Spool) -> None:
        delivery = deliver(spool, [("a.jpg", A), ("b.jpg", A), ("empty", b""), ("void", b"")])
        assert delivery.fates == ["stored"] * 4
        assert visible(folder) == {"a.jpg": A, "b.jpg": A, "empty": b"", "void": b""}
        assert (folder / "a.jpg").samefile(folder / "b.jpg")
        assert not (folder / "empty").samefile(folder / "void")

    def test_so_it_does_when_the_twin_is_journalled_already(self, folder: Path, spool: Spool) -> None:
        stored = threading.Event()
        task = spool.open_task(offer([]), lambda _: stored.set())
        send(task, "a.jpg", A)
        assert stored.wait(10)
        send(task, "b.jpg", A)
        assert settled(lambda done: task.settle(Ending.COMPLETE, done)) == [None]
        assert (folder / "a.jpg").samefile(folder / "b.jpg")

    def test_links_that_do_not_work(self, folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Folder, "link", raiser(PermissionError(errno.EPERM, "no links")))
        deliver(spool, [("a.jpg", A), ("b.jpg", A)])
        assert visible(folder) == {"a.jpg": A, "b.jpg": A}
        assert not (folder / "a.jpg").samefile(folder / "b.jpg")

    def test_the_same_file_twice_is_one(self, folder: Path, spool: Spool) -> None:
        delivery = deliver(spool, [("0/a.jpg", A), ("1/a.jpg", A), ("2/e", b""), ("3/e", b"")])
        assert delivery.names == ["a.jpg", "a.jpg", "e", "e"]
        assert visible(folder) == {"a.jpg": A, "e": b""}


class TestCollisions:
    def test_nothing_is_overwritten(self, folder: Path, spool: Spool) -> None:
        (folder / "a.jpg").write_bytes(b"the user's")
        (folder / "a (2).jpg").symlink_to("nowhere")
        (folder / "a (3).jpg").mkdir()
        assert deliver(spool, [("a.jpg", A)]).names == ["a (4).jpg"]
        assert (folder / "a.jpg").read_bytes() == b"the user's"

    def test_many_of_one_name(self, folder: Path, spool: Spool) -> None:
        files = [("s.txt", b"%03d" % number) for number in range(60)]
        for start in range(0, 60, 20):
            deliver(spool, files[start : start + 20])
        assert sorted(visible(folder).values()) == [content for _, content in files]
        assert deliver(spool, files).fates == ["already safe"] * 60

    def test_the_same_file_that_the_user_put_there_is_adopted(self, folder: Path, spool: Spool) -> None:
        (folder / "a.jpg").write_bytes(A)
        delivery = deliver(spool, [("a.jpg", A)])
        assert (delivery.names, delivery.fates) == (["a.jpg"], ["already safe"])
        assert visible(folder) == {"a.jpg": A}
        assert journalled(folder) == ["a.jpg"]
        assert incoming(folder) == []
        assert deliver(spool, [("b.jpg", A)]).fates == ["already safe"]

    def test_a_hostile_name_stays_in_the_folder(self, folder: Path, spool: Spool) -> None:
        delivery = deliver(spool, [("../../.ferry/journal.db", A), ("..\\.ferry", B), ("/", A), ("\ud800" * 70_000, B)])
        assert delivery.error is None
        assert delivery.names == ["journal.db", "_.ferry", "file", "_" * 255]
        assert set(folder.parent.iterdir()) == {folder}


class TestEnds:
    def test_a_dropped_entry_leaves_no_trace(self, folder: Path, spool: Spool) -> None:
        task = spool.open_task(offer([]), lambda _: None)
        writer = task.begin("a.jpg", None)
        write(writer, A * 200)
        writer.drop()
        assert settled(lambda done: task.settle(Ending.BROKEN, done)) == [None]
        assert visible(folder) == {}
        assert incoming(folder) == []

    def test_a_broken_task_keeps_what_was_complete(self, folder: Path, spool: Spool) -> None:
        delivery = deliver(spool, [("a.jpg", A)], Ending.BROKEN)
        assert delivery.names == ["a.jpg"]
        assert rows(folder, "SELECT ending FROM task") == [("broken",)]

    def test_an_empty_task(self, spool: Spool, folder: Path) -> None:
        assert deliver(spool, []).error is None
        assert rows(folder, "SELECT ending FROM task") == [("complete",)]

    def test_close_makes_durable_what_was_kept(self, folder: Path) -> None:
        with Spool(folder, limits=QUICK) as spool:
            task = spool.open_task(offer([]), lambda _: None)
            send(task, "a.jpg", A)
        assert journalled(folder) == ["a.jpg"]
        with pytest.raises(StoreError):
            task.begin("b.jpg", None)
        errors = settled(lambda done: task.settle(Ending.COMPLETE, done))
        assert [type(error) for error in errors] == [SpoolClosedError]
        Spool(folder).close()
        assert rows(folder, "SELECT ending FROM task") == [("broken",)]

    def test_disk_that_hangs_does_not_hang_the_close(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        released, entered = threading.Event(), threading.Event()

        def hang(file: int) -> None:
            entered.set()
            assert released.wait(20)

        spool = Spool(folder, limits=replace(QUICK, stall_s=0.2))
        task = spool.open_task(offer([]), lambda _: None)
        monkeypatch.setattr("stack.storage.committer.os.fsync", hang)
        send(task, "a.jpg", A)
        assert entered.wait(20)
        with pytest.raises(DiskStalledError):
            spool.close()
        released.set()
        monkeypatch.undo()
        spool.close()

    def test_file_that_cannot_be_closed_does_not_stop_the_disk_thread(
        self, spool: Spool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        close = os.close

        def close_badly(file: int) -> None:
            close(file)
            raise OSError(errno.EIO, "Input/output error")

        task = spool.open_task(offer([]), lambda _: None)
        monkeypatch.setattr("stack.storage.committer.os.close", close_badly)
        send(task, "a.jpg", A)
        assert settled(lambda done: task.settle(Ending.COMPLETE, done)) == [None]
        monkeypatch.undo()
        assert deliver(spool, [("b.jpg", B)]).error is None

    def test_callers_that_raise_do_not_stop_the_disk_thread(self, spool: Spool) -> None:
        task = spool.open_task(offer([]), raiser(RuntimeError("a bug")))
        send(task, "a.jpg", A)
        assert settled(lambda done: task.settle(Ending.COMPLETE, done)) == [None]
        spool.open_task(offer([]), lambda _: None).settle(Ending.COMPLETE, raiser(RuntimeError("a bug")))
        assert deliver(spool, [("b.jpg", B)]).error is None


class TestOpening:
    def test_a_second_ferry_is_refused(self, folder: Path, spool: Spool) -> None:
        with pytest.raises(FolderBusyError):
            Spool(folder)

    def test_the_lock_goes_with_the_spool(self, folder: Path) -> None:
        Spool(folder).close()
        Spool(folder).close()

    def test_what_a_crash_left_is_removed(self, folder: Path) -> None:
        Spool(folder).close()
        (folder / ".ferry" / "incoming" / "7").write_bytes(b"half")
        with Spool(folder):
            assert incoming(folder) == []

    def test_the_folder_is_made_with_its_parents(self, tmp_path: Path) -> None:
        with Spool(tmp_path / "a" / "b" / "c", limits=QUICK) as spool:
            assert deliver(spool, [("a.jpg", A)]).error is None

    @pytest.mark.parametrize("place", ["file", "file/below", "/proc/ferry"])
    def test_a_place_that_is_no_folder(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "file").write_text("here")
        with pytest.raises(FolderUnusableError) as caught:
            Spool(tmp_path / place)
        assert caught.value.remedy

    def test_own_folder_is_not_followed_elsewhere(self, folder: Path, tmp_path: Path) -> None:
        folder.mkdir()
        (folder / ".ferry").symlink_to(tmp_path)
        with pytest.raises(FolderUnusableError):
            Spool(folder)

    def test_a_foreign_journal_frees_the_folder(self, folder: Path) -> None:
        (folder / ".ferry").mkdir(parents=True)
        with closing(sqlite3.connect(folder / ".ferry" / "journal.db")) as foreign:
            foreign.execute("CREATE TABLE recipe (name TEXT)")
        for _ in range(2):
            with pytest.raises(StoreError, match="not a journal"):
                Spool(folder)


class TestDamagedJournal:
    @pytest.fixture
    def damaged(self, folder: Path) -> Path:
        with Spool(folder, limits=QUICK) as spool:
            deliver(spool, [("a.jpg", A), ("b.jpg", B)])
        return folder

    def assert_made_anew(self, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
        with Spool(folder, limits=QUICK) as spool:
            assert "2 files" in caplog.text
            assert journalled(folder) == ["a.jpg", "b.jpg"]
            assert rows(folder, "SELECT DISTINCT ending FROM task") == [("broken",)]
            assert deliver(spool, [("a.jpg", A)]).fates == ["already safe"]
        assert visible(folder) == {"a.jpg": A, "b.jpg": B}
        assert (folder / ".ferry/journal.damaged-1.db").exists()

    def test_rubbish(self, damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
        (damaged / ".ferry/journal.db").write_bytes(b"no database" * 1000)
        self.assert_made_anew(damaged, caplog)

    def test_damage_within_after_a_crash(self, damaged: Path, caplog: pytest.LogCaptureFixture) -> None:
        journal = damaged / ".ferry/journal.db"
        content = journal.read_bytes()
        journal.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
        (damaged / ".ferry/journal.db-wal").touch()
        self.assert_made_anew(damaged, caplog)

    def test_every_damaged_one_is_kept(self, damaged: Path) -> None:
        for number in (1, 2):
            (damaged / ".ferry/journal.db").write_bytes(b"no database" * 1000)
            Spool(damaged, limits=QUICK).close()
            assert (damaged / f".ferry/journal.damaged-{number}.db").exists()

    def test_what_is_no_file_is_no_entry(self, damaged: Path) -> None:
        (damaged / "folder").mkdir()
        (damaged / "link").symlink_to("/etc/passwd")
        (damaged / ".ferry/journal.db").write_bytes(b"no database" * 1000)
        Spool(damaged, limits=QUICK).close()
        assert journalled(damaged) == ["a.jpg", "b.jpg"]


class TestRoom:
    def test_an_offer_larger_than_the_disk(self, spool: Spool) -> None:
        with pytest.raises(NoSpaceError):
            spool.open_task(TaskInfo("t", "s", "n", 1, 2**62), lambda _: None)

    def test_the_reserve_is_left(self, folder: Path) -> None:
        with Spool(folder, limits=SpoolLimits(reserve_bytes=2**62)) as spool:
            with pytest.raises(NoSpaceError):
                spool.open_task(TaskInfo("t", "s", "n", 1, 1), lambda _: None)
            task = spool.open_task(TaskInfo("t", "s", "n", 1, 0), lambda _: None)
            with pytest.raises(NoSpaceError):
                task.begin("a.jpg", None)

    def test_room_is_watched_while_writing(self, folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
        task = spool.open_task(offer([]), lambda _: None)
        writer = task.begin("a.jpg", None)
        monkeypatch.setattr(Folder, "free_bytes", lambda _: -1)
        with pytest.raises(DiskFullError):
            write(writer, bytes(20 * MIB))
        writer.drop()
        assert incoming(folder) == []

    def test_a_file_larger_than_the_file_system_takes(self, folder: Path, spool: Spool) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        task = spool.open_task(offer([]), lambda _: None)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MIB, hard))
        try:
            with pytest.raises(FileTooLargeError) as caught:
                send(task, "a.jpg", bytes(3 * MIB))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "FAT" in caught.value.remedy
        assert settled(lambda done: task.settle(Ending.BROKEN, done)) == [None]
        assert visible(folder) == {}


class TestFailures:
    """An error of the disk thread fails the task; what was durable stays, the spool goes on."""

    @pytest.mark.parametrize(
        ("number", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EIO, DiskFailedError), (errno.EROFS, StoreError)]
    )
    @pytest.mark.parametrize("method", ["publish", "sync_names", "status"])
    def test_the_task_fails(
        self,
        folder: Path,
        spool: Spool,
        monkeypatch: pytest.MonkeyPatch,
        method: str,
        number: int,
        kind: type[StoreError],
    ) -> None:
        deliver(spool, [("a.jpg", A)])
        with monkeypatch.context() as patch:
            patch.setattr(Folder, method, raiser(OSError(number, os.strerror(number))))
            failed = deliver_anyway(spool, [("b.jpg", B)])
        assert isinstance(failed.error, kind)
        assert failed.kept == []
        assert journalled(folder) == ["a.jpg"]
        assert incoming(folder) == []
        assert set(visible(folder).items()) <= {("a.jpg", A), ("b.jpg", B)}
        assert rows(folder, "SELECT ending FROM task") == [("complete",), ("broken",)]
        assert deliver(spool, [("a.jpg", A), ("b.jpg", B)]).error is None
        assert visible(folder) == {"a.jpg": A, "b.jpg": B}

    def test_what_was_placed_before_the_error_is_kept(
        self, folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish = Folder.publish

        def fail_at_c(self: Folder, temporary: str, name: str) -> None:
            if name == "c.jpg":
                raise OSError(errno.EIO, "broken")
            publish(self, temporary, name)

        monkeypatch.setattr(Folder, "publish", fail_at_c)
        failed = deliver_anyway(spool, [(f"{letter}.jpg", letter.encode() * 9) for letter in "abcde"])
        assert failed.names == journalled(folder) == ["a.jpg", "b.jpg"]
        assert incoming(folder) == []

    def test_further_writes_raise(self, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
        task = spool.open_task(offer([]), lambda _: None)
        monkeypatch.setattr(Journal, "record", raiser(DiskFailedError("gone")))
        writer = task.begin("b.jpg", None)
        send(task, "a.jpg", A)
        with pytest.raises(DiskFailedError):
            write(writer, A * 1000)
        writer.drop()
        with pytest.raises(DiskFailedError):
            task.begin("c.jpg", None)

    def test_a_failed_syncfs_is_judged_by_our_own_files(
        self, folder: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("stack.storage.folder.syncfs", raiser(OSError(errno.EIO, "somebody else's file")))
        files = [(f"{number}.jpg", b"%d" % number) for number in range(50)]
        assert deliver(spool, files).error is None
        assert visible(folder) == dict(files)

    def test_a_disk_that_hangs(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        awake = threading.Event()
        monkeypatch.setattr(Folder, "sync_names", lambda _: awake.wait(20))
        with Spool(folder, limits=SpoolLimits(reserve_bytes=0, queued_entries=2, stall_s=0.1)) as spool:
            task = spool.open_task(offer([]), lambda _: None)
            with pytest.raises(DiskStalledError):
                send_all(task, [(f"{number}.jpg", b"%d" % number) for number in range(5)])
            awake.set()
            assert settled(lambda done: task.settle(Ending.BROKEN, done)) == [None]
        assert visible(folder)["0.jpg"] == b"0"
        assert incoming(folder) == []


def test_the_writer_waits_for_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead: list[int] = []
    written = 0
    synced = Folder.sync_names

    def sync_names(self: Folder) -> None:
        ahead.append(written)
        synced(self)

    monkeypatch.setattr(Folder, "sync_names", sync_names)
    with Spool(folder, limits=SpoolLimits(reserve_bytes=0, unsynced_bytes=200_000)) as spool:
        task = spool.open_task(offer([]), lambda _: None)
        for number in range(50):
            send(task, f"{number}.jpg", number.to_bytes(1, "big") * 100_000)
            written += 1
        settled(lambda done: task.settle(Ending.COMPLETE, done))
    assert len(ahead) >= 25
    assert len(visible(folder)) == 50


def test_a_big_file_is_flushed_early(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[int] = []
    flush = os.fdatasync

    def fdatasync(file: int) -> None:
        flushes.append(os.fstat(file).st_size)
        flush(file)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    content = os.urandom(5 * MIB)
    with Spool(folder, limits=SpoolLimits(reserve_bytes=0, step_bytes=MIB, unsynced_bytes=MIB)) as spool:
        assert deliver(spool, [("a.mp4", content)]).error is None
    assert visible(folder) == {"a.mp4": content}
    assert len(flushes) >= 4


def test_no_descriptor_is_left_open(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with Spool(folder, limits=SpoolLimits(reserve_bytes=0, step_bytes=50_000)) as spool:
        deliver(spool, [("a.jpg", A), ("b.jpg", A), ("c.jpg", B), ("a.jpg", B * 3)])
        deliver(spool, [("a.jpg", A), ("b.jpg", A), ("c.jpg", B), ("a.jpg", B * 3)])
    assert len(os.listdir("/proc/self/fd")) == before


def forbidden(*_: object) -> None:
    raise AssertionError


def raiser(error: Exception) -> Callable[..., None]:
    def call(*_: object) -> None:
        raise error

    return call


def send_all(task: SpoolTask, files: list[tuple[str, bytes]]) -> None:
    for name, content in files:
        send(task, name, content)


def deliver_anyway(spool: Spool, files: list[tuple[str, bytes]]) -> Delivery:
    """As an engine does: stops at the first error, then settles."""
    delivery = Delivery()
    task = spool.open_task(offer(files), delivery.kept.append)
    ending = Ending.COMPLETE
    try:
        send_all(task, files)
    except StoreError:
        ending = Ending.BROKEN
    (delivery.error,) = settled(lambda done: task.settle(ending, done))
    return delivery
