"""The boxes of ISO/IEC 14496-12 (MP4, QuickTime, HEIF, AVIF, CR3), as far as it takes to find one. Nothing is held.

A level is walked box by box, at most 4096 of them. A box that is shorter than its header or longer than its parent
ends the level.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stack.storage.library.bounded_file import BoundedFile

_MAX_BOXES = 4096
_TO_THE_END, _LARGE = 0, 1


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type and its payload."""

    kind: bytes
    payload: BoundedFile


def boxes(level: BoundedFile) -> Iterator[Box]:
    """The boxes of a level (4.2), in their order."""
    start = 0
    for _ in range(_MAX_BOXES):
        header = level.at(start, 16)
        if len(header) < 8:
            return
        size, header_bytes = int.from_bytes(header[:4]), 8
        if size == _LARGE:
            size, header_bytes = int.from_bytes(header[8:]), 16
        elif size == _TO_THE_END:
            size = level.size_bytes - start
        if size < header_bytes or start + size > level.size_bytes:
            return
        yield Box(header[4:8], level.window(start + header_bytes, size - header_bytes))
        start += size


def find(level: BoundedFile, *path: bytes) -> BoundedFile | None:
    """The payload of the first box on the way from type to type."""
    for kind in path:
        found = next((box.payload for box in boxes(level) if box.kind == kind), None)
        if found is None:
            return None
        level = found if kind != b"meta" else _meta(found)
    return level


def is_box_file(file: BoundedFile) -> bool:
    """Whether the file is made of boxes: begins with a file type (4.3), or as QuickTime did before it had one."""
    return file.at(4, 4) in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def _meta(payload: BoundedFile) -> BoundedFile:
    """The boxes of a `meta` box: with version and flags before them (8.11.1), in QuickTime without."""
    return payload if payload.at(4, 4) == b"hdlr" else payload.window(4, payload.size_bytes - 4)
