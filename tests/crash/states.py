"""Chooses the states to look at: all where they are few, else the extremes, every single deviation, and samples."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import prod

from tests.crash.model import Content, Disk, Part, State, changed
from tests.crash.recorder import Resized, Timed, Written

EXHAUSTIVE = 48
SAMPLES = 24
VARIANTS_OF_A_FILE = 14

FileChange = Written | Resized | Timed
Key = int | tuple[int, str]
Choice = dict[Key, int]


class Possibilities:
    """What each file and each directory entry may be: first as it is durable, last with all changes."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._random = random.Random(sum(change.number for change in disk.pending))
        self._files = {
            inode: self._variants(disk.files.get(inode, Content()), changes)
            for inode, changes in disk.pending_data().items()
        }
        self._entries = disk.pending_entries()
        self._sizes: dict[Key, int] = {
            **{inode: len(variants) for inode, variants in self._files.items()},
            **{entry: len(targets) for entry, targets in self._entries.items()},
        }

    def states(self) -> Iterator[State]:
        for choice in self._choices():
            yield self._state(choice)

    def _choices(self) -> Iterator[Choice]:
        if prod(self._sizes.values()) <= EXHAUSTIVE:
            for picks in product(*map(range, self._sizes.values())):
                yield dict(zip(self._sizes, picks, strict=True))
            return
        nothing, everything = dict.fromkeys(self._sizes, 0), {key: size - 1 for key, size in self._sizes.items()}
        names = {key: pick for key, pick in everything.items() if key in self._entries}
        data = {key: pick for key, pick in everything.items() if key in self._files}
        yield from (nothing, everything, nothing | names, nothing | data)
        for key, size in self._sizes.items():
            for pick in range(size):
                yield from (everything | {key: pick}, nothing | {key: pick}, nothing | names | {key: pick})
        for _ in range(SAMPLES):
            yield {key: self._random.randrange(size) for key, size in self._sizes.items()}

    def _variants(self, before: Content, changes: Sequence[FileChange]) -> list[Content]:
        parts = [[Part.NONE] * len(changes), [Part.ZEROS] * len(changes), *self._partial(len(changes))]
        parts = [*parts[:2], *self._sampled(parts[2:]), [Part.ALL] * len(changes)]
        contents = [changed(before, list(zip(changes, some, strict=True))) for some in parts]
        return [*dict.fromkeys(contents[:-1]), contents[-1]]

    def _partial(self, count: int) -> Iterator[list[Part]]:
        for index in range(count):
            others = count - index - 1
            yield [Part.ALL] * index + [Part.NONE] + [Part.ALL] * others
            yield [Part.ALL] * index + [Part.HALF] + [Part.NONE] * others
            yield [Part.ALL] * index + [Part.ZEROS] + [Part.ALL] * others
            yield [Part.ALL] * index + [Part.NONE] * (others + 1)

    def _sampled(self, parts: list[list[Part]]) -> list[list[Part]]:
        return self._random.sample(parts, min(len(parts), VARIANTS_OF_A_FILE))

    def _state(self, choice: Choice) -> State:
        files, entries = dict(self._disk.files), dict(self._disk.entries)
        for inode, variants in self._files.items():
            files[inode] = variants[choice[inode]]
        for entry, targets in self._entries.items():
            target = targets[choice[entry]]
            if target is None:
                entries.pop(entry, None)
            else:
                entries[entry] = target
        return State(files, entries, frozenset(self._disk.directories), tuple(self._disk.told))


def digest(state: State) -> bytes:
    """Equal for states that cannot be told apart. What temporaries hold does not matter: they are removed."""
    found = hashlib.sha256(repr(state.told).encode())
    for path, inode in state.paths():
        content = state.files.get(inode, Content())
        held = b"" if "/incoming/" in path else content.data
        found.update(repr((path, inode, content.mtime_ns, _data_digest(held))).encode())
    return found.digest()


@lru_cache(maxsize=4096)
def _data_digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
