"""A short soak with a fixed seed, and that its checker finds what it is there to find."""

import random
from dataclasses import replace
from datetime import datetime
from itertools import islice

import pytest

from tests.soak.__main__ import soak
from tests.soak.album import Camera, Picture, Sent
from tests.soak.checker import Archive, archive_differences, spool_differences
from tests.soak.schedule import Blow, schedule

PICTURES = [Picture(f"IMG_2023110{day}_101500.jpg", bytes([day]), datetime(2023, 11, day)) for day in (1, 2)]
SENT = [picture.sent for picture in PICTURES]
FIRST, SECOND = SENT


def manifest(files: dict[str, str]) -> list[str]:
    return [f'{{"path": "{path}", "sha256": "{digest}"}}' for path, digest in files.items()]


def with_files(files: dict[str, str]) -> Archive:
    return Archive("nas", files, manifest(files))


def differences(found: Archive, offered: list[Sent] = SENT) -> str:
    return "\n".join(archive_differences(found, SENT, offered))


GOOD = {each.place: each.sha256 for each in SENT}


def test_a_good_archive_is_good() -> None:
    assert differences(with_files(GOOD)) == ""
    assert differences(Archive("nas", {**GOOD, ".ferry/sink.json": "0" * 64}, manifest(GOOD))) == ""


def test_a_missing_file_is_found() -> None:
    assert (
        differences(with_files({FIRST.place: FIRST.sha256})) == f"nas: {SECOND.place} was acknowledged and is missing"
    )


def test_a_doubled_file_is_found() -> None:
    twice = with_files({**GOOD, FIRST.place.replace(".jpg", " (2).jpg"): FIRST.sha256})
    assert differences(twice) == f"nas: {FIRST.place} is there 2 times"


def test_a_wrong_date_is_found() -> None:
    wrong = f"2023/2023-11-30/{FIRST.name}"
    moved = with_files({wrong: FIRST.sha256, SECOND.place: SECOND.sha256})
    assert differences(moved) == f"nas: {wrong} should be {FIRST.place}"


def test_wrong_bytes_are_found() -> None:
    spoilt = differences(Archive("nas", {**GOOD, FIRST.place: "0" * 64}, manifest(GOOD)))
    assert f"{FIRST.place} was acknowledged and is missing" in spoilt
    assert f"{FIRST.place} has a content that was never sent" in spoilt
    assert f"{FIRST.place} is not what the manifest says" in spoilt


def test_what_was_left_behind_is_found() -> None:
    left = Archive("nas", {**GOOD, ".ferry/incoming/x": "0" * 64}, manifest(GOOD))
    assert differences(left) == "nas: .ferry/incoming/x was left behind"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (manifest(GOOD)[1:], "is not in the manifest"),
        (manifest(GOOD) + manifest(GOOD)[:1], "is in the manifest 2 times"),
        ([*manifest(GOOD), '{"path"'], "the manifest has a line that cannot be read"),
        ([*manifest(GOOD), '{"path": "gone", "sha256": ""}'], "gone is not what the manifest says"),
    ],
)
def test_a_manifest_that_does_not_fit_is_found(lines: list[str], sentence: str) -> None:
    assert sentence in differences(Archive("nas", GOOD, lines))


def test_what_was_not_acknowledged_may_be_there_but_nothing_else() -> None:
    more = {**GOOD, "2023/2023-11-03/a.jpg": "3" * 64}
    unacknowledged = replace(FIRST, sha256="3" * 64, place="2023/2023-11-03/a.jpg")
    assert differences(with_files(more), [*SENT, unacknowledged]) == ""
    assert "never sent" in differences(with_files(more))


def test_a_number_and_another_name_of_the_same_content_are_no_differences() -> None:
    numbered = FIRST.place.replace(".jpg", " (2).jpg")
    assert differences(with_files({numbered: FIRST.sha256, SECOND.place: SECOND.sha256})) == ""
    again = replace(FIRST, place="2023/2023-11-01/shared.jpg")
    shared = {again.place: again.sha256, SECOND.place: SECOND.sha256}
    assert differences(with_files(shared), [*SENT, again]) == ""


def test_a_pending_row_and_a_file_that_is_left_are_found() -> None:
    row = {"event": "entry", "name": "a.jpg", "sink": "nas", "safe": False}
    assert spool_differences([row, {"event": "spool", "files": 1, "waiting": 1}], ["a.jpg"]) == [
        "the spool: a.jpg is pending for nas",
        "the spool: a.jpg is left",
    ]
    assert spool_differences([{"event": "spool", "files": 0, "waiting": 0}], []) == []


def test_seeds_give_the_same_albums_and_the_same_blows() -> None:
    first, second = (Camera(random.Random(3), (1000, 2000)).albums() for _ in range(2))
    assert list(islice(first, 20)) == list(islice(second, 20))
    assert schedule(random.Random(3), 300, power_cuts=True) == schedule(random.Random(3), 300, power_cuts=True)


def test_half_of_the_kills_are_power_cuts_and_every_outage_ends() -> None:
    moments = schedule(random.Random(1), 20_000, power_cuts=True)
    blows = [moment.blow for moment in moments]
    kills = [blow for blow in blows if blow in (Blow.CUT_POWER, Blow.KILL_STATION, Blow.KILL_FORWARDER)]
    assert 0.4 < kills.count(Blow.CUT_POWER) / len(kills) < 0.6
    assert 9 < 20_000 / len(kills) < 11
    assert blows.count(Blow.HEAL_WIRE) == blows.count(Blow.CUT_WIRE) + blows.count(Blow.STALL_WIRE)
    assert blows.count(Blow.RETURN_DISK) == blows.count(Blow.PULL_DISK) + blows.count(Blow.TAKE_MARKER)
    assert Blow.CUT_POWER not in [each.blow for each in schedule(random.Random(1), 20_000, power_cuts=False)]


@pytest.mark.timeout(180)  # what is left to do after the 15 seconds depends on the machine
def test_a_short_soak(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak(7, 15, in_guest=False, among=("sftp", "webdav")) == []
    said = capsys.readouterr().out
    assert "seed 7" in said
    assert "killed" in said
