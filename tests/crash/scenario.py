"""What is recorded: `scenario.py PHASE FOLDER` opens the real spool and plays its part, telling what is safe.

    first    delivers task 0; is killed in task 1, when some files of a group have their names, not synced
    second   starts after that kill, delivers tasks 1 and 2, closes
    all      delivers all tasks in one go, and tells of failures
    anew     delivers task 0, starts with a damaged journal, which is made anew, delivers task 1

What the spool calls safe is told on standard output: `kept NAME` for each entry, `ok NUMBER` for each task.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from stack.storage.folder import Folder
from stack.storage.spool import Spool
from stack.transfer.entry_store import StoreError
from tests.crash.senders import KILLED_AT, LIMITS, OF_THE_USER, PATIENCE_S, TASKS, deliver

# Where the disk fails, groups need not be as planned.
IMPATIENCE_S = 0.2


def first(folder: Path) -> None:
    with Spool(folder, limits=LIMITS) as spool:
        deliver_and_tell(spool, 0)
        die_at(KILLED_AT)
        deliver_and_tell(spool, 1)


def second(folder: Path) -> None:
    with Spool(folder, limits=LIMITS) as spool:
        deliver_and_tell(spool, 1)
        copied_by_the_user(folder)
        deliver_and_tell(spool, 2)
    tell("closed")


def everything(folder: Path) -> None:
    try:
        with Spool(folder, limits=LIMITS) as spool:
            for number in range(len(TASKS)):
                deliver_and_tell(spool, number, IMPATIENCE_S)
    except StoreError as error:
        tell(f"broken {type(error).__name__}")


def anew(folder: Path) -> None:
    sync_one_by_one()
    kept: list[str] = []
    with Spool(folder, limits=LIMITS) as spool:
        deliver(spool, 0, kept.append)
    damage(folder / ".ferry" / "journal.db")
    for line in kept:
        tell(line)
    with Spool(folder, limits=LIMITS) as spool:
        deliver_and_tell(spool, 1)


def sync_one_by_one() -> None:
    """As where `syncfs` is not relied upon: it would cover for the syncs of the names in `.ferry`."""
    Folder.sync_everything = lambda self: False  # type: ignore[method-assign]


def damage(journal: Path) -> None:
    """Replace it, at once and durably, by one of which only the first page is right, with a log as after a crash."""
    content = journal.read_bytes()
    lay(journal.with_name("journal.db-wal"), b"no log")
    lay(journal.with_name("damaged"), content[:4096] + b"\xff" * (len(content) - 4096))
    journal.with_name("damaged").rename(journal)
    sync(journal.parent)


def lay(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sync(path)
    sync(path.parent)


def sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def die_at(last: str) -> None:
    publish = Folder.publish

    def publish_or_die(self: Folder, temporary: str, name: str) -> None:
        if name == last:
            os._exit(0)
        publish(self, temporary, name)

    Folder.publish = publish_or_die  # type: ignore[method-assign]


def deliver_and_tell(spool: Spool, number: int, patience_s: float = PATIENCE_S) -> None:
    try:
        error = deliver(spool, number, tell, patience_s)
    except StoreError as failure:
        error = failure
    tell(f"ok {number}" if error is None else f"failed {number} {type(error).__name__}")


def copied_by_the_user(folder: Path) -> None:
    """And not synced."""
    (folder / OF_THE_USER.name).write_bytes(OF_THE_USER.content)


def tell(what: str) -> None:
    line = f"{what}\n".encode()
    try:
        os.write(1, line)
    except OSError:  # a fault that was meant for the disk
        os.write(1, line)


PHASES: dict[str, Callable[[Path], None]] = {"first": first, "second": second, "all": everything, "anew": anew}

if __name__ == "__main__":
    PHASES[sys.argv[1]](Path(sys.argv[2]))
