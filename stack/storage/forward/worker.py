"""The worker of one sink: `python -m stack.storage.forward.worker`, spoken to in lines of JSON (`messages`).

It ends with its input, with its parent, and when the sink is in trouble: the next one begins with fresh connections.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from board.errors import FerryError
from board.heap import keep_freed_buffers
from stack.storage.forward.child import die_with_parent, keep_memory_private
from stack.storage.forward.courier import Courier
from stack.storage.forward.messages import Failed, Finished, Job, Message, Note, Open, decode, encode
from stack.storage.forward.policy import Throttle, Trouble
from stack.storage.forward.source import Source
from stack.storage.sinks.base import Sink
from stack.storage.sinks.errors import SinkError
from stack.storage.sinks.opening import open_sink
from stack.storage.sinks.secret import Secret
from stack.storage.sinks.url import parse


def main() -> None:
    """Work until the input ends."""
    keep_memory_private()
    die_with_parent()
    keep_freed_buffers()  # halves what SMB costs
    lines = iter(sys.stdin.buffer.readline, b"")
    opening_line, first = next(lines, b""), next(lines, b"")  # nothing is opened before there is something to do
    if first:
        opening = decode(opening_line)
        assert isinstance(opening, Open)
        try:
            _work(opening, _with_first(first, lines))
        except FerryError as error:
            trouble = error.trouble if isinstance(error, SinkError) else Trouble.STANDING
            _tell(Failed(0, trouble.name, error.explain()))
            _tell(Finished())


def _work(opening: Open, lines: Iterator[bytes]) -> None:
    with Source(Path(opening.spool)) as source, _opened(opening) as sink:
        courier = Courier(sink, source.open, _tell, _pacing(opening.bytes_per_s))
        for line in lines:
            match decode(line):
                case Job() as job:
                    courier.bring(job)
                case Note() as note:
                    courier.note(note)


@contextmanager
def _opened(opening: Open) -> Iterator[Sink]:
    url = parse(opening.url, Secret(opening.secret) if opening.secret else None)
    sink = open_sink(url, opening.station)
    try:
        sink.probe()
        yield sink
    finally:
        sink.close()


def _with_first(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _pacing(bytes_per_s: float) -> Callable[[int], None]:
    """Return what waits after so many bytes."""
    if not bytes_per_s:
        return lambda size_bytes: None
    throttle = Throttle(bytes_per_s)
    return lambda size_bytes: time.sleep(throttle.wait_s(size_bytes, time.monotonic()))


def _tell(message: Message) -> None:
    sys.stdout.buffer.write(encode(message))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
