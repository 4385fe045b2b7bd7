"""What a disk may hold after a crash, by POSIX and no kinder.

Until a sync covers them,
- data that was written may be absent, there in part, there in whole, or zeros in a file that has its size already;
- each change of a directory entry may have reached the disk or not, whatever became of the others. A rename is two
  changes. Only the changes of one and the same entry keep their order.

An fsync of a file says nothing about its name, fdatasync nothing about its time. A sync covers what was complete
when it began.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.crash.recorder import ROOT, Change, Named, Operation, Recording, Resized, Synced, Timed, Told, Written


class Part(Enum):
    """How much of a write arrived."""

    NONE = "nothing"
    HALF = "the first half"
    ZEROS = "the size, not the data"
    ALL = "everything"


@dataclass(frozen=True)
class Content:
    """What a file holds."""

    data: bytes = b""
    mtime_ns: int | None = None


@dataclass
class Disk:
    """What is durable for certain, and what may be."""

    directories: set[int]
    files: dict[int, Content] = field(default_factory=dict)
    entries: dict[tuple[int, str], int] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def apply(self, operation: Operation) -> None:
        match operation:
            case Told():
                self.told.append(operation.line)
            case Synced():
                self._sync(operation)
            case _:
                self.pending.append(operation)

    def covered(self, sync: Synced) -> list[Change]:
        """What a sync makes durable."""
        return [change for change in self.pending if _covers(sync, change)]

    def pending_data(self) -> dict[int, list[Written | Resized | Timed]]:
        """Changes of files that may be lost, by inode."""
        found: dict[int, list[Written | Resized | Timed]] = {}
        for change in self.pending:
            if not isinstance(change, Named):
                found.setdefault(change.inode, []).append(change)
        return found

    def pending_entries(self) -> dict[tuple[int, str], list[int | None]]:
        """What each directory entry that may be lost leads to: durably, and after each change."""
        found: dict[tuple[int, str], list[int | None]] = {}
        for change in self.pending:
            if isinstance(change, Named):
                entry = (change.inode, change.name)
                found.setdefault(entry, [self.entries.get(entry)]).append(change.target)
        return found

    def _sync(self, sync: Synced) -> None:
        for change in self.covered(sync):
            if isinstance(change, Named):
                self._enter((change.inode, change.name), change.target)
            else:
                before = self.files.get(change.inode, Content())
                self.files[change.inode] = changed(before, [(change, Part.ALL)])
        self.pending = [change for change in self.pending if not _covers(sync, change)]

    def _enter(self, entry: tuple[int, str], target: int | None) -> None:
        if target is None:
            self.entries.pop(entry, None)
        else:
            self.entries[entry] = target


def _covers(sync: Synced, change: Change) -> bool:
    in_time = change.number < sync.began
    in_place = sync.inode is None or sync.inode == change.inode
    return in_time and in_place and not (sync.call == "fdatasync" and isinstance(change, Timed))


def changed(content: Content, changes: Sequence[tuple[Written | Resized | Timed, Part]]) -> Content:
    """What a file holds when its changes arrived in such parts."""
    data, mtime_ns = bytearray(content.data), content.mtime_ns
    for change, part in changes:
        match change:
            case _ if part is Part.NONE:
                continue
            case Timed():
                mtime_ns = change.mtime_ns
            case Resized():
                del data[change.size_bytes :]
                data.extend(bytes(change.size_bytes - len(data)))
            case Written():
                _write(data, change, part)
    return Content(bytes(data), mtime_ns)


def _write(data: bytearray, change: Written, part: Part) -> None:
    end = change.offset + len(change.data)
    arrived = change.data[: len(change.data) // 2] if part is Part.HALF else change.data
    if part is Part.ZEROS:
        data.extend(bytes(max(0, end - len(data))))
    else:
        data.extend(bytes(max(0, change.offset - len(data))))
        data[change.offset : change.offset + len(arrived)] = arrived


@dataclass(frozen=True)
class State:
    """One thing that the disk may hold after a crash, and what had been told by then."""

    files: dict[int, Content]
    entries: dict[tuple[int, str], int]
    directories: frozenset[int]
    told: tuple[str, ...]

    def paths(self) -> list[tuple[str, int]]:
        """Everything that can be reached, directories before what they hold."""
        found: list[tuple[str, int]] = []
        waiting = [("", ROOT)]
        while waiting:
            prefix, directory = waiting.pop()
            for (parent, name), inode in sorted(self.entries.items()):
                if parent == directory:
                    found.append((prefix + name, inode))
                    if inode in self.directories:
                        waiting.append((f"{prefix}{name}/", inode))
        return found


def moments(recording: Recording, operations: Sequence[Operation], first: int = 0) -> list[Disk]:
    """The disk right before each sync after operation number `first` took effect, and at the end.

    What may be lost only grows in between, so every state that a crash at any other instruction leaves is a state of
    one of these too.
    """
    disk = Disk(recording.directories)
    found: list[Disk] = []
    for operation in operations:
        if isinstance(operation, Synced) and operation.number >= first and disk.covered(operation):
            found.append(_copied(disk))
        disk.apply(operation)
    return [*found, _copied(disk)]


def _copied(disk: Disk) -> Disk:
    return Disk(disk.directories, dict(disk.files), dict(disk.entries), list(disk.pending), list(disk.told))
