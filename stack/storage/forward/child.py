"""A helper process of the forwarder: lines in, lines out, killed when it hangs, gone when we are gone."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

_READ_BYTES: Final = 65_536
_MAX_LINE_BYTES: Final = 1 << 20
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4


class Child:
    """A running Python module. It is watched by `fileno`, and read when that is ready."""

    def __init__(self, module: str) -> None:
        """Start it, in a session of its own so that Ctrl-C reaches us alone."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            close_fds=True,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._held = bytearray()

    def fileno(self) -> int:
        """Return the descriptor that is readable when there are lines, or the child has ended."""
        return self._stdout.fileno()

    def send(self, line: bytes) -> None:
        """Give it a line. That it has ended shows when it is read."""
        with suppress(BrokenPipeError):
            self._stdin.write(line)
            self._stdin.flush()

    def lines(self) -> Iterator[bytes] | None:
        """Return the lines that have come, None if there are no more: the child has ended, or speaks nonsense."""
        data = os.read(self._stdout.fileno(), _READ_BYTES)
        if not data or len(self._held) > _MAX_LINE_BYTES:
            return None
        self._held += data
        *whole, rest = self._held.split(b"\n")
        self._held = bytearray(rest)
        return (bytes(line) for line in whole)

    def end(self) -> None:
        """Close its input, so that it ends when it has done what it was told."""
        with suppress(BrokenPipeError):
            self._stdin.close()

    def kill(self) -> None:
        """End it now. One that waits for a dead mount ends when the kernel lets it; it is not waited for."""
        self._process.kill()
        for pipe in (self._stdin, self._stdout):
            with suppress(BrokenPipeError):
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)


def die_with_parent() -> None:
    """For the child: be killed when the thread that started us ends, however that happens (prctl(2))."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def keep_memory_private() -> None:
    """For whoever holds secrets: leave no core dump, and let no other process of this user look into the memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
