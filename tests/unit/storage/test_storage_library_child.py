"""The parsers of the process that reads metadata, without the limits of that process: they end by themselves."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stack.storage.library.bounded_file import BoundedFile, Budget, BudgetError
from stack.storage.library.boxes import boxes
from tests.unit.storage.media import HANDMADE

pytest.importorskip("exifread", reason="needs exifread: pip install 'ferry[forward]'")

from stack.storage.library.metadata_child import BUDGET_BYTES, read_dates

BYTES = st.sampled_from([0, 1, 2, 8, 0x7F, 0x80, 0xFF])


@contextmanager
def opened(content: bytes, budget_bytes: int = BUDGET_BYTES) -> Iterator[BoundedFile]:
    file = os.memfd_create("content")
    try:
        os.write(file, content)
        yield BoundedFile(file, 0, len(content), Budget(budget_bytes))
    finally:
        os.close(file)


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(HANDMADE)), data=st.data())
def test_mutilated_files_are_answered(name: str, data: st.DataObject) -> None:
    content = bytearray(HANDMADE[name])
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[at] = data.draw(BYTES)
    with opened(bytes(content)) as file:
        assert len(read_dates(file).taken) <= 64


@pytest.mark.parametrize("bad", [b"\0\0\0\x02evil", b"\0\0\0\x01evil" + bytes(8), b"\0\0\0\x11evil", b"\0\0\0"])
def test_a_bad_box_ends_its_level(bad: bytes) -> None:
    with opened(b"\0\0\0\x09good1" + bad + b"\0\0\0\x08") as level:
        assert [(each.kind, each.payload.read()) for each in boxes(level)] == [(b"good", b"1")]


def test_a_level_has_a_limit_of_boxes() -> None:
    with opened(b"\0\0\0\x08free" * 5000) as level:
        assert sum(1 for _ in boxes(level)) == 4096


def test_reads_have_a_limit_and_a_budget() -> None:
    with opened(bytes(1 << 20), budget_bytes=100_000) as file:
        assert len(file.read(1 << 30)) == 64 << 10
        with pytest.raises(BudgetError):
            file.read(1 << 30)


def test_a_window_never_shows_more_than_its_part() -> None:
    with opened(bytes(range(200))) as whole:
        part = whole.window(50, 20)
        assert part.read() == bytes(range(50, 70))
        assert part.window(15, 99).read() == bytes(range(65, 70))
        assert part.window(99, 9).read() == b""
        assert part.at(18, 10) == bytes([68, 69])
        part.seek(-3, os.SEEK_END)
        assert (part.read(1), part.tell()) == (b"\x43", 18)
