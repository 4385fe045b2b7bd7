"""Records what a program does to one directory: strace's log becomes operations on inodes and directory entries."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

ROOT = 0

_SYSCALLS = (
    "openat,creat,dup,dup2,dup3,fcntl,close,write,pwrite64,writev,pwritev,lseek,ftruncate,truncate,utimensat,fallocate,"
    "fsync,fdatasync,sync_file_range,syncfs,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,"
    "mkdir,mkdirat,rmdir,copy_file_range,sendfile"
)
_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)")
_UNFINISHED = re.compile(r"(\d+) +(\w+\(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)$")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_TIMES = re.compile(r"tv_sec=(\d+), tv_nsec=(\d+)")
_SYNCS = ("fsync", "fdatasync", "syncfs")


@dataclass(frozen=True)
class Written:
    """Data went to a place in a file."""

    number: int
    inode: int
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class Resized:
    """A file was cut or extended."""

    number: int
    inode: int
    size_bytes: int


@dataclass(frozen=True)
class Timed:
    """A file got a modification time."""

    number: int
    inode: int
    mtime_ns: int


@dataclass(frozen=True)
class Named:
    """A directory entry changed: it leads to `target` now, or to nothing."""

    number: int
    inode: int
    name: str
    target: int | None


@dataclass(frozen=True)
class Synced:
    """What happened to `inode`, or to any if it is None, before the operation `began` is durable."""

    number: int
    inode: int | None
    call: str
    began: int


@dataclass(frozen=True)
class Told:
    """The program wrote a line to its standard output."""

    number: int
    line: str


Change = Written | Resized | Timed | Named
Operation = Change | Synced | Told


@dataclass
class Recording:
    """Everything that happened, in order. Inode 0 is the directory that was watched; `names` has each inode's last."""

    operations: list[Operation] = field(default_factory=list)
    directories: set[int] = field(default_factory=lambda: {ROOT})
    names: dict[int, str] = field(default_factory=lambda: {ROOT: "the folder's parent"})


@dataclass
class _OpenFile:
    inode: int
    position: int = 0


