"""The heap keeps its buffers: seen in the page faults of a process that takes and frees the same sizes again."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROGRAM = """
import resource, sys
from board.heap import keep_freed_buffers
if sys.argv[1] == "keep":
    keep_freed_buffers()
first = b"x" * 1_000_000
del first
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    blocks = [b"x" * 900_000 for _ in range(5)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True, cwd=ROOT)
    return int(done.stdout)


def test_freed_buffers_are_kept() -> None:
    assert faults("keep") * 5 < faults("as it comes")
