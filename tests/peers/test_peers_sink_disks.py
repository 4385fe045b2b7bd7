"""Folders as sinks on real file systems: a disk that is full, read-only, not mounted, of another family."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack.storage.sinks.base import Presence, Wanted
from stack.storage.sinks.directory import DirectorySink
from stack.storage.sinks.errors import BadNameError, FullError, NoMarkerError, ReadOnlyError, TakenError
from tests.peers.servers.disks import Disk, disk

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount disks")

MTIME_NS = 1_700_000_000_000_000_000


@pytest.fixture(params=["ext4", "vfat"])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path, request.param, tmp_path / "mnt") as made:
        yield made


def wanted(path: str, content: bytes) -> Wanted:
    return Wanted(path, len(content), hashlib.sha256(content).digest(), MTIME_NS)


def put(sink: DirectorySink, path: str, content: bytes) -> None:
    upload = sink.begin(wanted(path, content))
    try:
        upload.write(content)
        upload.commit()
    except BaseException:
        upload.abort()
        raise


def test_a_mount_point_without_its_disk_is_not_there(mounted: Disk) -> None:
    sink = DirectorySink(mounted.point, "test")
    sink.initialise()
    put(sink, "a", b"content")
    mounted.unmount()
    for call in (sink.probe, lambda: sink.exists([("a", 7)]), lambda: put(sink, "b", b"x")):
        with pytest.raises(NoMarkerError):
            call()
    assert list(mounted.point.iterdir()) == []
    mounted.mount()
    assert sink.exists([("a", 7)]) == [Presence.SAME_SIZE]


def test_a_full_disk_says_so_and_keeps_no_part(mounted: Disk) -> None:
    sink = DirectorySink(mounted.point, "test")
    sink.initialise()
    with pytest.raises(FullError):
        sink.begin(wanted("big", bytes(20 << 20)))
    lying = Wanted("big", 1, bytes(32), MTIME_NS)
    upload = sink.begin(lying)
    with pytest.raises(FullError):
        fill(upload.write)
    upload.abort()
    assert os.listdir(mounted.point / ".ferry/incoming") in ([], ["own-test"])
    put(sink, "small", b"content")


def fill(write: Callable[[bytes], None]) -> None:
    for _ in range(40):
        write(bytes(1 << 20))


def test_a_read_only_disk_says_so(mounted: Disk) -> None:
    sink = DirectorySink(mounted.point, "test")
    sink.initialise()
    mounted.remount_read_only()
    with pytest.raises(ReadOnlyError):
        sink.probe()
    with pytest.raises(ReadOnlyError):
        put(sink, "a", b"x")


def test_fat_keeps_names_times_and_what_is_there(tmp_path: Path) -> None:
    with disk(tmp_path, "vfat", tmp_path / "mnt") as made:
        sink = DirectorySink(made.point, "test")
        assert sink.initialise().is_case_sensitive is False
        put(sink, "2026/IMG.JPG", b"upper")
        with pytest.raises(TakenError):
            put(sink, "2026/img.jpg", b"lower")
        with pytest.raises(BadNameError):
            put(sink, "2026/a:b.jpg", b"x")
        assert sink.verify(wanted("2026/IMG.JPG", b"upper"))
        assert abs((made.point / "2026/IMG.JPG").stat().st_mtime_ns - MTIME_NS) <= 2_000_000_000


def test_a_disk_that_was_pulled_in_the_middle_leaves_the_mount_point_empty(tmp_path: Path) -> None:
    with disk(tmp_path, "ext4", tmp_path / "mnt") as made:
        sink = DirectorySink(made.point, "test")
        sink.initialise()
        upload = sink.begin(wanted("a", b"content"))
        upload.write(b"cont")
        made.unmount()
        upload.write(b"ent")
        upload.commit()  # to the disk itself, which the open handle still holds
        assert list(made.point.iterdir()) == []
        made.mount()
        assert sink.verify(wanted("a", b"content"))
