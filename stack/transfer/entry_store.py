"""Where received files go: the contract between the transfer engine and a store.

The engine streams each entry into an `EntryWriter` and vouches for it with `keep`; the store makes it durable in
the background, and `settle` tells when everything kept so far is safe. Only then may a phone hear "ok".
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from board.errors import FerryError

Piece = bytes | bytearray | memoryview


class StoreError(FerryError):
    """The store cannot take the file. The transfer ends, what was complete is kept."""


class NoSpaceError(StoreError):
    """There is not enough room for what is offered, or what arrives."""


class Fate(Enum):
    """What became of an entry that was kept."""

    STORED = "stored"
    ALREADY_SAFE = "already safe"


class Ending(Enum):
    """How a task ended, for the journal."""

    COMPLETE = "complete"
    BROKEN = "broken"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What the phone said about the task. Counts and sizes are hints, and may be lies."""

    task_id: str
    sender_id: str
    sender_name: str
    file_count: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """One entry that is durable now. `name` is the name it has in the store."""

    name: str
    size_bytes: int
    sha256: bytes
    fate: Fate


class EntryWriter(Protocol):
    """One file on its way in. Exactly one of `keep` and `drop` ends it."""

    def write(self, piece: Piece, /) -> None:
        """Append `piece`. The buffer may be reused after the call. Raises `StoreError`."""

    def keep(self, sha256: bytes, /) -> None:
        """Vouch for the content: whole, CRC checked, with this SHA-256. Durable some time later."""

    def drop(self) -> None:
        """Forget the entry and leave no trace of it."""


class TaskStore(Protocol):
    """The store's side of one task. Used by one thread."""

    def begin(self, name: str, modified: float | None, /) -> EntryWriter:
        """Open the next entry. `name` is raw, as the phone sent it; `modified` is seconds since the epoch."""

    def settle(self, ending: Ending, done: Callable[[StoreError | None], None], /) -> None:
        """Ask for everything kept to be durable and the ending journalled; `done` is called once, from the
        disk thread, with what went wrong or None. No entry may be open. The task takes nothing afterwards."""


class EntryStore(Protocol):
    """A place that takes tasks, one at a time."""

    def open_task(self, info: TaskInfo, on_kept: Callable[[KeptEntry], None], /) -> TaskStore:
        """Start a task. `on_kept` is called from the disk thread for each entry once it is durable.

        Raises:
            NoSpaceError: the announced size and the reserve do not fit.
            StoreError: the store cannot be written.
        """
