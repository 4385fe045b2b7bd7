"""One process at a time has the link."""

import os
import subprocess
import sys

import pytest

from stack.link.sole_use import InUseError, sole_use

NAME = f"ferry.test.{os.getpid()}"
HOLDER = f"""
import sys
from stack.link.sole_use import sole_use
with sole_use({NAME!r}):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_and_the_next_is_not() -> None:
    with sole_use(NAME):
        with pytest.raises(InUseError, match="Another Ferry uses the Wi-Fi radio") as told, sole_use(NAME):
            raise AssertionError("two have it")
        assert told.value.remedy
    with sole_use(NAME):
        pass


def test_a_killed_process_holds_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InUseError), sole_use(NAME):
            raise AssertionError("two have it")
        holder.kill()
    with sole_use(NAME):
        pass
