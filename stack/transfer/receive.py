"""Receiving: from an address to files that are safe. The shell around `alliance.Receiver`.

One thread does it all: it pumps the WebSocket, runs the machine, and while a body flows it alternates between one
piece of the body and one look at everything else. Only the store has a thread of its own.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from board.errors import FerryError, RemoteProtocolError
from stack.alliance.effects import (
    Ask,
    Effect,
    Finished,
    Outcome,
    OutcomeKind,
    SaveText,
    SendText,
    StartDownload,
    StopDownload,
)
from stack.alliance.messages import REASON_NO_SPACE, SendRequest
from stack.alliance.receiver import Receiver, Timeouts
from stack.transfer.download import Download
from stack.transfer.entry_store import (
    Ending,
    EntryStore,
    Fate,
    KeptEntry,
    NoSpaceError,
    StoreError,
    TaskInfo,
    TaskStore,
)
from stack.transfer.loop import SessionLoop, Source
from stack.transfer.tls import Address, Context, authority, client_contexts, connect
from stack.transfer.unpack import Unpacker
from stack.transfer.websocket import WebSocket
from stack.transfer.zip_format import ZipError
from stack.transfer.zip_read import ZipLimits

_SETTLE_LIMIT_S = 120.0


@dataclass(slots=True)
class Receipt:
    """What came of a reception. Counts speak of entries that are durable; times are the clock's seconds.

    `error` is what went wrong on our side of the wire, where the outcome has only the alliance's few words.
    """

    outcome: Outcome | None = None
    offer: SendRequest | None = None
    error: Exception | None = None
    stored: int = 0
    stored_bytes: int = 0
    already_safe: int = 0
    already_safe_bytes: int = 0
    started_s: float = 0.0
    last_byte_s: float = 0.0
    safe_s: float = 0.0

    def count(self, entry: KeptEntry) -> None:
        """Add one durable entry."""
        if entry.fate is Fate.STORED:
            self.stored += 1
            self.stored_bytes += entry.size_bytes
        else:
            self.already_safe += 1
            self.already_safe_bytes += entry.size_bytes


class Observer(Protocol):
    """Who wants to know. `offered` must lead to `accept` or `refuse` of the reception, now or later."""

    def offered(self, reception: "Reception", offer: SendRequest, /) -> None:
        """An offer came. Runs in the session's thread."""

    def progressed(self, unpacked_bytes: int, /) -> None:
        """So many bytes of files have come in all. Runs in the session's thread, often."""

    def kept(self, entry: KeptEntry, /) -> None:
        """An entry is durable. Runs in the store's thread."""


