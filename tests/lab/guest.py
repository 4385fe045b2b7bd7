"""A guest: started, given commands, cut from power, started again with the same disk."""

import fcntl
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast

from tests.lab import qemu, recipe
from tests.lab.image import built_image
from tests.lab.tools import LabError, run
from tests.lab.wire import HEARTBEAT_S, Kind, Request, read_frame

_START_LIMIT_S = 120
_STOP_LIMIT_S = 10
_HUNG_AFTER_S = 12 * HEARTBEAT_S
_LOOK_S = 0.02
_DISK_MIB = 2048  # sparse
_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")


class GuestDiedError(LabError):
    """The guest is gone, or does not answer any more and was killed. The console's end is in the message."""


class CommandFailedError(LabError):
    """A command in the guest ended with another status than 0."""


class Sink(Protocol):
    """Where the output of a command goes as it comes."""

    def write(self, data: bytes, /) -> object:
        """Take some."""

    def flush(self) -> None:
        """Show it."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running QEMU: `started` is when, in the kernel's ticks, so that another process is not taken for it."""

    pid: int
    started: str
    agent_port: int
    image: str

    def alive(self) -> bool:
        """Whether it still runs."""
        return qemu.start_ticks(self.pid) == self.started


class Guest:
    """The guest that lives in `folder`: its disk, its console and, while it runs, how to reach it.

    Every `Guest` of the same folder is the same guest, also in another process. A guest that this object started ends
    with the `with` block.
    """

    def __init__(self, folder: Path) -> None:
        """Say where it lives. Nothing is started."""
        self.folder = folder.resolve()
        self.disk = self.folder / "disk.ext4"
        self._state = self.folder / "running.json"
        self._process: subprocess.Popen[bytes] | None = None  # if this object started it

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def running(self) -> Running | None:
        """How it runs, or None."""
        try:
            running = Running(**json.loads(self._state.read_text()))
        except (OSError, ValueError, TypeError):  # none, or one of another version of this file
            return None
        return running if running.alive() else None

    def start(self, *, outlives_us: bool = False) -> None:
        """Boot it, unless it runs. Its disk is what it was, or a new one. Raises `LabError`.

        It is killed with this process, also if that is killed itself, unless it shall outlive it.
        """
        image = built_image()
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if self.running is None:
                machine = qemu.Machine(image, self.folder, recipe.ROOT, self._made_disk(), _free_port())
                self._boot(machine, () if outlives_us else _DIES_WITH_US)

    def _boot(self, machine: qemu.Machine, prefix: Sequence[str]) -> None:
        process = self._process = machine.start(qemu.acceleration(machine.image), prefix)
        try:
            assert machine.agent_port is not None
            qemu.wait_until_ready(machine, process, _START_LIMIT_S)
            running = Running(process.pid, qemu.start_ticks(process.pid), machine.agent_port, machine.image.folder.name)
            self._state.write_text(json.dumps(asdict(running)))
        except BaseException:
            process.kill()
            process.wait()
            raise

    def _made_disk(self) -> Path:
        if not self.disk.exists():
            run("mke2fs", "-q", "-t", "ext4", "-m", "0", self.disk, f"{_DISK_MIB}M", timeout_s=30)
        return self.disk

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def run(
        self,
        command: str,
        *,
        timeout_s: float = 600,
        environment: Mapping[str, str] | None = None,
        output: Sink | None = None,
        complaints: Sink | None = None,
    ) -> int:
        """Run a shell command in the checkout and return its status, 124 if it was killed for taking too long.

        What it prints goes to this process's own streams unless told otherwise. Raises `GuestDiedError`.
        """
        sinks = {Kind.OUTPUT: output or sys.stdout.buffer, Kind.COMPLAINT: complaints or sys.stderr.buffer}
        for kind, payload in self._ask(Request(command, timeout_s, dict(environment or {}))):
            if kind is Kind.STATUS:
                return payload[0]
            if kind in sinks:
                sinks[kind].write(payload)
                sinks[kind].flush()
        raise AssertionError("a command ends with its status")

    def read(self, command: str, *, timeout_s: float = 60) -> str:
        """Run a shell command and return what it printed. Raises `CommandFailedError`, `GuestDiedError`."""
        output, complaints = _Kept(), _Kept()
        status = self.run(command, timeout_s=timeout_s, output=output, complaints=complaints)
        if status:
            raise CommandFailedError(f"{command!r} ended with {status}: {complaints.text()}{output.text()}")
        return output.text()

    def _ask(self, request: Request) -> Iterator[tuple[Kind, bytes]]:
        running = self.running
        if running is None:
            raise LabError("the guest is not up")
        try:
            with _connected(running.agent_port) as stream:
                stream.write(request.encode())
                stream.flush()
                while True:
                    yield read_frame(stream)
        except (EOFError, OSError) as error:
            raise self._died(running, error) from None

    def _died(self, running: Running, error: Exception) -> GuestDiedError:
        if isinstance(error, TimeoutError) and running.alive():
            self.kill()
            return GuestDiedError(f"the guest was silent for {_HUNG_AFTER_S} s and was killed:\n{self.last_words()}")
        return GuestDiedError(f"the guest is gone:\n{self.last_words()}")

    def last_words(self) -> str:
        """Return the end of its console."""
        return qemu.last_words(self.folder)

    def kill(self) -> None:
        """Take its power away: what the guest had not given to the disk is lost."""
        if running := self.running:
            with suppress(ProcessLookupError):
                qemu.kill(running.pid)
            self._wait_for_end(running)

    def stop(self) -> None:
        """Power it off in an orderly way; kill it if that does not help."""
        running = self.running
        if running is None:
            self._reap()
            return
        with suppress(OSError), _connected(running.agent_port) as stream:
            stream.write(Request(None, 0).encode())
            stream.flush()
            if self._wait_for_end(running):
                return
        self.kill()

    def _wait_for_end(self, running: Running) -> bool:
        deadline = time.monotonic() + _STOP_LIMIT_S
        while running.alive() and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        if ended := not running.alive():
            self._reap()
        return ended

    def _reap(self) -> None:
        if self._process:
            self._process.wait()
            self._process = None


class _Kept:
    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes, /) -> None:
        self.data += data

    def flush(self) -> None:
        pass

    def text(self) -> str:
        return self.data.decode(errors="replace")


@contextmanager
def _connected(port: int) -> Iterator[BinaryIO]:
    with socket.create_connection(("127.0.0.1", port), timeout=_HUNG_AFTER_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rwb") as stream:
            yield cast(BinaryIO, stream)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
