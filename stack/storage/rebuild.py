"""A journal that cannot be read is put aside and made anew from the files that lie in the folder.

Nothing is lost by that but who sent them and how far they were: the forwarder brings all of them again, and sinks
recognise by content what they have.
"""

import logging
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from board.clock import wall_is_good
from stack.storage.errors import JournalDamagedError
from stack.storage.folder import Folder
from stack.storage.journal import EntryRow, Journal, TaskEnd
from stack.transfer.entry_store import Ending, TaskInfo

_ROWS_AT_ONCE: Final = 64
_FOUND: Final = TaskInfo("", "", "found in the spool", 0, 0)

_log = logging.getLogger(__name__)


def opened_journal(folder: Folder, now: Callable[[], float]) -> Journal:
    """Open the folder's journal, or make it anew if it is damaged. Raises `StoreError`."""
    journal = _sound_journal(folder.journal_path)
    return journal or _new_journal(folder, now())


def _sound_journal(path: Path) -> Journal | None:
    try:
        journal = Journal(path)
    except JournalDamagedError:
        return None
    try:
        if journal.is_sound():
            return journal
    except JournalDamagedError:
        pass
    journal.close()
    return None


def _new_journal(folder: Folder, now: float) -> Journal:
    aside = _put_aside(folder.journal_path)
    journal = Journal(folder.journal_path)
    count = _enter_files(folder, journal, now)
    _log.warning("The journal was damaged. It is kept as %s; a new one knows %d files of the folder.", aside, count)
    return journal


def _put_aside(path: Path) -> Path:
    """Rename the damaged database with what belongs to it; return its new name."""
    number = next(number for number in range(1, 1_000_000) if not _aside(path, number).exists())
    for ending in ("-wal", "-shm", ""):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(_aside(path, number).with_name(_aside(path, number).name + ending))
    return _aside(path, number)


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")


def _enter_files(folder: Folder, journal: Journal, now: float) -> int:
    """Journal every file of the folder as one ended task."""
    task = journal.begin_task(_FOUND, now)
    rows = list(_rows(folder, task, now))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        journal.record(rows[start : start + _ROWS_AT_ONCE])
    journal.record([], TaskEnd(task, now, Ending.BROKEN))
    return len(rows)


def _rows(folder: Folder, task: int, now: float) -> Iterator[EntryRow]:
    clock_was_good = wall_is_good(datetime.fromtimestamp(now, UTC))
    for name in folder.names():
        status = folder.status(name)
        if stat.S_ISREG(status.st_mode):
            content = folder.sha256(name)
            modified = status.st_mtime_ns / 1e9
            yield EntryRow(name, task, name, status.st_size, content, modified, status.st_mtime_ns, now, clock_was_good)
