"""The disk thread: makes kept entries durable in groups, in the order that no crash can break.

    1. the data of every file: one sync each, or one for the file system when there are many
    2. the final names, by renames that do not overwrite
    3. one sync of the folder
    4. one transaction of the journal, with the end of the task if it is part of the group
    5. only now `on_kept` and `done`

A group is whatever waits when the thread comes around. So while syncs are slow groups grow, and the time from the
last byte to `done` stays at a few syncs whatever the number of files.
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from board.clock import wall_is_good
from stack.storage.errors import DiskStalledError, FileGoneError, SpoolClosedError, store_error
from stack.storage.folder import Folder
from stack.storage.items import Begin, Flush, Item, Kept, Settle, SpoolLimits, Ticket
from stack.storage.journal import EntryRow, Journal, TaskEnd
from stack.storage.placement import Placement
from stack.transfer.entry_store import Ending, KeptEntry, StoreError

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Group:
    """Items of one task that are made durable together."""

    ticket: Ticket
    begins: bool = False
    flushes: list[Flush] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    settle: Settle | None = None
    size: int = 0
    unsynced_bytes: int = 0

    def add(self, item: Item) -> None:
        match item:
            case Begin():
                self.begins = True
            case Flush():
                self.flushes.append(item)
            case Kept():
                self.kept.append(item)
            case Settle():
                self.settle = item
        self.size += 1
        self.unsynced_bytes += item.unsynced_bytes


class Committer:
    """The bounded queue and its thread, which starts with the first item and ends with `close`."""

    def __init__(self, folder: Folder, journal: Journal, limits: SpoolLimits, now: Callable[[], float]) -> None:
        self._folder = folder
        self._journal = journal
        self._limits = limits
        self._now = now
        self._changed = threading.Condition()
        self._queue: deque[Item] = deque()
        self._waiting = 0
        self._unsynced_bytes = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self._commits = 0

    def submit(self, item: Item) -> None:
        """Hand an item to the disk thread; waits while too much waits already. Raises `StoreError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(item), self._limits.stall_s):
                raise DiskStalledError(f"the disk took nothing for {self._limits.stall_s:.0f} seconds")
            if self._closing:
                raise SpoolClosedError("the spool is closed")
            self._start()
            self._queue.append(item)
            self._waiting += 1
            self._unsynced_bytes += item.unsynced_bytes
            self._changed.notify_all()

    def close(self) -> None:
        """Make everything handed over durable, then end the thread.

        Raises `DiskStalledError` when the disk does not let it end; the thread still uses folder and journal then.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self._limits.stall_s)
            if self._thread.is_alive():
                raise DiskStalledError(f"the disk took nothing for {self._limits.stall_s:.0f} seconds")

    def _has_room(self, item: Item) -> bool:
        if self._closing or not self._waiting or isinstance(item, Settle):
            return True
        fits = self._unsynced_bytes + item.unsynced_bytes <= self._limits.unsynced_bytes
        return fits and self._waiting < self._limits.queued_entries

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="disk", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (group := self._take()) is not None:
            self._process(group)
            if group.settle is not None or self._commits >= self._limits.commits_per_checkpoint:
                self._checkpoint_if_idle()

    def _take(self) -> _Group | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if not self._queue:
                return None
            group = _Group(self._queue[0].ticket)
            while self._queue and self._queue[0].ticket is group.ticket:
                group.add(self._queue.popleft())
            return group

    def _release(self, group: _Group) -> None:
        with self._changed:
            self._waiting -= group.size
            self._unsynced_bytes -= group.unsynced_bytes
            self._changed.notify_all()

    def _process(self, group: _Group) -> None:
        placed: list[Kept] = []
        try:
            if group.ticket.failure is None:
                self._commit(group, placed)
        except Exception as error:
            if not isinstance(error, OSError | StoreError):
                _log.exception("the disk thread met a bug")
            group.ticket.failure = store_error(error)
        self._clean_up(group)
        self._release(group)
        for kept in placed:
            self._tell(kept)
        if group.settle is not None:
            self._settle(group.settle)

    def _commit(self, group: _Group, durable: list[Kept]) -> None:
        ticket = group.ticket
        if group.begins:
            ticket.row = self._journal.begin_task(ticket.info, ticket.started)
        self._sync_data(group)
        placed: list[Kept] = []
        try:
            self._place(group.kept, placed)
        finally:
            whole = len(placed) == len(group.kept)
            gone = self._gone(ticket) if whole and group.settle is not None else None
            self._record(ticket, placed, group.settle if whole and gone is None else None)
            durable += placed
        if gone is not None:
            raise FileGoneError(f"{gone} was there already, and was removed before the task ended")

    def _sync_data(self, group: _Group) -> None:
        stored = [kept.file for kept in group.kept if kept.file >= 0 and kept.twin is None]
        if len(stored) > self._limits.single_syncs and self._folder.sync_everything():
            return
        for flush in group.flushes:
            os.fdatasync(flush.file)
        for file in stored:
            os.fsync(file)

    def _place(self, waiting: Sequence[Kept], placed: list[Kept]) -> None:
        placement = Placement(self._folder, self._journal)
        for kept in waiting:
            if kept.file >= 0:
                placement.place(kept)
            else:
                kept.ticket.recognised[kept.name] = kept.sha256
            placed.append(kept)

    def _gone(self, ticket: Ticket) -> str | None:
        """A name that the task found to be safe already and that is not so *now*: somebody removed it meanwhile."""
        for name, sha256 in ticket.recognised.items():
            row = self._journal.named(name)
            if row is None or row.sha256 != sha256 or not self._folder.confirms(row):
                return name
        return None

    def _record(self, ticket: Ticket, placed: Sequence[Kept], settle: Settle | None) -> None:
        new = [kept for kept in placed if kept.file >= 0]
        if new:
            self._folder.sync_names()
        if new or settle is not None:
            end = TaskEnd(ticket.row, self._now(), settle.ending) if settle is not None else None
            self._journal.record([self._row(kept) for kept in new], end)
            self._commits += 1

    def _tell(self, kept: Kept) -> None:
        try:
            kept.ticket.on_kept(KeptEntry(kept.name, kept.size_bytes, kept.sha256, kept.fate))
        except Exception:
            _log.exception("the news of a kept entry was not taken")

    def _row(self, kept: Kept) -> EntryRow:
        stored = self._now()
        return EntryRow(
            name=kept.name,
            task=kept.ticket.row,
            offered=kept.offered,
            size_bytes=kept.size_bytes,
            sha256=kept.sha256,
            modified=kept.modified,
            mtime_ns=self._folder.status(kept.name).st_mtime_ns,
            stored=stored,
            clock_was_good=wall_is_good(datetime.fromtimestamp(stored, UTC)),
        )

    def _clean_up(self, group: _Group) -> None:
        for file in [flush.file for flush in group.flushes] + [kept.file for kept in group.kept if kept.file >= 0]:
            with suppress(OSError):  # the data is synced, or the task has failed already
                os.close(file)
        for kept in group.kept:
            if kept.temporary:
                self._folder.remove_temporary(kept.temporary)
            if group.ticket.pending.get(kept.sha256) is kept:
                del group.ticket.pending[kept.sha256]

    def _settle(self, settle: Settle) -> None:
        ticket = settle.ticket
        if ticket.failure is not None:
            with suppress(StoreError):  # the journal may be what failed; the next start marks the task
                self._journal.record([], TaskEnd(ticket.row, self._now(), Ending.BROKEN))
        try:
            settle.done(ticket.failure)
        except Exception:
            _log.exception("the end of a task was not taken")

    def _checkpoint_if_idle(self) -> None:
        with self._changed:
            idle = not self._queue
        if idle:
            self._commits = 0
            with suppress(StoreError):  # the log keeps what it holds, and the next checkpoint tries again
                self._journal.checkpoint()
