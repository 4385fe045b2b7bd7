"""Hooks: who is run, with what, and what happens to those that do not end."""

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.storage.forward.hooks import TIME_LIMIT_S, Hooks

LINE = '{"path": "2026/a.jpg"}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "hooks.d"
    folder.mkdir(mode=0o755)
    return folder


@pytest.fixture
def hooks(folder: Path) -> Iterator[Hooks]:
    hooks = Hooks(folder, owner=os.getuid())
    yield hooks
    hooks.close()


def put(folder: Path, name: str, script: str, mode: int = 0o755) -> Path:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(mode)
    return program


def run_all(hooks: Hooks) -> None:
    hooks.turn(0.0)
    while hooks.ended is not None:
        assert select.select([hooks.ended], [], [], 20)[0]
        hooks.turn(0.0)


def test_each_program_is_told_in_the_order_of_names(hooks: Hooks, folder: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    put(folder, "20-second", f"echo second >>{said}")
    put(folder, "10-first", f"cat >>{said}; env >>{said}.env")
    hooks.tell(LINE)
    run_all(hooks)
    assert said.read_text() == f"{LINE}\nsecond\n"
    assert "FERRY" not in (tmp_path / "said.env").read_text()
    assert "HOME=" not in (tmp_path / "said.env").read_text()


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o644])
def test_what_others_can_change_or_nobody_can_run_is_left_out(
    hooks: Hooks, folder: Path, tmp_path: Path, mode: int
) -> None:
    put(folder, "hook", f"echo run >{tmp_path}/said", mode)
    hooks.tell(LINE)
    run_all(hooks)
    assert not (tmp_path / "said").exists()


def test_a_folder_that_others_can_change_is_left_out(hooks: Hooks, folder: Path, tmp_path: Path) -> None:
    put(folder, "hook", f"echo run >{tmp_path}/said")
    folder.chmod(0o777)
    hooks.tell(LINE)
    run_all(hooks)
    assert not (tmp_path / "said").exists()


def test_a_link_to_a_program_is_left_out(hooks: Hooks, folder: Path, tmp_path: Path) -> None:
    (folder / "hook").symlink_to(put(tmp_path, "elsewhere", f"echo run >{tmp_path}/said"))
    hooks.tell(LINE)
    run_all(hooks)
    assert not (tmp_path / "said").exists()


def test_one_that_does_not_end_is_killed_with_its_children_and_the_next_runs(
    hooks: Hooks, folder: Path, tmp_path: Path
) -> None:
    put(folder, "1", "sleep 1000 & wait")
    put(folder, "2", f"echo run >{tmp_path}/said")
    hooks.tell(LINE)
    hooks.turn(0.0)
    first = hooks.ended
    hooks.turn(TIME_LIMIT_S - 1)
    assert hooks.ended == first
    hooks.turn(TIME_LIMIT_S)
    run_all(hooks)
    assert (tmp_path / "said").exists()


def test_one_that_cannot_be_run_does_not_stop_the_others(hooks: Hooks, folder: Path, tmp_path: Path) -> None:
    put(folder, "1", "").write_text("#!/no/such/interpreter\n")
    put(folder, "2", f"echo run >{tmp_path}/said")
    hooks.tell(LINE)
    run_all(hooks)
    assert (tmp_path / "said").exists()


def test_no_folder_no_hooks(tmp_path: Path) -> None:
    hooks = Hooks(tmp_path / "none")
    hooks.tell(LINE)
    hooks.turn(0.0)
    assert hooks.ended is None
