"""Tells when files in a folder are written (inotify(7)): a descriptor to wait for, and nothing to poll."""

import ctypes
import os
from pathlib import Path
from typing import Final

_MODIFIED: Final = 0x2
_READ_BYTES: Final = 65_536
_libc = ctypes.CDLL(None, use_errno=True)


class FolderWatch:
    """Readable when a file directly in the folder was written. Raises `OSError`."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            _checked(_libc.inotify_add_watch(self._descriptor, os.fsencode(folder), _MODIFIED))
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def take(self) -> None:
        """Forget what has been written until now."""
        try:
            while os.read(self._descriptor, _READ_BYTES):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Watch no more."""
        os.close(self._descriptor)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
