"""The spool as the forwarder sees it: files to read, and to remove once they are safe elsewhere."""

import fcntl
import hashlib
import logging
import os
import re
import stat
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stack.storage.errors import ForwarderBusyError, SpoolMissingError, translated
from stack.storage.folder import JOURNAL, LOCK, OWN, is_locked, mtime_tolerance_ns
from stack.storage.forward.ledger import Spooled

_FORWARD_LOCK: Final = "forward.lock"
_STATION: Final = "station"
_STATION_DIGITS: Final = 8
_PIECE_BYTES: Final = 1 << 20
_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_LOCK: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

_log = logging.getLogger(__name__)


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
            self._mtime_tolerance_ns = mtime_tolerance_ns(self.path)
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

        Asking does not take the lock, which would bar a Ferry that starts just then.
        """
        with translated():
            handle = self._open_own(LOCK)
            try:
                return is_locked(handle)
            finally:
                os.close(handle)

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

    def remove(self, entries: Sequence[Spooled]) -> None:
        """Remove files for good; one that is gone already is as good, one that somebody has changed stays."""
        self.drop([each for each in entries if self._is_as_it_came(each)])

    def drop(self, entries: Sequence[Spooled]) -> None:
        """Remove files for good, whatever they are now."""
        with translated():
            for each in entries:
                with suppress(FileNotFoundError):
                    os.unlink(each.name, dir_fd=self._handle)
            os.fsync(self._handle)

    def _is_as_it_came(self, entry: Spooled) -> bool:
        try:
            status = os.stat(entry.name, dir_fd=self._handle, follow_symlinks=False)
        except FileNotFoundError:
            return False
        same_time = abs(status.st_mtime_ns - entry.mtime_ns) <= self._mtime_tolerance_ns
        is_same = stat.S_ISREG(status.st_mode) and status.st_size == entry.size_bytes and same_time
        if not is_same:
            _log.warning("%s was changed in the spool, and stays there", entry.name)
        return is_same

    def station_id(self) -> str:
        """Return eight hex digits that name this station in its sinks; drawn once for each spool."""
        with translated(), open(self._open_own(_STATION), "r+") as file:
            known = file.read(_STATION_DIGITS)
            if re.fullmatch(f"[0-9a-f]{{{_STATION_DIGITS}}}", known):
                return known
            drawn = os.urandom(_STATION_DIGITS // 2).hex()
            file.seek(0)
            file.write(drawn)
            file.flush()
            os.fsync(file.fileno())
            return drawn

    def _open_own(self, name: str) -> int:
        return os.open(f"{OWN}/{name}", _OPEN_LOCK, 0o640, dir_fd=self._handle)

    def _lock(self, name: str) -> bool:
        handle = self._open_own(name)
        self._opened.callback(os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
