"""The connection to wpa_supplicant's control socket: a real Unix socket, a daemon of bytes, and every way to die."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from board import aio
from drivers.wpa_supplicant import requests
from drivers.wpa_supplicant.control import ANSWER_TIMEOUT_MS, EVENTS_KEPT, Control, connected
from drivers.wpa_supplicant.errors import (
    ForbiddenError,
    NoSupplicantError,
    NotGlobalError,
    RefusedError,
    SilentError,
    SupplicantError,
    SupplicantGoneError,
)
from tests.unit.drivers.controller import now_ms, run
from tests.unit.drivers.fake_supplicant import FakeSupplicant
from tests.unit.nl80211.chip import Chip


def with_daemon(tmp_path: Path, test: Callable[[FakeSupplicant, Control], Awaitable[None]]) -> None:
    """Run `test` with a daemon and a connection to it; afterwards both are gone, and every descriptor."""

    async def whole() -> None:
        daemon = FakeSupplicant(tmp_path / "global", Chip())
        try:
            with connected(daemon.path, daemon.watch) as control:
                await control.start()
                await test(daemon, control)
        finally:
            daemon.die()

    before = len(os.listdir("/proc/self/fd"))
    run(whole())
    assert len(os.listdir("/proc/self/fd")) == before


def test_requests_and_answers(tmp_path: Path) -> None:
    async def test(daemon: FakeSupplicant, control: Control) -> None:
        assert await control.ask(requests.ATTACH) == "OK\n"
        assert await control.interfaces() == ["p2p-dev-wlan0", "wlan0"]
        assert list(tmp_path.iterdir()) == [daemon.path]

    with_daemon(tmp_path, test)


def test_a_refusal_names_no_key(tmp_path: Path) -> None:
    async def test(daemon: FakeSupplicant, control: Control) -> None:
        daemon.answers["SET_NETWORK"] = ["FAIL\n"]
        with pytest.raises(RefusedError, match="refused SET_NETWORK: FAIL") as caught:
            await control.ask(requests.on("wlan0", "SET_NETWORK 0 psk 112233"))
        assert caught.value.answer == "FAIL"
        assert "112233" not in caught.value.explain()

    with_daemon(tmp_path, test)


def test_events_come_between_answers(tmp_path: Path) -> None:
    async def test(daemon: FakeSupplicant, control: Control) -> None:
        await control.ask(requests.ATTACH)
        daemon.tell("wlan0", "CTRL-EVENT-BEFORE")
        assert await control.interfaces() == daemon.names
        waiting = aio.create_task(control.next_event())
        assert (await waiting).name == "CTRL-EVENT-BEFORE"
        waiting = aio.create_task(control.next_event())
        await aio.sleep_ms(0)
        daemon.tell("wlan0", "CTRL-EVENT-AFTER")
        assert (await waiting).name == "CTRL-EVENT-AFTER"

    with_daemon(tmp_path, test)


def test_events_that_nobody_reads_are_bounded(tmp_path: Path) -> None:
    async def test(daemon: FakeSupplicant, control: Control) -> None:
        await control.ask(requests.ATTACH)
        for number in range(EVENTS_KEPT + 5):
            daemon.tell("wlan0", f"X id={number}")
            await control.ask(requests.on("wlan0", requests.STATUS))
        kept = control.take_events()
        assert [each.number("id") for each in kept] == list(range(5, EVENTS_KEPT + 5))

    with_daemon(tmp_path, test)


def test_a_late_answer_is_taken_for_no_other(tmp_path: Path) -> None:
    async def test(daemon: FakeSupplicant, control: Control) -> None:
        asking = aio.create_task(control.ask(requests.on("wlan0", requests.STATUS)))
        await aio.sleep_ms(0)
        asking.cancel()
        assert await control.interfaces() == daemon.names
        assert daemon.asked[-2:] == ["IFNAME=wlan0 STATUS", "INTERFACES"]

    with_daemon(tmp_path, test)


def test_a_daemon_that_does_not_answer(tmp_path: Path) -> None:
    async def test(daemon: FakeSupplicant, control: Control) -> None:
        daemon.silent.add("INTERFACES")
        began_ms = now_ms()
        with pytest.raises(SilentError):
            await control.interfaces()
        assert now_ms() - began_ms == ANSWER_TIMEOUT_MS

    with_daemon(tmp_path, test)


def test_a_daemon_that_reads_nothing(tmp_path: Path) -> None:
    async def test(daemon: FakeSupplicant, control: Control) -> None:
        asyncio.get_running_loop().remove_reader(daemon._socket)
        with pytest.raises(SilentError):
            await aio.gather(*[control.interfaces() for _ in range(2000)])

    with_daemon(tmp_path, test)


async def _is_gone(waiting: Awaitable[object]) -> None:
    with pytest.raises(SupplicantGoneError):
        await waiting


@pytest.mark.parametrize("shows_at_once", [True, False], ids=["seen", "found out"])
def test_a_daemon_that_dies_ends_what_waits(tmp_path: Path, shows_at_once: bool) -> None:
    async def test(daemon: FakeSupplicant, control: Control) -> None:
        daemon.silent.add("STATUS")
        waiting = [
            aio.create_task(_is_gone(control.ask(requests.on("wlan0", requests.STATUS)))),
            aio.create_task(_is_gone(control.next_event())),
        ]
        await aio.sleep_ms(10)
        if not shows_at_once:
            asyncio.get_running_loop().remove_reader(control._life or -1)
        daemon.die()
        if not shows_at_once:
            with pytest.raises(SupplicantGoneError):
                await control.interfaces()
        for each in waiting:
            await each
        with pytest.raises(SupplicantGoneError):
            await control.interfaces()

    with_daemon(tmp_path, test)


def test_closing_ends_what_waits(tmp_path: Path) -> None:
    async def test(_: FakeSupplicant, control: Control) -> None:
        listening = aio.create_task(control.next_event())
        await aio.sleep_ms(0)
        control.close()
        control.close()
        with pytest.raises(SupplicantGoneError):
            await listening

    with_daemon(tmp_path, test)


DAEMON = """
import socket, sys
made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
made.bind(sys.argv[1])
print("ready", flush=True)
while True:
    made.sendto(b"OK", made.recvfrom(4096)[1])
