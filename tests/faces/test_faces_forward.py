"""`ferry forward` as a person runs it, from a spool into folders: everything once, nothing lost, killed or not."""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stack.storage.items import SpoolLimits
from stack.storage.sinks.directory import DirectorySink
from stack.storage.spool import Spool
from tests.faces.station import eventually
from tests.faces.test_faces_commands import ferry, finish
from tests.unit.storage.phone import deliver

QUICK = SpoolLimits(reserve_bytes=0)
PHOTOS = {f"IMG_2026112{day}_101500.jpg": os.urandom(50_000 + day) for day in range(1, 6)}
PLACES = {f"2026/2026-11-2{day}/IMG_2026112{day}_101500.jpg" for day in range(1, 6)}


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    receive(tmp_path / "spool", PHOTOS)
    return tmp_path / "spool"


def receive(folder: Path, files: Mapping[str, bytes]) -> None:
    with Spool(folder, limits=QUICK) as spool:
        assert deliver(spool, list(files.items())).error is None


def make_sink(folder: Path) -> Path:
    folder.mkdir()
    DirectorySink(folder, "0a1b2c3d").initialise()
    return folder


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    return make_sink(tmp_path / "nas")


def forward(spool: Path, *options: Any) -> tuple[int, list[dict[str, Any]]]:
    status, lines, complaints = finish(ferry("forward", "--from", spool, "--json", *options))
    assert "Traceback" not in complaints
    return status, [json.loads(line) for line in lines]


def files(archive: Path) -> dict[str, bytes]:
    paths = [path for path in archive.rglob("*") if path.is_file() and ".ferry" not in path.parts]
    return {str(path.relative_to(archive)): path.read_bytes() for path in paths}


def left(spool: Path) -> list[str]:
    return [path.name for path in spool.iterdir() if path.name != ".ferry"]


