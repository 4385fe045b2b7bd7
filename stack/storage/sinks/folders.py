"""Folders below a sink's root, walked by their handles: no symbolic link is followed, whoever has put it there."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from stack.storage.sinks.errors import LinkError

_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def above(root: int, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """A handle of the folder that holds `path`, and the name in it. Raises `OSError`, `LinkError`."""
    with _walked(root, path, make=make) as folders:
        yield folders[-1], path.rpartition("/")[2]


def sync_above(root: int, path: str) -> None:
    """Make the name `path` durable, with all folders that lead to it. Raises `OSError`, `LinkError`."""
    with _walked(root, path, make=False) as folders:
        for folder in reversed(folders):
            _sync(folder)


@contextmanager
def _walked(root: int, path: str, *, make: bool) -> Iterator[list[int]]:
    """Handles of all folders from the root down to the one that holds `path`."""
    with ExitStack() as stack:
        folders = [root]
        for name in path.split("/")[:-1]:
            if make:
                _make(folders[-1], name)
            folders.append(_opened(folders[-1], name))
            stack.callback(os.close, folders[-1])
        yield folders


def _make(folder: int, name: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)


def _opened(folder: int, name: str) -> int:
    try:
        return os.open(name, _OPEN_FOLDER, dir_fd=folder)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise LinkError(f"{name}: a symbolic link is in the way of a folder") from None
        raise


def _sync(folder: int) -> None:
    """Some network file systems cannot sync a folder, and need not."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
