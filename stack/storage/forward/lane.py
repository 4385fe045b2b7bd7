"""One sink's lane: its worker process, the job that it is at, and how long it may be silent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from board.errors import LocalProtocolError
from stack.storage.forward.child import Child
from stack.storage.forward.ledger import Delivery
from stack.storage.forward.messages import File, Finished, Job, Message, Note, Open, decode, encode

SILENCE_LIMIT_S: Final = 90.0
_SLOW_BYTES_PER_S: Final = 1e6  # at which a file is synced and read back, while its worker is silent
_WORKER: Final = "stack.storage.forward.worker"


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """A sink by the name it has in the journal, where it is, and what opens it."""

    name: str
    url: str = field(repr=False)
    secret: str = field(default="", repr=False)


class Lane:
    """The way to one sink. Its worker is started with the first job, and anew when it has died."""

    def __init__(self, settings: SinkSettings, spool: str, station: str, bytes_per_s: float) -> None:
        self.settings = settings
        self._open = Open(settings.url, settings.secret, spool, station, bytes_per_s)
        self._child: Child | None = None
        self.deliveries: dict[int, Delivery] = {}
        self.noting: list[int] = []
        self._patience_s = 0.0
        self.deadline_s: float | None = None  # until when the worker must say something

    @property
    def name(self) -> str:
        """The sink's name."""
        return self.settings.name

    @property
    def is_busy(self) -> bool:
        """Whether the worker is at something."""
        return self.deadline_s is not None

    def fileno(self) -> int:
        """Return what is readable when the worker has said something. Only while it is busy."""
        assert self._child
        return self._child.fileno()

    def bring(self, deliveries: Sequence[Delivery], known: Sequence[list[str]], now_s: float) -> None:
        """Let the worker bring these, which stay together; `known` are the paths that had each one's content once."""
        self.deliveries = {each.spooled.entry: each for each in deliveries}
        self._patience_s = SILENCE_LIMIT_S + sum(each.spooled.size_bytes for each in deliveries) / _SLOW_BYTES_PER_S
        self._tell(Job([_file(each, paths) for each, paths in zip(deliveries, known, strict=True)]), now_s)

    def note(self, path: str, numbers: list[int], lines: list[str], now_s: float) -> None:
        """Let the worker add lines to a manifest; `numbers` are the ledger's for them."""
        self.noting = numbers
        self._patience_s = SILENCE_LIMIT_S
        self._tell(Note(path, lines), now_s)

    def messages(self, now_s: float) -> list[Message] | None:
        """Return what the worker has said, None if it is gone. With `Finished` it is free again."""
        assert self._child
        try:
            lines = self._child.lines()
            said = None if lines is None else [decode(line) for line in lines]
        except LocalProtocolError:
            said = None
        if said is not None:
            self.deadline_s = now_s + self._patience_s
            if any(isinstance(message, Finished) for message in said):
                self.deadline_s = None
        return said

    def kill(self) -> None:
        """End the worker now, whatever it is at."""
        if self._child:
            self._child.kill()
        self._child = None
        self.free()

    def free(self) -> None:
        """Forget what the worker was at."""
        self.deliveries, self.noting, self.deadline_s = {}, [], None

    def _tell(self, message: Message, now_s: float) -> None:
        if self._child is None:
            self._child = Child(_WORKER)
            self._child.send(encode(self._open))
        self._child.send(encode(message))
        self.deadline_s = now_s + self._patience_s


def _file(delivery: Delivery, known: list[str]) -> File:
    spooled = delivery.spooled
    return File(
        entry=spooled.entry,
        name=spooled.name,
        place=delivery.place,
        size_bytes=spooled.size_bytes,
        sha256=spooled.sha256.hex(),
        mtime_ns=spooled.mtime_ns,
        known=known,
    )