"""


def test_the_death_of_a_process_is_seen(tmp_path: Path) -> None:
    """With the kernel's own means: whose answer it was, and when that process ends."""

    async def listen(path: Path, process: "subprocess.Popen[str]") -> None:
        with connected(path) as control:
            await control.start()
            listening = aio.create_task(control.next_event())
            await aio.sleep_ms(0)
            process.kill()
            with pytest.raises(SupplicantGoneError):
                await aio.wait_for_ms(listening, 3_000)

    path = tmp_path / "global"
    with subprocess.Popen([sys.executable, "-c", DAEMON, str(path)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            aio.run(listen(path, process))
        finally:
            process.kill()


def _socket_at(path: Path, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_UNIX, kind) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "no such socket"),
        (Path.touch, "nobody listens"),
        (Path.mkdir, "nobody listens"),
        (lambda path: _socket_at(path, socket.SOCK_DGRAM), "nobody listens"),
    ],
    ids=["absent", "file", "folder", "left behind"],
)
def test_a_path_that_leads_to_nobody(tmp_path: Path, make: Callable[[Path], None], why: str) -> None:
    path = tmp_path / "global"
    make(path)
    with pytest.raises(NoSupplicantError, match=why) as caught:
        Control(path)
    assert "-g" in caught.value.remedy


def test_a_path_that_no_socket_can_have(tmp_path: Path) -> None:
    with pytest.raises(NoSupplicantError, match="no control socket"):
        Control(tmp_path / ("x" * 200))


def test_a_stream_is_no_control_socket(tmp_path: Path) -> None:
    path = tmp_path / "global"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(path))
        made.listen()
        with pytest.raises(NoSupplicantError, match="no control socket"):
            Control(path)


def test_a_socket_that_is_not_for_us(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root may use every socket, so the kernel's refusal is played."""

    def refuse(made: socket.socket, address: str) -> None:
        raise PermissionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(ForbiddenError) as caught:
        Control(tmp_path / "global")
    assert "root" in caught.value.remedy


def test_the_socket_of_one_interface_is_not_enough(tmp_path: Path) -> None:
    async def whole() -> None:
        daemon = FakeSupplicant(tmp_path / "wlan0", Chip())
        daemon.answers["PING"] = ["UNKNOWN COMMAND\n"]
        try:
            with connected(daemon.path, daemon.watch) as control, pytest.raises(NotGlobalError):
                await control.start()
        finally:
            daemon.die()

    run(whole())


def test_nobody_else_is_heard(tmp_path: Path) -> None:
    async def test(_: FakeSupplicant, control: Control) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger, pytest.raises(PermissionError):
            stranger.sendto(b"<3>CTRL-EVENT-CONNECTED", control._socket.getsockname())

    with_daemon(tmp_path, test)


def test_every_error_has_a_remedy(tmp_path: Path) -> None:
    errors: list[SupplicantError] = [
        NoSupplicantError(tmp_path, "why"),
        ForbiddenError(tmp_path),
        NotGlobalError(tmp_path),
        SupplicantGoneError(),
        SilentError(),
        RefusedError("SCAN", "FAIL"),
    ]
    assert all(each.remedy for each in errors)
