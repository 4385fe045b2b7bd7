"""Opening sinks: only what a kind needs is imported, and what is missing is named."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack.storage.sinks.base import MARKER, Wanted
from stack.storage.sinks.directory import DirectorySink
from stack.storage.sinks.errors import BadNameError, MissingBackendError, NoMarkerError, TakenError, WrongPlaceError
from stack.storage.sinks.opening import open_sink
from stack.storage.sinks.url import parse

ROOT = Path(__file__).parents[3]
HEAVY = {"smbclient", "smbprotocol", "cryptography", "ssl", "http", "xml", "subprocess", "asyncio"}


def loaded_by(program: str) -> set[str]:
    program += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_a_folder_needs_nothing_heavy() -> None:
    program = (
        "from stack.storage.sinks.opening import open_sink\n"
        "from stack.storage.sinks.url import parse\n"
        "open_sink(parse('/nowhere'), 'test')"
    )
    assert not loaded_by(program) & HEAVY


def test_a_missing_backend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smbclient", None)
    monkeypatch.delitem(sys.modules, "stack.storage.sinks.smb", raising=False)
    with pytest.raises(MissingBackendError, match=r"ferry\[smb\]"):
        open_sink(parse("smb://me:x@nas/photos"), "test")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingBackendError, match="openssh-client"):
        open_sink(parse("sftp://me@nas/srv"), "test")


def test_a_folder_that_does_not_exist_is_the_wrong_place(tmp_path: Path) -> None:
    with pytest.raises(WrongPlaceError):
        open_sink(parse(str(tmp_path / "none")), "test").initialise()


@pytest.fixture
def sink(tmp_path: Path) -> DirectorySink:
    made = DirectorySink(tmp_path, "test")
    made.initialise()
    return made


def wanted(path: str, content: bytes) -> Wanted:
    return Wanted(path, len(content), hashlib.sha256(content).digest(), 0)


def test_a_marker_that_is_broken_is_none(tmp_path: Path, sink: DirectorySink) -> None:
    for content in (b"", b"[]", b"{}", b"\xff"):
        (tmp_path / MARKER).write_bytes(content)
        with pytest.raises(NoMarkerError):
            sink.probe()


def test_what_is_no_regular_file_is_neither_read_nor_overwritten(tmp_path: Path, sink: DirectorySink) -> None:
    (tmp_path / "target").write_bytes(b"content")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder"):
        assert not sink.verify(wanted(name, b"content"))
        with pytest.raises(TakenError):
            sink.begin(wanted(name, b"content"))


def test_a_file_in_the_way_of_a_folder_is_left_alone(tmp_path: Path, sink: DirectorySink) -> None:
    (tmp_path / "2026").write_bytes(b"of a person")
    upload = sink.begin(wanted("2026/a", b"x"))
    upload.write(b"x")
    with pytest.raises(TakenError):
        upload.commit()
    upload.abort()
    assert (tmp_path / "2026").read_bytes() == b"of a person"


def test_only_files_of_ours_are_ever_removed(tmp_path: Path, sink: DirectorySink) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(BadNameError):
        sink.discard("photo.jpg")
    sink.discard(".ferry/not-there")
    assert (tmp_path / "photo.jpg").exists()


def test_the_time_is_kept_where_closing_a_written_file_sets_it(
    tmp_path: Path, sink: DirectorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Samba does."""
    close = os.close

    def close_as_a_server_does(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").readlink()
        close(handle)
        if name.is_file():
            os.utime(name)

    monkeypatch.setattr(os, "close", close_as_a_server_does)
    upload = sink.begin(wanted("a", b"x"))
    upload.write(b"x")
    upload.commit()
    assert (tmp_path / "a").stat().st_mtime == 0
