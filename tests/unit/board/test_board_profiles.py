"""What Ferry knows about boards: the files, how they are read, and which board this is."""

from dataclasses import fields
from pathlib import Path

import pytest

from board.profiles import GENERIC, PowerState, Profile, ProfileError, detect, load, names
from board.sysfs import Sysfs
from tests.unit.board.fake_sysfs import made

WHOLE = """
title = "Board"
models = ["Board One"]
[[power]]
state = "idle"
draw_mw = 600
measured = "at 5 V"
source = "a magazine"
[temperatures]
zone = "cpu"
hot_c = 70
critical_c = 80
source = "its maker"
"""


def board(folder: Path, text: str) -> Profile:
    (folder / "board.toml").write_text(text)
    return load("board", folder)


@pytest.mark.parametrize("name", names())
def test_every_profile_can_be_read_and_its_figures_have_sources(name: str) -> None:
    profile = load(name)
    assert all(figure.source and figure.measured and 0 < figure.draw_mw < 30_000 for figure in profile.power)
    assert len({figure.state for figure in profile.power}) == len(profile.power)
    if profile.temperatures:
        assert 40 < profile.temperatures.hot_c < profile.temperatures.critical_c < 100
    for button in profile.buttons:
        assert (
            button.header_pin in range(1, 41) and button.ground_pin in (6, 9, 14, 20, 25, 30, 34, 39)
        ) or name == "lab"


def test_the_boards_are_those_that_ferry_names() -> None:
    assert names() == ["generic", "lab", "pi_3", "pi_3_plus", "pi_4", "pi_5", "pi_zero_2_w"]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Raspberry Pi Zero 2 W Rev 1.0", "pi_zero_2_w"),
        ("Raspberry Pi 3 Model B Rev 1.2", "pi_3"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "pi_3_plus"),
        ("Raspberry Pi 4 Model B Rev 1.4", "pi_4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "pi_5"),
        ("Raspberry Pi Zero W Rev 1.1", GENERIC),
        ("", GENERIC),
    ],
)
def test_a_board_is_known_by_its_model(model: str, name: str, tmp_path: Path) -> None:
    assert detect(made(tmp_path, {"proc/device-tree/model": model + "\0"})) == name


def test_a_machine_without_a_device_tree_is_generic(tmp_path: Path) -> None:
    assert detect(Sysfs(tmp_path)) == GENERIC


def test_a_profile_suggests_and_an_unknown_figure_is_none(tmp_path: Path) -> None:
    profile = board(tmp_path, WHOLE)
    assert profile.buttons == ()
    assert (profile.draw_mw(PowerState.IDLE), profile.draw_mw(PowerState.BUSY)) == (600, None)
    assert profile.temperatures is not None
    assert profile.temperatures.hot_c == 70


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('title = "Board"', "", "board lacks the key title"),
        ('title = "Board"', "title = 1", "board.title is no str"),
        ('title = "Board"', 'title = "Board"\ncolour = 1', "board has the unknown key colour"),
        ('["Board One"]', '"Board One"', "board.models is no list"),
        ('["Board One"]', "[1]", r"board.models\[0\] is no str"),
        ('"idle"', '"asleep"', r"board.power\[0\].state is no PowerState"),
        ("600", "600.5", r"board.power\[0\].draw_mw is no int"),
        ("600", "true", r"board.power\[0\].draw_mw is no int"),
        ('source = "a magazine"', "", r"board.power\[0\] lacks the key source"),
        ("hot_c = 70", "hot_c = 70\nhot_f = 158", "board.temperatures has the unknown key hot_f"),
        ("[temperatures]", "[[temperatures]]", "board.temperatures is no table"),
        ("[[power]]", "[power", "cannot be read"),
    ],
)
def test_a_profile_is_read_strictly(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    assert old in WHOLE
    with pytest.raises(ProfileError, match=sentence):
        board(tmp_path, WHOLE.replace(old, new))


@pytest.mark.parametrize("name", ["pi_9", "../profiles/pi_4", ""])
def test_a_board_that_ferry_does_not_know_is_a_sentence(name: str) -> None:
    with pytest.raises(ProfileError, match="no board profile"):
        load(name)


def test_a_key_that_no_profile_uses_is_none_too_many() -> None:
    used = {field.name for name in names() for field in fields(Profile) if getattr(load(name), field.name)}
    assert used == {field.name for field in fields(Profile)}
