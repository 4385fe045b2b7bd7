"""One file on its way into the spool, written by the receiving thread.

Most entries stream straight into a temporary. An entry whose name was offered before is *suspected* to be known
while it is not larger than what came under that name: it waits in memory for its hash, or in a temporary that
nobody syncs if it grows too large for that. So photos that are shared again cost no disk writes.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from stack.storage.committer import Committer
from stack.storage.errors import DiskFullError, store_error, translated
from stack.storage.folder import Folder
from stack.storage.items import Flush, Kept, SpoolLimits, Ticket
from stack.storage.journal import EntryRow
from stack.storage.known import Known
from stack.transfer.entry_store import Fate, Piece, StoreError

# Smaller pieces are gathered to this size before they are written.
_GATHERED_BYTES = 64 << 10

# The kernel takes so many pieces in one call.
_MAX_VECTOR = 1024

# Modification times outside of these, in seconds since the epoch, do not fit every file system.
_FIRST_MTIME_S, _LAST_MTIME_S = 0, 2**32 - 1


@dataclass(frozen=True, slots=True)
class Means:
    """What the writers of a spool share."""

    folder: Folder
    known: Known
    committer: Committer
    limits: SpoolLimits


class SpoolWriter:
    """An `EntryWriter`. All methods but `drop` raise `StoreError`; after that, only `drop` makes sense."""

    __slots__ = (
        "_file",
        "_flushed_bytes",
        "_held",
        "_held_bytes",
        "_means",
        "_modified",
        "_next_step_bytes",
        "_offered",
        "_size_bytes",
        "_suspected_bytes",
        "_temporary",
        "_ticket",
    )

    def __init__(self, means: Means, ticket: Ticket, offered: str, modified: float | None) -> None:
        """Open the entry with the safe name `offered`; `modified` is in seconds since the epoch."""
        self._means = means
        self._ticket = ticket
        self._offered = offered
        self._modified = modified
        self._file = -1
        self._temporary = ""
        self._held: list[bytes | bytearray] = []
        self._held_bytes = 0
        self._size_bytes = 0
        self._flushed_bytes = 0
        self._next_step_bytes = means.limits.step_bytes
        self._suspected_bytes = means.known.suspected_bytes(offered)
        self._require_health()
        self._require_room()
        if not self._is_suspected():
            self._open()

    def write(self, piece: Piece, /) -> None:
        """Append `piece`, whose items are bytes."""
        size = len(piece)
        if size < _GATHERED_BYTES or self._held or self._file < 0:
            self._hold(piece, size)
            return
        try:
            written = os.write(self._file, piece)
        except OSError as error:
            raise store_error(error) from error
        self._size_bytes += size
        if written < size:
            self._write_all([memoryview(piece)[written:]])
        if self._size_bytes >= self._next_step_bytes or self._ticket.failure is not None:
            self._step()

    def keep(self, sha256: bytes, /) -> None:
        """Vouch for the content. Looks here, not in the disk thread, whether it is known, so that memory is freed."""
        self._require_health()
        found = self._means.known.find(self._ticket, sha256, self._size_bytes)
        if isinstance(found, EntryRow) and found.task != self._ticket.row:
            self.drop()
            self._means.committer.submit(self._already_safe(found))
        else:
            self._store(sha256, found)

    def drop(self) -> None:
        """Forget the entry and leave no trace of it."""
        self._held.clear()
        if self._file >= 0:
            os.close(self._file)
            self._means.folder.remove_temporary(self._temporary)
            self._file = -1

    def _is_suspected(self) -> bool:
        return self._size_bytes <= self._suspected_bytes

    def _require_health(self) -> None:
        if self._ticket.failure is not None:
            raise self._ticket.failure

    def _require_room(self) -> None:
        with translated():
            free_bytes = self._means.folder.free_bytes()
        if free_bytes < self._means.limits.reserve_bytes:
            raise DiskFullError("the disk is full up to the reserve")

    def _open(self) -> None:
        with translated():
            self._temporary, self._file = self._means.folder.create_temporary()

    def _hold(self, piece: Piece, size: int) -> None:
        self._require_health()
        if size >= _GATHERED_BYTES:
            self._held.append(piece if isinstance(piece, bytes) else bytes(piece))
        elif self._held and isinstance(self._held[-1], bytearray) and len(self._held[-1]) < _GATHERED_BYTES:
            self._held[-1] += piece
        else:
            self._held.append(bytearray(piece))
        self._held_bytes += size
        self._size_bytes += size
        if not self._may_hold():
            self._spill()

    def _may_hold(self) -> bool:
        if self._file >= 0:
            return self._held_bytes < _GATHERED_BYTES
        return self._is_suspected() and self._held_bytes <= self._means.limits.held_bytes

    def _spill(self) -> None:
        if self._file < 0:
            self._open()
        self._write_all(self._held)
        self._held = []
        self._held_bytes = 0
        if self._size_bytes >= self._next_step_bytes:
            self._step()

    def _write_all(self, pieces: Sequence[Piece]) -> None:
        with translated():
            while pieces:
                written = os.writev(self._file, pieces[:_MAX_VECTOR])
                pieces = _after(written, pieces)

    def _step(self) -> None:
        self._require_health()
        self._require_room()
        self._next_step_bytes = self._size_bytes + self._means.limits.step_bytes
        if not self._is_suspected():
            self._flush_early()

    def _flush_early(self) -> None:
        with translated():
            file = os.dup(self._file)
        try:
            self._means.committer.submit(Flush(self._ticket, file, self._size_bytes - self._flushed_bytes))
        except StoreError:
            os.close(file)
            raise
        self._flushed_bytes = self._size_bytes

    def _store(self, sha256: bytes, twin: Kept | EntryRow | None) -> None:
        self._spill()
        self._stamp()
        kept = self._kept(sha256, twin=twin)
        self._ticket.pending[sha256] = kept
        try:
            self._means.committer.submit(kept)
        except StoreError:
            del self._ticket.pending[sha256]
            raise
        self._file = -1  # the disk thread's now

    def _stamp(self) -> None:
        if self._modified is not None and _FIRST_MTIME_S <= self._modified <= _LAST_MTIME_S:
            mtime_ns = int(self._modified * 1e9)
            with suppress(OSError):  # a photo without its time is better than none
                os.utime(self._file, ns=(mtime_ns, mtime_ns))

    def _already_safe(self, row: EntryRow) -> Kept:
        return Kept(
            ticket=self._ticket,
            offered=self._offered,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            modified=self._modified,
            name=row.name,
            fate=Fate.ALREADY_SAFE,
        )

    def _kept(self, sha256: bytes, twin: Kept | EntryRow | None) -> Kept:
        return Kept(
            ticket=self._ticket,
            offered=self._offered,
            size_bytes=self._size_bytes,
            sha256=sha256,
            modified=self._modified,
            file=self._file,
            temporary=self._temporary,
            unsynced_bytes=self._size_bytes - self._flushed_bytes,
            twin=twin,
        )


def _after(written: int, pieces: Sequence[Piece]) -> Sequence[Piece]:
    for index, piece in enumerate(pieces):
        if written < len(piece):
            return [memoryview(piece)[written:], *pieces[index + 1 :]]
        written -= len(piece)
    return []
