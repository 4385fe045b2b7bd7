"""Which files of one task belong together: they share a folder, a date and, on a collision, a number.

Files with the same stem are one shot: RAW and JPEG, the two halves of a live or motion photo, sidecars. The stem is
the name without its known extensions (`IMG_1.jpg.xmp`) and without what programs put before them. Files of other
types stay alone.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from stack.storage.library.kinds import KNOWN_EXTENSIONS, SIDECARS, Kind, extension_of, kind_of
from stack.storage.names import MAX_NAME_BYTES, numbered

# What comes before the extension without being part of the stem: Pixel's RAW+JPEG pairs and edited motion photos.
_MARK = re.compile(r"\.(?:RAW-[0-9]{2}\.(?:COVER|ORIGINAL)|MP~[0-9])$", re.IGNORECASE)

# IMG_1.MP.jpg.xmp
_MAX_EXTENSIONS = 3

_LEADERS = (Kind.PHOTO, Kind.RAW, Kind.VIDEO, Kind.OTHER)


def grouped(names: Sequence[str]) -> list[list[int]]:
    """The indices of the names that belong together, each group with its leader first: photo, RAW, video, sidecar.

    A name that comes twice in a task opens a second group.
    """
    seen: Counter[str] = Counter()
    groups: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        same = caseless(name)
        groups[_shared_stem(name), seen[same]].append(index)
        seen[same] += 1
    return [sorted(group, key=lambda index: _LEADERS.index(kind_of(names[index]))) for group in groups.values()]


def numbered_member(name: str, number: int) -> str:
    """The safe name with a number behind its stem, the same place for all of a group. At most 255 bytes."""
    stem, ending = split_stem(name)
    if stem == name:
        return numbered(name, number)
    ending = f" ({number}){ending}"
    room = MAX_NAME_BYTES - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + ending


def split_stem(name: str) -> tuple[str, str]:
    """What the files of one shot share of their names, and the rest. The rest is empty for files of other types."""
    stem = name
    for _ in range(_MAX_EXTENSIONS):
        extension = extension_of(stem)
        if extension not in KNOWN_EXTENSIONS:
            break
        stem = stem[: -len(extension) - 1]
    if stem != name:
        stem = _MARK.sub("", stem) or stem
    return stem, name[len(stem) :]


def caseless(path: str) -> str:
    """Equal for paths that a server without case, or with another normal form, takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _shared_stem(name: str) -> str:
    if kind_of(name) is Kind.OTHER and extension_of(name) not in SIDECARS:
        return caseless(name)
    return caseless(split_stem(name)[0]) + "/"
