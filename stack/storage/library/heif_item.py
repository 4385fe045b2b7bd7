"""Items of HEIF and AVIF files: the metadata beside the picture (ISO/IEC 14496-12, 8.11)."""

from stack.storage.library.bounded_file import BoundedFile
from stack.storage.library.boxes import boxes, find

_MAX_ITEMS = 4096


def find_item(file: BoundedFile, kind: bytes) -> BoundedFile | None:
    """The content of the first item of this type, as far as it lies in one piece."""
    information, locations = find(file, b"meta", b"iinf"), find(file, b"meta", b"iloc")
    if information is None or locations is None:
        return None
    number = _number(information, kind)
    extent = _extent(locations, number) if number is not None else None
    if extent is None:
        return None
    in_meta, start, size = extent
    data = find(file, b"meta", b"idat") if in_meta else file
    return data and data.window(start, size)


def _number(information: BoundedFile, kind: bytes) -> int | None:
    """The number of the first item of this type, as `infe` of version 2 or 3 tells it (8.11.6)."""
    header_bytes = 6 if information.at(0, 1) == b"\0" else 8
    for box in boxes(information.window(header_bytes, information.size_bytes)):
        entry = box.payload.at(0, 16)
        id_bytes = 2 if entry[:1] == b"\x02" else 4
        if entry[:1] in (b"\x02", b"\x03") and entry[6 + id_bytes : 10 + id_bytes] == kind:
            return int.from_bytes(entry[4 : 4 + id_bytes])
    return None


def _extent(locations: BoundedFile, wanted: int) -> tuple[bool, int, int] | None:
    """Where the only extent of an item is (8.11.3): whether in `idat`, its offset and length."""
    fields = _Fields(locations)
    version = fields.take(1)
    fields.take(3)
    sizes = fields.take(2)
    offset_bytes, length_bytes, base_bytes, index_bytes = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    id_bytes = 4 if version == 2 else 2
    for _ in range(min(fields.take(id_bytes), _MAX_ITEMS)):
        number = fields.take(id_bytes)
        method = fields.take(2) & 15 if version else 0
        fields.take(2)
        base = fields.take(base_bytes)
        extents = fields.take(2)
        at = fields.position + (index_bytes if version else 0)
        if number == wanted:
            fields.position = at
            return (method == 1, base + fields.take(offset_bytes), fields.take(length_bytes)) if extents else None
        fields.position += extents * (offset_bytes + length_bytes + (index_bytes if version else 0))
    return None


class _Fields:
    """Numbers one after the other."""

    def __init__(self, box: BoundedFile) -> None:
        self._box = box
        self.position = 0

    def take(self, size: int) -> int:
        """The next number, of `size` bytes; zero beyond the end."""
        value = int.from_bytes(self._box.at(self.position, size))
        self.position += size
        return value
