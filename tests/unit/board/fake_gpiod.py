"""libgpiod's bindings over a chip of one line, as far as a button needs them.

`LABEL` is the chip's label. A line takes debouncing or refuses it as the kernel does, and hands events out of a pipe.
"""

import errno
import os
import time
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from pathlib import Path
from select import select
from types import SimpleNamespace
from typing import Any

LABEL = "pinctrl-fake"
LINES = 4
CHIP = "gpiochip0"


class EventType(Enum):
    """The logical direction."""

    RISING_EDGE = auto()
    FALLING_EDGE = auto()


@dataclass(frozen=True, slots=True)
class Event:
    """What the kernel tells of an edge."""

    event_type: EventType
    timestamp_ns: int
    line_seqno: int
    Type: Any = EventType


class Request:
    """A requested line: the test's end is `edge`, `lose` and `unplug`."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.is_active = False
        self.is_released = False
        self._waiting: list[Event] = []
        self._number = 0
        self._is_gone = False
        self.fd, self._wake = os.pipe()

    def edge(self, is_active: bool, age_ms: int = 0) -> None:
        """Let the line change, so long ago."""
        self._number += 1
        self.is_active = is_active
        kind = EventType.RISING_EDGE if is_active else EventType.FALLING_EDGE
        self._waiting.append(Event(kind, time.monotonic_ns() - age_ms * 1_000_000, self._number))
        os.write(self._wake, b"!")

    def lose(self, count: int) -> None:
        """Let the kernel drop edges."""
        self._number += count

    def unplug(self) -> None:
        """Let the chip vanish."""
        self._is_gone = True
        os.write(self._wake, b"!")

    def get_value(self, _line: int) -> bool:
        """Return the level."""
        self._check()
        return self.is_active

    def wait_edge_events(self, timeout: timedelta) -> bool:
        """Whether events wait."""
        return bool(select([self.fd], [], [], timeout.total_seconds())[0])

    def read_edge_events(self) -> list[Event]:
        """Return all of them."""
        self._check()
        os.read(self.fd, 4096)
        events, self._waiting = self._waiting, []
        return events

    def release(self) -> None:
        """Give the line back."""
        os.close(self.fd)
        os.close(self._wake)
        self.is_released = True

    def _check(self) -> None:
        if self._is_gone:
            raise OSError(errno.ENODEV, "No such device")


@dataclass
class FakeGpiod:
    """The module. `takes_debounce`: whether the chip's driver does. `refusal`: an errno for every request."""

    takes_debounce: bool = True
    refusal: int = 0
    requests: list[Request] = field(default_factory=list)
    line: Any = field(
        default_factory=lambda: SimpleNamespace(
            Direction=SimpleNamespace(INPUT="input"),
            Edge=SimpleNamespace(BOTH="both"),
            Bias=SimpleNamespace(PULL_UP="pull-up"),
            Clock=SimpleNamespace(MONOTONIC="monotonic"),
        )
    )

    LineSettings = SimpleNamespace

    class Chip:
        """A chip that can be asked for its label."""

        def __init__(self, path: str) -> None:
            if not Path(path).exists():
                raise FileNotFoundError(path)

        def __enter__(self) -> "FakeGpiod.Chip":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def get_info(self) -> Any:
            """Return name and label."""
            return SimpleNamespace(label=LABEL)

    def request_lines(self, path: str, consumer: str, config: dict[int, Any]) -> Request:
        """Request one line."""
        ((line, settings),) = config.items()
        assert (Path(path).name, consumer) == (CHIP, "ferry")
        if self.refusal:
            raise OSError(self.refusal, os.strerror(self.refusal))
        if line >= LINES:
            raise ValueError("line offset of out range")
        if settings.debounce_period and not self.takes_debounce:
            raise ValueError(errno.EINVAL, "Invalid argument")  # as the bindings do
        self.requests.append(Request(settings))
        return self.requests[-1]
