"""Ctrl-C, done cleanly: the first one asks the session to stop and tell the peer, the second one ends the process.

SIGTERM and a terminal that is closed (SIGHUP) are the same.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Interrupt:
    """Whether a signal came."""

    came: bool = False


@contextlib.contextmanager
def cancel_on_signals(cancel: Callable[[], None]) -> Iterator[Interrupt]:
    """Call `cancel` on the first SIGINT, SIGTERM or SIGHUP within the block."""
    interrupt = Interrupt()

    def handle(number: int, frame: FrameType | None) -> None:
        interrupt.came = True
        signal.signal(number, before[signal.Signals(number)])
        cancel()

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
