"""What passes from the receiving thread to the disk thread, and the limits of that passage."""

from collections.abc import Callable
from dataclasses import dataclass, field

from stack.storage.journal import EntryRow
from stack.transfer.entry_store import Ending, Fate, KeptEntry, StoreError, TaskInfo

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much the spool takes at a time, and leaves.

    reserve_bytes: what stays free on the disk.
    held_bytes: how much of an entry that may be known already waits in memory for its hash.
    step_bytes: after how much of an entry the room is checked, and its data flushed early.
    queued_entries, unsynced_bytes: what may wait for the disk thread before the receiving thread waits.
    single_syncs: up to how many files are synced one by one; more get one sync of the file system.
    commits_per_checkpoint: how far the write-ahead log may grow within one task.
    stall_s: how long the disk may take nothing.
    """

    reserve_bytes: int = 256 * MIB
    held_bytes: int = 8 * MIB
    step_bytes: int = 8 * MIB
    queued_entries: int = 256
    unsynced_bytes: int = 32 * MIB
    single_syncs: int = 4
    commits_per_checkpoint: int = 512
    stall_s: float = 60.0


@dataclass(slots=True, eq=False)
class Ticket:
    """One task, as both threads see it. `row` and `failure` are set by the disk thread.

    `pending` finds what is kept but not journalled yet by its SHA-256; `recognised` is what was safe already, by name.
    """

    info: TaskInfo
    on_kept: Callable[[KeptEntry], None]
    started: float
    row: int = 0
    failure: StoreError | None = None
    pending: dict[bytes, "Kept"] = field(default_factory=dict)
    recognised: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Begin:
    """A task begins."""

    ticket: Ticket
    unsynced_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Flush:
    """Part of a big file can be made durable already. `file` is a descriptor of its own, closed afterwards."""

    ticket: Ticket
    file: int
    unsynced_bytes: int


@dataclass(slots=True, eq=False)
class Kept:
    """One entry that the engine vouched for.

    `file` and `temporary` are -1 and "" if nothing was written, because `name` is already safe. `twin` is a file of
    the same task with the same content. `name` and `fate` are final once the entry is placed.
    """

    ticket: Ticket
    offered: str
    size_bytes: int
    sha256: bytes
    modified: float | None
    file: int = -1
    temporary: str = ""
    unsynced_bytes: int = 0
    twin: "Kept | EntryRow | None" = None
    name: str = ""
    fate: Fate = Fate.STORED


@dataclass(frozen=True, slots=True)
class Settle:
    """The task is over once everything before is durable."""

    ticket: Ticket
    ending: Ending
    done: Callable[[StoreError | None], None]
    unsynced_bytes: int = 0


Item = Begin | Flush | Kept | Settle
