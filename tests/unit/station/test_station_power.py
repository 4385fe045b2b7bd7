"""`ferry power simulate`: what it prints for people and for scripts."""

import json
from pathlib import Path

import pytest

from stack.station.cli.main import main
from stack.station.exit_status import ExitStatus

QUIET = 'name = "nobody comes"\nbattery_mwh = 37000\nstart_charge_percent = 90\nevent = []\n'


def test_without_a_trace_it_shows_four_days(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "simulate"]) == ExitStatus.SAFE
    shown = capsys.readouterr().out
    assert shown.count("part of stock's energy") == 4
    assert shown.count("target 55%: not reached. An idle board that is on takes 57.7% by itself.") == 4
    assert shown.count("target 1.5 s: reached.") == 4
    assert shown.count("power by hour") == 4
    assert "assumed" in shown
    assert max(map(len, shown.splitlines())) <= 120


def test_objects_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "simulate", "--json", "--seed", "5"]) == ExitStatus.SAFE
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["event"] for each in objects] == [*(["compared"] + ["simulated"] * 3) * 4, "assumed"]
    assert objects[4]["trace"] == "random day, seed 5"
    assert objects[0]["share"] == pytest.approx(objects[1]["energy_mj"] / objects[2]["energy_mj"], abs=1e-4)


def test_a_day_on_which_nobody_comes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "quiet.toml"
    path.write_text(QUIET)
    assert main(["power", "simulate", str(path)]) == ExitStatus.SAFE
    shown = capsys.readouterr().out
    assert "nobody comes: 0.00 GB from 0 phones" in shown
    assert "discovery, median                                   -" in shown


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read: No such file"), (b"\xff", "is not text"), (b"x", "not TOML")]
)
def test_bad_traces_are_one_line(
    content: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.toml"
    if content is not None:
        path.write_bytes(content)
    assert main(["power", "simulate", str(path)]) == ExitStatus.ERROR
    assert says in capsys.readouterr().err
