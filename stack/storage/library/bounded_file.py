"""An open file as a parser of untrusted data may see it: a window, a limit to each read, and a budget for all reads.

Reads go by `pread`, because the descriptor shares its position with the process that sent it.
"""

import os
from dataclasses import dataclass

_PAGE_BYTES = 4096
_KEPT_PAGES = 64

# No field that tells a date is longer.
_MAX_READ_BYTES = 64 << 10


class BudgetError(Exception):
    """The parser has read more than any well-made file needs."""


@dataclass(slots=True)
class Budget:
    """How many bytes may still be read, across all windows of a file."""

    left_bytes: int

    def take(self, size_bytes: int) -> None:
        """Raises `BudgetError`."""
        self.left_bytes -= size_bytes
        if self.left_bytes < 0:
            raise BudgetError


class BoundedFile:
    """A part of an open file, read-only, with the methods of a binary file that parsers call."""

    def __init__(self, file: int, start: int, size_bytes: int, budget: Budget) -> None:
        self._file = file
        self._start = start
        self.size_bytes = size_bytes
        self._budget = budget
        self._position = 0
        self._pages: dict[int, bytes] = {}

    def window(self, start: int, size_bytes: int) -> "BoundedFile":
        """A part of this part, at most what there is."""
        start = min(max(start, 0), self.size_bytes)
        size_bytes = min(max(size_bytes, 0), self.size_bytes - start)
        return BoundedFile(self._file, self._start + start, size_bytes, self._budget)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to `offset`, which may lie beyond the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        self._position = max(base + offset, 0)
        return self._position

    def tell(self) -> int:
        """The position in this window."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, and never more than 64 KiB. Raises `BudgetError`, `OSError`."""
        wanted = self.size_bytes if size < 0 else size
        piece = self.at(self._position, min(wanted, _MAX_READ_BYTES))
        self._position += len(piece)
        return piece

    def at(self, position: int, size: int) -> bytes:
        """The bytes at `position`, fewer at the end."""
        end = min(position + size, self.size_bytes)
        piece = bytearray()
        while position < end:
            number, offset = divmod(position, _PAGE_BYTES)
            found = self._page(number)[offset : offset + end - position]
            if not found:  # the file has become shorter
                break
            piece += found
            position += len(found)
        return bytes(piece)

    def _page(self, number: int) -> bytes:
        if number not in self._pages:
            if len(self._pages) >= _KEPT_PAGES:
                self._pages.clear()
            start = number * _PAGE_BYTES
            size = min(_PAGE_BYTES, self.size_bytes - start)
            self._budget.take(size)
            self._pages[number] = os.pread(self._file, size, self._start + start)
        return self._pages[number]
