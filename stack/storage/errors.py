"""What can be wrong with the folder, the disk or the journal, each with its remedy."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from stack.transfer.entry_store import NoSpaceError, StoreError


class DiskFullError(NoSpaceError):
    """The disk has no room, or less than the reserve."""

    remedy = "Make room on the disk, or receive into a folder on a larger one, then send again."


class DiskFailedError(StoreError):
    """The disk reported an error, or is gone. What it acknowledged before is there, as far as it kept its word."""

    remedy = "Check the disk, its cable and the kernel's log, then send again."


class DiskStalledError(StoreError):
    """The disk takes nothing any more."""

    remedy = "Check the disk, its cable and its power, then send again."


class FileGoneError(StoreError):
    """A file that vouched for what came was removed while the task ran."""

    remedy = "Send again: it is stored then."


class ReadOnlyError(StoreError):
    """The file system is mounted read-only, often after an error."""

    remedy = "Check the file system, mount it writable, then send again."


class FileTooLargeError(StoreError):
    """The file system cannot hold a file of this size."""

    remedy = "Use a disk with ext4 or exFAT: FAT32 holds files up to 4 GiB."


class FolderUnusableError(StoreError):
    """The folder cannot be made, opened or written."""

    remedy = "Name a folder that exists or can be made, and that this user may write to."


class FolderBusyError(StoreError):
    """Another Ferry receives into this folder."""

    remedy = "Stop the other one, or receive into another folder."


class SpoolMissingError(StoreError):
    """There is no spool in this folder."""

    remedy = "Name the folder that `ferry receive --into` receives into."


class ForwarderBusyError(StoreError):
    """Another Ferry forwards from this folder."""

    remedy = "Let the other one finish, or stop it."


class JournalDamagedError(StoreError):
    """The journal is not a readable database."""

    remedy = "Start `ferry receive` into this folder: it makes the journal anew from the files that lie there."


class JournalForeignError(StoreError):
    """The journal's file is a database of something else."""

    remedy = "Receive into another folder."


class JournalTooNewError(StoreError):
    """A newer Ferry wrote the journal."""

    remedy = "Update Ferry, or receive into another folder."


class SpoolClosedError(StoreError):
    """The spool was closed while something still wanted to store."""


_BY_ERRNO: dict[int, type[StoreError]] = {
    errno.ENOSPC: DiskFullError,
    errno.EDQUOT: DiskFullError,
    errno.EROFS: ReadOnlyError,
    errno.EFBIG: FileTooLargeError,
}

_BY_SQLITE_CODE: dict[int, type[StoreError]] = {
    sqlite3.SQLITE_FULL: DiskFullError,
    sqlite3.SQLITE_READONLY: ReadOnlyError,
    sqlite3.SQLITE_CORRUPT: JournalDamagedError,
    sqlite3.SQLITE_NOTADB: JournalDamagedError,
}


def store_error(error: Exception) -> StoreError:
    """The `StoreError` that says what `error` means to a person."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0, DiskFailedError)(f"cannot store the file: {error.strerror}")
    if isinstance(error, sqlite3.Error):
        primary_code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        return _BY_SQLITE_CODE.get(primary_code, DiskFailedError)(f"cannot use the journal: {error}")
    return StoreError(f"cannot store the file: {error!r}")


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of the disk and the database into `StoreError`."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise store_error(error) from error
