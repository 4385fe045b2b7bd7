"""Small file systems in files, mounted. Needs root."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.servers.running import tool


class Disk:
    """A file system in a file, and its mount point."""

    def __init__(self, base: Path, kind: str, point: Path) -> None:
        """Make it, of 16 MiB."""
        if f"\t{kind}\n" not in Path("/proc/filesystems").read_text():
            pytest.skip(f"this kernel has no {kind}")
        self._image = base / f"{kind}.img"
        self.point = point
        self.point.mkdir()
        self._kind = kind
        with self._image.open("wb") as image:
            image.truncate(16 << 20)
        _quietly([tool(f"mkfs.{kind}", f"apt-get install {PACKAGES[kind]}"), str(self._image)])

    def mount(self) -> None:
        """Mount it."""
        subprocess.run(["mount", "-t", self._kind, "-o", "loop", self._image, self.point], check=True)

    def remount_read_only(self) -> None:
        """Make it read-only, as the kernel does after errors."""
        subprocess.run(["mount", "-o", "remount,ro", self.point], check=True)

    def unmount(self) -> None:
        """Pull it, whoever has files of it open."""
        _quietly(["umount", "-l", str(self.point)])


PACKAGES = {"ext4": "e2fsprogs", "vfat": "dosfstools", "exfat": "exfatprogs"}


def _quietly(command: list[str]) -> None:
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def disk(base: Path, kind: str, point: Path) -> Iterator[Disk]:
    """A mounted disk; `point` must not be there yet, and is gone afterwards."""
    made = Disk(base, kind, point)
    made.mount()
    try:
        yield made
    finally:
        made.unmount()
        point.rmdir()
