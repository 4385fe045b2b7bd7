"""A run: the phone sends, the forwarder carries, the schedule strikes; then all is healed and checked."""

import json
import random
import shlex
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.lab.tools import LabError
from tests.soak.album import Camera
from tests.soak.checker import Archive, archive_differences, spool_differences
from tests.soak.figures import Figures
from tests.soak.machines import KILLED, Host, Machine, Task, still_there
from tests.soak.phone import Phone
from tests.soak.schedule import Blow, schedule
from tests.soak.sinks import Disk, Nas

_LAST_ALBUM_LIMIT_S = 300.0
_FORWARD_LIMIT_S = 300.0
_RECEPTION_LIMIT_S = 180.0
_ORPHANS_LIMIT_S = 40.0  # ssh gives up a stalled server after 30 s, whoever has started it
_REST_S = 0.3
_PUT_BACK = {Blow.HEAL_WIRE, Blow.RETURN_DISK}


class Run:
    """One run with one NAS and one disk, on one machine. `logs` gets what the commands say."""

    def __init__(
        self, seed: int, machine: Machine, nas: Nas, logs: Path, *, power_cuts: bool, video_bytes: tuple[int, int]
    ) -> None:
        self.figures = Figures()
        self._dice = random.Random(seed)
        self._camera = Camera(random.Random(self._dice.random()), video_bytes)
        self._machine, self._nas, self._logs = machine, nas, logs
        self._power_cuts = power_cuts
        self._disk = Disk(machine)
        self._spool = f"{machine.place}/spool"
        self._sinks = [nas.url_from(machine), self._disk.folder]
        self._phone = Phone(logs / "phone", self.figures, self._receive, lambda: self._given_up)
        self._tasks: dict[str, Task] = {}
        self._is_over = self._given_up = False
        self._differences: list[str] = []
        self._helpers: dict[int, str] = {}

    def go(self, seconds: float) -> list[str]:
        """Run for so long; returns what is wrong in the end."""
        for url in self._sinks:
            self._ferry("sink", "init", url)
        self._machine.sh("sync")
        threads = [threading.Thread(target=self._guarded, args=(each,)) for each in (self._send, self._keep_forwarding)]
        for thread in threads:
            thread.start()
        try:
            self._strike(seconds)
            self._heal()
            self._is_over = True
            threads[0].join(_LAST_ALBUM_LIMIT_S)
            self._given_up = True
            threads[1].join()
            return self._differences + self._unacknowledged() + self._forward_the_rest() + self._check()
        finally:
            self._is_over = self._given_up = True
            self._end_tasks()
            for thread in threads:
                thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A thread that fails is a difference, and does not leave the others waiting."""
        try:
            work()
        except Exception as error:
            self._differences.append(f"{work.__name__}: {error!r}")
            self._given_up = True

    def _send(self) -> None:
        for album in self._camera.albums():
            if self._is_over:
                return
            self._phone.share(album)

    def _receive(self, port: int) -> None:
        self.figures.receptions += 1
        whence = f"{self._machine.address}:{port}"
        self._work("receive", "--from", whence, "--into", self._spool, "--accept", "all", "--json")

    def _keep_forwarding(self) -> None:
        while not self._is_over:
            if self.figures.receptions:
                self.figures.forwarders += 1
                self._work("forward", "--from", self._spool, *self._targets(), "--stay", "--json")
            time.sleep(_REST_S)  # as a supervisor pauses

    def _targets(self) -> list[str]:
        return [word for url in self._sinks for word in ("--to", url)]

    def _work(self, *arguments: str) -> None:
        """Run a command that may be killed, until it ends."""
        task = self._start(*arguments)
        deadline_s = time.monotonic() + _RECEPTION_LIMIT_S
        while task.wait(1) is None:
            if arguments[0] == "receive" and time.monotonic() > deadline_s:
                self._differences.append("the station: a reception did not end")
                task.kill()
            if self._given_up or (self._is_over and arguments[0] == "forward"):
                task.kill()
        if task.wait(0) == KILLED:
            time.sleep(_REST_S)

    def _start(self, verb: str, *arguments: str) -> Task:
        task = self._tasks[verb] = self._machine.start(self._log(verb), verb, *arguments)
        return task

    def _log(self, verb: str) -> Path:
        return self._logs / f"{verb}.log"

    def _strike(self, seconds: float) -> None:
        """Deal the blows. While a guest starts again, the clock of the schedule stands still."""
        start_s = time.monotonic()
        pace = self._machine.pace
        for moment in schedule(self._dice, seconds / pace, power_cuts=self._power_cuts):
            self._wait_until(start_s + min(moment.at_s * pace, seconds))
            if not self._given_up:
                begun_s = time.monotonic()
                self._deal(moment.blow)
                start_s += time.monotonic() - begun_s
        self._wait_until(start_s + seconds)

    def _wait_until(self, time_s: float) -> None:
        while not self._given_up and (left_s := time_s - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.5))

    def _deal(self, blow: Blow) -> None:
        deals: dict[Blow, Callable[[], None]] = {
            Blow.KILL_STATION: lambda: self._kill("receive"),
            Blow.KILL_FORWARDER: lambda: self._kill("forward"),
            Blow.CUT_POWER: self._cut_power,
            Blow.CUT_WIRE: self._nas.wire.cut,
            Blow.STALL_WIRE: self._nas.wire.stall,
            Blow.HEAL_WIRE: self._nas.wire.heal,
            Blow.PULL_DISK: self._disk.pull,
            Blow.TAKE_MARKER: self._disk.take_marker,
            Blow.RETURN_DISK: self._disk.put_back,
        }
        deals[blow]()
        self.figures.blows[blow] += 1
        if blow in _PUT_BACK and self._dice.random() < 0.5:
            self._hurry()

    def _kill(self, verb: str) -> None:
        if verb in self._tasks:
            self._helpers |= self._tasks[verb].kill()

    def _cut_power(self) -> None:
        self._machine.cut_power()
        self._disk.put_back()

    def _hurry(self) -> None:
        """Do what a person does who knows that the NAS is back. There may be no spool yet."""
        with suppress(LabError):
            self._ferry("spool", "retry", "--in", self._spool)

    def _heal(self) -> None:
        self._nas.wire.heal()
        self._disk.put_back()

    def _end_tasks(self) -> None:
        for task in self._tasks.values():
            if task.wait(0) is None:
                task.kill()

    def _unacknowledged(self) -> list[str]:
        is_whole = len(self.figures.offered) == len(self.figures.acknowledged)
        return [] if is_whole else ["the phone: its last album was not acknowledged, though all was healed"]

    def _forward_the_rest(self) -> list[str]:
        deadline_s = time.monotonic() + _FORWARD_LIMIT_S
        while time.monotonic() < deadline_s:
            self._hurry()
            task = self._start("forward", "--from", self._spool, *self._targets(), "--json")
            status = task.wait(deadline_s - time.monotonic())
            if status == 0:
                return []
            if status is None:
                task.kill()
        return ["the forwarder: the rest was not forwarded, though all was healed"]

    def _check(self) -> list[str]:
        self.figures.troubles = sum(said["event"] == "trouble" for said in self._said("forward"))
        acknowledged, offered = self.figures.acknowledged, self.figures.offered
        archives = [
            _archive(self._nas.kind, Host(self._logs), str(self._nas.folder)),
            _archive("the disk", self._machine, self._disk.folder),
        ]
        found = [line for archive in archives for line in archive_differences(archive, acknowledged, offered)]
        rows = [json.loads(line) for line in self._ferry("spool", "list", "--in", self._spool, "--json").splitlines()]
        names = self._machine.sh(f"ls {self._spool}").splitlines()
        return found + spool_differences(rows, names) + self._orphans()

    def _orphans(self) -> list[str]:
        left = still_there(self._helpers, _ORPHANS_LIMIT_S)
        return [f"a command was killed, and left behind: {each}" for each in left]

    def _said(self, verb: str) -> list[dict[str, Any]]:
        said = []
        for line in self._log(verb).read_text(errors="replace").splitlines():
            with suppress(ValueError):  # a complaint, or the last line of one that was killed
                said.append(json.loads(line))
        return [each for each in said if isinstance(each, dict) and "event" in each]

    def _ferry(self, *arguments: str) -> str:
        """Run a command that is to succeed."""
        log = self._logs / "other.log"
        log.write_bytes(b"")
        task = self._machine.start(log, *arguments)
        status = task.wait(60)
        if status is None:
            task.kill()
        if status != 0:
            raise LabError(f"ferry {shlex.join(arguments[:2])} ended with {status}: {log.read_text(errors='replace')}")
        return log.read_text()


def _archive(name: str, machine: Machine, folder: str) -> Archive:
    """Hash what lies in a sink's folder."""
    sums = machine.sh(f"cd {shlex.quote(folder)}; find . -type f -exec sha256sum {{}} +").splitlines()
    files = {path.removeprefix("./"): digest for digest, path in (line.split(maxsplit=1) for line in sums)}
    manifest = machine.sh(f"cd {shlex.quote(folder)}; cat .ferry/manifest/*.jsonl 2>/dev/null || true").splitlines()
    return Archive(name, files, manifest)
