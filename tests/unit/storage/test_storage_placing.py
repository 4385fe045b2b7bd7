"""Places: read from the file, asked of the library, noted in the ledger; without a clock some have to wait."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stack.storage.forward.ledger import Ledger
from stack.storage.forward.placing import Placing
from stack.storage.forward.source import Source
from stack.storage.items import SpoolLimits
from stack.storage.library.library import Library
from stack.storage.library.metadata_reader import MetadataReader
from stack.storage.library.rules import Rules
from stack.storage.library.template import parse_template
from stack.storage.spool import Spool
from tests.unit.storage.phone import deliver

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Board:
    """A spool with a ledger, a clock that is good or not, and groups that take their time."""

    def __init__(self, folder: Path, ledger: Ledger, source: Source, reader: MetadataReader) -> None:
        self.folder, self.ledger, self.source, self.reader = folder, ledger, source, reader
        self.now: datetime | None = NOW
        self.elapsed_s = self.group_s = 0.0
        self.placing = self.placing_by(Rules())

    def placing_by(self, rules: Rules) -> Placing:
        library = Library(rules, UTC)
        return Placing(self.source, self.ledger, library, self.reader, self.good_now, lambda: self.elapsed_s)

    def good_now(self) -> datetime | None:
        """Asked once for each group, which took a while to read."""
        self.elapsed_s += self.group_s
        return self.now

    def places(self) -> list[tuple[str, str]]:
        self.ledger.assign(["nas"], 1.0)
        return [(each.place, each.captured_from) for each in self.ledger.due("nas", 2.0, 99)]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with Spool(tmp_path, limits=SpoolLimits(reserve_bytes=0)) as spool:
        deliver(spool, [("IMG_20261121_101500.jpg", b"j"), ("IMG_20261121_101500.dng", b"d"), ("scan.bin", b"s")])
    with closing(sqlite3.connect(tmp_path / ".ferry/journal.db")) as journal:
        journal.execute("UPDATE entry SET modified = NULL, clock_was_good = 0")
        journal.commit()
    with (
        Source(tmp_path) as source,
        closing(Ledger(source.journal_path)) as ledger,
        MetadataReader() as reader,
    ):
        yield Board(tmp_path, ledger, source, reader)


def test_without_a_clock_what_nothing_else_can_date_waits(board: Board) -> None:
    board.now = None
    assert board.placing.place_new() is not None
    shot = "2026/2026-11-21/IMG_20261121_101500"
    assert board.places() == [(f"{shot}.jpg", "name"), (f"{shot}.dng", "name")]
    board.now = NOW
    assert board.placing.place_new() is None
    assert board.places()[-1] == ("2026/2026-11-24/scan.bin", "arrival")


def test_a_file_that_is_gone_is_dated_by_what_else_is_known(board: Board) -> None:
    (board.folder / "IMG_20261121_101500.jpg").unlink()
    assert board.placing.place_new() is None
    assert board.places()[0] == ("2026/2026-11-21/IMG_20261121_101500.jpg", "name")


def test_dates_are_kept_with_their_offset(board: Board) -> None:
    board.placing.place_new()
    with closing(sqlite3.connect(board.folder / ".ferry/journal.db")) as journal:
        ((captured, source),) = journal.execute(
            "SELECT captured, captured_from FROM entry WHERE name = 'scan.bin'"
        ).fetchall()
    assert (captured, source) == ("2026-11-24T12:00:00+00:00", "arrival")


def test_places_are_given_for_two_seconds_at_a_time(board: Board) -> None:
    board.group_s = 2.5
    assert board.placing.place_new() == 0.0
    assert len(board.places()) == 2
    assert board.placing.place_new() == 0.0
    assert len(board.places()) == 3
    assert board.placing.place_new() is None


def test_what_has_to_wait_does_not_hold_up_what_comes_after_it(board: Board) -> None:
    board.now, board.group_s = None, 2.5
    with Spool(board.folder, limits=SpoolLimits(reserve_bytes=0)) as spool:
        deliver(spool, [("IMG_20261122_101500.jpg", b"k")])
    assert [board.placing.place_new() for _ in range(4)] == [0.0, 0.0, 0.0, 60.0]
    assert board.places()[-1] == ("2026/2026-11-22/IMG_20261122_101500.jpg", "name")
    board.now = NOW
    assert [board.placing.place_new() for _ in range(2)] == [0.0, None]
    assert len(board.places()) == 4


def test_what_comes_while_a_round_is_placed_is_placed_too(board: Board) -> None:
    board.group_s = 2.5
    assert board.placing.place_new() == 0.0
    with Spool(board.folder, limits=SpoolLimits(reserve_bytes=0)) as spool:
        deliver(spool, [("IMG_20261122_101500.jpg", b"k")])
    assert [board.placing.place_new() for _ in range(3)] == [0.0, 0.0, None]
    assert len(board.places()) == 4


def test_numbers_in_the_task_go_on_in_the_next_call(board: Board) -> None:
    board.group_s = 2.5
    placing = board.placing_by(Rules(default=parse_template("{seq} {name}")))
    assert [placing.place_new() for _ in range(2)] == [0.0, 0.0]
    assert [place[:4] for place, _ in board.places()] == ["0001", "0001", "0003"]
