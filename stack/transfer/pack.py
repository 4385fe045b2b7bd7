"""The sending inner loop: files in, HTTP chunks of one streamed archive out. No sockets here.

File bytes are read straight into their place in the chunk; the CPU touches them only for the CRC-32.
"""

import mimetypes
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from board.errors import FerryError
from stack.transfer.zip_write import BLOCK_HEADER, BLOCK_LIMIT, ZipWriter

CHUNK_SIZE = 256 * 1024
_HEAD_SIZE = 8  # six hexadecimal digits and a line break
_TAIL = b"\r\n"
_FERRYS_OWN = ".ferry"  # what a spool keeps beside the files that it received
_PAYLOAD_END = CHUNK_SIZE - len(_TAIL)


class FileChangedError(FerryError):
    """A file was not what it was when it was offered. The transfer fails: nothing is padded or cut."""

    remedy = "Send it again."


class NothingToShareError(FerryError):
    """What was picked cannot be read, or holds no file."""

    remedy = "Name files that exist and that this user may read, or folders with such files."


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file to send, as it was when it was picked."""

    path: Path
    size: int
    mtime_ns: int

    @property
    def mime_type(self) -> str:
        return mimetypes.guess_type(self.path.name)[0] or "application/octet-stream"


def pick(paths: Sequence[Path]) -> list[SharedFile]:
    """List the regular files at `paths`, at least one; folders are walked in order of names.

    Raises:
        NothingToShareError: one of them is not there or cannot be read, or there is no file at all.
    """
    try:
        files = [_share(file) for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    except OSError as error:
        raise NothingToShareError(f"{error.filename} cannot be shared: {error.strerror}") from None
    picked = [file for file in files if file is not None]
    if not picked:
        raise NothingToShareError("there is no file in what was named")
    return picked


def _share(path: Path) -> SharedFile | None:
    """Take `path` as it is now. None for what is no file to share: a folder, a pipe, a device, a spool's journal."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or _FERRYS_OWN in path.parts:
        return None
    with path.open("rb"):  # readable, or the offer would be a promise that we cannot keep
        return SharedFile(path, status.st_size, status.st_mtime_ns)


def common_type(files: Sequence[SharedFile]) -> str:
    """The MIME type that fits all files: `image/jpeg`, `image/*`, or `*/*`."""
    types = {file.mime_type for file in files}
    if len(types) == 1:
        return types.pop()
    families = {mime_type.split("/")[0] for mime_type in types}
    return f"{families.pop()}/*" if len(families) == 1 else "*/*"


class Packer:
    """Packs files into HTTP chunks. Iterate: each chunk is a view that lives until the next one is asked for."""

    def __init__(self, files: Sequence[SharedFile]) -> None:
        self.packed_bytes = 0  # of the files themselves
        self._files = files
        self._writer = ZipWriter()
        self._view = memoryview(bytearray(CHUNK_SIZE))
        self._position = _HEAD_SIZE

    def __iter__(self) -> Iterator[memoryview]:
        for index, file in enumerate(self._files):
            name = f"{index}/{file.path.name.encode(errors='replace').decode()}"
            yield from self._put(self._writer.begin(name, datetime.fromtimestamp(file.mtime_ns / 1e9)))
            with file.path.open("rb", buffering=0) as source:
                yield from self._put_file(source, file)
            yield from self._put(self._writer.end())
        yield from self._put(self._writer.close())
        if self._position > _HEAD_SIZE:
            yield self._chunk()

    def _put(self, record: bytes) -> Iterator[memoryview]:
        while record:
            if self._position == _PAYLOAD_END:
                yield self._chunk()
            part = record[: _PAYLOAD_END - self._position]
            self._view[self._position : self._position + len(part)] = part
            self._position += len(part)
            record = record[len(part) :]

    def _put_file(self, source: BinaryIO, file: SharedFile) -> Iterator[memoryview]:
        left = file.size
        while left:
            if _PAYLOAD_END - self._position <= BLOCK_HEADER.size:
                yield self._chunk()
            data = self._position + BLOCK_HEADER.size
            count = os.readv(source.fileno(), [self._view[data : min(data + min(left, BLOCK_LIMIT), _PAYLOAD_END)]])
            if not count:
                break
            self._view[self._position : data] = self._writer.block(self._view[data : data + count])
            self._position = data + count
            self.packed_bytes += count
            left -= count
        status = os.fstat(source.fileno())
        if left or (status.st_size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            raise FileChangedError(f"{file.path} changed while it was being sent")

    def _chunk(self) -> memoryview:
        """Close the chunk that is filled so far and start the next one."""
        end = self._position
        self._view[:_HEAD_SIZE] = b"%06x\r\n" % (end - _HEAD_SIZE)
        self._view[end : end + len(_TAIL)] = _TAIL
        self._position = _HEAD_SIZE
        return self._view[: end + len(_TAIL)]
