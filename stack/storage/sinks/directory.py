"""A folder as a sink: a disk, or whatever the kernel has mounted (CIFS, NFS, a USB disk that comes and goes).

Written data is synced, dropped from the page cache and read back, so a network mount is asked for what it really has.
Every call opens the folder anew: a disk that was pulled and put back is then seen as it is now.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from board.filesystem import rename_new
from stack.storage.sinks.base import (
    INCOMING,
    MARKER,
    MARKER_IN_CAPITALS,
    MAX_OWN_BYTES,
    PIECE_BYTES,
    Piece,
    Presence,
    SinkInfo,
    Wanted,
    checked,
    marker_id,
    new_marker,
    own,
    presence,
    require_fits,
    temporary,
)
from stack.storage.sinks.errors import DamagedError, FullError, LinkError, ReadOnlyError, SinkError, TakenError
from stack.storage.sinks.folders import above, sync_above
from stack.storage.sinks.kernel_errors import translated

_FILE_MODE: Final = 0o644
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_OPEN_FOUND: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DirectorySink:
    """A `Sink` in a folder."""

    def __init__(self, root: Path, station: str) -> None:
        """Use the absolute folder `root`, which is not looked at yet."""
        self._root = root
        self._station = station

    def initialise(self) -> SinkInfo:
        """Leave the marker in the folder, which has to exist: a mount point may be there and nothing mounted."""
        with self._opened() as root:
            if self._marker(root) is None:
                _replace(root, MARKER, new_marker(), self._station)
        return self.probe()

    def probe(self) -> SinkInfo:
        """Look whether the folder is there, by its marker."""
        with self._opened() as root:
            identity = marker_id(self._marker(root), str(self._root))
            status = os.statvfs(root)
            if status.f_flag & os.ST_RDONLY:
                raise ReadOnlyError(f"{self._root} is mounted read-only")
            is_case_sensitive = _size_bytes(root, MARKER_IN_CAPITALS) is None
            return SinkInfo(identity, status.f_bavail * status.f_frsize, is_case_sensitive)

    def exists(self, files: Sequence[tuple[str, int]]) -> list[Presence]:
        """What is there, by one `stat` a file."""
        with self._ready() as root:
            return [_presence(root, checked(path), size_bytes) for path, size_bytes in files]

    def verify(self, wanted: Wanted) -> bool:
        """Whether the content is there, synced and read back: whoever has put it there may not have done so."""
        with self._ready() as root:
            try:
                file = _open(root, checked(wanted.path))
            except LinkError:
                return False
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
                    return False
                raise
            try:
                is_there = stat.S_ISREG(os.fstat(file).st_mode) and _holds_durably(file, wanted)
            finally:
                os.close(file)
            if is_there:
                sync_above(root, wanted.path)
            return is_there

    def begin(self, wanted: Wanted) -> "DirectoryUpload":
        """Open a temporary file of the sink."""
        with self._ready(keep=True) as root:
            if _size_bytes(root, checked(wanted.path)) is not None:
                raise TakenError(f"{wanted.path} is there already")
            _require_room(root, wanted, str(self._root))
            return DirectoryUpload(root, wanted, temporary(wanted, self._station))

    def load(self, path: str) -> bytes | None:
        """The content of a file of ours."""
        with self._ready() as root:
            return _load(root, own(path))

    def replace(self, path: str, data: bytes) -> None:
        """Replace a file of ours by rename."""
        require_fits(data, path)
        with self._ready() as root:
            _replace(root, own(path), data, self._station)

    def discard(self, path: str) -> None:
        """Remove a file of ours."""
        with self._ready() as root, suppress(FileNotFoundError), above(root, own(path)) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def close(self) -> None:
        """Nothing stays open between calls."""

    @contextmanager
    def _opened(self, *, keep: bool = False) -> Iterator[int]:
        """A handle of the folder; `keep` leaves it open if all goes well."""
        with translated(str(self._root)):
            root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                yield root
            except BaseException:
                os.close(root)
                raise
            if not keep:
                os.close(root)

    @contextmanager
    def _ready(self, *, keep: bool = False) -> Iterator[int]:
        """A handle of the folder in which the marker lies: what is then done is done on the same file system."""
        with self._opened(keep=keep) as root:
            marker_id(self._marker(root), str(self._root))
            yield root

    def _marker(self, root: int) -> bytes | None:
        return _load(root, MARKER)


class DirectoryUpload:
    """An `Upload` into a folder."""

    def __init__(self, root: int, wanted: Wanted, name: str) -> None:
        """Create the temporary `name`; owns the handle `root`. Raises `OSError`, and then does not own it."""
        self._root = root
        self._wanted = wanted
        self._temporary = name
        with above(root, name, make=True) as (incoming, temporary_name):
            self._file = _create(incoming, temporary_name)

    def write(self, piece: Piece) -> None:
        """Append `piece`."""
        with translated(self._wanted.path):
            view = memoryview(piece)
            while view:
                view = view[os.write(self._file, view) :]

    def commit(self) -> None:
        """Sync, read back, rename without overwriting, sync the folders."""
        path = self._wanted.path
        with translated(path):
            with above(self._root, self._temporary) as (incoming, temporary_name):
                self._set_time(self._file)
                if not _holds_durably(self._file, self._wanted):
                    raise DamagedError(f"{path} was read back with other content than was written")
                with above(self._root, path, make=True) as (folder, name):
                    _require_own(self._file, incoming, temporary_name)
                    self._close_file()  # first: over SMB an open file cannot be renamed
                    self._set_time(temporary_name, incoming)  # again: an SMB server takes the time of the closing
                    rename_new(temporary_name, name, source_dir=incoming, target_dir=folder)
            sync_above(self._root, path)
        self._close()

    def _set_time(self, file: int | str, folder: int | None = None) -> None:
        times_ns = (self._wanted.mtime_ns, self._wanted.mtime_ns)
        with suppress(PermissionError):  # FAT and some shares keep times of their own
            os.utime(file, ns=times_ns, dir_fd=folder, follow_symlinks=folder is None)

    def abort(self) -> None:
        """Remove the temporary, unless another process has begun anew under its name."""
        if self._root >= 0:
            with suppress(OSError, SinkError), above(self._root, self._temporary) as (incoming, temporary_name):
                if self._file >= 0:
                    _require_own(self._file, incoming, temporary_name)
                os.unlink(temporary_name, dir_fd=incoming)
        self._close()

    def _close_file(self) -> None:
        file, self._file = self._file, -1
        os.close(file)

    def _close(self) -> None:
        for handle in (self._file, self._root):
            if handle >= 0:
                with suppress(OSError):
                    os.close(handle)
        self._file = self._root = -1


def _require_room(root: int, wanted: Wanted, place: str) -> None:
    status = os.statvfs(root)
    if wanted.size_bytes > status.f_bavail * status.f_frsize:
        raise FullError(f"{place} has no room for {wanted.size_bytes / 1e6:.0f} MB")


def _size_bytes(root: int, path: str) -> int | None:
    """The size of the regular file, -1 for anything else, None for nothing."""
    try:
        with above(root, path) as (folder, name):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def _presence(root: int, path: str, size_bytes: int) -> Presence:
    """What is under the path. Behind a symbolic link there is nothing; who wants to store something there is told."""
    try:
        return presence(_size_bytes(root, path), size_bytes)
    except LinkError:
        return Presence.ABSENT


def _holds_durably(file: int, wanted: Wanted) -> bool:
    """Whether the disk or server itself has this content: not only the page cache."""
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    return _holds(file, wanted)


def _holds(file: int, wanted: Wanted) -> bool:
    """Whether an open file has this size and content."""
    if os.fstat(file).st_size != wanted.size_bytes:
        return False
    digest, at = hashlib.sha256(), 0
    while piece := os.pread(file, PIECE_BYTES, at):
        digest.update(piece)
        at += len(piece)
    return digest.digest() == wanted.sha256


def _open(root: int, path: str) -> int:
    with above(root, path) as (folder, name):
        return os.open(name, _OPEN_FOUND, dir_fd=folder)


def _load(root: int, path: str) -> bytes | None:
    try:
        file = _open(root, path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(file, "rb") as reader:
        data = reader.read(MAX_OWN_BYTES + 1)
    require_fits(data, path)
    return data


def _replace(root: int, path: str, data: bytes, station: str) -> None:
    with above(root, f"{INCOMING}/own-{station}", make=True) as (incoming, temporary_name):
        with os.fdopen(_create(incoming, temporary_name), "wb") as writer:
            writer.write(data)
            writer.flush()
            os.fsync(writer.fileno())
            _require_own(writer.fileno(), incoming, temporary_name)
        with above(root, path, make=True) as (folder, name):
            os.replace(temporary_name, name, src_dir_fd=incoming, dst_dir_fd=folder)
    sync_above(root, path)


def _create(folder: int, name: str) -> int:
    """A new file in place of that of an earlier try, which a hanging process perhaps still has open."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    return os.open(name, _CREATE, _FILE_MODE, dir_fd=folder)


def _require_own(file: int, folder: int, name: str) -> None:
    """Raise `DamagedError` unless the name is that of the open file."""
    with suppress(FileNotFoundError):
        if os.path.samestat(os.fstat(file), os.stat(name, dir_fd=folder, follow_symlinks=False)):
            return
    raise DamagedError(f"{name} is being written by another Ferry that has the id of this station")