class Reception:
    """One task with one sender. `run` it in a thread; `accept`, `refuse` and `cancel` work from any other.

    `interface` is the one that leads to the sender, if not the routes decide.
    """

    def __init__(
        self,
        address: Address,
        store: EntryStore,
        observer: Observer,
        *,
        interface: str | None = None,
        timeouts: Timeouts | None = None,
        limits: ZipLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._address = address
        self._interface = interface
        self._store = store
        self._observer = observer
        self._limits = limits
        self._clock = clock
        self._wall = wall
        self._machine = Receiver(timeouts or Timeouts(), now=clock())
        self._loop = SessionLoop(self._opened, self._text_received, self._lost)
        self._task: TaskStore | None = None
        self._settle_deadline_s: float | None = None
        self._download: Download | None = None
        self._context: Context | None = None
        self._receipt = Receipt()

    def run(self) -> Receipt:
        """Connect, receive, settle and hang up.

        Raises:
            ConnectError: there is nobody to talk to.
            StoreError: the disk does not answer at all.
        """
        try:
            connection = connect(self._address, client_contexts(), self._interface)
            self._context = connection.context  # the one that worked
            self._loop.attach(connection, WebSocket.client(authority(self._address)))
            while self._machine.outcome is None or self._settle_deadline_s is not None:
                self._turn()
            self._receipt.outcome = self._machine.outcome
            return self._receipt
        finally:
            self._end_download()
            self._loop.close()

    def accept(self) -> None:
        """Take the offer."""
        self._loop.post(lambda: self._perform(self._machine.accept(self._clock())))

    def refuse(self) -> None:
        """Decline the offer."""
        self._loop.post(lambda: self._perform(self._machine.refuse(self._clock())))

    def cancel(self) -> None:
        """Stop whatever is going on and tell the peer. Entries that are complete are kept."""
        self._loop.post(lambda: self._perform(self._machine.cancel(self._clock())))

    def watch(self, source: Source, on_readable: Callable[[], None]) -> None:
        """Call `on_readable` in the session's thread whenever `source` has bytes."""
        self._loop.watch(source, on_readable)

    def unwatch(self, source: Source) -> None:
        """Stop watching `source`."""
        self._loop.unwatch(source)

    def _turn(self) -> None:
        wait_s = self._wait_s()
        if self._download is not None and self._step(self._download):
            wait_s = 0
        self._loop.turn(wait_s)
        now = self._clock()
        self._perform(self._machine.tick(now))
        if self._settle_deadline_s is not None and now > self._settle_deadline_s:
            raise StoreError("the disk does not answer")

    def _wait_s(self) -> float:
        deadlines = [at for at in (self._machine.deadline, self._settle_deadline_s) if at is not None]
        return max(0.0, min(deadlines) - self._clock())

    def _step(self, download: Download) -> bool:
        try:
            moved = download.step()
        except (RemoteProtocolError, StoreError, OSError) as error:
            self._fail(error)
            return True
        if moved:
            self._perform(self._machine.progressed(self._clock()))
            self._observer.progressed(download.unpacker.unpacked_bytes)
        if download.complete:
            self._body_complete(download)
        return moved

    def _body_complete(self, download: Download) -> None:
        if download.unpacker.files == 0:
            self._fail(ZipError("the archive holds no file"))
            return
        self._end_download()
        self._receipt.last_byte_s = self._clock()
        self._perform(self._machine.body_complete(self._clock()))
        self._settle(Ending.COMPLETE)

    # What the machine asks for.

    def _perform(self, todo: tuple[Effect, ...]) -> None:
        for effect in todo:
            match effect:
                case SendText():
                    self._loop.send(effect.text)
                case Ask():
                    self._ask(effect.offer)
                case StartDownload():
                    self._start_download(effect.target)
                case SaveText():
                    self._save_text(effect.text)
                case StopDownload():
                    self._end_download()
                    self._settle(Ending.CANCELLED)
                case Finished():
                    self._finish(effect.outcome)

    def _ask(self, offer: SendRequest) -> None:
        self._receipt.offer = offer
        info = TaskInfo(offer.task_id, offer.sender_id, offer.sender_name, offer.file_count, offer.total_bytes)
        try:
            self._task = self._store.open_task(info, self._kept)
        except StoreError as error:
            self._fail(error)
        else:
            self._observer.offered(self, offer)

    def _start_download(self, target: str) -> None:
        assert self._task is not None
        assert self._context is not None
        self._receipt.started_s = self._clock()
        unpacker = Unpacker(self._task, self._limits)
        try:
            self._download = Download(self._address, self._context, target, unpacker, self._clock, self._interface)
        except (FerryError, OSError) as error:
            self._fail(error)
        else:
            self._loop.watch(self._download.connection, lambda: None)  # readable: the next turn takes a step

    def _save_text(self, text: str) -> None:
        assert self._task is not None
        now = self._wall()
        content = text.encode()
        try:
            writer = self._task.begin(f"text-{datetime.fromtimestamp(now):%Y%m%d-%H%M%S}.txt", now)
            try:
                writer.write(content)
                writer.keep(hashlib.sha256(content).digest())
            except StoreError:
                writer.drop()
                raise
        except StoreError as error:
            self._fail(error)
            return
        self._receipt.started_s = self._receipt.last_byte_s = self._clock()
        self._settle(Ending.COMPLETE)

    def _finish(self, outcome: Outcome) -> None:
        self._end_download()
        declined = outcome.kind in (OutcomeKind.REFUSED, OutcomeKind.CANCELLED)
        self._settle(Ending.CANCELLED if declined else Ending.BROKEN)
        self._loop.hang_up(close_frame=True)

    # The store.

    def _kept(self, entry: KeptEntry) -> None:
        self._receipt.count(entry)
        self._observer.kept(entry)

    def _settle(self, ending: Ending) -> None:
        if self._task is None:
            return
        task, self._task = self._task, None
        self._settle_deadline_s = self._clock() + _SETTLE_LIMIT_S
        task.settle(ending, lambda error: self._loop.post(lambda: self._settled(ending, error)))

    def _settled(self, ending: Ending, error: StoreError | None) -> None:
        self._settle_deadline_s = None
        if error is not None:
            self._fail(error)
        elif ending is Ending.COMPLETE:
            self._receipt.safe_s = self._clock()
            self._perform(self._machine.safe(self._clock()))

    def _fail(self, error: Exception) -> None:
        """Give the task up for `error`, keep what is complete, and tell the peer what it can understand of it."""
        self._receipt.error = error
        self._end_download()
        self._settle(Ending.BROKEN)
        kind, reason = _verdict(error)
        self._perform(self._machine.failed(reason, kind, self._clock()))

    def _end_download(self) -> None:
        if self._download is not None:
            self._loop.unwatch(self._download.connection)
            self._download.close()
            self._download = None

    def _opened(self) -> None:
        self._perform(self._machine.opened(self._clock()))

    def _text_received(self, text: str) -> None:
        self._perform(self._machine.text_received(text, self._clock()))

    def _lost(self, reason: str) -> None:
        if self._machine.outcome is None:
            self._receipt.error = self._receipt.error or FerryError(reason)
        self._perform(self._machine.disconnected(self._clock()))


def _verdict(error: Exception) -> tuple[OutcomeKind, str]:
    """Put an error into the alliance's words (alliance protocol, 6.4)."""
    if isinstance(error, NoSpaceError):
        return OutcomeKind.NO_SPACE, REASON_NO_SPACE
    if isinstance(error, StoreError):
        return OutcomeKind.BROKEN, "cannot access"
    return OutcomeKind.BROKEN, "broken transfer"
