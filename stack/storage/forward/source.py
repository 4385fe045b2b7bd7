"""The spool as the forwarder sees it: files to read, and to remove once they are safe elsewhere."""

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stack.storage.errors import ForwarderBusyError, SpoolMissingError, translated
from stack.storage.folder import JOURNAL, LOCK, OWN

_FORWARD_LOCK: Final = "forward.lock"
_LOCKS: Final = Path("/proc/locks")
_PIECE_BYTES: Final = 1 << 20
_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Source:
    """An open spool folder. Methods raise `StoreError` unless they say otherwise."""

    def __init__(self, path: Path) -> None:
        """Open it, beside a Ferry that receives into it. Raises `SpoolMissingError`, `StoreError`."""
        self.path = path.absolute()
        self.journal_path = self.path / OWN / JOURNAL
        if not self.journal_path.is_file():
            raise SpoolMissingError(f"there is no spool in {path}")
        with translated(), ExitStack() as opened:
            self._handle = os.open(self.path, _OPEN_FOLDER)
            opened.callback(os.close, self._handle)
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def claim(self) -> None:
        """Be the only forwarder of this spool. Raises `ForwarderBusyError`."""
        with translated():
            is_ours = self._lock(_FORWARD_LOCK)
        if not is_ours:
            raise ForwarderBusyError(f"another Ferry forwards from {self.path}")

    def is_received_into(self) -> bool:
        """Whether a Ferry receives into the folder now, so that a task without an end may still run.

        The kernel's list of locks tells (proc_locks(5)); to try the lock would bar a Ferry that starts just then.
        """
        try:
            status = os.stat(f"{OWN}/{LOCK}", dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return False
        device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
        return any(" FLOCK " in lock and f" {device} " in lock for lock in _LOCKS.read_text().splitlines())

    def open(self, name: str) -> int:
        """Open a file of the spool for reading; it must be a regular one. Raises `OSError`."""
        handle = os.open(name, _OPEN_FILE, dir_fd=self._handle)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise FileNotFoundError(f"{name} is not a file")
        return handle

    def sha256(self, name: str) -> bytes:
        """Read a file and return its hash. Raises `OSError`."""
        with open(self.open(name), "rb", buffering=0) as file:
            digest = hashlib.sha256()
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
        return digest.digest()

    def remove(self, names: Iterable[str]) -> None:
        """Remove files for good; that one is gone already is as good."""
        with translated():
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._handle)
            os.fsync(self._handle)

    def _lock(self, name: str) -> bool:
        handle = os.open(f"{OWN}/{name}", _OPEN_LOCK, 0o640, dir_fd=self._handle)
        self._opened.callback(os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
