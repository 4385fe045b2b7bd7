"""Names that are taken: the same content is the same file, other content gets ` (2)`, a whole group at once."""

from collections.abc import Callable, Sequence
from posixpath import split

from stack.storage.library.errors import CollisionError
from stack.storage.library.grouping import numbered_member

_LAST_NUMBER = 9999


def free_paths(members: Sequence[tuple[str, bytes]], occupant: Callable[[str], bytes | None]) -> list[str]:
    """Final paths for a group of (path, SHA-256): those wished for, or all with the first number that suits all.

    `occupant` tells the SHA-256 of what lies under a path, b"" if that is not known, None if the path is free. It must
    take paths that differ in case only for the same where the server does (`grouping.caseless`). Raises
    `CollisionError`.
    """
    for number in range(1, _LAST_NUMBER + 1):
        paths = [_numbered_path(path, number) for path, _ in members]
        if all(occupant(path) in (None, sha256) for path, (_, sha256) in zip(paths, members, strict=True)):
            return paths
    raise CollisionError(f"more than {_LAST_NUMBER} different files want to be {members[0][0]!r}")


def _numbered_path(path: str, number: int) -> str:
    if number == 1:
        return path
    folder, name = split(path)
    return f"{folder}/{numbered_member(name, number)}" if folder else numbered_member(name, number)
