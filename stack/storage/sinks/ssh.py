"""A subsystem of an SSH server, by OpenSSH's client as a child: its ciphers cost half of Python's, and 12 MiB.

A password reaches ssh by SSH_ASKPASS, through an environment that only its user can read.
"""

import fcntl
import os
import select
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from stack.storage.sinks.errors import (
    AwayError,
    DeniedError,
    HangingError,
    IdentityError,
    MissingBackendError,
    SinkError,
    WrongPlaceError,
)
from stack.storage.sinks.url import SinkUrl

_OWN: Final = "ferry-ssh-"
_ASKPASS: Final = "#!/bin/sh\nprintf '%s\\n' \"$FERRY_SECRET\"\n"
_READ_BYTES: Final = 1 << 18
_PIPE_BYTES: Final = 1 << 20  # costs a fifth less than the usual 64 KiB
_MAX_SAID_BYTES: Final = 4096

# What ssh says on its way out, in the order in which it is looked for.
_SAID: Final[tuple[tuple[str, type[SinkError], str], ...]] = (
    ("host key verification failed", IdentityError, "the host key is not the one that is known"),
    ("no matching host key", IdentityError, "the host key is of another kind than the one that is known"),
    ("permission denied", DeniedError, "user, password or key are not accepted"),
    ("too many authentication failures", DeniedError, "user, password or key are not accepted"),
    ("load key", DeniedError, "the key's file cannot be used"),
    ("subsystem request failed", WrongPlaceError, "the server has no SFTP"),
    ("timed out", HangingError, "it does not answer"),
    ("not responding", HangingError, "it does not answer any more"),
)


class SshChannel:
    """The child's two pipes, with a time limit on every wait. Methods raise `SinkError`."""

    def __init__(self, url: SinkUrl) -> None:
        """Start ssh. What is wrong shows at the first `receive`."""
        program = shutil.which("ssh")
        if program is None:
            raise MissingBackendError(f"{url} needs OpenSSH's client: apt-get install openssh-client")
        self._url = url
        _remove_left_behind()
        self._own = tempfile.TemporaryDirectory(prefix=f"{_OWN}{os.getpid()}-")
        self._stderr = (Path(self._own.name) / "stderr").open("w+b")
        self._process = subprocess.Popen(
            _command(program, url, Path(self._own.name)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=_environment(url, Path(self._own.name)),
            bufsize=0,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        for pipe in (self._to, self._from):
            with suppress(PermissionError):  # this user has many large pipes already
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._held = bytearray()

    def send(self, *parts: bytes | memoryview) -> None:
        """Send all of `parts`."""
        waiting = [memoryview(part) for part in parts]
        while waiting:
            self._wait(self._to, select.POLLOUT)
            try:
                written = os.writev(self._to, waiting)
            except BlockingIOError:
                continue
            except OSError:
                raise self._ending() from None
            while waiting and written >= len(waiting[0]):
                written -= len(waiting.pop(0))
            if written:
                waiting[0] = waiting[0][written:]

    def receive(self, length: int) -> bytearray:
        """Receive exactly `length` bytes."""
        while len(self._held) < length:
            self._wait(self._from, select.POLLIN)
            data = os.read(self._from, _READ_BYTES)
            if not data:
                raise self._ending()
            self._held += data
        taken = self._held[:length]
        del self._held[:length]
        return taken

    def close(self) -> None:
        """End the child, and remove what was its own."""
        self._to = self._from = -1  # the numbers may soon be those of other files
        self._process.kill()
        assert self._process.stdin
        assert self._process.stdout
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            with suppress(OSError):
                pipe.close()
        self._process.wait()
        self._own.cleanup()

    def _wait(self, file: int, event: int) -> None:
        if file < 0:
            raise AwayError(f"the connection to {self._url} is closed")
        poll = select.poll()
        poll.register(file, event)
        if not poll.poll(self._url.time_limit_s * 1000):
            raise HangingError(f"{self._url} does not answer")

    def _ending(self) -> SinkError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
        self._stderr.seek(0)
        said = self._stderr.read(_MAX_SAID_BYTES).decode(errors="replace").strip()
        for sign, kind, sentence in _SAID:
            if sign in said.lower():
                return kind(f"{self._url}: {sentence}")
        return AwayError(f"{self._url} is not there: {said.splitlines()[-1] if said else 'the connection ended'}")


def _remove_left_behind() -> None:
    """Remove the folders of processes that were killed before they could do so."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_OWN}*-*"):
        with suppress(OSError):
            if _is_left_behind(folder):
                shutil.rmtree(folder)


def _is_left_behind(folder: Path) -> bool:
    pid = folder.name.removeprefix(_OWN).partition("-")[0]
    return pid.isdecimal() and folder.lstat().st_uid == os.geteuid() and not Path("/proc", pid).exists()


def _command(program: str, url: SinkUrl, own: Path) -> list[str]:
    options = {
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ConnectTimeout": str(url.time_limit_s),
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "2",
        "ClearAllForwardings": "yes",
        "IdentitiesOnly": "yes",
        "NumberOfPasswordPrompts": "1",
        "LogLevel": "ERROR",
        "BatchMode": "no" if url.secret else "yes",
        "PreferredAuthentications": "publickey" if "key" in url.options else "password,keyboard-interactive",
    }
    if "host_key" in url.options:
        options["UserKnownHostsFile"] = str(_known_hosts(url, own))
        options["GlobalKnownHostsFile"] = "/dev/null"
        options["HostKeyAlgorithms"] = _algorithms(url.options["host_key"].split()[0])
    settings = [f"-o{name}={value}" for name, value in options.items()]
    key = ["-i", url.options["key"]] if "key" in url.options else []
    return [program, "-F", "none", *settings, *key, "-p", str(url.port), "-l", url.user, "-s", "--", url.host, "sftp"]


def _algorithms(kind: str) -> str:
    return "rsa-sha2-512,rsa-sha2-256" if kind == "ssh-rsa" else kind


def _known_hosts(url: SinkUrl, own: Path) -> Path:
    path = own / "known_hosts"
    path.write_text(f"[{url.host}]:{url.port} {url.options['host_key']}\n{url.host} {url.options['host_key']}\n")
    return path


def _environment(url: SinkUrl, own: Path) -> dict[str, str]:
    environment = {name: os.environ[name] for name in ("HOME", "PATH", "USER", "LOGNAME") if name in os.environ}
    environment["LC_ALL"] = "C"
    if url.secret is not None:
        askpass = own / "askpass"
        askpass.write_text(_ASKPASS)
        askpass.chmod(0o700)
        environment |= {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
        environment["FERRY_SECRET"] = url.secret.reveal()
    return environment
