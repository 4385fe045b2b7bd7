"""Crash consistency, proved: no crash at any instruction breaks a rule, and every sync that we make is needed.

The real spool receives under strace. A model of what disks may lose turns the recording into all kinds of disks
after a crash, and the real spool is opened on each. Then syncs are taken out of the recording one by one: the
check must fail without it, or the sync would be good for nothing, or the check.
"""

from collections.abc import Iterable, Iterator
from itertools import takewhile

import pytest

from tests.crash.checker import FOLDER
from tests.crash.model import Disk
from tests.crash.recorder import Change as Recorded
from tests.crash.recorder import Named, Operation, Recorder, Recording, Synced, Told, Written, strace_works
from tests.crash.search import Change, Search, scratch
from tests.crash.senders import TASKS

pytestmark = [
    pytest.mark.skipif(not strace_works(), reason="strace is missing or may not trace (apt-get install strace)"),
    pytest.mark.timeout(240),
]

# Syncs without which no rule breaks, and what they are for.
SPARE_SYNCS = {
    "big.mp4, early": "serves latency: the fsync at the end of a big file covers the same data",
    "a dropped temporary": "the file that was there already is adopted instead, and has an fsync of its own",
    "journal.db-wal, no rows": "begins or breaks a task, or starts the log anew: the next row's sync covers it",
    "journal.db-journal, empty": "SQLite's: a new database has nothing to roll back to",
    ".ferry, journal.db-journal": "SQLite's: a new database has nothing to roll back to",
}


@pytest.fixture(scope="module")
def recording() -> Iterator[Recording]:
    with scratch() as directory:
        root = directory / "root"
        root.mkdir()
        recorder = Recorder(root)
        told = recorder.run("tests.crash.scenario", "first", str(root / FOLDER))
        assert "ok 0" in told
        assert "ok 1" not in told
        told = recorder.run("tests.crash.scenario", "second", str(root / FOLDER))
        assert {"ok 1", "ok 2", "closed"} <= set(told)
        yield recorder.recording


@pytest.fixture(scope="module")
def search(recording: Recording) -> Search:
    """With all states looked at that the recording allows."""
    search = Search(recording)
    finding = search.all_states()
    assert finding.broken is None
    assert len(finding.passed) > 1000
    return search


def test_no_crash_breaks_a_rule(search: Search) -> None:
    assert search


def test_the_recording_has_what_matters(recording: Recording) -> None:
    calls = [operation.call for operation in recording.operations if isinstance(operation, Synced)]
    assert set(calls) == {"fsync", "fdatasync", "syncfs"}
    names = [operation.name for operation in recording.operations if isinstance(operation, Named)]
    assert {file.name for task in TASKS for group in task for file in group} < set(names)
    assert "a (2).jpg" in names


def test_every_sync_is_needed(recording: Recording, search: Search) -> None:
    syncs = list(effective_syncs(recording))
    changes = [Change(without(recording, sync), sync.number) for sync, _ in syncs]
    results = zip(syncs, search.changes(changes), strict=True)
    spare = {describe(recording, sync, covered) for (sync, covered), broken in results if broken is None}
    assert spare == set(SPARE_SYNCS)


def test_no_name_before_the_data(recording: Recording, search: Search) -> None:
    changes = [change for name in publications(recording) if (change := name_first(recording, name)) is not None]
    assert len(changes) > 15
    assert None not in search.changes(changes)


def effective_syncs(recording: Recording) -> Iterator[tuple[Synced, list[Recorded]]]:
    """Each sync with what it makes durable, if that is anything."""
    disk = Disk(recording.directories)
    for operation in recording.operations:
        if isinstance(operation, Synced) and (covered := disk.covered(operation)):
            yield operation, covered
        disk.apply(operation)


def without(recording: Recording, sync: Synced) -> list[Operation]:
    return [operation for operation in recording.operations if operation is not sync]


def describe(recording: Recording, sync: Synced, covered: list[Recorded]) -> str:
    name = "everything" if sync.inode is None else recording.names[sync.inode]
    names = {change.name for change in covered if isinstance(change, Named)}
    if name.isdigit():
        return "a dropped temporary"
    if name == "journal.db-wal" and not brings_rows(recording, sync):
        return f"{name}, no rows"
    if name == "journal.db-journal" and len(covered) == 1:
        return f"{name}, empty"
    if "journal.db-journal" in names:
        return f"{name}, journal.db-journal"
    return f"{name}, early" if sync.call == "fdatasync" and not name.startswith("journal") else name


def brings_rows(recording: Recording, sync: Synced) -> bool:
    """Whether files got their final names since the last sync of the journal, and are told before the next."""
    place = recording.operations.index(sync)
    before = until_sync_of(sync.inode, reversed(recording.operations[:place]))
    after = until_sync_of(sync.inode, recording.operations[place + 1 :])
    named = any(isinstance(operation, Named) and recording.names[operation.inode] == FOLDER for operation in before)
    return named and any(isinstance(operation, Told) for operation in after)


def until_sync_of(inode: int | None, operations: Iterable[Operation]) -> list[Operation]:
    return list(takewhile(lambda operation: not isinstance(operation, Synced) or operation.inode != inode, operations))


def publications(recording: Recording) -> list[Named]:
    """The changes by which temporaries got their final names."""
    temporaries = {
        operation.target
        for operation in recording.operations
        if isinstance(operation, Named) and recording.names[operation.inode] == "incoming"
    }
    return [
        operation
        for operation in recording.operations
        if isinstance(operation, Named)
        and recording.names[operation.inode] == FOLDER
        and operation.target in temporaries
        and operation.target is not None
    ]


def name_first(recording: Recording, name: Named) -> Change | None:
    """The recording with the name given before the last sync of the data. None for a link, whose data was synced."""
    operations = recording.operations
    place = operations.index(name)
    written = [operation for operation in operations[:place] if is_data_of(operation, name.target)]
    last = max(
        index
        for index, operation in enumerate(operations[:place])
        if isinstance(operation, Synced) and operation.inode in (None, name.target)
    )
    if any(isinstance(operation, Named) and operation.target == name.target for operation in operations[last:place]):
        return None
    first = operations[last]
    assert written
    assert isinstance(first, Synced)
    return Change([*operations[:last], name, *operations[last:place], *operations[place + 1 :]], first.number)


def is_data_of(operation: Operation, inode: int | None) -> bool:
    return isinstance(operation, Written) and operation.inode == inode
