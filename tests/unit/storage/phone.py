"""The engine's part, played for the tests of the spool: deliver files, wait for the end."""

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stack.storage.spool import Spool, SpoolTask
from stack.transfer.entry_store import Ending, EntryWriter, KeptEntry, StoreError, TaskInfo

PIECE_BYTES = 256 << 10
MODIFIED = 1_700_000_000.0


@dataclass
class Delivery:
    """A task as the phone sees it, and what became of it."""

    kept: list[KeptEntry] = field(default_factory=list)
    error: StoreError | None = None
    calls: int = 0

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self.kept]

    @property
    def fates(self) -> list[str]:
        return [entry.fate.value for entry in self.kept]


def offer(files: Sequence[tuple[str, bytes]]) -> TaskInfo:
    return TaskInfo("task 1", "sender", "Anna's phone", len(files), sum(len(content) for _, content in files))


def write(writer: EntryWriter, content: bytes, piece_bytes: int = PIECE_BYTES) -> None:
    """Through one buffer that is used again, as the engine does."""
    buffer = bytearray(piece_bytes)
    for start in range(0, len(content), piece_bytes):
        piece = content[start : start + piece_bytes]
        buffer[: len(piece)] = piece
        writer.write(memoryview(buffer)[: len(piece)])


def send(task: SpoolTask, name: str, content: bytes, piece_bytes: int = PIECE_BYTES) -> None:
    writer = task.begin(name, MODIFIED)
    try:
        write(writer, content, piece_bytes)
        writer.keep(hashlib.sha256(content).digest())
    except StoreError:
        writer.drop()
        raise


def settled(settle: Callable[[Callable[[StoreError | None], None]], None]) -> list[StoreError | None]:
    """Every call of `done`."""
    calls: list[StoreError | None] = []
    called = threading.Event()

    def done(error: StoreError | None) -> None:
        calls.append(error)
        called.set()

    settle(done)
    assert called.wait(20)
    return calls


def deliver(
    spool: Spool, files: Iterable[tuple[str, bytes]], ending: Ending = Ending.COMPLETE, piece_bytes: int = PIECE_BYTES
) -> Delivery:
    files = list(files)
    delivery = Delivery()
    task = spool.open_task(offer(files), delivery.kept.append)
    for name, content in files:
        send(task, name, content, piece_bytes)
    calls = settled(lambda done: task.settle(ending, done))
    assert len(calls) == 1
    delivery.error = calls[0]
    return delivery


def visible(folder: Path) -> dict[str, bytes]:
    """The files that a user sees."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def incoming(folder: Path) -> list[Path]:
    return list((folder / ".ferry" / "incoming").iterdir())
