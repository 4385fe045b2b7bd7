"""The process that reads metadata: one request, an open file with its size; one answer, the texts found in it.

It holds no secrets, opens nothing and is `confinement.confine`d before the first file. Whatever the EXIF library
makes of a hostile file ends here, as an answer, as silence or as the end of this process.
"""

import json
import logging
import os
import socket
from dataclasses import asdict, replace
from typing import BinaryIO, cast

import exifread

from stack.storage.library.bounded_file import BoundedFile, Budget
from stack.storage.library.boxes import find, is_box_file
from stack.storage.library.confinement import confine
from stack.storage.library.exif_block import exif_block
from stack.storage.library.metadata import MAX_TEXT, FileMetadata
from stack.storage.library.movie import movie_date, movie_seconds

# All that is read of one file. Well-made ones need some 100 KiB.
BUDGET_BYTES = 32 << 20

_MAX_REQUEST_BYTES = 32


def main(channel: int) -> None:
    """Serve requests until the other side closes."""
    logging.disable()
    with socket.socket(fileno=channel) as parent:
        read_dates(BoundedFile(-1, 0, 0, Budget(0)))  # imports what is imported late
        parent.send(b"confined" if confine() else b"limited")
        while _serve(parent):
            pass


def _serve(parent: socket.socket) -> bool:
    request, files, _, _ = socket.recv_fds(parent, _MAX_REQUEST_BYTES, 1)
    if not request:
        return False
    try:
        metadata = read_dates(BoundedFile(files[0], 0, int(request), Budget(BUDGET_BYTES)))
        parent.send(json.dumps(asdict(metadata)).encode())
    finally:
        os.close(files[0])
    return True


def read_dates(file: BoundedFile) -> FileMetadata:
    """Everything a file says of its date."""
    metadata = FileMetadata()
    for read in (_with_movie, _with_exif):
        try:
            metadata = read(metadata, file)
        except Exception as error:  # the parsers meet what strangers wrote
            metadata = replace(metadata, problem=type(error).__name__)
    return metadata


def _with_movie(metadata: FileMetadata, file: BoundedFile) -> FileMetadata:
    moov = find(file, b"moov") if is_box_file(file) else None
    if moov is None:
        return metadata
    return replace(metadata, movie_date=movie_date(moov)[:MAX_TEXT], movie_seconds=movie_seconds(moov))


def _with_exif(metadata: FileMetadata, file: BoundedFile) -> FileMetadata:
    block = exif_block(file)
    if block is None:
        return metadata
    tags = exifread.process_file(cast(BinaryIO, block), details=False, extract_thumbnail=False)
    return replace(
        metadata,
        taken=_text(tags, "DateTimeOriginal"),
        taken_offset=_text(tags, "OffsetTimeOriginal"),
        digitized=_text(tags, "DateTimeDigitized"),
        digitized_offset=_text(tags, "OffsetTimeDigitized"),
    )


def _text(tags: dict[str, object], name: str) -> str:
    """A tag of the EXIF directory, which is the first directory in CR3."""
    return str(tags.get(f"EXIF {name}") or tags.get(f"Image {name}") or "")[:MAX_TEXT]
