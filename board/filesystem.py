"""What Linux offers for files beyond the `os` module: whole-file-system sync and a rename that never overwrites."""

import ctypes
import errno
import os
import re
from pathlib import Path

# Drivers whose syncfs writes everything back, waits for it and reports what failed. Not overlay: failures
# of its upper file system do not reach it. Not FUSE and network file systems: most ignore the call.
SYNCFS_TYPES = frozenset({"btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "ntfs3", "tmpfs", "vfat", "xfs"})

# Since this version syncfs reports failed writes at all.
SYNCFS_REPORTS_SINCE = (5, 8)

_RENAME_NOREPLACE = 1
_NO_SUCH_RENAME = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK}

_libc = ctypes.CDLL(None, use_errno=True)


def filesystem_type(path: Path, mountinfo: str) -> str:
    """The type of the file system that holds the absolute `path`, by the text of /proc/self/mountinfo."""
    found, depth = "", -1
    for line in mountinfo.splitlines():
        fields, _, source = line.partition(" - ")
        mount_point = Path(_unescape(fields.split(" ")[4]))
        if len(mount_point.parts) >= depth and path.is_relative_to(mount_point):
            found, depth = source.split(" ")[0], len(mount_point.parts)
    return found


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


def can_syncfs(filesystem: str, kernel_release: str) -> bool:
    """Whether one `syncfs` is as good as an fsync of every file of this file system type."""
    version = tuple(int(number) for number in re.findall(r"\d+", kernel_release)[:2])
    return filesystem in SYNCFS_TYPES and version >= SYNCFS_REPORTS_SINCE and hasattr(_libc, "syncfs")


def syncfs(fd: int) -> None:
    """Make everything on the file system of `fd` durable. Raises `OSError`, also for files of others."""
    if _libc.syncfs(ctypes.c_int(fd)):
        raise _last_error()


def rename_new(source: str, target: str, *, source_dir: int, target_dir: int) -> None:
    """Rename within the two directory handles without overwriting. Raises `FileExistsError`, `OSError`.

    File systems that lack such a rename get a link and an unlink, and those that lack links a checked rename.
    """
    try:
        _renameat2(source_dir, source, target_dir, target)
    except OSError as error:
        if error.errno not in _NO_SUCH_RENAME:
            raise
        _rename_by_link(source, target, source_dir, target_dir)


def _renameat2(source_dir: int, source: str, target_dir: int, target: str) -> None:
    if not hasattr(_libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    names = (ctypes.c_int(source_dir), os.fsencode(source), ctypes.c_int(target_dir), os.fsencode(target))
    if _libc.renameat2(*names, ctypes.c_uint(_RENAME_NOREPLACE)):
        raise _last_error()


def _rename_by_link(source: str, target: str, source_dir: int, target_dir: int) -> None:
    try:
        os.link(source, target, src_dir_fd=source_dir, dst_dir_fd=target_dir, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename_checked(source, target, source_dir, target_dir)
    else:
        os.unlink(source, dir_fd=source_dir)


def _rename_checked(source: str, target: str, source_dir: int, target_dir: int) -> None:
    try:
        os.stat(target, dir_fd=target_dir, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_dir, dst_dir_fd=target_dir)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
