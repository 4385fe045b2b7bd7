"""The journal: which tasks came, and what lies in the folder. One SQLite file, shared with the forwarder.

A row of `entry` says what Ferry last stored under that name, so it is written only once the file is durable.
The write-ahead log grows while a task runs and is folded into the database by `checkpoint`, outside of the
time that a phone waits for its "ok". A committed transaction survives a power cut (`synchronous=FULL`).
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from stack.storage.errors import JournalForeignError, JournalTooNewError, translated
from stack.transfer.entry_store import Ending, TaskInfo

APPLICATION_ID = 0x46525259  # "FRRY"
VERSION = 1

_BUSY_TIMEOUT_S = 5.0
_CACHE_KIB = 512
_MAX_CANDIDATES = 16
_MAX_INTEGER = 2**63 - 1

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL,
    sender_id TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    announced_files INTEGER NOT NULL,
    announced_bytes INTEGER NOT NULL,
    started REAL NOT NULL,
    finished REAL,
    ending TEXT
) STRICT;
CREATE TABLE entry (
    name TEXT PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES task (id),
    offered TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    modified REAL,
    mtime_ns INTEGER NOT NULL,
    stored REAL NOT NULL
) STRICT;
CREATE INDEX entry_by_content ON entry (sha256);
CREATE INDEX entry_by_offered ON entry (offered, size_bytes);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""

_COLUMNS = "name, task, offered, size_bytes, sha256, modified, mtime_ns, stored"


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One file in the folder. `offered` is the phone's name for it made safe, `name` the one it got.

    `modified` is what the phone said, `mtime_ns` what the disk says; `modified` and `stored` are in seconds since
    the epoch.
    """

    name: str
    task: int
    offered: str
    size_bytes: int
    sha256: bytes
    modified: float | None
    mtime_ns: int
    stored: float


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """That the task with this row id ended, when (seconds since the epoch) and how."""

    task: int
    finished: float
    ending: Ending


class Journal:
    """The open journal. Every method raises `StoreError`.

    `candidates` and `largest_bytes` are for the receiving thread and never wait for a write. Everything else is for
    the disk thread.
    """

    def __init__(self, path: Path) -> None:
        with translated(), ExitStack() as opened:
            self._writer = _connect(path, opened)
            _prepare(self._writer)
            self._reader = _connect(path, opened)
            self._opened = opened.pop_all()

    def begin_task(self, info: TaskInfo, started: float) -> int:
        """Record that a task began, at `started` seconds since the epoch, and return its row id."""
        said = (_text(info.task_id), _text(info.sender_id), _text(info.sender_name))
        announced = (_integer(info.file_count), _integer(info.total_bytes))
        with self._transaction():
            row = self._writer.execute(
                "INSERT INTO task (task_id, sender_id, sender_name, announced_files, announced_bytes, started)"
                " VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
                (*said, *announced, started),
            ).fetchone()
        return int(row[0])

    def record(self, rows: Iterable[EntryRow], end: TaskEnd | None = None) -> None:
        """Record durable files, and the end of their task, in one transaction."""
        with self._transaction():
            self._writer.executemany(
                f"INSERT OR REPLACE INTO entry ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                map(astuple, rows),
            )
            if end is not None:
                self._end_tasks("id = ?", end.finished, end.ending, end.task)

    def break_unfinished(self, finished: float) -> None:
        """Mark the tasks that a crash interrupted as broken."""
        with self._transaction():
            self._end_tasks("ending IS NULL", finished, Ending.BROKEN)

    def candidates(self, sha256: bytes) -> list[EntryRow]:
        """The newest files with this content, at most 16. That they are still there is for the caller to see."""
        query = f"SELECT {_COLUMNS} FROM entry WHERE sha256 = ? ORDER BY rowid DESC LIMIT {_MAX_CANDIDATES}"  # noqa: S608
        return _entries(self._reader, query, sha256)

    def named(self, name: str) -> EntryRow | None:
        """What Ferry last stored under this name."""
        rows = _entries(self._writer, f"SELECT {_COLUMNS} FROM entry WHERE name = ?", name)  # noqa: S608
        return rows[0] if rows else None

    def largest_bytes(self, offered: str) -> int:
        """The size of the largest file that was ever offered under this name, or -1."""
        return _number(self._reader, "SELECT coalesce(max(size_bytes), -1) FROM entry WHERE offered = ?", offered)

    def count_offered(self, offered: str) -> int:
        """How many files were offered under this name."""
        return _number(self._writer, "SELECT count(*) FROM entry WHERE offered = ?", offered)

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the database, as far as no reader is in the way."""
        with translated():
            self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close, and leave everything in the one database file unless another process has it open."""
        with translated():
            self._opened.close()

    def _end_tasks(self, which: str, finished: float, ending: Ending, *keys: int) -> None:
        update = f"UPDATE task SET finished = ?, ending = ? WHERE {which}"  # noqa: S608
        self._writer.execute(update, (finished, ending.value, *keys))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with translated():
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise


def _connect(path: Path, opened: ExitStack) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    opened.callback(connection.close)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}").fetchall()
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    application_id = _pragma(connection, "application_id")
    if application_id == 0 and _pragma(connection, "schema_version") == 0:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.executescript(_SCHEMA)
    elif application_id != APPLICATION_ID:
        raise JournalForeignError("the file at the journal's place is not a journal of Ferry")
    elif _pragma(connection, "user_version") > VERSION:
        raise JournalTooNewError("a newer Ferry wrote the journal of this folder")
    connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()


def _entries(connection: sqlite3.Connection, query: str, key: str | bytes) -> list[EntryRow]:
    with translated():
        return [EntryRow(*row) for row in connection.execute(query, (key,))]


def _number(connection: sqlite3.Connection, query: str, key: str) -> int:
    with translated():
        return int(connection.execute(query, (key,)).fetchone()[0])


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _text(said: str) -> str:
    return said.encode("utf-8", "replace").decode()


def _integer(said: int) -> int:
    return max(0, min(said, _MAX_INTEGER))
