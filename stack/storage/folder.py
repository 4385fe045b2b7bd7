"""The folder on the disk: final files lie flat in it, everything of Ferry's own in `.ferry/`.

    DIR/IMG_0001.jpg
    DIR/.ferry/journal.db
    DIR/.ferry/incoming/     files on their way in, removed at the next start
    DIR/.ferry/lock          held by the Ferry that receives into DIR
    DIR/.ferry/forward.lock  held by the Ferry that forwards from it

All names are looked up in handles of directories, so that nothing outside is ever reached.
"""

import fcntl
import hashlib
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from board.filesystem import can_syncfs, filesystem_type, rename_new, syncfs
from stack.storage.errors import FolderBusyError, FolderUnusableError
from stack.storage.journal import EntryRow

FILE_MODE = 0o640
FOLDER_MODE = 0o750

OWN = ".ferry"
_INCOMING = "incoming"
LOCK = "lock"
JOURNAL = "journal.db"
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_OPEN_FOUND = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_OPEN_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
_DIGEST_PIECE_BYTES = 1 << 20
_FLOCK = struct.Struct("@hhqqi4x")  # struct flock: kind, whence, start, length, process
_WHOLE_FILE = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)

# These keep a modification time to the nanosecond they report; FAT stores it in steps of two seconds.
_EXACT_TIMES = frozenset({"ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay"})
_MTIME_TOLERANCE_NS = 2_000_000_000


class Folder:
    """The open, locked folder. Methods raise `OSError` unless they say otherwise."""

    def __init__(self, path: Path) -> None:
        """Make the folder if need be, lock it, remove what a crash left in `incoming`. Raises `StoreError`."""
        with _usable(path), ExitStack() as opened:
            path = path.absolute()
            _make_durable(path)
            self._handle = _opened(opened, path, os.O_RDONLY | os.O_DIRECTORY, None)
            own = _subfolder(opened, OWN, self._handle)
            _lock(_opened(opened, LOCK, _OPEN_LOCK, own))
            self._incoming = _subfolder(opened, _INCOMING, own)
            self._clear_incoming()
            self._syncs_whole = can_syncfs(_filesystem(path), os.uname().release)
            self._mtime_tolerance_ns = mtime_tolerance_ns(path)
            self._temporary_numbers = count()
            self.journal_path = path / OWN / JOURNAL
            self._opened = opened.pop_all()

    def create_temporary(self) -> tuple[str, int]:
        """A new empty file in `incoming`, its name there and its descriptor."""
        name = str(next(self._temporary_numbers))
        return name, os.open(name, _OPEN_NEW, FILE_MODE, dir_fd=self._incoming)

    def remove_temporary(self, name: str) -> None:
        """Remove the file from `incoming`. Never fails: what is left behind goes at the next start."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._incoming)

    def publish(self, temporary: str, name: str) -> None:
        """Give the temporary its final name. Raises `FileExistsError`."""
        rename_new(temporary, name, source_dir=self._incoming, target_dir=self._handle)

    def link(self, existing: str, name: str) -> None:
        """Let a file of the folder appear under a second name. Raises `FileExistsError`."""
        handles = {"src_dir_fd": self._handle, "dst_dir_fd": self._handle}
        os.link(existing, name, follow_symlinks=False, **handles)

    def status(self, name: str) -> os.stat_result:
        """The status of what has this name, itself if it is a symbolic link. Raises `FileNotFoundError`."""
        return os.stat(name, dir_fd=self._handle, follow_symlinks=False)

    def confirms(self, row: EntryRow) -> bool:
        """Whether the file of the row is there now, as Ferry left it."""
        try:
            status = self.status(row.name)
        except OSError:
            return False
        same_time = abs(status.st_mtime_ns - row.mtime_ns) <= self._mtime_tolerance_ns
        return stat.S_ISREG(status.st_mode) and status.st_size == row.size_bytes and same_time

    def names(self) -> list[str]:
        """The names of what lies in the folder, but for Ferry's own."""
        return sorted(name for name in os.listdir(self._handle) if name != OWN)

    def sha256(self, name: str) -> bytes:
        """The hash of a file's content."""
        file = os.open(name, _OPEN_FOUND, dir_fd=self._handle)
        try:
            return _sha256(file)
        finally:
            os.close(file)

    def sync_if_same(self, name: str, size_bytes: int, sha256: bytes) -> bool:
        """Whether `name` is a regular file of this size and content; if so, its data is durable."""
        try:
            file = os.open(name, _OPEN_FOUND, dir_fd=self._handle)
        except OSError:
            return False
        try:
            status = os.fstat(file)
            regular = stat.S_ISREG(status.st_mode) and status.st_size == size_bytes
            same = regular and _sha256(file) == sha256
            if same:
                os.fsync(file)
            return same
        finally:
            os.close(file)

    def sync_names(self) -> None:
        """Make the final names durable."""
        os.fsync(self._handle)

    def sync_everything(self) -> bool:
        """Make all data on the file system durable by one call, if that can be relied upon here."""
        if not self._syncs_whole:
            return False
        try:
            syncfs(self._handle)
        except OSError:
            return False  # perhaps a file of somebody else: syncing ours one by one tells
        return True

    def free_bytes(self) -> int:
        """How much room there is for this user."""
        status = os.statvfs(self._handle)
        return status.f_bavail * status.f_frsize

    def close(self) -> None:
        """Close all handles and give the lock back. Later calls fail, whoever has the descriptors' numbers then."""
        self._handle = self._incoming = -1
        self._opened.close()

    def _clear_incoming(self) -> None:
        for name in os.listdir(self._incoming):
            os.unlink(name, dir_fd=self._incoming)


def _opened(stack: ExitStack, path: Path | str, flags: int, directory: int | None) -> int:
    handle = os.open(path, flags, FILE_MODE, dir_fd=directory)
    stack.callback(os.close, handle)
    return handle


def _subfolder(stack: ExitStack, name: str, directory: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, FOLDER_MODE, dir_fd=directory)
    return _opened(stack, name, _OPEN_DIRECTORY, directory)


def _make_durable(path: Path) -> None:
    if not path.is_dir():
        _make_durable(path.parent)
        path.mkdir(FOLDER_MODE, exist_ok=True)
    with suppress(PermissionError):  # then it was not made here
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def mtime_tolerance_ns(path: Path) -> int:
    """How far a modification time may be from what was set, on the file system of `path`."""
    return 0 if _filesystem(path) in _EXACT_TIMES else _MTIME_TOLERANCE_NS


def _lock(handle: int) -> None:
    """Take both kinds of lock: only flock knows a Ferry of before, and only the other can be asked about."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except BlockingIOError:
        raise FolderBusyError("another Ferry receives into this folder") from None


def is_locked(handle: int) -> bool:
    """Whether somebody has taken the lock of an open lock file. Does not take it (fcntl(2), F_OFD_GETLK)."""
    kind, *_ = _FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_OFD_GETLK, _WHOLE_FILE))
    return bool(kind != fcntl.F_UNLCK)


def _filesystem(path: Path) -> str:
    mountinfo = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    return filesystem_type(path.resolve(), mountinfo)


def _sha256(file: int) -> bytes:
    digest = hashlib.sha256()
    while piece := os.read(file, _DIGEST_PIECE_BYTES):
        digest.update(piece)
    return digest.digest()


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FolderUnusableError(f"cannot receive into {path}: {error.strerror}") from error
