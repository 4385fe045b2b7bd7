"""Which files stay together, where they go, by which date, and what happens when the place is taken."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.storage.library.collisions import free_paths
from stack.storage.library.dates import DateSource
from stack.storage.library.errors import CollisionError
from stack.storage.library.grouping import caseless, grouped, numbered_member
from stack.storage.library.library import Library, LibraryEntry, Placement
from stack.storage.library.metadata import FileMetadata
from stack.storage.library.rules import Rules, parse_rule
from stack.storage.library.template import parse_template
from stack.storage.names import safe_name

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ARCHIVED_S = datetime(2026, 10, 1, 20, tzinfo=UTC).timestamp()
SHANGHAI = timezone(timedelta(hours=8))
EXIF = FileMetadata(taken="2026:11:23 10:15:00")
NOTHING = FileMetadata()


def entry(
    name: str,
    metadata: FileMetadata = NOTHING,
    archived_s: float | None = None,
    arrived_s: float | None = None,
    seq: int = 1,
) -> LibraryEntry:
    return LibraryEntry(name, bytes(range(32)), "Anna", "OPPO", "17", seq, archived_s, arrived_s, metadata)


def place(*group: LibraryEntry, now: datetime | None = NOW, rules: Rules | None = None) -> list[Placement]:
    placed = Library(rules or Rules(), SHANGHAI).place(group, now)
    assert placed is not None
    return placed


@pytest.mark.parametrize(
    ("found", "path", "source"),
    [
        (entry("IMG_20261122_000000.jpg", EXIF, 1.7e9), "2026/2026-11-23/IMG_20261122_000000.jpg", DateSource.EXIF),
        (
            entry("VID_20261123_000000.mp4", FileMetadata(movie_seconds=1_764_000_000)),
            "2025/2025-11-25/VID_20261123_000000.mp4",
            DateSource.CONTAINER,
        ),
        (entry("VID_20261122_000000.mp4", NOTHING, 1.7e9), "2026/2026-11-22/VID_20261122_000000.mp4", DateSource.NAME),
        (entry("a.jpg", NOTHING, ARCHIVED_S), "2026/2026-10-02/a.jpg", DateSource.ARCHIVE),
        (entry("a.jpg", NOTHING, None, ARCHIVED_S), "2026/2026-10-02/a.jpg", DateSource.ARRIVAL),
        (entry("a.jpg"), "2026/2026-11-24/a.jpg", DateSource.ARRIVAL),
        (entry("a.jpg", FileMetadata(taken="1980:01:01 00:00:00"), 0.0), "2026/2026-11-24/a.jpg", DateSource.ARRIVAL),
        (entry("a.jpg", FileMetadata(taken="2030:01:01 00:00:00")), "2026/2026-11-24/a.jpg", DateSource.ARRIVAL),
    ],
)
def test_the_best_plausible_date_decides(found: LibraryEntry, path: str, source: DateSource) -> None:
    (placement,) = place(found)
    assert (placement.path, placement.date.source) == (path, source)


def test_what_only_arrival_can_date_waits_for_the_clock() -> None:
    library = Library(Rules(), UTC)
    assert library.place([entry("a.jpg")], None) is None
    assert library.place([entry("a.jpg", EXIF)], None) is not None
    assert library.place([entry("a.jpg", archived_s=ARCHIVED_S)], None) is not None
    assert library.place([entry("a.jpg", arrived_s=ARCHIVED_S)], None) is not None


def test_a_group_takes_date_and_folder_of_its_leader() -> None:
    rules = Rules((parse_rule({"type": "raw", "path": "RAW/{name}"}),), parse_template("{type}/{day}/{seq} {name}"))
    placed = place(entry("a.jpg", EXIF, seq=5), entry("a.dng", FileMetadata(taken="2026:11:22 10:15:00")), rules=rules)
    assert [placement.path for placement in placed] == ["photo/23/0005 a.jpg", "photo/23/0005 a.dng"]
    assert {placement.date.local.day for placement in placed} == {23}


def test_a_group_takes_the_best_date_that_one_of_it_knows() -> None:
    placed = place(entry("IMG_1.jpg", archived_s=ARCHIVED_S), entry("IMG_1.dng", EXIF))
    assert [placement.path for placement in placed] == ["2026/2026-11-23/IMG_1.jpg", "2026/2026-11-23/IMG_1.dng"]
    assert placed[0].date.source is DateSource.EXIF


def test_a_moment_in_utc_is_shown_by_the_clocks_of_the_station() -> None:
    late = FileMetadata(movie_seconds=int(datetime(2026, 11, 22, 20, tzinfo=UTC).timestamp()))
    (placement,) = place(entry("a.mp4", late))
    assert placement.path == "2026/2026-11-23/a.mp4"
    assert placement.date.utc_offset == timedelta(hours=8)


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (["IMG_1.dng", "IMG_1.jpg"], [["IMG_1.jpg", "IMG_1.dng"]]),
        (["IMG_1.MOV", "IMG_1.HEIC", "IMG_2.MOV"], [["IMG_1.HEIC", "IMG_1.MOV"], ["IMG_2.MOV"]]),
        (["a.xmp", "a.JPG", "a.jpg.xmp", "A.aae"], [["a.JPG", "a.xmp", "a.jpg.xmp", "A.aae"]]),
        (["PXL_1.MP", "PXL_1.MP.jpg"], [["PXL_1.MP.jpg", "PXL_1.MP"]]),
        (
            ["PXL_1.RAW-02.ORIGINAL.dng", "PXL_1.RAW-01.COVER.jpg"],
            [["PXL_1.RAW-01.COVER.jpg", "PXL_1.RAW-02.ORIGINAL.dng"]],
        ),
        (["a.dng", "a.xmp"], [["a.dng", "a.xmp"]]),
        (["a.xmp"], [["a.xmp"]]),
        (["a.pdf", "a.jpg", "a.txt"], [["a.pdf"], ["a.jpg"], ["a.txt"]]),
        (["a", "a.jpg"], [["a"], ["a.jpg"]]),
        (["a.jpg", "a.jpg", "a.dng"], [["a.jpg", "a.dng"], ["a.jpg"]]),
        (["e\u0301.jpg", "\u00e9.dng"], [["e\u0301.jpg", "\u00e9.dng"]]),
        ([".jpg", ".dng"], [[".jpg"], [".dng"]]),
        ([], []),
    ],
)
def test_what_belongs_together(names: list[str], groups: list[list[str]]) -> None:
    assert [[names[index] for index in group] for group in grouped(names)] == groups


@given(st.lists(st.sampled_from(["a.jpg", "A.JPG", "a.dng", "a.jpg.xmp", "b.mov", "b", "c.pdf"]), max_size=12))
def test_every_file_is_in_one_group(names: list[str]) -> None:
    assert sorted(index for group in grouped(names) for index in group) == list(range(len(names)))


@pytest.mark.parametrize(
    ("name", "second"),
    [
        ("IMG_1.jpg", "IMG_1 (2).jpg"),
        ("IMG_1.jpg.xmp", "IMG_1 (2).jpg.xmp"),
        ("PXL_1.MP.jpg", "PXL_1 (2).MP.jpg"),
        ("PXL_1.RAW-01.COVER.jpg", "PXL_1 (2).RAW-01.COVER.jpg"),
        ("a.tar.gz", "a.tar (2).gz"),
        ("照" * 83 + ".jpg", "照" * 82 + " (2).jpg"),
    ],
)
def test_the_number_stands_behind_the_shared_stem(name: str, second: str) -> None:
    assert numbered_member(name, 2) == second
    assert len(second.encode()) <= 255


@given(st.text(st.sampled_from("a.jpgxmp 照MP~1"), max_size=300).map(safe_name), st.integers(2, 9999))
def test_a_numbered_name_is_still_harmless(name: str, number: int) -> None:
    second = numbered_member(name, number)
    assert safe_name(second) == second
    assert f"({number})" in second


class Server:
    """A server that holds files; without case, as SMB is."""

    def __init__(self, *files: tuple[str, bytes]) -> None:
        self._files = {caseless(path): sha256 for path, sha256 in files}

    def occupant(self, path: str) -> bytes | None:
        return self._files.get(caseless(path))


@pytest.mark.parametrize(
    ("there", "members", "paths"),
    [
        ([], [("d/a.jpg", b"1")], ["d/a.jpg"]),
        ([("d/a.jpg", b"1")], [("d/a.jpg", b"1")], ["d/a.jpg"]),
        ([("d/a.jpg", b"2")], [("d/a.jpg", b"1")], ["d/a (2).jpg"]),
        ([("d/a.jpg", b"")], [("d/a.jpg", b"1")], ["d/a (2).jpg"]),
        ([("d/A.JPG", b"2")], [("d/a.jpg", b"1")], ["d/a (2).jpg"]),
        ([("d/a.jpg", b"2"), ("d/a (2).jpg", b"1")], [("d/a.jpg", b"1")], ["d/a (2).jpg"]),
        ([("d/a.dng", b"2")], [("d/a.jpg", b"1"), ("d/a.dng", b"3")], ["d/a (2).jpg", "d/a (2).dng"]),
        ([("d/a.jpg", b"1")], [("d/a.jpg", b"1"), ("d/a.dng", b"3")], ["d/a.jpg", "d/a.dng"]),
        ([("a.jpg", b"2")], [("a.jpg", b"1")], ["a (2).jpg"]),
    ],
)
def test_collisions(
    there: Sequence[tuple[str, bytes]], members: Sequence[tuple[str, bytes]], paths: Sequence[str]
) -> None:
    assert free_paths(members, Server(*there).occupant) == paths


def test_a_name_that_everybody_wants_is_an_error() -> None:
    with pytest.raises(CollisionError) as caught:
        free_paths([("a.jpg", b"1")], lambda path: b"")
    assert "{hash8}" in caught.value.remedy
