"""Where the EXIF of a file is that the EXIF library does not find by itself: in HEIF and AVIF, CR3, WebP and RAF.

Each gives the part of the file that the library reads: a TIFF structure, or a JPEG.
"""

from stack.storage.library.bounded_file import BoundedFile
from stack.storage.library.boxes import boxes, find, is_box_file
from stack.storage.library.heif_item import find_item

# Canon's box of metadata; its part CMT2 is the EXIF directory as a TIFF structure.
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")

_RAF = b"FUJIFILMCCD-RAW "
_EXIF_PREFIX = b"Exif\0\0"
_MAX_CHUNKS = 64


def exif_block(file: BoundedFile) -> BoundedFile | None:
    """The part of the file that holds its EXIF; all of it where the library looks itself; None if there is none."""
    if is_box_file(file):
        return _canon_block(file) or _heif_block(file)
    if file.at(0, 4) == b"RIFF" and file.at(8, 4) == b"WEBP":
        return _webp_block(file)
    if file.at(0, 16) == _RAF:
        return _raf_block(file)
    return file


def _webp_block(file: BoundedFile) -> BoundedFile | None:
    """The EXIF chunk (WebP Container Specification), which some programs begin as JPEG does."""
    at = 12
    for _ in range(_MAX_CHUNKS):
        size = int.from_bytes(file.at(at + 4, 4), "little")
        if file.at(at, 4) == b"EXIF":
            return _tiff(file.window(at + 8, size))
        at += 8 + size + size % 2
    return None


def _raf_block(file: BoundedFile) -> BoundedFile:
    """The JPEG in Fujifilm's raw files."""
    return file.window(int.from_bytes(file.at(84, 4)), int.from_bytes(file.at(88, 4)))


def _canon_block(file: BoundedFile) -> BoundedFile | None:
    moov = find(file, b"moov")
    if moov is None:
        return None
    for box in boxes(moov):
        if box.kind == b"uuid" and box.payload.at(0, 16) == _CANON:
            return find(box.payload.window(16, box.payload.size_bytes), b"CMT2")
    return None


def _heif_block(file: BoundedFile) -> BoundedFile | None:
    """The item of type Exif (ISO/IEC 23008-12, Annex A): an offset, then the TIFF structure there."""
    item = find_item(file, b"Exif")
    return item and _tiff(item.window(4 + int.from_bytes(item.at(0, 4)), item.size_bytes))


def _tiff(block: BoundedFile) -> BoundedFile:
    skip = len(_EXIF_PREFIX) if block.at(0, len(_EXIF_PREFIX)) == _EXIF_PREFIX else 0
    return block.window(skip, block.size_bytes)
