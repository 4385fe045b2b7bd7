"""Hooks: programs of the owner that are told of each file that has arrived. They can neither hold nor harm the rest.

Executables in a folder run in the order of their names, one at a time, each with the file's manifest line on its
standard input, an empty environment, no new privileges and a time limit. Folder and programs must belong to root and
be writable by root alone. What they do, and whether they end well, changes nothing: they are told once, or not at all.
"""

import ctypes
import logging
import os
import signal
import stat
import subprocess
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

TIME_LIMIT_S: Final = 30.0
_MAX_WAITING: Final = 1_000
_PR_SET_NO_NEW_PRIVS: Final = 38
_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH

_log = logging.getLogger(__name__)


class Hooks:
    """The programs in `folder`, run one after the other as `turn` is called."""

    def __init__(self, folder: Path, owner: int = 0) -> None:
        """Use `folder`, where there is one. Programs and folder must be `owner`'s."""
        self._folder = folder
        self._owner = owner
        self._waiting: deque[tuple[Path, bytes]] = deque()
        self._running: subprocess.Popen[bytes] | None = None
        self.deadline_s: float | None = None
        self.ended: int | None = None  # a descriptor, readable when the running one has ended

    def tell(self, line: str) -> None:
        """Let every program know of a file, in its turn."""
        programs = self._programs()
        if len(self._waiting) + len(programs) > _MAX_WAITING:
            _log.warning("hooks: too many files wait, one is left out")
            return
        self._waiting += [(program, line.encode() + b"\n") for program in programs]

    def turn(self, now_s: float) -> None:
        """Put away the running one if it has ended or is too slow, and start the next. Call it at both moments."""
        if self.deadline_s is not None and now_s < self.deadline_s and not self._has_ended():
            return
        self._put_away()
        while self._waiting and self._running is None:
            self._start(*self._waiting.popleft(), now_s + TIME_LIMIT_S)

    def close(self) -> None:
        """Forget what waits, and end the one that runs."""
        self._waiting.clear()
        self._put_away()

    def _has_ended(self) -> bool:
        return self._running is None or self._running.poll() is not None

    def _start(self, program: Path, line: bytes, deadline_s: float) -> None:
        said = os.memfd_create("hook", os.MFD_CLOEXEC)
        try:
            os.write(said, line)
            os.lseek(said, 0, os.SEEK_SET)
            self._running = subprocess.Popen(
                [program],
                stdin=said,
                stdout=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                preexec_fn=_no_new_privileges,
            )
            self.ended = os.pidfd_open(self._running.pid)
            self.deadline_s = deadline_s
        except OSError as error:
            _log.warning("hooks: %s cannot be run: %s", program.name, error.strerror)
        finally:
            os.close(said)

    def _put_away(self) -> None:
        if self._running and not self._has_ended():
            _log.warning("hooks: %s took too long", self._running.args)
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()
        if self.ended is not None:
            os.close(self.ended)
        self._running = self.ended = self.deadline_s = None

    def _programs(self) -> list[Path]:
        if not self._is_trusted(self._folder, stat.S_IFDIR):
            return []
        return [each for each in sorted(self._folder.iterdir()) if self._is_trusted(each, stat.S_IFREG)]

    def _is_trusted(self, path: Path, kind: int) -> bool:
        """Whether nobody but the owner can have put it there."""
        try:
            status = path.lstat()
        except OSError:
            return False
        is_executable = bool(status.st_mode & stat.S_IXUSR)
        is_safe = status.st_uid == self._owner and not status.st_mode & _WRITABLE_BY_OTHERS
        if stat.S_IFMT(status.st_mode) == kind and is_executable and not is_safe:
            _log.warning("hooks: %s is left out: others than root can change it", path)
        return stat.S_IFMT(status.st_mode) == kind and is_executable and is_safe


def _no_new_privileges() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
