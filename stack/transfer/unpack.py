"""The inner loop: archive bytes in, verified files in the store out. No sockets here.

Every piece passes the CPU once for each of inflate, CRC-32, SHA-256 and the write; all four release the GIL and
none copies what the one before produced.
"""

import hashlib

from stack.transfer.entry_store import EntryWriter, TaskStore
from stack.transfer.zip_format import LocalHeader
from stack.transfer.zip_read import EntryEnd, ZipLimits, ZipReader


class Unpacker:
    """Feeds one archive into one task of a store."""

    def __init__(self, task: TaskStore, limits: ZipLimits | None = None) -> None:
        self.files = 0
        self.unpacked_bytes = 0
        self._task = task
        self._reader = ZipReader(limits)
        self._writer: EntryWriter | None = None
        self._hash = hashlib.sha256()

    @property
    def complete(self) -> bool:
        """The archive's end record was read, and every entry is kept."""
        return self._reader.complete

    def feed(self, piece: memoryview) -> None:
        """Take the next bytes of the archive. Raises `ZipError` and `StoreError`; call `drop` then."""
        for event in self._reader.feed(piece):
            if isinstance(event, bytes | memoryview):
                assert self._writer is not None
                self._hash.update(event)
                self._writer.write(event)
                self.unpacked_bytes += len(event)
            elif isinstance(event, LocalHeader):
                self._begin(event)
            else:
                self._keep(event)

    def end(self) -> None:
        """No more bytes will come. Raises `TruncatedArchiveError` unless the archive is complete."""
        self._reader.end()

    def drop(self) -> None:
        """Forget the entry in progress, if there is one. Entries that were complete stay."""
        if self._writer is not None:
            self._writer.drop()
            self._writer = None

    def _begin(self, header: LocalHeader) -> None:
        modified = None if header.modified is None else header.modified.timestamp()
        self._writer = self._task.begin(header.name, modified)
        self._hash = hashlib.sha256()

    def _keep(self, _: EntryEnd) -> None:
        assert self._writer is not None
        self._writer.keep(self._hash.digest())
        self._writer = None
        self.files += 1
