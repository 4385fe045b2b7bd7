"""Lays a state out as files, opens the real spool on it, and sees whether a rule is broken."""

import hashlib
import os
import shutil
import sqlite3
from pathlib import Path

from stack.storage.names import numbered
from stack.storage.spool import Spool
from stack.transfer.entry_store import Ending, StoreError
from tests.crash.model import Content, State
from tests.crash.senders import LIMITS, OF_THE_USER, TASKS, End, File, info, send

FOLDER = "photos"

EVERYTHING: list[list[File]] = [[file for group in task for file in group] for task in TASKS]
SOURCES: dict[str, set[bytes]] = {}
for _task in EVERYTHING:
    for _file in _task:
        for _name in [_file.name, *(numbered(_file.name, number) for number in range(2, 5))]:
            SOURCES.setdefault(_name, set()).add(_file.content)


class BrokenRuleError(AssertionError):
    """A rule was broken."""


def require(holds: bool, rule: str) -> None:
    if not holds:
        raise BrokenRuleError(rule)


def materialise(state: State, root: Path) -> None:
    """Make `root` hold what the state says. The shared memory of SQLite is gone with the power."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    made: dict[int, Path] = {}
    for path, inode in state.paths():
        target = root / path
        if inode in state.directories:
            target.mkdir()
        elif inode in made:
            os.link(made[inode], target)
        elif not path.endswith("-shm"):
            lay_out(target, state.files.get(inode, Content()))
            made[inode] = target


def lay_out(target: Path, content: Content) -> None:
    target.write_bytes(content.data)
    if content.mtime_ns is not None:
        os.utime(target, ns=(content.mtime_ns, content.mtime_ns))


def check_state(state: State, root: Path) -> None:
    """Raise `BrokenRuleError` if a crash that leaves this state breaks a rule."""
    materialise(state, root)
    check_folder(root / FOLDER, state.told)


def check_folder(folder: Path, told: tuple[str, ...]) -> None:
    """Raise `BrokenRuleError` if what lies in the folder after a crash, or becomes of it, breaks a rule."""
    try:
        with Spool(folder, limits=LIMITS) as spool:
            check_recovered(folder, told)
            for number, files in enumerate(EVERYTHING):
                send_again(spool, number, files)
            check_complete(folder)
    except StoreError as error:
        raise BrokenRuleError(f"the spool fails: {error}") from error


def check_recovered(folder: Path, told: tuple[str, ...]) -> None:
    files = visible(folder)
    rows, endings = journal(folder)
    require(not os.listdir(folder / ".ferry" / "incoming"), "a temporary is left")
    for name, content in files.items():
        whole = content in SOURCES.get(name, ())
        require(whole or (name == OF_THE_USER.name and name not in rows), f"{name} is visible and not whole")
    for name, sha256 in rows.items():
        require(name in files and hashlib.sha256(files[name]).digest() == sha256, f"{name} is journalled, not there")
    for line in told:
        word, _, what = line.partition(" ")
        if word == "kept":
            require(what in files and what in rows, f"{what} was kept and is lost")
        elif word == "ok":
            check_acknowledged(int(what), files, rows, endings)


def check_acknowledged(
    number: int, files: dict[str, bytes], rows: dict[str, bytes], endings: list[tuple[str, str]]
) -> None:
    for file in EVERYTHING[number]:
        named = file.name in files or number > 0
        require(named and file.content in files.values(), f"{file.name} of task {number} was safe and is lost")
        require(hashlib.sha256(file.content).digest() in rows.values(), f"{file.name} is not journalled")
    require((f"task {number}", "complete") in endings, f"the end of task {number} is not journalled")


def check_complete(folder: Path) -> None:
    """After all tasks were sent again."""
    copies: dict[bytes, list[str]] = {}
    for name, content in visible(folder).items():
        copies.setdefault(content, []).append(name)
    for content in {file.content for files in EVERYTHING for file in files}:
        names = {file.name for files in EVERYTHING for file in files if file.content == content}
        require(content in copies, f"{names} is lost")
        require(len(copies[content]) <= len(names), f"{copies[content]} are the same")
    require(not os.listdir(folder / ".ferry" / "incoming"), "a temporary is left")


def send_again(spool: Spool, number: int, files: list[File]) -> None:
    task = spool.open_task(info(number), lambda _: None)
    for file in files:
        send(task, file)
    error = End(task, Ending.COMPLETE).wait()
    require(error is None, f"sending again fails: {error}")


def visible(folder: Path) -> dict[str, bytes]:
    return {entry.name: Path(entry.path).read_bytes() for entry in os.scandir(folder) if entry.is_file()}


def journal(folder: Path) -> tuple[dict[str, bytes], list[tuple[str, str]]]:
    """The rows, name to content, and how tasks ended."""
    connection = sqlite3.connect(folder / ".ferry" / "journal.db")
    try:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
        require(integrity == "ok", f"the journal is damaged: {integrity}")
        rows = dict(connection.execute("SELECT name, sha256 FROM entry").fetchall())
        return rows, connection.execute("SELECT task_id, ending FROM task").fetchall()
    finally:
        connection.close()
