"""Every kind of call fails once, at every place where it is made: the task says why, and no rule is broken."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.crash.checker import FOLDER, check_folder
from tests.crash.recorder import strace_works
from tests.crash.search import scratch

pytestmark = [
    pytest.mark.skipif(not strace_works(), reason="strace is missing or may not trace (apt-get install strace)"),
    pytest.mark.timeout(120),
]

# At which of its calls a thread fails, and whether that ends a task. What does not: a name that cannot be linked is
# stored, a sync of the file system that fails is replaced by syncs of our files, a temporary that cannot be removed
# goes at the next start, and of the journal's writes some belong to checkpoints, which are tried again.
PLACES = {
    "write": (range(1, 6), True),
    "writev": (range(1, 20, 3), True),
    "utimensat": (range(1, 3), False),
    "pwrite64": (range(1, 70, 6), True),
    "fsync": (range(1, 13), True),
    "fdatasync": (range(1, 17), True),
    "syncfs": (range(1, 3), False),
    "renameat2": (range(1, 20, 3), True),
    "linkat": (range(1, 2), False),
    "unlinkat": (range(1, 3), False),
    "mkdirat": (range(1, 3), True),
}
RIGHT_ERRORS = {
    "ENOSPC": {"DiskFullError", "FolderUnusableError"},
    "EIO": {"DiskFailedError", "FolderUnusableError"},
}

# SQLite does not say why it could not sync, or make its shared memory.
VAGUE = {"fdatasync", "pwrite64"}


@pytest.mark.parametrize("error", RIGHT_ERRORS)
@pytest.mark.parametrize("call", PLACES)
def test_a_failing_call(call: str, error: str) -> None:
    places, fails = PLACES[call]
    with ThreadPoolExecutor() as pool:
        errors = set().union(*pool.map(lambda place: errors_after(call, error, place), places))
    assert errors <= RIGHT_ERRORS[error] | ({"DiskFailedError"} if call in VAGUE else set())
    assert bool(errors) == fails


def errors_after(call: str, error: str, place: int) -> set[str]:
    """The errors that a receiver told whose threads each fail at that call of theirs, after a look at the folder."""
    with scratch() as root:
        told = receive(root / FOLDER, f"inject={call}:error={error}:when={place}")
        check_folder(root / FOLDER, told)
    return {line.split()[-1] for line in told if line.startswith(("failed", "broken"))}


def receive(folder: Path, fault: str) -> tuple[str, ...]:
    trace = fault.split("=")[1].split(":")[0]
    strace = ["strace", "--seccomp-bpf", "-f", "-o", "/dev/null", "-e", f"trace={trace}", "-e", fault]
    scenario = [sys.executable, "-B", "-m", "tests.crash.scenario", "all", str(folder)]
    done = subprocess.run([*strace, *scenario], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return tuple(done.stdout.splitlines())
