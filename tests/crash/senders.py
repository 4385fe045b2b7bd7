"""What the phones of the crash ring send, and how: the same lists serve the recording and the checks."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stack.storage.items import SpoolLimits
from stack.storage.spool import Spool, SpoolTask
from stack.transfer.entry_store import Ending, KeptEntry, StoreError, TaskInfo

PIECE_BYTES = 64 << 10
MODIFIED = 1_700_000_000.0
PATIENCE_S = 20
PAUSE_S = 0.05
LIMITS = SpoolLimits(reserve_bytes=0, held_bytes=100_000, step_bytes=70_000, stall_s=20)


@dataclass(frozen=True)
class File:
    """A file on a phone."""

    name: str
    content: bytes


def content(seed: str, size_bytes: int) -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size_bytes)


def files(names: str, size_bytes: int = 2500) -> list[File]:
    return [File(f"{name}.jpg", content(name, size_bytes)) for name in names.split()]


A = File("a.jpg", content("a", 3000))
TWIN = File("b.jpg", A.content)
BIG = File("big.mp4", content("big", 5 * PIECE_BYTES))
OTHER_A = File("a.jpg", content("other a", 2900))
OF_THE_USER = File("user.jpg", content("user", 2800))

# What each task sends, in the groups that the disk thread gets it in.
TASKS: list[list[list[File]]] = [
    [[BIG], [A, TWIN], files("c d e")],
    [[A], files("i j k l m n"), files("q r s t u v")],
    [[OF_THE_USER], [A, OTHER_A, *files("o i")], files("p")],
]
KILLED_AT = "l.jpg"


def info(number: int) -> TaskInfo:
    return TaskInfo(f"task {number}", "sender", "Anna's phone", 0, 0)


def send(task: SpoolTask, file: File, pause_s: float = 0) -> None:
    """Stream a file, with a pause after each piece."""
    writer = task.begin(file.name, MODIFIED)
    try:
        for start in range(0, len(file.content), PIECE_BYTES):
            writer.write(file.content[start : start + PIECE_BYTES])
            time.sleep(pause_s)
        writer.keep(hashlib.sha256(file.content).digest())
    except StoreError:
        writer.drop()
        raise


class Turnstile:
    """Holds the disk thread after the first entry of each group until the next group is complete in the queue."""

    def __init__(self, sizes: Sequence[int], tell: Callable[[str], None], patience_s: float) -> None:
        self._tell = tell
        self._patience_s = patience_s
        self._arrived = [threading.Event() for _ in sizes]
        self._open = [threading.Event() for _ in sizes]
        self._firsts = {sum(sizes[:index]): index for index in range(len(sizes) - 1)}
        self._kept = 0

    def on_kept(self, entry: KeptEntry) -> None:
        self._tell(f"kept {entry.name}")
        index = self._firsts.get(self._kept)
        self._kept += 1
        if index is not None:
            self._arrived[index].set()
            self._open[index].wait(PATIENCE_S)

    def wait_for(self, group: int) -> None:
        """Until the first entry of the group is durable. It may never be, if the disk fails."""
        if group >= 0:
            self._arrived[group].wait(self._patience_s)

    def let_pass(self, group: int) -> None:
        if group >= 0:
            self._open[group].set()

    def let_all_pass(self) -> None:
        for gate in self._open:
            gate.set()


def deliver(
    spool: Spool, number: int, tell: Callable[[str], None], patience_s: float = PATIENCE_S
) -> StoreError | None:
    """Send a task of `TASKS`, each list as one group of the disk thread, the last with the end of the task."""
    groups = TASKS[number]
    turnstile = Turnstile([len(group) for group in groups], tell, patience_s)
    task = spool.open_task(info(number), turnstile.on_kept)
    ending, error = Ending.COMPLETE, None
    try:
        for index, group in enumerate(groups):
            turnstile.wait_for(index - 1)
            send_group(task, group)
            if group is not groups[-1]:  # which passes together with the end
                turnstile.let_pass(index - 1)
    except StoreError as failure:
        ending, error = Ending.BROKEN, failure
    end = End(task, ending)
    turnstile.let_all_pass()
    return end.wait() or error


def send_group(task: SpoolTask, group: Sequence[File]) -> None:
    for file in group:
        send(task, file, PAUSE_S if file is BIG else 0)


class End:
    """Settles a task; `wait` tells what `done` told."""

    def __init__(self, task: SpoolTask, ending: Ending) -> None:
        self._called = threading.Event()
        self._errors: list[StoreError | None] = []
        task.settle(ending, self._done)

    def _done(self, error: StoreError | None) -> None:
        self._errors.append(error)
        self._called.set()

    def wait(self) -> StoreError | None:
        assert self._called.wait(PATIENCE_S), "done was not called"
        assert len(self._errors) == 1, "done was called twice"
        return self._errors[0]
