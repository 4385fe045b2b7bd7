"""Gives new entries their places in the archive: reads their metadata, asks the library, notes the answer."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Final

from stack.storage.forward.ledger import Ledger, Spooled
from stack.storage.forward.source import Source
from stack.storage.library.dates import CaptureDate
from stack.storage.library.grouping import grouped
from stack.storage.library.library import Library, LibraryEntry
from stack.storage.library.metadata import FileMetadata
from stack.storage.library.metadata_reader import MetadataReader

_LOOK_AGAIN_S: Final = 60.0  # for the clock, by which alone some files can be dated


class Placing:
    """Places the entries of tasks that are over. `good_now` returns the time in UTC, None while it is not known."""

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        library: Library,
        reader: MetadataReader,
        good_now: Callable[[], datetime | None],
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._library = library
        self._reader = reader
        self._good_now = good_now

    def place_new(self) -> float | None:
        """See `forwarder.Placer`. Raises `StoreError`, `ReaderUnavailableError`."""
        tasks = self._ledger.unplaced(even_unfinished=not self._source.is_received_into())
        are_placed = [self._place_group(group) for task in tasks for group in _groups(task)]
        return None if all(are_placed) else _LOOK_AGAIN_S

    def _place_group(self, group: Sequence[tuple[int, Spooled]]) -> bool:
        entries = [self._entry(seq, spooled) for seq, spooled in group]
        placements = self._library.place(entries, self._good_now())
        if placements is None:
            return False
        for (_, spooled), placement in zip(group, placements, strict=True):
            self._ledger.place(spooled, placement.path, _text(placement.date), placement.date.source.value)
        return True

    def _entry(self, seq: int, spooled: Spooled) -> LibraryEntry:
        return LibraryEntry(
            name=spooled.offered,
            sha256=spooled.sha256,
            device=spooled.sender_name,
            brand="",  # phones do not say it when they send
            task=spooled.task_id,
            seq=seq,
            archived_s=spooled.modified,
            arrived_s=spooled.stored if spooled.clock_was_good else None,
            metadata=self._metadata(spooled),
        )

    def _metadata(self, spooled: Spooled) -> FileMetadata:
        try:
            file = self._source.open(spooled.name)
        except OSError as error:
            return FileMetadata(problem=f"cannot be read: {error.strerror}")
        try:
            return self._reader.read(file)
        finally:
            os.close(file)


def _groups(task: Sequence[Spooled]) -> list[list[tuple[int, Spooled]]]:
    """Return what belongs together, each with its number in the task."""
    return [[(index + 1, task[index]) for index in group] for group in grouped([each.offered for each in task])]


def _text(date: CaptureDate) -> str:
    """Return the date in ISO 8601, with the offset where it is known."""
    zone = None if date.utc_offset is None else timezone(date.utc_offset)
    return date.local.replace(tzinfo=zone).isoformat(timespec="seconds")
