"""Gives new entries their places in the archive: reads their metadata, asks the library, notes the answer."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Final

from board.clock import boottime_s
from stack.storage.forward.ledger import Ledger, Spooled
from stack.storage.forward.source import Source
from stack.storage.library.dates import CaptureDate
from stack.storage.library.grouping import grouped
from stack.storage.library.library import Library, LibraryEntry
from stack.storage.library.metadata import FileMetadata
from stack.storage.library.metadata_reader import MetadataReader

_BUDGET_S: Final = 2.0  # of one call, for which everything else in the forwarder waits
_LOOK_AGAIN_S: Final = 60.0  # for the clock, by which alone some files can be dated

_Group = list[tuple[int, Spooled]]


class Placing:
    """Places the entries of tasks that are over. `good_now` returns the time in UTC, None while it is not known."""

    def __init__(
        self,
        source: Source,
        ledger: Ledger,
        library: Library,
        reader: MetadataReader,
        good_now: Callable[[], datetime | None],
        elapsed_s: Callable[[], float] = boottime_s,
    ) -> None:
        self._source = source
        self._ledger = ledger
        self._library = library
        self._reader = reader
        self._good_now = good_now
        self._elapsed_s = elapsed_s
        self._round: deque[_Group] = deque()
        self._waiting: set[int] = set()

    def place_new(self) -> float | None:
        """See `forwarder.Placer`: for about two seconds, then 0.0 if there may be more. A group is placed as one.

        Raises `StoreError`, `ReaderUnavailableError`.
        """
        until_s = self._elapsed_s() + _BUDGET_S
        while self._elapsed_s() < until_s:
            self._round = self._round or self._untried()
            if not self._round:
                return self._end()
            group = self._round.popleft()
            if not self._place_group(group):
                self._waiting |= _entries(group)
        return 0.0

    def _untried(self) -> deque[_Group]:
        """Return what has no place and does not wait: also what came while the round before was placed."""
        tasks = self._ledger.unplaced(even_unfinished=not self._source.is_received_into())
        groups = (group for task in tasks for group in _groups(task))
        return deque(group for group in groups if not _entries(group) <= self._waiting)

    def _end(self) -> float | None:
        wait_s = _LOOK_AGAIN_S if self._waiting else None
        self._waiting.clear()
        return wait_s

    def _place_group(self, group: _Group) -> bool:
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


def _groups(task: Sequence[Spooled]) -> list[_Group]:
    """Return what belongs together, each with its number in the task."""
    return [[(index + 1, task[index]) for index in group] for group in grouped([each.offered for each in task])]


def _entries(group: _Group) -> set[int]:
    return {spooled.entry for _, spooled in group}


def _text(date: CaptureDate) -> str:
    """Return the date in ISO 8601, with the offset where it is known."""
    zone = None if date.utc_offset is None else timezone(date.utc_offset)
    return date.local.replace(tzinfo=zone).isoformat(timespec="seconds")
