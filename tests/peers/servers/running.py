"""A server in a process of its own, for the time of a `with` block."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

_START_LIMIT_S = 20.0
_STOP_LIMIT_S = 5.0


def tool(name: str, package: str) -> str:
    """Return the path of a program; skips the test, in one line, where it is not there."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"needs {name}: {package}")
    return found


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` until the block ends; the block begins when something listens at `port`."""
    with log.open("ab") as output:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,  # smbd ends its process group
        )
    try:
        _wait_until_listening(server, port, log)
        yield server
    finally:
        server.terminate()
        try:
            server.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_until_listening(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + _START_LIMIT_S
    while server.poll() is None and time.monotonic() < deadline_s:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionError:
            time.sleep(0.02)  # a server tells nobody when it is ready
        else:
            return
    pytest.fail(f"{server.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")