class Recorder:
    """Runs programs one after the other under strace; the directory `root` is watched through all of them."""

    def __init__(self, root: Path) -> None:
        self._root = str(root.resolve())
        self._tree: dict[int, dict[str, int]] = {ROOT: {}}
        self._sizes: dict[int, int] = {}
        self._inodes = count(1)
        self._numbers = count()
        self._next_number = 0
        self.recording = Recording()

    def run(self, *arguments: str) -> list[str]:
        """Run `python -m ARGUMENTS` and return the lines that it told."""
        log = Path(self._root).parent / "strace.log"
        flags = ["--seccomp-bpf", "-f", "-xx", "-s", str(1 << 24), "-o", str(log), "-e", f"trace={_SYSCALLS}"]
        subprocess.run(
            ["strace", *flags, sys.executable, "-m", *arguments], check=True, capture_output=True, timeout=60
        )
        told = len(self.recording.operations)
        self._files: dict[int, _OpenFile] = {}
        for began, call, arguments_text, result in self._calls(log.read_text()):
            self._play(began, call, arguments_text, result)
        log.unlink()
        return [operation.line for operation in self.recording.operations[told:] if isinstance(operation, Told)]

    def _calls(self, log: str) -> Iterator[tuple[int, str, str, int]]:
        """Calls in the order in which they ended, each with the number of the next operation when it began."""
        unfinished: dict[str, tuple[int, str]] = {}
        for line in log.splitlines():
            began = self._next_number
            if match := _UNFINISHED.match(line):
                unfinished[match[1]] = (began, f"{match[1]} {match[2]}")
                continue
            if match := _RESUMED.match(line):
                began, start = unfinished.pop(match[1])
                line = start + match[2]
            if (match := _CALL.match(line)) and int(match[4]) >= 0:
                yield began, match[2], match[3], int(match[4])

    def _play(self, began: int, call: str, text: str, result: int) -> None:
        arguments = _split(text)
        if call in _SYNCS:
            self._sync(began, call, int(arguments[0]))
        else:
            player = getattr(self, f"_{call}", None)
            assert player is not None, f"the recorder does not know {call}"
            player(arguments, result)

    # Files and descriptors

    def _openat(self, arguments: list[str], result: int) -> None:
        found = self._find(arguments[0], arguments[1])
        if found is None:
            return
        directory, name = found
        inode = self._tree[directory].get(name) if name else directory
        if inode is None:
            assert "O_CREAT" in arguments[2], "a file appeared that nobody made"
            inode = self._new(directory, name)
        elif "O_TRUNC" in arguments[2] and self._sizes[inode]:
            self._resize(inode, 0)
        assert "O_APPEND" not in arguments[2]
        self._files[result] = _OpenFile(inode)

    def _dup(self, arguments: list[str], result: int) -> None:
        if (file := self._files.get(int(arguments[0]))) is not None:
            self._files[result] = file

    def _fcntl(self, arguments: list[str], result: int) -> None:
        if "F_DUPFD" in arguments[1]:
            self._dup(arguments, result)

    def _close(self, arguments: list[str], _: int) -> None:
        self._files.pop(int(arguments[0]), None)

    def _lseek(self, arguments: list[str], result: int) -> None:
        if (file := self._files.get(int(arguments[0]))) is not None:
            file.position = result

    # Changes of files

    def _write(self, arguments: list[str], result: int) -> None:
        if arguments[0] == "1":
            for line in _data(arguments[1]).decode().splitlines():
                self.recording.operations.append(Told(self._number(), line))
        elif (file := self._files.get(int(arguments[0]))) is not None:
            self._put(file.inode, file.position, _data(arguments[1])[:result])
            file.position += result

    _writev = _write

    def _pwrite64(self, arguments: list[str], result: int) -> None:
        if (file := self._files.get(int(arguments[0]))) is not None:
            self._put(file.inode, int(arguments[3]), _data(arguments[1])[:result])

    def _ftruncate(self, arguments: list[str], _: int) -> None:
        if (file := self._files.get(int(arguments[0]))) is not None:
            self._resize(file.inode, int(arguments[1]))

    def _utimensat(self, arguments: list[str], _: int) -> None:
        if (file := self._files.get(int(arguments[0]))) is not None:
            seconds, nanoseconds = _TIMES.findall(arguments[2])[1]
            self.recording.operations.append(Timed(self._number(), file.inode, int(seconds) * 10**9 + int(nanoseconds)))

    # Changes of directories

    def _mkdir(self, arguments: list[str], _: int) -> None:
        self._mkdirat(["AT_FDCWD", *arguments], 0)

    def _mkdirat(self, arguments: list[str], _: int) -> None:
        if (found := self._find(arguments[0], arguments[1])) is not None:
            inode = self._new(*found)
            self._tree[inode] = {}
            self.recording.directories.add(inode)

    def _rename(self, arguments: list[str], _: int) -> None:
        self._renameat2(["AT_FDCWD", arguments[0], "AT_FDCWD", arguments[1]], 0)

    def _renameat2(self, arguments: list[str], _: int) -> None:
        source = self._find(arguments[0], arguments[1])
        if source is not None:
            self._linkat(arguments, 0)
            self._name(*source, None)

    _renameat = _renameat2

    def _link(self, arguments: list[str], _: int) -> None:
        self._linkat(["AT_FDCWD", arguments[0], "AT_FDCWD", arguments[1]], 0)

    def _linkat(self, arguments: list[str], _: int) -> None:
        source, target = self._find(arguments[0], arguments[1]), self._find(arguments[2], arguments[3])
        if source is not None and target is not None:
            self._name(*target, self._tree[source[0]][source[1]])

    def _unlink(self, arguments: list[str], _: int) -> None:
        self._unlinkat(["AT_FDCWD", *arguments], 0)

    def _unlinkat(self, arguments: list[str], _: int) -> None:
        if (found := self._find(arguments[0], arguments[1])) is not None:
            self._name(*found, None)

    def _sync(self, began: int, call: str, file: int) -> None:
        if file in self._files:
            target = None if call == "syncfs" else self._files[file].inode
            self.recording.operations.append(Synced(self._number(), target, call, began))

    # Helpers

    def _find(self, directory: str, quoted: str) -> tuple[int, str] | None:
        """The directory and the name in it that a path leads to, if that is within the root."""
        path = _data(quoted).decode()
        if directory != "AT_FDCWD":
            file = self._files.get(int(directory))
            inode = None if file is None else file.inode
        else:
            inode = ROOT if (path + "/").startswith(self._root + "/") else None
            path = path.removeprefix(self._root)
        if inode is None:
            return None
        *parents, name = path.strip("/").split("/")
        for parent in parents:
            inode = self._tree[inode][parent]
        return inode, name

    def _new(self, directory: int, name: str) -> int:
        inode = next(self._inodes)
        self._sizes[inode] = 0
        self._name(directory, name, inode)
        return inode

    def _name(self, directory: int, name: str, target: int | None) -> None:
        if target is None:
            self._tree[directory].pop(name)
        else:
            self._tree[directory][name] = target
            self.recording.names[target] = name
        self.recording.operations.append(Named(self._number(), directory, name, target))

    def _put(self, inode: int, offset: int, data: bytes) -> None:
        self._sizes[inode] = max(self._sizes[inode], offset + len(data))
        self.recording.operations.append(Written(self._number(), inode, offset, data))

    def _resize(self, inode: int, size_bytes: int) -> None:
        self._sizes[inode] = size_bytes
        self.recording.operations.append(Resized(self._number(), inode, size_bytes))

    def _number(self) -> int:
        self._next_number = next(self._numbers) + 1
        return self._next_number - 1


def _split(text: str) -> list[str]:
    """The arguments of a call. Strings hold no commas, because all bytes are in hexadecimal."""
    arguments, depth, start = [], 0, 0
    for match in re.finditer(r"[\[\]{},]", text):
        sign = match[0]
        depth += (sign in "[{") - (sign in "]}")
        if sign == "," and depth == 0:
            arguments.append(text[start : match.start()].strip())
            start = match.end()
    return [*arguments, text[start:].strip()]


def _data(argument: str) -> bytes:
    pieces = _BYTES.findall(argument)
    assert not any(cut for _, cut in pieces), "strace cut a string"
    return b"".join(bytes.fromhex(piece.replace("\\x", "")) for piece, _ in pieces)


def strace_works() -> bool:
    """Whether this machine has strace and lets it trace."""
    try:
        return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, timeout=20).returncode == 0
    except FileNotFoundError:
        return False
