"""The forwarder's side of the journal: what is to go where, how far it is, and what outlives the entry."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from stack.storage.forward.ledger import Ledger, Spooled
from stack.storage.journal import Journal, TaskEnd
from stack.transfer.entry_store import Ending, StoreError
from tests.unit.storage.test_storage_journal import INFO, row

DAY = "2026-11-24"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with closing(Journal(path)) as journal:
        yield journal


@pytest.fixture
def ledger(path: Path, journal: Journal) -> Iterator[Ledger]:
    with closing(Ledger(path)) as ledger:
        yield ledger


def receive(journal: Journal, *names: str, ends: bool = True) -> None:
    task = journal.begin_task(INFO, 1.0)
    journal.record([row(name, task) for name in names], TaskEnd(task, 2.0, Ending.COMPLETE) if ends else None)


def place_all(ledger: Ledger) -> None:
    for task in ledger.unplaced(even_unfinished=False):
        for each in task:
            ledger.place(each, f"2026/{each.name}", "2026-11-24T10:15:00", "exif")


def test_only_ended_tasks_are_placed_and_each_as_a_whole(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg", "b.jpg")
    receive(journal, "c.jpg", ends=False)
    assert [[each.name for each in task] for task in ledger.unplaced(even_unfinished=False)] == [["a.jpg", "b.jpg"]]
    assert [[each.name for each in task] for task in ledger.unplaced(even_unfinished=True)][1] == ["c.jpg"]
    place_all(ledger)
    assert ledger.unplaced(even_unfinished=False) == []


def test_what_others_write_is_news_once(journal: Journal, ledger: Ledger) -> None:
    ledger.has_news()
    ledger.assign(["nas"], 5.0)
    assert not ledger.has_news()
    receive(journal, "a.jpg")
    assert ledger.has_news()
    assert not ledger.has_news()
    place_all(ledger)
    assert not ledger.has_news()


def test_every_entry_goes_to_every_sink(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg", "b.jpg")
    ledger.assign(["nas", "disk"], 5.0)
    assert ledger.due("nas", 10.0, 9) == []  # without a place there is nowhere to go
    place_all(ledger)
    (first, second) = ledger.due("nas", 10.0, 9)
    assert (first.spooled.name, first.place, first.sink, first.attempts) == ("a.jpg", "2026/a.jpg", "nas", 0)
    assert first.spooled.sender_name == INFO.sender_name
    assert second.spooled.name == "b.jpg"
    assert len(ledger.due("disk", 10.0, 1)) == 1


def test_a_sink_that_is_configured_no_more_is_forgotten(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg")
    ledger.assign(["nas", "disk"], 5.0)
    place_all(ledger)
    ledger.assign(["disk"], 6.0)
    assert ledger.due("nas", 10.0, 9) == []
    assert [standing.sink for standing in ledger.standings()] == ["disk"]


def test_what_failed_waits_for_its_time(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg")
    ledger.assign(["nas"], 5.0)
    place_all(ledger)
    (delivery,) = ledger.due("nas", 10.0, 9)
    ledger.failed(delivery, "The NAS is away.", 70.0, 10.0)
    assert ledger.due("nas", 69.0, 9) == []
    assert ledger.next_time("nas") == 70.0
    (again,) = ledger.due("nas", 70.0, 9)
    assert again.attempts == 1
    (standing,) = ledger.standings()
    assert (standing.error, standing.not_before, standing.is_safe) == ("The NAS is away.", 70.0, False)
    ledger.hurry()
    assert ledger.next_time("nas") == 0.0


def test_a_sink_in_trouble_is_left_in_peace_until_it_takes_something(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg", "b.jpg")
    ledger.assign(["nas"], 5.0)
    place_all(ledger)
    (delivery, _) = ledger.due("nas", 10.0, 9)
    ledger.in_trouble("nas", "The NAS is away.", 20.0, may_pass=True)
    ledger.in_trouble("nas", "The NAS is away.", 70.0, may_pass=False)
    assert ledger.trouble("nas") == (2, 70.0)
    assert ledger.due("nas", 69.0, 9) == []
    assert ledger.next_time("nas") == 70.0
    assert {standing.error for standing in ledger.standings()} == {"The NAS is away."}
    ledger.hurry_passing()
    assert ledger.trouble("nas") == (2, 70.0)
    ledger.hurry()
    ledger.recognised(delivery, "2026/a.jpg", 11.0)
    assert ledger.trouble("nas") == (0, 0.0)
    assert len(ledger.due("nas", 10.0, 9)) == 1


def test_what_is_safe_is_due_no_more_and_its_copy_outlives_the_entry(
    journal: Journal, ledger: Ledger, path: Path
) -> None:
    receive(journal, "a.jpg")
    ledger.assign(["nas"], 5.0)
    place_all(ledger)
    (delivery,) = ledger.due("nas", 10.0, 9)
    ledger.delivered(delivery, "2026/a (2).jpg", DAY, "{}", 11.0)
    assert ledger.next_time("nas") is None
    ((spooled, since),) = ledger.safe_since(["nas"], 1)
    assert since == 11.0
    removed: list[Spooled] = []
    assert ledger.release([spooled], removed.extend, is_received_into=False) == removed == [spooled]
    assert ledger.standings() == []
    assert ledger.copies("nas", spooled) == ["2026/a (2).jpg"]
    assert ledger.copies("disk", spooled) == []
    ledger.forget_copies("nas", spooled, ["2026/a (2).jpg"])
    assert ledger.copies("nas", spooled) == []


def test_an_entry_may_leave_when_enough_sinks_have_it(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg")
    ledger.assign(["nas", "disk"], 5.0)
    place_all(ledger)
    ledger.recognised(ledger.due("nas", 10.0, 9)[0], "2026/a.jpg", 11.0)
    assert ledger.safe_since(["nas", "disk"], 2) == []
    assert len(ledger.safe_since(["nas", "disk"], 1)) == 1
    ledger.recognised(ledger.due("disk", 10.0, 9)[0], "2026/a.jpg", 12.0)
    assert [since for _, since in ledger.safe_since(["nas", "disk"], 2)] == [12.0]


def test_a_new_file_under_an_old_name_begins_anew(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg")
    ledger.assign(["nas"], 5.0)
    place_all(ledger)
    ledger.delivered(ledger.due("nas", 10.0, 9)[0], "2026/a.jpg", DAY, "{}", 11.0)
    receive(journal, "a.jpg")
    ledger.assign(["nas"], 12.0)
    assert ledger.safe_since(["nas"], 1) == []
    assert len(ledger.unplaced(even_unfinished=False)) == 1


def test_lines_wait_for_their_manifest(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg", "b.jpg")
    ledger.assign(["nas"], 5.0)
    place_all(ledger)
    for number, delivery in enumerate(ledger.due("nas", 10.0, 9)):
        ledger.delivered(delivery, delivery.place, DAY, f"line {number}", 11.0)
    assert ledger.days_to_record("nas") == [DAY]
    numbers, lines = ledger.records("nas", DAY, 9)
    assert lines == ["line 0", "line 1"]
    ledger.recorded(numbers)
    assert ledger.days_to_record("nas") == []


def test_copies_are_found_by_their_index(ledger: Ledger, path: Path) -> None:
    """So that a million of them cost no more time than a thousand; how small and quick they are is in the bench."""
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT path FROM copy WHERE head = 1 AND sha256 = x'00' AND size_bytes = 1"
        ).fetchall()
    assert "copy_by_head" in plan[0][3]


def test_nothing_leaves_while_a_task_runs_or_under_another_files_name(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg")
    (spooled,) = ledger.spooled()
    removed: list[Spooled] = []
    receive(journal, "b.jpg", ends=False)
    assert ledger.release([spooled], removed.extend, is_received_into=True) == []
    journal.break_unfinished(3.0)
    receive(journal, "a.jpg")  # another file, under the name of the one that was to leave
    assert ledger.release([spooled], removed.extend, is_received_into=True) == []
    assert removed == []
    assert [each.name for each in ledger.spooled()] == ["b.jpg", "a.jpg"]


def test_a_removal_that_fails_forgets_nothing(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg")

    def fail(leaving: Sequence[Spooled]) -> None:
        raise OSError(30, "Read-only file system")

    with pytest.raises(StoreError):
        ledger.release(ledger.spooled(), fail, is_received_into=False)
    assert len(ledger.spooled()) == 1


def test_a_file_that_ends_every_attempt_does_not_hold_the_others(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg", "b.jpg")
    ledger.assign(["nas"], 5.0)
    place_all(ledger)
    (first, _) = ledger.due("nas", 10.0, 9)
    ledger.in_trouble("nas", "Its worker ended.", 10.0, may_pass=True, tried=[first.spooled.entry])
    assert [each.spooled.name for each in ledger.due("nas", 20.0, 9)] == ["b.jpg", "a.jpg"]


def test_pauses_that_a_wrong_clock_has_set_are_bounded(journal: Journal, ledger: Ledger) -> None:
    receive(journal, "a.jpg")
    ledger.assign(["nas"], 5.0)
    place_all(ledger)
    (delivery,) = ledger.due("nas", 10.0, 9)
    ledger.failed(delivery, "locked", 1e9, 10.0)
    ledger.in_trouble("nas", "away", 1e9, may_pass=True)
    ledger.no_later_than(100.0)
    assert ledger.next_time("nas") == 100.0
