"""The forwarder: places what is new, gives every sink its next files, lets go of what is safe, until nothing is left.

One thread, which waits for whatever comes first: a worker's word, the end of a hook, a change of network or mounts,
news in the journal, the time of the next attempt. Whatever may hang is in a process of its own, and is killed when it
does.
"""

import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil, inf
from pathlib import Path
from typing import Final, Protocol

from board.clock import boottime_s
from board.inotify import FolderWatch
from stack.storage.forward import manifest
from stack.storage.forward.changes import Changes
from stack.storage.forward.hooks import Hooks
from stack.storage.forward.lane import Lane, SinkSettings
from stack.storage.forward.ledger import Delivery, Ledger, Spooled
from stack.storage.forward.messages import Arrived, Failed, Message, Moved
from stack.storage.forward.policy import Demand, Hours, Trouble, may_leave, pause_s
from stack.storage.forward.source import Source
from stack.storage.library.grouping import grouped

_AT_ONCE: Final = 32  # deliveries looked at for the next job
_LINES_AT_ONCE: Final = 200
_LEAVE_AT_ONCE: Final = 16  # files; nothing can be received meanwhile
_CHECKPOINT_AFTER: Final = 200  # deliveries
_LONGEST_PAUSE_S: Final = 6 * 3600.0  # longer than all of policy's
_COMMIT_S: Final = 0.5
_HURRY_PAUSE_S: Final = 30.0  # changes of the network come in flocks
_SILENT: Final = "It does not answer. Check the server, its disk and the network."
_ENDED: Final = "Its worker ended without a word. See Ferry's log."
_POLLIN: Final = select.POLLIN | select.POLLHUP | select.POLLERR


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user wants. `patience_s`: how long to stay for the next attempt when nothing else is left to do."""

    sinks: Sequence[SinkSettings]
    demand: Demand = Demand.ALL
    keep_days: float = 0.0
    hours: Hours | None = None
    bytes_per_s: float = 0.0
    hooks: Path | None = None
    patience_s: float = inf


class View(Protocol):
    """Who wants to know."""

    def moved(self, size_bytes: int) -> None:
        """So many more bytes went out."""

    def arrived(self, delivery: Delivery, path: str, was_there: bool) -> None:
        """A sink has a file, verified."""

    def failed(self, sink: str, name: str, error: str, wait_s: float) -> None:
        """A file, or with an empty name a sink, is in trouble, and is tried again after `wait_s`."""

    def released(self, entries: Sequence[Spooled]) -> None:
        """Files have left the spool."""


class Placer(Protocol):
    """Who gives new entries their places."""

    def place_new(self) -> float | None:
        """Place what can be placed; return after how many seconds to look again for the rest, None if there is none."""


class Forwarder:
    """Works the ledger off. `stop` may be called from a signal handler."""

    def __init__(
        self, source: Source, ledger: Ledger, placer: Placer, settings: Settings, view: View, draw: Callable[[], float]
    ) -> None:
        """Use an opened and claimed spool. `draw` returns a random number from 0 to 1."""
        self._source = source
        self._ledger = ledger
        self._placer = placer
        self._settings = settings
        self._view = view
        self._draw = draw
        self._hooks = Hooks(settings.hooks) if settings.hooks else None
        self._station = source.station_id()
        self._lanes = [Lane(each, str(source.path), self._station, settings.bytes_per_s) for each in settings.sinks]
        self._names = [each.name for each in settings.sinks]
        self._placing_s: float | None = None
        self._stopping = False
        self._stopped = os.eventfd(0, os.EFD_CLOEXEC)  # stays open: a signal may come at any time
        self._journal = FolderWatch(source.journal_path.parent)
        self._look_again_s = inf
        self._hurried_s = -inf
        self._arrived_count = 0

    def stop(self) -> None:
        """End soon. What is on its way is brought again the next time."""
        self._stopping = True
        os.eventfd_write(self._stopped, 1)

    def run(self) -> bool:
        """Work until nothing is left to do, or not for a while. Returns whether everything is safe.

        Raises `StoreError` when spool or journal fail.
        """
        changes = Changes()
        try:
            while not self._stopping:
                self._take_stock()
                self._give_work()
                if not self._is_busy and self._wait_s() > self._settings.patience_s:
                    break
                self._wait_for_news(changes)
            return all(self._ledger.next_time(name) is None for name in self._names) and self._placing_s is None
        finally:
            for lane in self._lanes:
                lane.kill()
            if self._hooks:
                self._hooks.close()
            self._journal.close()
            changes.close()

    def _take_stock(self) -> None:
        """See what is new, and let go of what is safe."""
        self._ledger.assign(self._names, _now_s())
        self._ledger.no_later_than(_now_s() + _LONGEST_PAUSE_S)
        self._placing_s = self._placer.place_new()
        needed = self._settings.demand.needed(len(self._names))
        safe = self._ledger.safe_since(self._names, needed)
        leaving = [each for each, since in safe if may_leave(since, self._settings.keep_days, _now_s())]
        for start in range(0, len(leaving), _LEAVE_AT_ONCE):
            self._release(leaving[start : start + _LEAVE_AT_ONCE])

    def _release(self, leaving: Sequence[Spooled]) -> None:
        is_received_into = self._source.is_received_into()
        left = self._ledger.release(leaving, self._source.remove, is_received_into=is_received_into)
        if left:
            self._view.released(left)

    def _give_work(self) -> None:
        if self._closed_s() == 0:
            for lane in self._lanes:
                if not lane.is_busy:
                    self._give(lane)

    def _give(self, lane: Lane) -> None:
        """Give a lane its next files that belong together, else what its manifests lack."""
        due = self._ledger.due(lane.name, _now_s(), _AT_ONCE)
        if due:
            together = _first_group(due)
            known = [self._ledger.copies(lane.name, each.spooled) for each in together]
            lane.bring(together, known, boottime_s())
        elif not self._is_in_trouble(lane):
            for day in self._ledger.days_to_record(lane.name)[:1]:
                numbers, lines = self._ledger.records(lane.name, day, _LINES_AT_ONCE)
                lane.note(manifest.path_of(day, self._station), numbers, lines, boottime_s())

    def _is_in_trouble(self, lane: Lane) -> bool:
        return self._ledger.trouble(lane.name)[1] > _now_s()

    @property
    def _is_busy(self) -> bool:
        hook_runs = self._hooks is not None and self._hooks.ended is not None
        return hook_runs or any(lane.is_busy for lane in self._lanes)

    def _closed_s(self) -> float:
        hours = self._settings.hours
        return hours.wait_s(datetime.now().astimezone()) if hours else 0.0

    def _wait_s(self) -> float:
        """Return after how long a lane that is free has something to do again: infinite where nothing is left."""
        times = [self._next_time(lane) for lane in self._lanes if not lane.is_busy]
        next_time = min((each for each in times if each is not None), default=None)
        waits = [] if next_time is None else [max(next_time - _now_s(), self._closed_s())]
        return min([*waits, *([] if self._placing_s is None else [self._placing_s])], default=inf)

    def _next_time(self, lane: Lane) -> float | None:
        """Return when a sink's next file or line is due, None if it has all of them."""
        next_time = self._ledger.next_time(lane.name)
        if next_time is None and self._ledger.days_to_record(lane.name):
            return self._ledger.trouble(lane.name)[1]
        return next_time

    def _wait_for_news(self, changes: Changes) -> None:
        """Attend to workers and hooks until a lane is free, something has come or changed, or the time has come."""
        until_s = boottime_s() + self._wait_s()
        free, was_busy = self._free_lanes(), self._is_busy
        while self._free_lanes() == free and self._is_busy == was_busy and not self._stopping:
            timeout_s = min([until_s, self._look_again_s, *self._deadlines_s()]) - boottime_s()
            ready = _poll(self._descriptors(changes), timeout_s)
            if {changes.mounts.fileno(), changes.network.fileno()} & ready:
                changes.take()
                if self._may_hurry():
                    self._ledger.hurry_passing()
                    return
            self._attend(ready)
            if boottime_s() >= until_s or self._has_news(ready):
                return

    def _may_hurry(self) -> bool:
        """Whether the last time was long enough ago."""
        if boottime_s() < self._hurried_s + _HURRY_PAUSE_S:
            return False
        self._hurried_s = boottime_s()
        return True

    def _has_news(self, ready: set[int]) -> bool:
        """Whether somebody else has written into the journal. Its log is written first, and counts a moment later."""
        now_s = boottime_s()
        if self._journal.fileno() in ready:
            self._journal.take()
            self._look_again_s = now_s + _COMMIT_S
        elif now_s < self._look_again_s:
            return False
        else:
            self._look_again_s = inf
        return self._ledger.has_news()

    def _free_lanes(self) -> list[str]:
        return [lane.name for lane in self._lanes if not lane.is_busy]

    def _deadlines_s(self) -> list[float]:
        deadlines_s = [lane.deadline_s for lane in self._lanes]
        if self._hooks:
            deadlines_s.append(self._hooks.deadline_s)
        return [each for each in deadlines_s if each is not None]

    def _descriptors(self, changes: Changes) -> dict[int, int]:
        """Return what to wait for, by descriptor."""
        watched = {lane.fileno(): _POLLIN for lane in self._lanes if lane.is_busy}
        watched |= {changes.mounts.fileno(): select.POLLPRI, changes.network.fileno(): select.POLLIN}
        watched |= {self._stopped: select.POLLIN, self._journal.fileno(): select.POLLIN}
        if self._hooks and self._hooks.ended is not None:
            watched[self._hooks.ended] = select.POLLIN
        return watched

    def _attend(self, ready: set[int]) -> None:
        for lane in self._lanes:
            if lane.deadline_s is not None and lane.fileno() in ready:
                self._hear(lane)
            elif lane.deadline_s is not None and boottime_s() >= lane.deadline_s:
                self._give_up(lane, _SILENT)
        if self._hooks:
            self._hooks.turn(boottime_s())

    def _hear(self, lane: Lane) -> None:
        messages = lane.messages(boottime_s())
        if messages is None:
            self._give_up(lane, _ENDED)
            return
        for message in messages:
            self._take(lane, message)
        if any(isinstance(message, Failed) and not message.entry for message in messages):
            lane.kill()
        elif not lane.is_busy:
            if lane.noting:
                self._ledger.recorded(lane.noting)
            lane.free()

    def _take(self, lane: Lane, message: Message) -> None:
        match message:
            case Moved(size_bytes):
                self._view.moved(size_bytes)
            case Arrived(entry, path, was_there, gone):
                self._arrived(lane.deliveries[entry], path, gone, was_there=was_there)
            case Failed(0, trouble, error):
                self._in_trouble(lane, Trouble[trouble], error)
            case Failed(entry, trouble, error):
                self._failed(lane.deliveries[entry], Trouble[trouble], error)

    def _arrived(self, delivery: Delivery, path: str, gone: list[str], *, was_there: bool) -> None:
        now = datetime.now().astimezone()
        self._ledger.forget_copies(delivery.sink, delivery.spooled, gone)
        if path in self._ledger.copies(delivery.sink, delivery.spooled):
            self._ledger.recognised(delivery, path, now.timestamp())
        else:
            line = manifest.line(delivery, path, now)
            self._ledger.delivered(delivery, path, now.date().isoformat(), line, now.timestamp())
            if self._hooks:
                self._hooks.tell(line)
        self._view.arrived(delivery, path, was_there)
        self._arrived_count += 1
        if self._arrived_count % _CHECKPOINT_AFTER == 0:
            self._ledger.checkpoint()

    def _failed(self, delivery: Delivery, trouble: Trouble, error: str) -> None:
        wait_s = pause_s(trouble, delivery.attempts, self._draw)
        self._ledger.failed(delivery, error, _now_s() + wait_s, _now_s())
        self._view.failed(delivery.sink, delivery.spooled.name, error, wait_s)

    def _in_trouble(self, lane: Lane, trouble: Trouble, error: str) -> None:
        attempts, _ = self._ledger.trouble(lane.name)
        wait_s = pause_s(trouble, attempts, self._draw)
        may_pass = trouble is not Trouble.BARRED
        self._ledger.in_trouble(lane.name, error, _now_s() + wait_s, may_pass=may_pass, tried=lane.deliveries)
        self._view.failed(lane.name, "", error, wait_s)

    def _give_up(self, lane: Lane, why: str) -> None:
        """End a worker that is silent or dead. Its files go with the next one."""
        self._in_trouble(lane, Trouble.PASSING, why)
        lane.kill()


def _first_group(due: Sequence[Delivery]) -> list[Delivery]:
    """Return the deliveries that belong together with the first one: files of one shot, of one task."""
    task = [each for each in due if each.spooled.task == due[0].spooled.task]
    groups = grouped([each.spooled.offered for each in task])
    return [task[index] for index in next(group for group in groups if 0 in group)]


def _poll(descriptors: dict[int, int], timeout_s: float) -> set[int]:
    poll = select.poll()
    for descriptor, events in descriptors.items():
        poll.register(descriptor, events)
    timeout_ms = None if timeout_s == inf else max(0, ceil(timeout_s * 1000))
    return {descriptor for descriptor, _ in poll.poll(timeout_ms)}


def _now_s() -> float:
    return time.time()
