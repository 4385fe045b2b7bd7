"""The journal: what is recorded is found again, what is broken is said and left alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stack.storage.errors import JournalDamagedError, JournalForeignError, JournalTooNewError
from stack.storage.journal import EntryRow, Journal, TaskEnd
from stack.transfer.entry_store import Ending, TaskInfo

INFO = TaskInfo("task 1", "sender", "Anna's phone", 2, 1000)
HASH = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path)
    yield journal
    journal.close()


def row(name: str, task: int, *, offered: str = "a.jpg", size_bytes: int = 500, sha256: bytes = HASH) -> EntryRow:
    return EntryRow(name, task, offered, size_bytes, sha256, 1.5, 1_500_000_000, 99.0, clock_was_good=True)


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_rows_are_found_by_content_and_name(journal: Journal) -> None:
    task = journal.begin_task(INFO, 1.0)
    rows = [row("a.jpg", task), row("b.jpg", task), row("c.jpg", task, sha256=b"\0" * 32)]
    journal.record(rows)
    assert journal.candidates(HASH) == [rows[1], rows[0]]
    assert journal.named("c.jpg") == rows[2]
    assert journal.named("d.jpg") is None


def test_a_name_stands_for_what_was_stored_last(journal: Journal) -> None:
    task = journal.begin_task(INFO, 1.0)
    journal.record([row("a.jpg", task)])
    journal.record([row("a.jpg", task, sha256=b"\1" * 32)])
    assert journal.candidates(HASH) == []


def test_sizes_and_counts_by_offered_name(journal: Journal) -> None:
    task = journal.begin_task(INFO, 1.0)
    journal.record([row("a.jpg", task, size_bytes=7), row("a (2).jpg", task, size_bytes=5)])
    assert journal.largest_bytes("a.jpg") == 7
    assert journal.largest_bytes("b.jpg") == -1
    assert journal.count_offered("a.jpg") == 2


def test_candidates_are_bounded(journal: Journal) -> None:
    task = journal.begin_task(INFO, 1.0)
    journal.record(row(f"{number}.jpg", task) for number in range(40))
    assert [found.name for found in journal.candidates(HASH)] == [f"{number}.jpg" for number in range(39, 23, -1)]


def test_endings(path: Path, journal: Journal) -> None:
    first, _, third = (journal.begin_task(INFO, float(number)) for number in range(3))
    journal.record([], TaskEnd(first, 5.0, Ending.COMPLETE))
    journal.record([], TaskEnd(third, 6.0, Ending.CANCELLED))
    journal.break_unfinished(7.0)
    ended = query(path, "SELECT started, finished, ending FROM task")
    assert ended == [(0.0, 5.0, "complete"), (1.0, 7.0, "broken"), (2.0, 6.0, "cancelled")]


def test_what_a_phone_says_is_made_to_fit(path: Path, journal: Journal) -> None:
    journal.begin_task(TaskInfo("t\0", "\ud800", "名", -1, 2**70), 1.0)
    said = query(path, "SELECT sender_id, sender_name, announced_files, announced_bytes FROM task")
    assert said == [("?", "名", 0, 2**63 - 1)]


def test_a_failed_transaction_leaves_nothing(journal: Journal) -> None:
    task = journal.begin_task(INFO, 1.0)

    def rows() -> Iterator[EntryRow]:
        yield row("a.jpg", task)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        journal.record(rows())
    assert journal.named("a.jpg") is None
    journal.record([row("a.jpg", task)])
    assert journal.named("a.jpg") is not None


def test_it_is_one_file_once_closed(path: Path) -> None:
    journal = Journal(path)
    journal.record([row("a.jpg", journal.begin_task(INFO, 1.0))])
    journal.checkpoint()
    journal.close()
    assert [left.name for left in path.parent.iterdir()] == ["journal.db"]
    again = Journal(path)
    assert again.named("a.jpg") is not None
    again.close()


def test_the_file_says_whose_it_is(path: Path, journal: Journal) -> None:
    assert query(path, "PRAGMA application_id") == [(0x46525259,)]
    assert query(path, "PRAGMA user_version") == [(2,)]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]


def test_damage_is_reported_and_kept(path: Path) -> None:
    path.write_bytes(b"not a database, but a kilobyte of something" * 24)
    before = path.read_bytes()
    with pytest.raises(JournalDamagedError) as caught:
        Journal(path)
    assert "ferry receive" in caught.value.remedy
    assert path.read_bytes() == before


def test_damage_within_is_reported(path: Path) -> None:
    journal = Journal(path)
    journal.record([row(f"{number}.jpg", journal.begin_task(INFO, 1.0)) for number in range(200)])
    journal.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with closing(Journal(path)) as damaged, pytest.raises(JournalDamagedError):
        damaged.break_unfinished(1.0)


VERSION_1 = """
CREATE TABLE task (id INTEGER PRIMARY KEY, task_id TEXT NOT NULL, sender_id TEXT NOT NULL, sender_name TEXT NOT NULL,
    announced_files INTEGER NOT NULL, announced_bytes INTEGER NOT NULL, started REAL NOT NULL, finished REAL,
    ending TEXT) STRICT;
CREATE TABLE entry (name TEXT PRIMARY KEY, task INTEGER NOT NULL REFERENCES task (id), offered TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, sha256 BLOB NOT NULL, modified REAL, mtime_ns INTEGER NOT NULL, stored REAL NOT NULL
    ) STRICT;
CREATE INDEX entry_by_content ON entry (sha256);
CREATE INDEX entry_by_offered ON entry (offered, size_bytes);
INSERT INTO task VALUES (1, 'task 1', 'sender', 'Anna''s phone', 2, 1000, 1.0, NULL, NULL);
INSERT INTO entry VALUES ('a.jpg', 1, 'a.jpg', 500, zeroblob(32), 1.5, 1500000000, 99.0);
PRAGMA application_id = 1179800153;
PRAGMA user_version = 1;
"""


def test_an_older_version_is_brought_up_to_date_with_all_that_is_in_it(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(f"PRAGMA journal_mode = WAL; {VERSION_1}")
    connection.close()
    with closing(Journal(path)) as journal:
        assert journal.candidates(bytes(32)) == [row("a.jpg", 1, sha256=bytes(32))]
        journal.record([row("b.jpg", 1)])
    assert query(path, "PRAGMA user_version") == [(2,)]
    assert query(path, "SELECT id, name FROM entry ORDER BY id") == [(1, "a.jpg"), (2, "b.jpg")]


def test_a_newer_version_is_left_alone(path: Path) -> None:
    Journal(path).close()
    query(path, "PRAGMA user_version = 3")
    with pytest.raises(JournalTooNewError):
        Journal(path)


def test_a_database_of_others_is_left_alone(path: Path) -> None:
    query(path, "CREATE TABLE recipe (name TEXT)")
    with pytest.raises(JournalForeignError):
        Journal(path)
    assert query(path, "SELECT count(*) FROM sqlite_schema") == [(1,)]
