"""Looks through the states that crashes may leave, on all cores."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from tests.crash.checker import BrokenRuleError, check_state
from tests.crash.model import Disk, moments
from tests.crash.recorder import Operation, Recording
from tests.crash.states import Possibilities, digest


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory in memory if there is such a thing."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as directory:
        yield Path(directory)


@dataclass
class Finding:
    """What a search found: which new states passed, and the first rule that one broke."""

    passed: set[bytes] = field(default_factory=set)
    broken: str | None = None


@dataclass(frozen=True)
class Change:
    """A recording that was tampered with, from operation number `first` on."""

    operations: Sequence[Operation]
    first: int


class Search:
    """States are looked at once: what passed in one search is skipped in the next."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._passed: set[bytes] = set()
        self._workers = os.cpu_count() or 1

    def all_states(self) -> Finding:
        """Every state that is chosen of the recording as it is."""
        disks = moments(self._recording, self._recording.operations)
        shares = [disks[worker :: self._workers] for worker in range(self._workers)]
        whole = Finding()
        with self._pool() as pool:
            for finding in pool.map(_look, shares):
                whole.passed |= finding.passed
                whole.broken = whole.broken or finding.broken
        self._passed = whole.passed
        return whole

    def changes(self, changes: Sequence[Change]) -> list[str | None]:
        """The first rule that is broken after each change, or None."""
        with self._pool() as pool:
            return [finding.broken for finding in pool.map(_look_at_change, changes)]

    def _pool(self) -> ProcessPoolExecutor:
        arguments = (self._recording, self._passed)
        context = get_context("spawn")
        return ProcessPoolExecutor(self._workers, context, initializer=_prepare, initargs=arguments)


_recording: Recording
_passed: set[bytes]


def _prepare(recording: Recording, passed: set[bytes]) -> None:
    global _recording, _passed
    _recording, _passed = recording, passed


def _look_at_change(change: Change) -> Finding:
    return _look(moments(_recording, change.operations, change.first))


def _look(disks: Sequence[Disk]) -> Finding:
    finding = Finding()
    with scratch() as root:
        for disk in disks:
            for state in Possibilities(disk).states():
                name = digest(state)
                if name in _passed or name in finding.passed:
                    continue
                try:
                    check_state(state, root / "state")
                except BrokenRuleError as error:
                    finding.broken = str(error)
                    return finding
                finding.passed.add(name)
    return finding
