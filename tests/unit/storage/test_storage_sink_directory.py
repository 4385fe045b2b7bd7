"""Folders as sinks: what a name has is what was verified, safe means durable, and no link leads out."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stack.storage.forward.policy import Trouble
from stack.storage.sinks.base import Presence, Wanted
from stack.storage.sinks.directory import DirectorySink
from stack.storage.sinks.errors import DamagedError, LinkError

CONTENT = bytes(range(256)) * 100
WANTED = Wanted("2026/11/a.jpg", len(CONTENT), hashlib.sha256(CONTENT).digest(), 0)
PATH_OF_HANDLE = "/proc/self/fd/{}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    DirectorySink(tmp_path / "disk", "test").initialise()
    return tmp_path / "disk"


@pytest.fixture
def sink(root: Path) -> DirectorySink:
    return DirectorySink(root, "test")


def put(sink: DirectorySink, wanted: Wanted = WANTED) -> None:
    upload = sink.begin(wanted)
    try:
        upload.write(CONTENT)
        upload.commit()
    except BaseException:
        upload.abort()
        raise


def test_only_what_was_verified_gets_the_name_when_two_have_the_id_of_one_station(
    root: Path, sink: DirectorySink
) -> None:
    first = sink.begin(WANTED)
    first.write(CONTENT)
    second = DirectorySink(root, "test").begin(WANTED)
    second.write(CONTENT[:100])
    with pytest.raises(DamagedError, match="id of this station"):
        first.commit()
    first.abort()
    assert sink.exists([(WANTED.path, WANTED.size_bytes)]) == [Presence.ABSENT]
    second.write(CONTENT[100:])
    second.commit()
    assert (root / WANTED.path).read_bytes() == CONTENT


def test_one_whose_temporary_was_taken_and_stored_by_another_says_so(root: Path, sink: DirectorySink) -> None:
    first = sink.begin(WANTED)
    first.write(CONTENT)
    put(DirectorySink(root, "test"))
    with pytest.raises(DamagedError, match="id of this station"):
        first.commit()
    first.abort()
    assert sink.verify(WANTED)


def test_a_temporary_that_is_a_link_is_not_written_through(root: Path, sink: DirectorySink, tmp_path: Path) -> None:
    (tmp_path / "of a person").write_bytes(b"mine")
    for name in (f"{WANTED.sha256.hex()}-test", "own-test"):
        (root / ".ferry/incoming" / name).symlink_to(tmp_path / "of a person")
    put(sink)
    sink.replace(".ferry/manifest/a", b"x")
    assert (tmp_path / "of a person").read_bytes() == b"mine"
    assert not (root / WANTED.path).is_symlink()


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the kernel is asked to make durable, and with `dropped` to forget, in order."""
    paths: list[str] = []
    fsync, fadvise = os.fsync, os.posix_fadvise

    def recording_fsync(handle: int) -> None:
        paths.append(os.readlink(PATH_OF_HANDLE.format(handle)))
        fsync(handle)

    def recording_fadvise(handle: int, at: int, length: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_DONTNEED
        paths.append(f"dropped {os.readlink(PATH_OF_HANDLE.format(handle))}")
        fadvise(handle, at, length, advice)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "posix_fadvise", recording_fadvise)
    return paths


def folders(root: Path) -> list[str]:
    return [str(root / "2026/11"), str(root / "2026"), str(root)]


def test_what_somebody_else_has_put_there_is_made_durable_before_it_counts_as_safe(
    root: Path, sink: DirectorySink, synced: list[str]
) -> None:
    (root / "2026/11").mkdir(parents=True)
    (root / WANTED.path).write_bytes(CONTENT)
    assert sink.verify(WANTED)
    file = str(root / WANTED.path)
    assert synced == [file, f"dropped {file}", *folders(root)]


def test_a_name_is_durable_with_folders_that_somebody_else_has_just_made(
    root: Path, sink: DirectorySink, synced: list[str]
) -> None:
    (root / "2026/11").mkdir(parents=True)
    put(sink)
    assert synced[-3:] == folders(root)


@pytest.mark.parametrize("linked", ["2026", "2026/11"])
def test_a_link_in_place_of_a_folder_is_not_followed(
    root: Path, sink: DirectorySink, tmp_path: Path, linked: str
) -> None:
    outside = tmp_path / "outside"
    (outside / "11").mkdir(parents=True)
    (outside / "a.jpg").write_bytes(CONTENT)
    (outside / "11/a.jpg").write_bytes(CONTENT)
    (root / linked).parent.mkdir(exist_ok=True)
    (root / linked).symlink_to(outside)
    assert not sink.verify(WANTED)
    assert sink.exists([(WANTED.path, WANTED.size_bytes)]) == [Presence.ABSENT]
    with pytest.raises(LinkError, match="symbolic link is in the way") as raised:
        put(sink, replace(WANTED, path="2026/11/b.jpg"))
    assert raised.value.trouble is Trouble.THIS_FILE
    assert not list(outside.rglob("b.jpg"))


def test_a_link_that_comes_meanwhile_is_not_followed(root: Path, sink: DirectorySink, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    upload = sink.begin(WANTED)
    upload.write(CONTENT)
    (root / "2026").symlink_to(tmp_path / "outside")
    with pytest.raises(LinkError):
        upload.commit()
    upload.abort()
    assert list((tmp_path / "outside").iterdir()) == []
    assert list((root / ".ferry/incoming").glob(f"{WANTED.sha256.hex()}*")) == []


CALLS: list[Callable[[DirectorySink], object]] = [
    lambda sink: sink.load(".ferry/manifest/a"),
    lambda sink: sink.replace(".ferry/manifest/a", b"x"),
    lambda sink: sink.discard(".ferry/manifest/a"),
]


@pytest.mark.parametrize("call", CALLS, ids=["load", "replace", "discard"])
def test_files_of_ours_are_not_beyond_a_link_either(
    root: Path, sink: DirectorySink, tmp_path: Path, call: Callable[[DirectorySink], object]
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a").write_bytes(b"mine")
    (root / ".ferry/manifest").symlink_to(tmp_path / "outside")
    with pytest.raises(LinkError):
        call(sink)
    assert (tmp_path / "outside/a").read_bytes() == b"mine"
