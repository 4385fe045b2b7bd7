"""A line of a chip that debounces, of one that does not, and of one that is not there. Real edges: test_lab_button."""

import errno
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest

from board.button import Button, Edge, Input
from board.button_gpio import GpioLine, LineError, LineTakenError, NoChipError, NoGpiodError, machine, open_line
from board.clock import boottime_ms
from board.debounce import Debounced
from board.errors import FerryError
from tests.unit.board.fake_gpiod import CHIP, LABEL, LINES, FakeGpiod, Request

LINE = 3


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeGpiod], FakeGpiod]:
    """Install a gpiod and its chip."""

    def plugged(gpiod: FakeGpiod) -> FakeGpiod:
        monkeypatch.setitem(sys.modules, "gpiod", cast("ModuleType", gpiod))
        (tmp_path / CHIP).touch()
        return gpiod

    return plugged


def line_of(gpiod: FakeGpiod, devices: Path) -> tuple[GpioLine, Request]:
    return open_line(LABEL, LINE, devices=devices), gpiod.requests[-1]


Plug = Callable[[FakeGpiod], FakeGpiod]


@pytest.mark.parametrize("chip", [LABEL, CHIP])
def test_a_chip_is_found_by_its_label_and_by_its_name(chip: str, plug: Plug, tmp_path: Path) -> None:
    plug(FakeGpiod())
    open_line(chip, LINE, devices=tmp_path).close()
    open_line(str(tmp_path / CHIP), LINE, devices=tmp_path).close()


def test_the_kernel_debounces_where_the_chip_takes_it(plug: Plug, tmp_path: Path) -> None:
    line, request = line_of(plug(FakeGpiod()), tmp_path)
    with closing(line):
        assert request.settings.debounce_period == timedelta(milliseconds=20)
        assert (request.settings.active_low, request.settings.bias) == (True, "pull-up")
        assert isinstance(machine(line), Button)


def test_we_debounce_where_it_does_not(plug: Plug, tmp_path: Path) -> None:
    line, request = line_of(plug(FakeGpiod(takes_debounce=False)), tmp_path)
    with closing(line):
        assert request.settings.debounce_period == timedelta()
        assert isinstance(machine(line), Debounced)


def test_edges_have_the_time_at_which_they_were(plug: Plug, tmp_path: Path) -> None:
    line, request = line_of(plug(FakeGpiod()), tmp_path)
    with closing(line):
        assert line.read() == []
        before_ms = boottime_ms()
        request.edge(True, age_ms=700)
        request.edge(False, age_ms=200)
        pressed, released = line.read()
        late_ms = boottime_ms() - before_ms + 1
        assert (pressed.input, released.input) == (Input.PRESSED, Input.RELEASED)
        assert before_ms - 701 <= pressed.at_ms <= before_ms - 700 + late_ms
        assert before_ms - 201 <= released.at_ms <= before_ms - 200 + late_ms


def test_a_gap_in_the_numbers_is_a_loss(plug: Plug, tmp_path: Path) -> None:
    line, request = line_of(plug(FakeGpiod()), tmp_path)
    with closing(line):
        request.edge(True)
        request.lose(2)
        request.edge(False)
        request.edge(True)
        kinds = [Input.PRESSED, Input.LOST, Input.RELEASED, Input.PRESSED]
        assert [edge.input for edge in line.read()] == kinds


def test_a_button_held_while_the_line_is_opened_starts_as_down(plug: Plug, tmp_path: Path) -> None:
    line, request = line_of(plug(FakeGpiod(takes_debounce=False)), tmp_path)
    with closing(line):
        request.is_active = True
        button = machine(line)
        now_ms = boottime_ms()
        glitch = (Edge(Input.RELEASED, now_ms), Edge(Input.PRESSED, now_ms + 2), Edge(Input.RELEASED, now_ms + 5_000))
        assert [press for edge in glitch for press in button.take(edge)] + button.tick(now_ms + 60_000) == []


def test_a_chip_that_vanishes_is_a_sentence(plug: Plug, tmp_path: Path) -> None:
    line, request = line_of(plug(FakeGpiod()), tmp_path)
    with closing(line):
        request.unplug()
        with pytest.raises(LineError, match=r"gone: No such device\."):
            line.read()
        with pytest.raises(LineError, match="gone"):
            _ = line.is_down


def test_the_line_is_given_back(plug: Plug, tmp_path: Path) -> None:
    line, request = line_of(plug(FakeGpiod()), tmp_path)
    line.close()
    assert request.is_released


@pytest.mark.parametrize(
    ("refusal", "line", "error"),
    [
        (errno.EBUSY, LINE, LineTakenError),
        (errno.EPERM, LINE, LineError),
        (errno.EINVAL, LINE, LineError),
        (0, LINES, LineError),
    ],
)
def test_a_refusal_is_a_sentence(refusal: int, line: int, error: type[FerryError], plug: Plug, tmp_path: Path) -> None:
    plug(FakeGpiod(refusal=refusal))
    with pytest.raises(error, match=f"Line {line} of {LABEL}") as raised:
        open_line(LABEL, line, devices=tmp_path)
    assert raised.value.remedy


def test_a_chip_that_is_not_there_is_a_sentence(plug: Plug, tmp_path: Path) -> None:
    plug(FakeGpiod())
    with pytest.raises(NoChipError, match="no GPIO chip pinctrl-other"):
        open_line("pinctrl-other", LINE, devices=tmp_path)


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(NoGpiodError) as raised:
        open_line(LABEL, LINE, devices=tmp_path)
    assert "ferry[button]" in raised.value.explain()
