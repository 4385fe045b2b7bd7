"""Where station and forwarder run: this machine, or a guest whose power can be cut. Both take the same commands."""

import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.lab.guest import Guest
from tests.lab.tools import LabError

_SHELL_LIMIT_S = 60
_LOOK_S = 0.05
_MODULE = ("-m", "stack.station.cli.main")
KILLED = -int(signal.SIGKILL)


class Task(Protocol):
    """A running `ferry`."""

    def kill(self) -> Mapping[int, str]:
        """SIGKILL it. Returns its helpers, which have to die of it: see `still_there`."""

    def interrupt(self) -> None:
        """Ctrl-C."""

    def wait(self, limit_s: float) -> int | None:
        """Wait for its end; return its status, None if it still runs."""


class Machine(Protocol):
    """Runs `ferry`. `address` is where it finds our loopback; `pace` stretches the schedule."""

    address: str
    place: str
    pace: float

    def start(self, log: Path, *arguments: str) -> Task:
        """Start `ferry` with its output at the end of `log`."""

    def sh(self, command: str) -> str:
        """Run a shell command and return what it printed."""

    def cut_power(self) -> None:
        """Take its power away, and start it again."""


class Host:
    """This machine."""

    address = "127.0.0.1"
    pace = 1.0

    def __init__(self, place: Path) -> None:
        """Keep spool and disk below `place`."""
        self.place = str(place)

    def start(self, log: Path, *arguments: str) -> "HostTask":
        """See `Machine`."""
        return HostTask(arguments, log)

    def sh(self, command: str) -> str:
        """See `Machine`."""
        done = subprocess.run(
            ["sh", "-ec", command], check=True, capture_output=True, text=True, timeout=_SHELL_LIMIT_S
        )
        return done.stdout

    def cut_power(self) -> None:
        """Not here."""
        raise AssertionError("only a guest's power can be cut")


class HostTask:
    """A process of this machine, in a session of its own: Ctrl-C is for us."""

    def __init__(self, arguments: Sequence[str], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *_MODULE, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> Mapping[int, str]:
        """See `Task`."""
        helpers = _descendants(self._process.pid)
        self._process.kill()
        self._process.wait()
        return helpers

    def interrupt(self) -> None:
        """See `Task`."""
        self._process.send_signal(signal.SIGINT)

    def wait(self, limit_s: float) -> int | None:
        """See `Task`."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(limit_s)
        return None


class LabMachine:
    """A guest of the lab: the spool is on its disk, and survives as much of a power cut as the kernel let through."""

    address = "10.0.2.2"
    place = "/spool/soak"
    pace = 4.0  # its processor is emulated: a command alone takes seconds to start

    def __init__(self, guest: Guest) -> None:
        """Use a running guest."""
        self._guest = guest
        self._started = 0

    def start(self, log: Path, *arguments: str) -> "LabTask":
        """See `Machine`."""
        self._started += 1
        return LabTask(self._guest, f"/run/soak-{self._started}.pid", arguments, log)

    def sh(self, command: str) -> str:
        """See `Machine`."""
        return self._guest.read(f"set -e; {command}", timeout_s=_SHELL_LIMIT_S)

    def cut_power(self) -> None:
        """See `Machine`."""
        self._guest.kill()
        self._guest.start()


class LabTask(threading.Thread):
    """A process of the guest. With the guest it is gone as if it had been killed."""

    def __init__(self, guest: Guest, pid_file: str, arguments: Sequence[str], log: Path) -> None:
        super().__init__(daemon=True)
        self._guest, self._pid_file = guest, pid_file
        self._command = f"echo $$ >{pid_file}; exec python3 {shlex.join([*_MODULE, *arguments])}"
        self._log = log
        self._status = KILLED
        self.start()

    def run(self) -> None:
        """Run the command, whose output comes while it runs."""
        with suppress(LabError), self._log.open("ab") as output:
            self._status = self._guest.run(self._command, output=output, complaints=output)

    def kill(self) -> Mapping[int, str]:
        """See `Task`. Helpers are looked for on the host only."""
        self._signal("KILL")
        self.join(_SHELL_LIMIT_S)
        return {}

    def interrupt(self) -> None:
        """See `Task`."""
        self._signal("INT")

    def wait(self, limit_s: float) -> int | None:
        """See `Task`."""
        self.join(limit_s)
        return None if self.is_alive() else self._status

    def _signal(self, name: str) -> None:
        with suppress(LabError):
            self._guest.read(f"kill -{name} $(cat {self._pid_file}) || true")


def _processes() -> dict[int, tuple[int, str, str]]:
    """Return parent, start and command of every process (proc_pid_stat(5))."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if fields[0] != "Z":
                found[int(stat.parent.name)] = int(fields[1]), fields[19], command.strip()
    return found


def _descendants(pid: int) -> Mapping[int, str]:
    """Return all processes below `pid`, with what tells each from a later one of the same number: its start."""
    processes = _processes()
    family = {pid}
    while more := {each for each, (parent, _, _) in processes.items() if parent in family} - family:
        family |= more
    return {each: processes[each][1] for each in family - {pid}}


def still_there(helpers: Mapping[int, str], limit_s: float) -> list[str]:
    """Return the commands of those helpers that still run after `limit_s`."""
    deadline_s = time.monotonic() + limit_s
    while (left := _running(helpers)) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_S)
    return left


def _running(helpers: Mapping[int, str]) -> list[str]:
    processes = _processes()
    return [processes[pid][2] for pid, start in helpers.items() if pid in processes and processes[pid][1] == start]
