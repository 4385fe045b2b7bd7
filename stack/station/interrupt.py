"""Ctrl-C, done cleanly: the first one asks the session to stop and tell the peer, the second one ends the process."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Interrupt:
    """Whether a signal came."""

    came: bool = False


@contextlib.contextmanager
def cancel_on_signals(cancel: Callable[[], None]) -> Iterator[Interrupt]:
    """Call `cancel` on the first SIGINT or SIGTERM within the block."""
    interrupt = Interrupt()

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt.came = True
        signal.signal(number, before[signal.Signals(number)])
        cancel()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
