"""A button at a GPIO line, by libgpiod 2 (the extra `button`), which is imported only when a line is opened.

The kernel debounces where the chip's driver takes it; elsewhere `GpioLine.settle_ms` asks for our own (`machine`).
Edges are stamped by the kernel, so a loop that is late changes nothing. A button connects its line to ground: pressed
is low, and the chip's pull-up is switched on.
"""

import errno
import importlib
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from board.button import DEFAULT_TIMES, Button, Edge, Input, Times
from board.button_watch import Machine
from board.clock import boottime_ms
from board.debounce import SETTLE_MS, Debounced
from board.errors import FerryError

_REFUSALS: Final = (OSError, ValueError, NotImplementedError)  # the bindings make the latter of EINVAL and ENOTSUP
_CONSUMER: Final = "ferry"


class NoGpiodError(FerryError):
    """A button is configured, and libgpiod's Python bindings are not installed."""

    remedy = "Install Ferry with its extra: pip install 'ferry[button]'."


class NoChipError(FerryError):
    """No GPIO chip of that name."""

    remedy = "See `gpiodetect` for the chips, and set chip in [button] to a name, a label or a path of them."


class LineTakenError(FerryError):
    """Another program or a driver has the line."""

    remedy = "See `gpioinfo` for who uses it, and choose another line in [button] or free it."


class LineError(FerryError):
    """The line cannot be used as a button, or its chip is gone."""

    remedy = "Check chip and line in [button] against `gpioinfo`, and that this user may open /dev/gpiochip*."


class GpioLine:
    """A requested line: an `EdgeSource`."""

    def __init__(self, request: Any, line: int, settle_ms: int, now_ms: Callable[[], int] = boottime_ms) -> None:
        """Take over gpiod's `request`. `settle_ms` is 0 where the kernel debounces."""
        self.settle_ms = settle_ms
        self._request = request
        self._line = line
        self._now_ms = now_ms
        self._last_number = 0

    @property
    def is_down(self) -> bool:
        """Whether the button is pressed now. Raises `LineError`."""
        try:
            return bool(self._request.get_value(self._line))
        except OSError as error:
            raise _gone(error) from error

    def fileno(self) -> int:
        """Return the descriptor that is readable when edges wait."""
        return int(self._request.fd)

    def read(self) -> Sequence[Edge]:
        """Return at most one buffer of edges. Raises `LineError` when the chip is gone."""
        try:
            events = self._request.read_edge_events() if self._request.wait_edge_events(timedelta(0)) else ()
        except OSError as error:
            raise _gone(error) from error
        return [edge for event in events for edge in self._edges(event)]

    def close(self) -> None:
        """Give the line back."""
        self._request.release()

    def _edges(self, event: Any) -> list[Edge]:
        """Translate an event; a gap in the numbers before it is a loss."""
        # The kernel stamps with its clock that stops in suspend; what we count in does not.
        age_ms = max(0, time.monotonic_ns() - event.timestamp_ns) // 1_000_000
        at_ms = self._now_ms() - age_ms
        is_loss = event.line_seqno != self._last_number + 1
        self._last_number = event.line_seqno
        edge = Edge(Input.PRESSED if event.event_type is event.Type.RISING_EDGE else Input.RELEASED, at_ms)
        return [Edge(Input.LOST, at_ms), edge] if is_loss else [edge]


def machine(source: GpioLine, times: Times = DEFAULT_TIMES) -> Machine:
    """Return a button's machine for this line, with our own debouncing if the kernel does none."""
    button = Button(times)
    return Debounced(button, is_down=source.is_down, settle_ms=source.settle_ms) if source.settle_ms else button


def open_line(chip: str, line: int, settle_ms: int = SETTLE_MS, devices: Path = Path("/dev")) -> GpioLine:
    """Request `line` of the chip with this name, label or path. Raises `NoGpiodError` and the other errors above."""
    gpiod = _library()
    path = _find(gpiod, chip, devices)
    try:
        return _opened(gpiod, path, line, settle_ms)
    except _REFUSALS as error:
        raise _refused(chip, line, error) from error


def _opened(gpiod: Any, path: str, line: int, settle_ms: int) -> GpioLine:
    try:
        return GpioLine(_request(gpiod, path, line, settle_ms), line, 0)
    except _REFUSALS:  # if it is not for the debouncing, the line is refused again
        return GpioLine(_request(gpiod, path, line, 0), line, settle_ms)


def _library() -> Any:
    try:
        return importlib.import_module("gpiod")
    except ImportError as error:
        raise NoGpiodError("The button needs the Python package gpiod, which is not installed.") from error


def _find(gpiod: Any, chip: str, devices: Path) -> str:
    """Return the chip's path; its label stays the same where its number depends on the kernel."""
    for path in map(str, sorted(devices.glob("gpiochip*"))):
        if chip in (path, Path(path).name) or chip == _label(gpiod, path):
            return path
    raise NoChipError(f"There is no GPIO chip {chip}.")


def _label(gpiod: Any, path: str) -> str | None:
    try:
        with gpiod.Chip(path) as chip:
            return str(chip.get_info().label)
    except OSError:
        return None


def _request(gpiod: Any, path: str, line: int, settle_ms: int) -> Any:
    settings = gpiod.LineSettings(
        direction=gpiod.line.Direction.INPUT,
        edge_detection=gpiod.line.Edge.BOTH,
        bias=gpiod.line.Bias.PULL_UP,
        active_low=True,
        debounce_period=timedelta(milliseconds=settle_ms),
        event_clock=gpiod.line.Clock.MONOTONIC,
    )
    return gpiod.request_lines(path, consumer=_CONSUMER, config={line: settings})


def _refused(chip: str, line: int, error: Exception) -> FerryError:
    if isinstance(error, OSError) and error.errno == errno.EBUSY:
        return LineTakenError(f"Line {line} of {chip} is in use.")
    return LineError(f"Line {line} of {chip} cannot be used as a button: {error.args[-1]}.")


def _gone(error: OSError) -> LineError:
    return LineError(f"The button's GPIO chip is gone: {error.strerror}.")