def manifest(archive: Path) -> list[dict[str, Any]]:
    parts = sorted((archive / ".ferry/manifest").glob("*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]


def test_everything_arrives_under_its_date_and_leaves_the_spool(spool: Path, nas: Path) -> None:
    status, events = forward(spool, "--to", nas)
    assert status == 0
    assert events[-1]["safe"] is True
    assert set(files(nas)) == PLACES
    assert sorted(files(nas).values()) == sorted(PHOTOS.values())
    assert left(spool) == []
    lines = manifest(nas)
    assert {line["path"] for line in lines} == PLACES
    assert {line["captured_from"] for line in lines} == {"name"}
    assert lines[0]["captured"] == "2026-11-21T10:15:00"


def test_one_that_stays_takes_what_comes_later_also_while_another_sink_is_away(
    spool: Path, nas: Path, tmp_path: Path
) -> None:
    holder = ferry("forward", "--from", spool, "--to", nas, "--to", tmp_path / "away", "--stay", "--json")
    try:
        eventually(lambda: set(files(nas)) == PLACES)
        receive(spool, {"IMG_20261101_101500.jpg": b"later"})
        eventually(lambda: len(files(nas)) == len(PLACES) + 1)
        make_sink(tmp_path / "away")
        assert finish(ferry("spool", "retry", "--in", spool))[0] == 0
        eventually(lambda: left(spool) == [])
    finally:
        holder.send_signal(signal.SIGINT)
        assert finish(holder)[0] == 130


def test_a_photo_that_is_shared_again_is_recognised_or_stored_again_if_somebody_removed_it(
    spool: Path, nas: Path
) -> None:
    forward(spool, "--to", nas)
    before = files(nas)
    receive(spool, PHOTOS)
    (nas / min(PLACES)).unlink()
    status, events = forward(spool, "--to", nas)
    assert status == 0
    assert [event["was_there"] for event in events if event["event"] == "arrived"].count(False) == 1
    assert files(nas) == before
    assert left(spool) == []


def test_a_place_without_its_marker_takes_nothing(spool: Path, tmp_path: Path) -> None:
    """An unmounted mount point must never fill the card."""
    (tmp_path / "unmounted").mkdir()
    status, events = forward(spool, "--to", tmp_path / "unmounted", "--once")
    assert status == 1
    assert "ferry sink init" in next(event["error"] for event in events if event["event"] == "trouble")
    assert list((tmp_path / "unmounted").iterdir()) == []
    assert len(left(spool)) == len(PHOTOS)


def test_all_sinks_or_the_first(spool: Path, nas: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    both = ("--to", nas, "--to", tmp_path / "away")
    assert forward(spool, *both, "--once")[0] == 1
    assert set(files(nas)) == PLACES
    assert len(left(spool)) == len(PHOTOS)
    assert forward(spool, *both, "--policy", "first", "--once")[1][-1]["released"] == len(PHOTOS)
    assert left(spool) == []


def test_safe_files_stay_as_long_as_they_shall(spool: Path, nas: Path) -> None:
    assert forward(spool, "--to", nas, "--keep", "1")[0] == 0
    assert len(left(spool)) == len(PHOTOS)
    assert forward(spool, "--to", nas)[0] == 0
    assert left(spool) == []


def test_templates_and_rules(spool: Path, nas: Path) -> None:
    receive(spool, {"VID_20261101_120000.mp4": b"not really a video"})
    rule = "type=video,path=videos/{year}/{name}"
    assert forward(spool, "--to", nas, "--path", "{type}/{month}/{name}", "--rule", rule)[0] == 0
    assert "videos/2026/VID_20261101_120000.mp4" in files(nas)
    assert "photo/11/IMG_20261121_101500.jpg" in files(nas)


@pytest.mark.parametrize(
    "options",
    [
        ("--to", "smb://nas/photos"),
        ("--to", "gopher://nas"),
        ("--to", "/nas", "--path", "../{name}"),
        ("--to", "/nas", "--rule", "type=film,path={name}"),
        ("--to", "/nas", "--between", "25:00-26:00"),
        ("--to", "/nas", "--limit", "0"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(spool: Path, options: tuple[str, ...]) -> None:
    status, _, complaints = finish(ferry("forward", "--from", spool, *options))
    assert status == 2
    assert "Traceback" not in complaints


def test_a_password_on_the_command_line_is_refused(spool: Path) -> None:
    for command in (("forward", "--from", spool, "--to"), ("sink", "check")):
        status, lines, complaints = finish(ferry(*command, "smb://anna:geheim@127.0.0.1:9/photos"))
        assert (status, "secret_file=FILE" in complaints) == (2, True)
        assert "geheim" not in "".join(lines) + complaints


def test_no_secret_is_shown(spool: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim\n")
    (tmp_path / "secret").chmod(0o600)
    url = f"smb://anna@127.0.0.1:9/photos?secret_file={tmp_path / 'secret'}"
    status, lines, complaints = finish(ferry("forward", "--from", spool, "--to", url, "--once"))
    assert status == 1
    assert "geheim" not in "".join(lines) + complaints


def test_one_forwarder_at_a_time_and_no_spool(spool: Path, nas: Path, tmp_path: Path) -> None:
    holder = ferry("forward", "--from", spool, "--to", tmp_path / "none", "--stay", "--json")
    assert holder.stdout
    assert json.loads(holder.stdout.readline())["event"] == "trouble"
    status, _, complaints = finish(ferry("forward", "--from", spool, "--to", nas))
    assert (status, "another Ferry forwards" in complaints) == (1, True)
    holder.send_signal(signal.SIGINT)
    assert finish(holder)[0] == 130
    status, _, complaints = finish(ferry("forward", "--from", tmp_path / "none", "--to", nas))
    assert (status, "no spool" in complaints) == (1, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: hooks of others are not run")
def test_hooks_are_told(spool: Path, nas: Path, tmp_path: Path) -> None:
    hooks = tmp_path / "hooks.d"
    hooks.mkdir(mode=0o755)
    (hooks / "note").write_text(f"#!/bin/sh\ncat >>{tmp_path}/told\n")
    (hooks / "note").chmod(0o755)
    status, _ = forward(spool, "--to", nas, "--hooks", hooks)
    assert status == 0
    assert len((tmp_path / "told").read_text().splitlines()) == len(PHOTOS)


def test_killed_at_any_moment_everything_arrives_once(tmp_path: Path, nas: Path) -> None:
    dice = random.Random(5)
    photos = {f"IMG_20261101_{number:06}.jpg": dice.randbytes(30_000) for number in range(40)}
    receive(tmp_path / "spool", photos)
    for _ in range(8):
        process = ferry("forward", "--from", tmp_path / "spool", "--to", nas)
        time.sleep(dice.uniform(0.2, 1.0))  # the moment is what the test draws
        process.kill()
        process.communicate()
    status, _ = forward(tmp_path / "spool", "--to", nas)
    assert status == 0
    assert {Path(path).name: content for path, content in files(nas).items()} == photos
    assert left(tmp_path / "spool") == []
    assert sorted(line["path"] for line in manifest(nas)) == sorted(files(nas))


def test_a_damaged_journal_is_said_and_made_anew(spool: Path, nas: Path) -> None:
    (spool / ".ferry/journal.db").write_bytes(b"rubbish" * 1000)
    status, _, complaints = finish(ferry("forward", "--from", spool, "--to", nas))
    assert status == 1
    assert "ferry receive" in complaints
    receive(spool, {})
    assert forward(spool, "--to", nas)[0] == 0
    assert set(files(nas)) == PLACES


def test_the_spool_is_shown_hurried_verified_and_emptied(spool: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    forward(spool, "--to", tmp_path / "away", "--once")

    def look(action: str, *names: str) -> tuple[int, list[dict[str, Any]]]:
        status, lines, _ = finish(ferry("spool", action, *names, "--in", spool, "--json"))
        return status, [json.loads(line) for line in lines]

    status, events = look("list")
    assert (status, events[-1]["waiting"]) == (0, len(PHOTOS))
    assert "ferry sink init" in events[0]["error"]
    assert look("retry")[0] == 0
    assert look("list")[1][0]["not_before"] == 0
    assert look("verify")[1][-1] == {"event": "verified", "files": len(PHOTOS), "bad": 0}
    name = min(PHOTOS)
    (spool / name).write_bytes(b"spoilt")
    status, events = look("verify")
    assert (status, events[0]["name"]) == (7, name)
    assert look("drop", name)[0] == 3
    assert look("drop", name, "--even-unsafe")[0] == 0
    assert name not in left(spool)
    assert look("drop", name)[0] == 5
    shutil.rmtree(tmp_path / "away")
