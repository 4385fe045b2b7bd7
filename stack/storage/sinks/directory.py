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
    OWN_FOLDER,
    PIECE_BYTES,
    Piece,
    Presence,
    SinkInfo,
    Wanted,
    checked,
    marker_id,
    new_marker,
    own,
    parents,
    presence,
    require_fits,
    temporary,
)
from stack.storage.sinks.errors import (
    AwayError,
    BadNameError,
    DamagedError,
    DeniedError,
    ForbiddenError,
    FullError,
    HangingError,
    LockedError,
    ReadOnlyError,
    SinkError,
    TakenError,
    TooLargeError,
    WrongPlaceError,
)

_FILE_MODE: Final = 0o644
_OPEN_TEMPORARY: Final = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOUND: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# What the kernel says of disks and mounts, and what that means. Anything else is a sink that is away.
_BY_ERRNO: Final[dict[int, tuple[type[SinkError], str]]] = {
    errno.ENOSPC: (FullError, "it is full"),
    errno.EDQUOT: (FullError, "the quota is used up"),
    errno.EROFS: (ReadOnlyError, "it is read-only"),
    errno.EFBIG: (TooLargeError, "it cannot hold a file of this size"),
    errno.EACCES: (ForbiddenError, "this user may not do that"),
    errno.EPERM: (ForbiddenError, "this user may not do that"),
    errno.EEXIST: (TakenError, "the name is taken"),
    errno.ENAMETOOLONG: (BadNameError, "the name is too long for it"),
    errno.EINVAL: (BadNameError, "it does not take this name"),
    errno.EILSEQ: (BadNameError, "it does not take this name"),
    errno.EISDIR: (TakenError, "a folder has this name"),
    errno.ELOOP: (TakenError, "a symbolic link has this name"),
    errno.ENOTDIR: (TakenError, "a file is in the way of a folder"),
    errno.EBUSY: (LockedError, "somebody has it open"),
    errno.ETXTBSY: (LockedError, "somebody has it open"),
    errno.EAGAIN: (LockedError, "somebody has it locked"),
    errno.EKEYREJECTED: (DeniedError, "the server does not accept the password"),
    errno.EKEYEXPIRED: (DeniedError, "the password has expired"),
    errno.ENOKEY: (DeniedError, "the mount has no valid key"),
    errno.ETIMEDOUT: (HangingError, "it does not answer"),
    errno.ENOENT: (WrongPlaceError, "a folder is missing"),
    errno.ESTALE: (AwayError, "the server has forgotten the mount"),
    errno.EHOSTDOWN: (AwayError, "the server is down"),
    errno.EIO: (AwayError, "the disk reports an error, or was pulled"),
    errno.ENODEV: (AwayError, "the disk was pulled"),
    errno.ENXIO: (AwayError, "the disk was pulled"),
}


def sink_error(error: OSError, place: str) -> SinkError:
    """What an error of the kernel means for the sink at `place`."""
    kind, sentence = _BY_ERRNO.get(error.errno or 0, (AwayError, error.strerror or "it is not there"))
    return kind(f"{place}: {sentence}")


@contextmanager
def _translated(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise sink_error(error, place) from error


class DirectorySink:
    """A `Sink` in a folder."""

    def __init__(self, root: Path, station: str) -> None:
        """Use the absolute folder `root`, which is not looked at yet."""
        self._root = root
        self._station = station

    def initialise(self) -> SinkInfo:
        """Leave the marker in the folder, which has to exist: a mount point may be there and nothing mounted."""
        with self._opened() as root:
            _make_folders(root, f"{INCOMING}/x")
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
            return [presence(_size_bytes(root, checked(path)), size_bytes) for path, size_bytes in files]

    def verify(self, wanted: Wanted) -> bool:
        """Whether the content is there, read back."""
        with self._ready() as root:
            try:
                file = os.open(checked(wanted.path), _OPEN_FOUND, dir_fd=root)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
                    return False
                raise
            try:
                return stat.S_ISREG(os.fstat(file).st_mode) and _holds(file, wanted)
            finally:
                os.close(file)

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
            _make_folders(root, own(path))
            _replace(root, path, data, self._station)

    def discard(self, path: str) -> None:
        """Remove a file of ours."""
        with self._ready() as root, suppress(FileNotFoundError):
            os.unlink(own(path), dir_fd=root)

    def close(self) -> None:
        """Nothing stays open between calls."""

    @contextmanager
    def _opened(self, *, keep: bool = False) -> Iterator[int]:
        """A handle of the folder; `keep` leaves it open if all goes well."""
        with _translated(str(self._root)):
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
        self._file = -1
        _make_folders(root, name)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=root)  # of an earlier try; perhaps a hanging process still has it open
        self._file = os.open(name, _OPEN_TEMPORARY, _FILE_MODE, dir_fd=root)

    def write(self, piece: Piece) -> None:
        """Append `piece`."""
        with _translated(self._wanted.path):
            view = memoryview(piece)
            while view:
                view = view[os.write(self._file, view) :]

    def commit(self) -> None:
        """Sync, read back, rename without overwriting, sync the folders."""
        with _translated(self._wanted.path):
            with suppress(PermissionError):  # FAT and some shares keep times of their own
                os.utime(self._file, ns=(self._wanted.mtime_ns, self._wanted.mtime_ns))
            os.fsync(self._file)
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)
            if not _holds(self._file, self._wanted):
                raise DamagedError(f"{self._wanted.path} was read back with other content than was written")
            os.close(self._file)  # first: over SMB an open file cannot be renamed
            self._file = -1
            _make_folders(self._root, self._wanted.path)
            rename_new(self._temporary, self._wanted.path, source_dir=self._root, target_dir=self._root)
            _sync_folders(self._root, self._wanted.path)
        self._close()

    def abort(self) -> None:
        """Remove the temporary."""
        if self._root >= 0:
            with suppress(OSError):
                os.unlink(self._temporary, dir_fd=self._root)
        self._close()

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
        status = os.stat(path, dir_fd=root, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def _holds(file: int, wanted: Wanted) -> bool:
    """Whether an open file has this size and content."""
    if os.fstat(file).st_size != wanted.size_bytes:
        return False
    digest, at = hashlib.sha256(), 0
    while piece := os.pread(file, PIECE_BYTES, at):
        digest.update(piece)
        at += len(piece)
    return digest.digest() == wanted.sha256


def _make_folders(root: int, path: str) -> None:
    for folder in parents(path):
        try:
            os.mkdir(folder, dir_fd=root)
        except FileExistsError:
            continue
        _sync_folders(root, folder)


def _sync_folders(root: int, path: str) -> None:
    """Make the name `path` durable. Some network file systems cannot sync a folder, and need not."""
    above = parents(path)
    folder = os.open(above[-1] if above else ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(folder)


def _load(root: int, path: str) -> bytes | None:
    try:
        file = os.open(path, _OPEN_FOUND, dir_fd=root)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(file, "rb") as reader:
        data = reader.read(MAX_OWN_BYTES + 1)
    require_fits(data, path)
    return data


def _replace(root: int, path: str, data: bytes, station: str) -> None:
    name = f"{OWN_FOLDER}/incoming/own-{station}"
    with os.fdopen(os.open(name, _OPEN_TEMPORARY, _FILE_MODE, dir_fd=root), "wb") as writer:
        writer.write(data)
        writer.flush()
        os.fsync(writer.fileno())
    os.replace(name, path, src_dir_fd=root, dst_dir_fd=root)
    _sync_folders(root, path)
