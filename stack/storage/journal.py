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

from stack.storage.errors import translated
from stack.storage.schema import connect, prepare
from stack.transfer.entry_store import Ending, TaskInfo

_MAX_CANDIDATES = 16
_MAX_INTEGER = 2**63 - 1

_COLUMNS = "name, task, offered, size_bytes, sha256, modified, mtime_ns, stored, clock_was_good"


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One file in the folder. `offered` is the phone's name for it made safe, `name` the one it got.

    `modified` is what the phone said, `mtime_ns` what the disk says; `modified` and `stored` are in seconds since
    the epoch, and `clock_was_good` says whether `stored` can be believed.
    """

    name: str
    task: int
    offered: str
    size_bytes: int
    sha256: bytes
    modified: float | None
    mtime_ns: int
    stored: float
    clock_was_good: bool


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
        self._was_closed = not path.with_name(f"{path.name}-wal").exists()
        with translated(), ExitStack() as opened:
            self._writer = connect(path, opened)
            prepare(self._writer)
            self._reader = connect(path, opened)
            self._opened = opened.pop_all()

    def is_sound(self) -> bool:
        """Whether the database can be read, as far as that is in doubt: a crash has left its log behind."""
        if self._was_closed:
            return True
        with translated():
            return self._writer.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]

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
                f"INSERT OR REPLACE INTO entry ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
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


def _entries(connection: sqlite3.Connection, query: str, key: str | bytes) -> list[EntryRow]:
    with translated():
        return [EntryRow(*row) for row in connection.execute(query, (key,))]


def _number(connection: sqlite3.Connection, query: str, key: str) -> int:
    with translated():
        return int(connection.execute(query, (key,)).fetchone()[0])


def _text(said: str) -> str:
    return said.encode("utf-8", "replace").decode()


def _integer(said: int) -> int:
    return max(0, min(said, _MAX_INTEGER))
