"""The spool: an `EntryStore` in a folder, safe against a crash at any instruction.

An entry is acknowledged only once its data, its final name and its row in the journal are durable, in this order.
So a crash leaves a whole file or nothing visible; a file that is whole but not journalled yet is recognised by
name and content when it is sent again.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from stack.storage.committer import Committer
from stack.storage.errors import DiskFullError, translated
from stack.storage.folder import Folder
from stack.storage.items import Begin, Settle, SpoolLimits, Ticket
from stack.storage.known import Known
from stack.storage.names import safe_name
from stack.storage.rebuild import opened_journal
from stack.storage.writer import Means, SpoolWriter
from stack.transfer.entry_store import Ending, KeptEntry, StoreError, TaskInfo


class SpoolTask:
    """A `TaskStore`."""

    def __init__(self, means: Means, ticket: Ticket) -> None:
        self._means = means
        self._ticket = ticket

    def begin(self, name: str, modified: float | None, /) -> SpoolWriter:
        """Open the next entry. Raises `StoreError`."""
        return SpoolWriter(self._means, self._ticket, safe_name(name), modified)

    def settle(self, ending: Ending, done: Callable[[StoreError | None], None], /) -> None:
        """Call `done` from the disk thread when everything kept is durable, or at once if the spool is closed."""
        try:
            self._means.committer.submit(Settle(self._ticket, ending, done))
        except StoreError as error:
            done(error)


class Spool:
    """The open spool. One process at a time has it."""

    def __init__(
        self, folder: Path, *, limits: SpoolLimits | None = None, now: Callable[[], float] = time.time
    ) -> None:
        """Open the spool, make the folder if need be, and recover from a crash.

        `now` is the wall clock in seconds since the epoch. Raises `StoreError`: the folder is in use or unusable, or
        the journal is newer than this Ferry. A damaged journal is made anew.
        """
        self._limits = limits or SpoolLimits()
        self._now = now
        with ExitStack() as opened:
            self._folder = Folder(folder)
            opened.callback(self._folder.close)
            journal = opened_journal(self._folder, now)
            opened.callback(journal.close)
            journal.break_unfinished(now())
            committer = Committer(self._folder, journal, self._limits, now)
            self._means = Means(self._folder, Known(self._folder, journal), committer, self._limits)
            self._opened = opened.pop_all()

    def open_task(self, info: TaskInfo, on_kept: Callable[[KeptEntry], None], /) -> SpoolTask:
        """Start a task. `on_kept` is called from the disk thread. Raises `NoSpaceError`, `StoreError`."""
        self._require_room(info.total_bytes)
        ticket = Ticket(info, on_kept, started=self._now())
        self._means.committer.submit(Begin(ticket))
        return SpoolTask(self._means, ticket)

    def close(self) -> None:
        """Make durable what was kept, end the disk thread and unlock the folder.

        Raises `StoreError` when the disk hangs; folder and journal stay open under the thread that waits for it.
        """
        self._means.committer.close()
        self._opened.close()

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_room(self, announced_bytes: int) -> None:
        with translated():
            free_bytes = self._folder.free_bytes()
        if announced_bytes > 0 and announced_bytes + self._limits.reserve_bytes > free_bytes:
            raise DiskFullError(
                f"{announced_bytes / 1e6:.0f} MB are offered, {free_bytes / 1e6:.0f} MB are free, "
                f"of which {self._limits.reserve_bytes / 1e6:.0f} MB stay in reserve"
            )
