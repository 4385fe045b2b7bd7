"""A journal that cannot be read is put aside and made anew from the files that lie in the folder.

Nothing is lost by that but who sent them and how far they were: the forwarder brings all of them again, and sinks
recognise by content what they have.

The mark `.ferry/rebuilding` is durable before the old journal is touched, and goes when the new one is. While it is
there, no journal is believed: whatever lies at its place is put aside, and the work begins again.
"""

import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from board.clock import wall_is_good
from stack.storage.errors import JournalDamagedError, translated
from stack.storage.folder import Folder
from stack.storage.journal import EntryRow, Journal, TaskEnd
from stack.transfer.entry_store import Ending, TaskInfo

_MARK: Final = "rebuilding"
_FOUND: Final = TaskInfo("", "", "found in the spool", 0, 0)

_log = logging.getLogger(__name__)


def opened_journal(folder: Folder, now: Callable[[], float]) -> Journal:
    """Open the folder's journal, or make it anew if it is damaged. Raises `StoreError`."""
    mark = folder.journal_path.with_name(_MARK)
    with translated():
        journal = None if mark.exists() else _sound_journal(folder.journal_path, mark)
        return journal or _new_journal(folder, mark, now())


def _sound_journal(path: Path, mark: Path) -> Journal | None:
    """Open the journal; set the mark if it is damaged, before it is closed: that removes the log which tells so."""
    with ExitStack() as opened:
        with suppress(JournalDamagedError):
            journal = Journal(path)
            opened.callback(journal.close)
            if journal.is_sound():
                opened.pop_all()
                return journal
        mark.touch()
        _sync(mark.parent)
    return None


def _new_journal(folder: Folder, mark: Path, now: float) -> Journal:
    """Make the journal anew; the mark goes when all names are durable, and for good: coming back, it would undo it."""
    aside = _put_aside(folder.journal_path)
    with ExitStack() as opened:
        journal = Journal(folder.journal_path)
        opened.callback(journal.close)
        count = _enter_files(folder, journal, now)
        _sync(mark.parent)  # SQLite has done so, but nobody promises it
        mark.unlink()
        _sync(mark.parent)
        opened.pop_all()
    _log.warning("The journal was damaged. It is kept as %s; a new one knows %d files of the folder.", aside, count)
    return journal


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
    rows = list(_rows(folder, task, now))  # read before the transaction, for which others wait
    journal.record(rows, TaskEnd(task, now, Ending.BROKEN))
    return len(rows)


def _rows(folder: Folder, task: int, now: float) -> Iterator[EntryRow]:
    for name in folder.names():
        try:
            row = _row(folder, name, task, now)
        except (OSError, UnicodeEncodeError) as error:
            _log.warning("The new journal does not know %a: %s", name, error)
            continue
        if row is not None:
            yield row


def _row(folder: Folder, name: str, task: int, now: float) -> EntryRow | None:
    """Return what the new journal says of a file, None if it is none. Raises `OSError`, `UnicodeEncodeError`."""
    name.encode()  # names that are not UTF-8 cannot be journalled
    status = folder.status(name)
    if not stat.S_ISREG(status.st_mode):
        return None
    clock_was_good = wall_is_good(datetime.fromtimestamp(now, UTC))
    modified = status.st_mtime_ns / 1e9
    sha256 = folder.sha256(name)
    return EntryRow(name, task, name, status.st_size, sha256, modified, status.st_mtime_ns, now, clock_was_good)
