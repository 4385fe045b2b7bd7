"""The journal's database: its tables, how an older version becomes the present one, how it is opened.

    task       what phones sent, one row a transfer
    entry      the files in the folder: what Ferry last stored under each name
    delivery   the way of an entry to one sink; goes with the entry
    sink       the trouble a sink is in
    copy       what a sink has, verified; outlives the entry, and finds content by the head of its hash
    record     lines for the sinks' manifests that are not written yet

Durable by `synchronous=FULL`: a committed transaction survives a power cut. Two processes share it, so transactions
are short.
"""

import sqlite3
from contextlib import ExitStack
from pathlib import Path

from stack.storage.errors import JournalForeignError, JournalTooNewError

APPLICATION_ID = 0x46525259  # "FRRY"
VERSION = 2

_BUSY_TIMEOUT_S = 5.0
_CACHE_KIB = 512

_ENTRY = """
CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    task INTEGER NOT NULL REFERENCES task (id),
    offered TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    modified REAL,
    mtime_ns INTEGER NOT NULL,
    stored REAL NOT NULL,
    clock_was_good INTEGER NOT NULL,
    captured TEXT,
    captured_from TEXT,
    place TEXT
) STRICT;
CREATE INDEX entry_by_content ON entry (sha256);
CREATE INDEX entry_by_offered ON entry (offered, size_bytes);
"""

_FORWARDING = """
CREATE TABLE delivery (
    entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
    sink TEXT NOT NULL,
    is_safe INTEGER NOT NULL DEFAULT 0,
    path TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    error TEXT,
    changed REAL NOT NULL,
    PRIMARY KEY (entry, sink)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_waiting ON delivery (sink, not_before) WHERE NOT is_safe;
CREATE TABLE sink (
    name TEXT PRIMARY KEY,
    attempts INTEGER NOT NULL,
    not_before REAL NOT NULL,
    may_pass INTEGER NOT NULL,
    error TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE copy (
    id INTEGER PRIMARY KEY,
    head INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    sink TEXT NOT NULL,
    path TEXT NOT NULL
) STRICT;
CREATE INDEX copy_by_head ON copy (head);
CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    sink TEXT NOT NULL,
    day TEXT NOT NULL,
    line TEXT NOT NULL
) STRICT;
"""

_NEW = f"""
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
{_ENTRY}
{_FORWARDING}
PRAGMA application_id = {APPLICATION_ID};
"""

# Version 1 had no forwarding. Its clock is taken for good: it wrote the times into the same columns.
_FROM_1 = f"""
DROP INDEX entry_by_content;
DROP INDEX entry_by_offered;
ALTER TABLE entry RENAME TO entry_1;
{_ENTRY}
INSERT INTO entry (name, task, offered, size_bytes, sha256, modified, mtime_ns, stored, clock_was_good)
    SELECT name, task, offered, size_bytes, sha256, modified, mtime_ns, stored, 1 FROM entry_1 ORDER BY rowid;
DROP TABLE entry_1;
{_FORWARDING}
"""  # noqa: S608

_STEPS = {0: _NEW, 1: _FROM_1}


def connect(path: Path, opened: ExitStack) -> sqlite3.Connection:
    """Open the journal's file as it is; `opened` closes it. Raises `sqlite3.Error`."""
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    opened.callback(connection.close)
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}").fetchall()
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring them up to date, and set a connection up that writes.

    Raises `StoreError`, `sqlite3.Error`.
    """
    connection.execute("PRAGMA synchronous = FULL")
    if _version(connection) == 0:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    if _version(connection) != VERSION:
        _bring_up_to_date(connection)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Change the tables, unless another process has just done so."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(_STEPS.get(_version(connection), "")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    """Which version's tables are there, 0 for none."""
    application_id = _number(connection, "application_id")
    if application_id == 0 and _number(connection, "schema_version") == 0:
        return 0
    if application_id != APPLICATION_ID:
        raise JournalForeignError("the file at the journal's place is not a journal of Ferry")
    version = _number(connection, "user_version")
    if version > VERSION:
        raise JournalTooNewError("a newer Ferry wrote the journal of this folder")
    return version


def _statements(script: str) -> list[str]:
    return [statement for part in script.split(";") if (statement := part.strip())]


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])
