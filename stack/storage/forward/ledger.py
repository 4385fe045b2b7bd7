"""The forwarder's side of the journal: which entry has to go to which sink, how far it is, what a sink has already.

Transactions are short, for the disk thread of the receiving process waits for them. Times are seconds since the epoch.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.storage.errors import translated
from stack.storage.schema import connect, prepare

_HEAD_BYTES = 8
_SPOOLED = (
    "entry.id, name, offered, size_bytes, sha256, modified, mtime_ns, stored, clock_was_good,"
    " task, task_id, sender_id, sender_name"
)
_SPOOLED_COLUMNS = 13
_ENTRIES = f"SELECT {_SPOOLED} FROM entry JOIN task ON task.id = entry.task"  # noqa: S608
_DELIVERIES = (
    f"SELECT {_SPOOLED}, place, captured, captured_from, sink, attempts FROM delivery"  # noqa: S608
    " JOIN entry ON entry.id = delivery.entry JOIN task ON task.id = entry.task"
)


@dataclass(frozen=True, slots=True)
class Spooled:
    """An entry as it lies in the spool under `name`, and who sent it. See `stack.storage.journal.EntryRow`."""

    entry: int
    name: str
    offered: str
    size_bytes: int
    sha256: bytes
    modified: float | None
    mtime_ns: int
    stored: float
    clock_was_good: bool
    task: int
    task_id: str
    sender_id: str
    sender_name: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One entry on its way to one sink: to `place`, unless that is taken; `captured` is an ISO 8601 date and time."""

    spooled: Spooled
    place: str
    captured: str
    captured_from: str
    sink: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How an entry stands with a sink, for people; `sink` is empty where there is none to bring it to."""

    name: str
    size_bytes: int
    sink: str
    is_safe: bool
    path: str
    attempts: int
    not_before: float
    error: str


class Ledger:
    """The open ledger. One forwarder at a time has it. Every method raises `StoreError`."""

    def __init__(self, path: Path) -> None:
        with translated(), ExitStack() as opened:
            self._database = connect(path, opened)
            prepare(self._database)
            self._opened = opened.pop_all()
        self._seen_version = 0

    def close(self) -> None:
        """Close it."""
        with translated():
            self._opened.close()

    def has_news(self) -> bool:
        """Whether others have written to the journal since this was asked last: files have come, or a person hurries.

        What this connection writes does not count (PRAGMA data_version).
        """
        seen, self._seen_version = self._seen_version, int(self._rows("PRAGMA data_version")[0][0])
        return seen != self._seen_version

    def assign(self, sinks: Sequence[str], now: float) -> None:
        """Give every entry a delivery to each of `sinks`, and forget what was to go to others."""
        with self._transaction():
            self._database.execute(f"DELETE FROM delivery WHERE sink NOT IN {_marks(sinks)}", sinks)  # noqa: S608
            self._database.executemany(
                "INSERT OR IGNORE INTO delivery (entry, sink, changed) SELECT id, ?, ? FROM entry",
                [(sink, now) for sink in sinks],
            )

    def unplaced(self, *, even_unfinished: bool) -> list[list[Spooled]]:
        """Return the entries that have no place yet, by task; of tasks that still run only if told so."""
        by_task: dict[int, list[Spooled]] = {}
        for row in self._rows(
            f"{_ENTRIES} WHERE place IS NULL AND (ending NOTNULL OR ?) ORDER BY entry.id", even_unfinished
        ):
            spooled = Spooled(*row)
            by_task.setdefault(spooled.task, []).append(spooled)
        return list(by_task.values())

    def spooled(self) -> list[Spooled]:
        """Return all entries."""
        return [Spooled(*row) for row in self._rows(f"{_ENTRIES} ORDER BY entry.id")]

    def place(self, spooled: Spooled, place: str, captured: str, captured_from: str) -> None:
        """Note where an entry goes, its capture date, and where that was found."""
        self._write(
            "UPDATE entry SET place = ?, captured = ?, captured_from = ? WHERE id = ?",
            (place, captured, captured_from, spooled.entry),
        )

    def due(self, sink: str, now: float, limit: int) -> list[Delivery]:
        """Return deliveries to `sink` whose time has come; none while it is in trouble.

        Those that were tried least come first: a file that ends every attempt must not hold the others.
        """
        if self.trouble(sink)[1] > now:
            return []
        which = (
            "WHERE sink = ? AND NOT is_safe AND not_before <= ? AND place NOTNULL ORDER BY attempts, entry.id LIMIT ?"
        )
        rows = self._rows(f"{_DELIVERIES} {which}", sink, now, limit)
        return [Delivery(Spooled(*row[:_SPOOLED_COLUMNS]), *row[_SPOOLED_COLUMNS:]) for row in rows]

    def next_time(self, sink: str) -> float | None:
        """Return when the next delivery to `sink` is due, None if all that have a place are safe."""
        which = "JOIN entry ON entry.id = delivery.entry WHERE sink = ? AND NOT is_safe AND place NOTNULL"
        (row,) = self._rows(f"SELECT min(not_before) FROM delivery {which}", sink)  # noqa: S608
        return None if row[0] is None else max(float(row[0]), self.trouble(sink)[1])

    def hurry(self) -> None:
        """Let everything that waits for its time be due now."""
        with self._transaction():
            self._database.execute("UPDATE delivery SET not_before = 0 WHERE NOT is_safe")
            self._database.execute("UPDATE sink SET not_before = 0")

    def trouble(self, sink: str) -> tuple[int, float]:
        """Return how often `sink` has failed in a row, and until when it is left in peace."""
        rows = self._rows("SELECT attempts, not_before FROM sink WHERE name = ?", sink)
        return rows[0] if rows else (0, 0.0)

    def in_trouble(
        self, sink: str, error: str, not_before: float, *, may_pass: bool, tried: Iterable[int] = ()
    ) -> None:
        """Note that `sink` takes nothing at present, until when it is left in peace, and whether that may pass.

        `tried` are the entries with which it was found out.
        """
        with self._transaction():
            self._database.execute(
                "INSERT INTO sink (name, attempts, not_before, may_pass, error) VALUES (?1, 1, ?2, ?3, ?4)"
                " ON CONFLICT (name) DO UPDATE SET attempts = attempts + 1, not_before = ?2, may_pass = ?3, error = ?4",
                (sink, not_before, may_pass, error),
            )
            self._database.executemany(
                "UPDATE delivery SET attempts = attempts + 1 WHERE sink = ? AND entry = ?",
                [(sink, entry) for entry in tried],
            )

    def no_later_than(self, limit: float) -> None:
        """Bound all pauses: a clock that was far ahead may have set them."""
        with self._transaction():
            self._database.execute("UPDATE delivery SET not_before = ?1 WHERE not_before > ?1", (limit,))
            self._database.execute("UPDATE sink SET not_before = ?1 WHERE not_before > ?1", (limit,))

    def hurry_passing(self) -> None:
        """Let the sinks be tried now whose trouble may have passed: something has changed on this machine."""
        self._write("UPDATE sink SET not_before = 0 WHERE may_pass", ())

    def failed(self, delivery: Delivery, error: str, not_before: float, now: float) -> None:
        """Note that `delivery` alone failed, and when the next attempt may be made."""
        self._write(
            "UPDATE delivery SET attempts = attempts + 1, error = ?, not_before = ?, changed = ?"
            " WHERE entry = ? AND sink = ?",
            (error, not_before, now, delivery.spooled.entry, delivery.sink),
        )

    def delivered(self, delivery: Delivery, path: str, day: str, line: str, now: float) -> None:
        """Note that the sink has the entry, verified, under `path`, and the line for its manifest of `day`."""
        spooled = delivery.spooled
        with self._transaction():
            self._mark_safe(delivery, path, now)
            self._database.execute(
                "INSERT INTO copy (head, sha256, size_bytes, sink, path) VALUES (?, ?, ?, ?, ?)",
                (_head(spooled.sha256), spooled.sha256, spooled.size_bytes, delivery.sink, path),
            )
            self._database.execute("INSERT INTO record (sink, day, line) VALUES (?, ?, ?)", (delivery.sink, day, line))

    def recognised(self, delivery: Delivery, path: str, now: float) -> None:
        """Note that the sink has confirmed just now that it has the content already, under `path`."""
        with self._transaction():
            self._mark_safe(delivery, path, now)

    def copies(self, sink: str, spooled: Spooled) -> list[str]:
        """Return the paths under which `sink` was given this content, the newest first. They may be gone."""
        which = "WHERE head = ? AND sha256 = ? AND size_bytes = ? AND sink = ? ORDER BY id DESC"
        key = _head(spooled.sha256), spooled.sha256, spooled.size_bytes, sink
        return [str(path) for (path,) in self._rows(f"SELECT path FROM copy {which}", *key)]  # noqa: S608

    def forget_copies(self, sink: str, spooled: Spooled, paths: Iterable[str]) -> None:
        """Note that `sink` does not have this content under these paths any more."""
        with self._transaction():
            self._database.executemany(
                "DELETE FROM copy WHERE head = ? AND sha256 = ? AND sink = ? AND path = ?",
                [(_head(spooled.sha256), spooled.sha256, sink, path) for path in paths],
            )

    def safe_since(self, sinks: Sequence[str], needed: int) -> list[tuple[Spooled, float]]:
        """Return the entries that at least `needed` of `sinks` have, and since when."""
        query = (
            f"SELECT {_SPOOLED}, max(changed) FROM entry JOIN task ON task.id = entry.task"  # noqa: S608
            f" JOIN delivery ON delivery.entry = entry.id WHERE is_safe AND sink IN {_marks(sinks)}"
            " GROUP BY entry.id HAVING count(*) >= ? ORDER BY entry.id"
        )
        rows = self._rows(query, *sinks, needed)
        return [(Spooled(*row[:_SPOOLED_COLUMNS]), row[_SPOOLED_COLUMNS]) for row in rows]

    def unsafe(self, names: Sequence[str]) -> list[str]:
        """Return those of `names` that no sink has."""
        safe = "SELECT 1 FROM delivery WHERE entry = entry.id AND is_safe"
        query = f"SELECT name FROM entry WHERE name IN {_marks(names)} AND NOT EXISTS ({safe})"  # noqa: S608
        return [str(name) for (name,) in self._rows(query, *names)]

    def release(
        self, leaving: Sequence[Spooled], remove: Callable[[Sequence[Spooled]], None], *, is_received_into: bool
    ) -> list[Spooled]:
        """Let `remove` take the files of entries away, and forget them. What the sinks have stays known.

        Not while a task runs, which may have recognised one of them; a task that has no end because of a crash does
        not run, which `is_received_into` tells. Nothing is entered meanwhile, so a name still means the same file.
        Returns those that have left.
        """
        with self._transaction():
            if is_received_into and self._database.execute("SELECT 1 FROM task WHERE ending IS NULL").fetchone():
                return []
            there = {row[0] for row in self._database.execute("SELECT id FROM entry")}
            left = [each for each in leaving if each.entry in there]
            remove(left)
            self._database.executemany("DELETE FROM entry WHERE id = ?", [(each.entry,) for each in left])
        return left

    def records(self, sink: str, day: str, limit: int) -> tuple[list[int], list[str]]:
        """Return lines that the sink's manifest of `day` lacks, and their numbers."""
        which = "WHERE sink = ? AND day = ? ORDER BY id LIMIT ?"
        rows = self._rows(f"SELECT id, line FROM record {which}", sink, day, limit)  # noqa: S608
        return [row[0] for row in rows], [row[1] for row in rows]

    def days_to_record(self, sink: str) -> list[str]:
        """Return the days whose manifests lack lines."""
        return [str(day) for (day,) in self._rows("SELECT DISTINCT day FROM record WHERE sink = ? ORDER BY day", sink)]

    def recorded(self, numbers: Iterable[int]) -> None:
        """Note that these lines are in the sink's manifest."""
        with self._transaction():
            self._database.executemany("DELETE FROM record WHERE id = ?", [(number,) for number in numbers])

    def standings(self) -> list[Standing]:
        """Return how every entry stands with every sink."""
        rows = self._rows(
            "SELECT entry.name, size_bytes, coalesce(sink, ''), coalesce(is_safe, 0), coalesce(path, place, ''),"
            " coalesce(delivery.attempts, 0), max(coalesce(delivery.not_before, 0), coalesce(sink.not_before, 0)),"
            " coalesce(delivery.error, sink.error, '') FROM entry LEFT JOIN delivery ON delivery.entry = entry.id"
            " LEFT JOIN sink ON sink.name = delivery.sink AND NOT is_safe ORDER BY entry.id, sink"
        )
        return [Standing(*row) for row in rows]

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the database, as far as nobody is in the way."""
        self._rows("PRAGMA wal_checkpoint(PASSIVE)")

    def _mark_safe(self, delivery: Delivery, path: str, now: float) -> None:
        self._database.execute(
            "UPDATE delivery SET is_safe = 1, path = ?, error = NULL, changed = ? WHERE entry = ? AND sink = ?",
            (path, now, delivery.spooled.entry, delivery.sink),
        )
        self._database.execute("DELETE FROM sink WHERE name = ?", (delivery.sink,))

    def _rows(self, query: str, *values: object) -> list[Any]:
        with translated():
            return self._database.execute(query, values).fetchall()

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with self._transaction():
            self._database.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with translated():
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


def _marks(values: Sequence[object]) -> str:
    return f"({', '.join('?' * len(values))})"


def _head(sha256: bytes) -> int:
    return int.from_bytes(sha256[:_HEAD_BYTES], "big", signed=True)
