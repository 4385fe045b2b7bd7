"""The forwarder's children: lines both ways, and an end in every case."""

import os
import re
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from stack.storage.forward.child import Child
from stack.storage.forward.messages import Open, encode

ROOT = Path(__file__).parents[3]
ECHO = "import sys\nfor line in sys.stdin:\n    print(line.upper(), end='', flush=True)\n"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(1000)\n"
DIES_WITH_US = "from stack.storage.forward.child import die_with_parent\ndie_with_parent()\n" + DEAF

HOLDS_SECRETS = (
    "import ctypes, resource\nfrom stack.storage.forward.child import keep_memory_private\nkeep_memory_private()\n"
    "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3), flush=True)\n"  # PR_GET_DUMPABLE
)


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    return tmp_path


def start(modules: Path, program: str) -> Child:
    (modules / "ferry_test_child.py").write_text(program)
    return Child("ferry_test_child")


def next_lines(child: Child) -> list[bytes] | None:
    found: list[bytes] = []
    while not found:  # a line may come in pieces
        assert select.select([child], [], [], 20)[0]
        lines = child.lines()
        if lines is None:
            return None
        found = list(lines)
    return found


def test_lines_go_both_ways_until_its_end(modules: Path) -> None:
    child = start(modules, ECHO)
    child.send(b"one\n")
    assert next_lines(child) == [b"ONE"]
    child.end()
    assert next_lines(child) is None
    child.kill()


def test_a_child_that_has_died_shows_when_it_is_read(modules: Path) -> None:
    child = start(modules, "raise SystemExit(1)")
    assert next_lines(child) is None
    child.send(b"one\n")
    child.kill()


def test_a_deaf_child_is_killed(modules: Path) -> None:
    child = start(modules, DEAF)
    assert next_lines(child) == [b"up"]
    child.kill()


def test_a_child_with_secrets_leaves_no_core_and_lets_nobody_look_into_it(modules: Path) -> None:
    child = start(modules, HOLDS_SECRETS)
    assert next_lines(child) == [b"(0, 0) 0"]
    child.kill()


@pytest.mark.parametrize(
    "command",
    [
        ("stack.storage.forward.worker",),
        ("stack.station.cli.main", "sink", "check", "/none"),
        ("stack.station.cli.main", "forward", "--from", "/none", "--to", "/none"),
    ],
)
def test_whoever_opens_sinks_leaves_no_core(command: tuple[str, ...]) -> None:
    opening = encode(Open("/none", "", "/none", "test", 0.0))
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdin
        with suppress(BrokenPipeError):
            process.stdin.write(opening)
            process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)


def test_a_child_goes_with_a_parent_that_is_killed(modules: Path) -> None:
    (modules / "ferry_test_child.py").write_text(DIES_WITH_US.replace("'up'", "__import__('os').getpid()"))
    parent_program = (
        "from stack.storage.forward.child import Child\nchild = Child('ferry_test_child')\n"
        "while not (lines := list(child.lines())):\n    pass\nprint(lines[0].decode(), flush=True)\ninput()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        child_pid = int(parent.stdout.readline())
        ended = os.pidfd_open(child_pid)
        parent.send_signal(signal.SIGKILL)
        assert select.select([ended], [], [], 20)[0]
        os.close(ended)
