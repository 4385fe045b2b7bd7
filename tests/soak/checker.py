"""What an archive and a spool must be in the end. Pure: what was found is passed in, what is wrong is told in words."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import split
from typing import Any

from tests.soak.album import Sent

_INCOMING = ".ferry/incoming/"
_OWN = ".ferry/"
_NUMBER = re.compile(r" \([0-9]+\)(?=\.[^.]+$)")


@dataclass(frozen=True, slots=True)
class Archive:
    """What a sink holds: the SHA-256 of every file by its path, and the lines of its manifests."""

    name: str
    files: Mapping[str, str]
    manifest: Sequence[str]

    @property
    def photos(self) -> dict[str, str]:
        """The user's files."""
        return {path: digest for path, digest in self.files.items() if not path.startswith(_OWN)}


def archive_differences(archive: Archive, acknowledged: Iterable[Sent], offered: Iterable[Sent]) -> list[str]:
    """What is wrong with an archive. `offered` are all files that were ever on their way, acknowledged or not."""
    found = [
        *_missing(archive, acknowledged),
        *_unexpected(archive, offered),
        *_left_over(archive),
        *_unlisted(archive),
    ]
    return [f"{archive.name}: {each}" for each in found]


def spool_differences(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    """What is wrong with an emptied spool: `rows` are the events of `ferry spool list`, `names` its files."""
    waiting = [f"the spool: {row['name']} is pending for {row['sink'] or 'a sink'}" for row in rows if "name" in row]
    return waiting + [f"the spool: {name} is left" for name in names]


def _missing(archive: Archive, acknowledged: Iterable[Sent]) -> list[str]:
    """Every content once, whatever names it came under."""
    copies = Counter(archive.photos.values())
    names = {each.sha256: each.place for each in acknowledged}
    lost = [f"{place} was acknowledged and is missing" for digest, place in names.items() if not copies[digest]]
    doubled = [f"{place} is there {copies[digest]} times" for digest, place in names.items() if copies[digest] > 1]
    return lost + doubled


def _unexpected(archive: Archive, offered: Iterable[Sent]) -> list[str]:
    """Every file has a content that was sent, and lies where one of the names of that content leads."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    for each in offered:
        places[each.sha256].add(each.place)
    found = []
    for path, digest in archive.photos.items():
        if digest not in places:
            found.append(f"{path} has a content that was never sent")
        elif _unnumbered(path) not in places[digest]:
            found.append(f"{path} should be {' or '.join(sorted(places[digest]))}")
    return found


def _unnumbered(path: str) -> str:
    folder, name = split(path)
    return f"{folder}/{_NUMBER.sub('', name)}"


def _left_over(archive: Archive) -> list[str]:
    return [f"{path} was left behind" for path in archive.files if path.startswith(_INCOMING)]


def _unlisted(archive: Archive) -> list[str]:
    """The manifest names every file once, with its hash, and nothing else."""
    try:
        lines = [json.loads(line) for line in archive.manifest]
        listed = [(str(line["path"]), str(line["sha256"])) for line in lines]
    except (ValueError, KeyError, TypeError):
        return ["the manifest has a line that cannot be read"]
    photos = archive.photos
    counts = Counter(path for path, _ in listed)
    return [
        *(f"{path} is in the manifest {count} times" for path, count in counts.items() if count > 1),
        *(f"{path} is not in the manifest" for path in photos if path not in counts),
        *(f"{path} is not what the manifest says" for path, digest in listed if photos.get(path) != digest),
    ]
