"""What an SSH channel leaves on the disk: nothing, also when it was killed."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stack.storage.sinks.ssh import SshChannel
from stack.storage.sinks.url import SinkUrl, parse


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, and an ssh that waits for the end of its input."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text("#!/bin/sh\nexec cat\n")
    (tmp_path / "bin/ssh").chmod(0o700)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


@pytest.fixture
def url() -> SinkUrl:
    return parse("sftp://anna@nas/photos")


@pytest.fixture
def ended_pid() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        yield process.pid


def test_what_a_killed_process_has_left_is_removed(temporary: Path, url: SinkUrl, ended_pid: int) -> None:
    (temporary / f"ferry-ssh-{ended_pid}-abc").mkdir()
    (temporary / f"ferry-ssh-{ended_pid}-abc/askpass").touch()
    with closing(SshChannel(url)):
        assert [path.name.split("-")[2] for path in temporary.iterdir()] == [str(os.getpid())]
    assert list(temporary.iterdir()) == []


def test_what_is_in_use_or_of_others_is_left_alone(temporary: Path, url: SinkUrl, ended_pid: int) -> None:
    of_others, in_use, odd = (temporary / f"ferry-ssh-{name}-abc" for name in (ended_pid, os.getppid(), "x"))
    for folder in (of_others, in_use, odd):
        folder.mkdir()
    (temporary / "kept").mkdir()
    (temporary / f"ferry-ssh-{ended_pid}-link").symlink_to(temporary / "kept")
    if os.geteuid() == 0:
        os.chown(of_others, 12345, 12345)
    with closing(SshChannel(url)):
        pass
    left = {in_use, odd, temporary / "kept"} | ({of_others} if os.geteuid() == 0 else set())
    assert left <= set(temporary.iterdir())
