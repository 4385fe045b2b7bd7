"""Final names for kept entries: never overwrite, recognise what is there already, link what came twice."""

import os
from collections.abc import Iterator
from itertools import count

from stack.storage.folder import Folder
from stack.storage.items import Kept
from stack.storage.journal import Journal
from stack.storage.names import numbered
from stack.transfer.entry_store import Fate

# Numbers tried one after the other; beyond, the search starts at what the journal counted.
_FIRST_NUMBERS = range(2, 17)


class Placement:
    """Gives the entries of one group their names. The data must be durable before, `sync_names` follows."""

    def __init__(self, folder: Folder, journal: Journal) -> None:
        self._folder = folder
        self._journal = journal
        self._placed: dict[str, bytes] = {}
        self._beyond: dict[str, Iterator[int]] = {}

    def place(self, kept: Kept) -> None:
        """Set the final name and fate of `kept`. Raises `OSError`."""
        for name in self._names(kept.offered):
            try:
                self._put(kept, name)
            except FileExistsError:
                if not self._is_same(name, kept):
                    continue
                kept.fate = Fate.ALREADY_SAFE
            kept.name = name
            self._placed[name] = kept.sha256
            return

    def _names(self, offered: str) -> Iterator[str]:
        yield offered
        for number in _FIRST_NUMBERS:
            yield numbered(offered, number)
        for number in self._numbers_beyond(offered):
            yield numbered(offered, number)

    def _numbers_beyond(self, offered: str) -> Iterator[int]:
        if offered not in self._beyond:
            start = max(_FIRST_NUMBERS.stop, self._journal.count_offered(offered))
            self._beyond[offered] = count(start)
        return self._beyond[offered]

    def _put(self, kept: Kept, name: str) -> None:
        if kept.twin is None or not self._link(kept, kept.twin.name, name):
            self._folder.publish(kept.temporary, name)
            kept.temporary = ""

    def _link(self, kept: Kept, existing: str, name: str) -> bool:
        try:
            self._folder.link(existing, name)
        except FileExistsError:
            raise
        except OSError:  # no links here, or too many: stored after all
            os.fsync(kept.file)
            kept.twin = None
            return False
        return True

    def _is_same(self, name: str, kept: Kept) -> bool:
        known = self._known_content(name)
        if known is not None:
            return known == kept.sha256
        return self._folder.sync_if_same(name, kept.size_bytes, kept.sha256)

    def _known_content(self, name: str) -> bytes | None:
        if name in self._placed:
            return self._placed[name]
        row = self._journal.named(name)
        return row.sha256 if row is not None and self._folder.confirms(row) else None
