"""The ground under the spool: which file systems one sync covers, and renames that never overwrite."""

import errno
import os
from pathlib import Path

import pytest

from board import filesystem

MOUNTINFO = """\
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
90 22 8:1 / /media/my\\040disk rw,nosuid shared:40 - exfat /dev/sda1 rw,uid=1000
91 22 0:50 / /mnt rw - tmpfs tmpfs rw
92 22 0:51 / /mnt rw - fuse.sshfs host:/ rw
93 92 0:52 / /mnt/nas rw - cifs //nas/photos rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/anna", "ext4"),
        ("/media/my disk/photos", "exfat"),
        ("/mnt", "fuse.sshfs"),
        ("/mnt/nas/in", "cifs"),
        ("/mnt/nas2", "fuse.sshfs"),
    ],
)
def test_the_last_and_deepest_mount_counts(path: str, kind: str) -> None:
    assert filesystem.filesystem_type(Path(path), MOUNTINFO) == kind


def test_syncfs_is_trusted_only_where_it_reports() -> None:
    assert filesystem.can_syncfs("ext4", "6.12.1-rpi")
    assert filesystem.can_syncfs("xfs", "5.8.0")
    assert not filesystem.can_syncfs("ext4", "5.4.0-100")
    assert not filesystem.can_syncfs("overlay", "6.12.1")
    assert not filesystem.can_syncfs("fuse.sshfs", "6.12.1")


def test_syncfs_reports_errors(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    filesystem.syncfs(handle)
    os.close(handle)
    with pytest.raises(OSError, match="Bad file descriptor"):
        filesystem.syncfs(-1)


class Lacking:
    """A file system that lacks the rename, and links too if asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, links: bool) -> None:
        monkeypatch.setattr(filesystem, "_renameat2", self.refuse(errno.EINVAL))
        if not links:
            monkeypatch.setattr(os, "link", self.refuse(errno.EPERM))

    def refuse(self, number: int):  # type: ignore[no-untyped-def]
        def call(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        return call


@pytest.fixture(params=["rename", "link", "checked"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param != "rename":
        Lacking(monkeypatch, links=request.param == "link")
    return tmp_path


def rename(folder: Path, source: str, target: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        filesystem.rename_new(source, target, source_dir=handle, target_dir=handle)
    finally:
        os.close(handle)


def test_rename(folder: Path) -> None:
    (folder / "a").write_text("a")
    rename(folder, "a", "照片")
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("照片", "a")]


def test_rename_does_not_overwrite(folder: Path) -> None:
    (folder / "a").write_text("a")
    (folder / "b").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        rename(folder, "a", "b")
    assert (folder / "a").read_text() == "a"
    assert (folder / "b").is_symlink()


def test_rename_of_nothing(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rename(folder, "a", "b")
