"""What systemd hears, and when it is asked for nothing."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from board.watchdog import Notifier, notifier

PID = 4711
LIMIT_S = 2


@pytest.fixture
def systemd() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(LIMIT_S)
        yield listening


def hears(systemd: socket.socket, line: Notifier) -> list[str]:
    """Say everything once."""
    with closing(line):
        line.ready()
        line.status("Receiving 3 files\nfrom 小米")
        line.alive()
        line.stopping()
    return [systemd.recv(4096).decode() for _ in range(4)]


EVERYTHING = ["READY=1", "STATUS=Receiving 3 files from 小米", "WATCHDOG=1", "STOPPING=1"]


def test_a_socket_with_a_file(systemd: socket.socket, tmp_path: Path) -> None:
    systemd.bind(str(tmp_path / "notify"))
    assert hears(systemd, notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})) == EVERYTHING


def test_an_abstract_socket(systemd: socket.socket) -> None:
    systemd.bind("")  # the kernel chooses
    name = systemd.getsockname()
    assert hears(systemd, notifier({"NOTIFY_SOCKET": "@" + name[1:].decode()})) == EVERYTHING


def test_a_long_status_is_cut_between_letters(systemd: socket.socket, tmp_path: Path) -> None:
    systemd.bind(str(tmp_path / "notify"))
    with closing(notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})) as line:
        line.status("é" * 1_000 + "x")
        line.status("x" + "é" * 1_000)
    assert [systemd.recv(4096).decode() for _ in range(2)] == ["STATUS=" + "é" * 256, "STATUS=x" + "é" * 255]


@pytest.mark.parametrize("address", ["", "@", "vsock:2:1234", "/absent/notify"])
def test_outside_systemd_nothing_happens(address: str) -> None:
    with closing(notifier({"NOTIFY_SOCKET": address} if address else {})) as line:
        line.ready()
        line.alive()


def test_a_systemd_that_does_not_read_stops_nobody(systemd: socket.socket, tmp_path: Path) -> None:
    systemd.bind(str(tmp_path / "notify"))
    with closing(notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})) as line:
        for _ in range(5_000):
            line.alive()


@pytest.mark.parametrize(
    ("environment", "keep_alive_ms"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 15_000),
        ({"WATCHDOG_USEC": "30000000"}, 15_000),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_how_often_to_be_alive(environment: dict[str, str], keep_alive_ms: int | None) -> None:
    with closing(notifier(environment, PID)) as line:
        assert line.keep_alive_ms == keep_alive_ms
