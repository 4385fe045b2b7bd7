"""Folders as sinks on FAT and exFAT, whose disks come and go: names, times, a pulled disk, a failing one, kill -9."""

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.storage.items import SpoolLimits
from stack.storage.sinks.base import Presence, Upload, Wanted
from stack.storage.sinks.directory import DirectorySink
from stack.storage.sinks.errors import BadNameError, FullError, NoMarkerError, ReadOnlyError, TakenError
from stack.storage.spool import Spool
from tests.peers.servers.disks import Disk, disk
from tests.unit.storage.phone import MODIFIED, deliver

PHOTOS = {f"IMG_2026110{day}_101500.jpg": random.Random(day).randbytes(300_000 + day) for day in range(1, 5)}
TOOLS = Path("/usr/local/bin")
MAKERS = {"vfat": "busybox mkdosfs", "exfat": f"{sys.executable} -m tests.lab.inside.exfat"}


@pytest.fixture(scope="module", autouse=True)
def _makers() -> None:
    """The guest has no mkfs of these kinds under its usual name."""
    for kind, maker in MAKERS.items():
        (TOOLS / f"mkfs.{kind}").write_text(f'#!/bin/sh\nexec {maker} "$@"\n')
        (TOOLS / f"mkfs.{kind}").chmod(0o755)
    subprocess.run(["modprobe", "-a", "loop", *MAKERS], check=True)


@pytest.fixture(params=sorted(MAKERS))
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path, request.param, tmp_path / "mnt") as made:
        yield made


@pytest.fixture
def sink(mounted: Disk) -> DirectorySink:
    sink = DirectorySink(mounted.point, "test")
    assert sink.initialise().is_case_sensitive is False
    return sink


def wanted(path: str, content: bytes) -> Wanted:
    return Wanted(path, len(content), hashlib.sha256(content).digest(), int(MODIFIED * 1e9))


def put(sink: DirectorySink, path: str, content: bytes) -> None:
    upload = sink.begin(wanted(path, content))
    try:
        upload.write(content)
        upload.commit()
    except BaseException:
        upload.abort()
        raise


def on_its_way(mounted: Disk) -> list[str]:
    return [name for name in os.listdir(mounted.point / ".ferry/incoming") if not name.startswith("own-")]


def test_names_are_the_same_in_capitals_and_times_are_kept_to_two_seconds(mounted: Disk, sink: DirectorySink) -> None:
    put(sink, "2026/IMG.JPG", b"upper")
    with pytest.raises(TakenError):
        put(sink, "2026/img.jpg", b"lower")
    assert sink.exists([("2026/img.jpg", 5), ("2026/Img.jpg", 6)]) == [Presence.SAME_SIZE, Presence.OTHER]
    assert sink.verify(wanted("2026/IMG.JPG", b"upper"))
    assert abs((mounted.point / "2026/IMG.JPG").stat().st_mtime - MODIFIED) <= 2


@pytest.mark.parametrize("name", ["a:b.jpg", 'a"b.jpg', "a?.jpg", "a*b.jpg", "a|b.jpg", "a<b>.jpg", "a\n.jpg"])
def test_a_name_that_it_cannot_store_is_said_and_leaves_nothing(mounted: Disk, sink: DirectorySink, name: str) -> None:
    with pytest.raises(BadNameError):
        put(sink, f"2026/{name}", b"content")
    assert on_its_way(mounted) == []
    put(sink, "2026/Käse 🧀.jpg", b"content")
    assert sink.verify(wanted("2026/Käse 🧀.jpg", b"content"))


def test_a_disk_that_is_pulled_in_the_middle_is_seen_as_it_is_when_it_is_back(
    mounted: Disk, sink: DirectorySink
) -> None:
    upload = sink.begin(wanted("a", b"content"))
    upload.write(b"cont")
    mounted.unmount()
    with pytest.raises(NoMarkerError):
        sink.begin(wanted("b", b"x"))
    upload.abort()
    assert list(mounted.point.iterdir()) == []
    mounted.mount()
    put(sink, "a", b"content")
    assert sink.verify(wanted("a", b"content"))
    assert on_its_way(mounted) == []


def test_a_full_or_read_only_disk_says_so_and_keeps_no_part(mounted: Disk, sink: DirectorySink) -> None:
    with pytest.raises(FullError):
        put(sink, "big", bytes(20 << 20))
    upload = sink.begin(Wanted("lying", 1, bytes(32), 0))
    with pytest.raises(FullError):
        fill(upload)
    upload.abort()
    assert on_its_way(mounted) == []
    mounted.remount_read_only()
    for call in (sink.probe, lambda: put(sink, "small", b"x")):
        with pytest.raises(ReadOnlyError):
            call()


def fill(upload: Upload) -> None:
    for _ in range(20):
        upload.write(bytes(1 << 20))


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_what_fails_at_the_sync_gets_no_name_and_is_taken_when_the_disk_is_well(kind: str, tmp_path: Path) -> None:
    """The error comes late: the disk's own file has no room where it lies, which its file system cannot know."""
    content = random.Random(1).randbytes(6 << 20)
    base = tmp_path / "memory"
    base.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "memory", base], check=True)
    try:
        with disk(base, kind, tmp_path / "mnt") as made:
            sink = DirectorySink(made.point, "test")
            sink.initialise()
            with pytest.raises(FullError):
                put(sink, "a", content)
            assert not (made.point / "a").exists()
            made.unmount()
            subprocess.run(["mount", "-o", "remount,size=32m", base], check=True)
            made.mount()
            put(sink, "a", content)
            assert sink.verify(wanted("a", content))
            assert on_its_way(made) == []
    finally:
        subprocess.run(["umount", "-l", base], check=True)


def test_killed_and_pulled_everything_arrives_once(mounted: Disk, sink: DirectorySink, tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", limits=SpoolLimits(reserve_bytes=0)) as spool:
        assert deliver(spool, PHOTOS.items()).error is None
    command = [sys.executable, "-m", "stack.station.cli.main", "forward", "--json"]
    command += ["--from", str(tmp_path / "spool"), "--to", str(mounted.point)]
    with subprocess.Popen([*command, "--limit", "0.3"], stdout=subprocess.PIPE) as first:
        assert first.stdout
        while b'"arrived"' not in first.stdout.readline():
            assert first.poll() is None
        first.send_signal(signal.SIGKILL)
    mounted.unmount()
    assert subprocess.run([*command, "--once"], check=False, stdout=subprocess.PIPE).returncode == 1
    assert list(mounted.point.iterdir()) == []
    mounted.mount()
    assert subprocess.run([*command, "--once"], check=False, stdout=subprocess.PIPE).returncode == 0
    found = [path for path in mounted.point.rglob("*.jpg") if ".ferry" not in path.parts]
    assert {path.name: path.read_bytes() for path in found} == PHOTOS
    assert len(found) == len(PHOTOS)
    assert all(abs(path.stat().st_mtime - MODIFIED) <= 2 for path in found)
    assert on_its_way(mounted) == []
    assert [path.name for path in (tmp_path / "spool").iterdir()] == [".ferry"]
