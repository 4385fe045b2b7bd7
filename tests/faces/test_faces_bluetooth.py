"""Our two ends face to face over virtual controllers, and the verbs of the radio as a person runs them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stack.station.demo.controllers import VirtualAir
from stack.station.demo.neighbours import virtual_phone

FERRY = [sys.executable, "-m", "stack.station.cli.main"]
WROTE = ["connected", "read", "wrote", "disconnected"]


@contextmanager
def ferry(*arguments: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run a verb; at the end of the block it is gone."""
    process = subprocess.Popen(
        [*FERRY, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def event(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Read the next event of `--json`."""
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def end(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, str]:
    """End a verb by a signal; return its exit status and what it said on standard error."""
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    return process.returncode, err


@contextmanager
def controllers(kind: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Two controllers in one air; the first is reached in the way that `kind` names."""
    if kind == "uart":
        with VirtualAir(1, pty=[folder / "hci"]) as air:
            its, ours = air.hci
            yield ours, its
    else:
        with VirtualAir(2) if kind == "tcp" else VirtualAir(legacy_tcp=2) as air:
            ours, its = air.hci
            yield ours, its


@pytest.mark.parametrize("kind", ["tcp", "legacy", "uart"])
def test_advertise_prints_what_a_phone_does(kind: str, tmp_path: Path) -> None:
    with (
        controllers(kind, tmp_path) as (ours, its),
        ferry("advertise", "--name", "NAS-照片", "--hci", ours, "--json") as station,
    ):
        shown = event(station)
        assert (shown["event"], shown["name"]) == ("visible", "NAS-照片")
        with virtual_phone("introduce", its):
            events = [event(station) for _ in WROTE]
        assert [each["event"] for each in events] == WROTE
        assert len({each["phone"] for each in events}) == 1
        wrote = events[2]
        assert (wrote["ssid"], wrote["port"], wrote["mac"]) == ("DIRECT-Zz-demo", 43210, "02:00:00:00:00:00")
        assert len(wrote["psk"]) >= 8
        assert end(station, signal.SIGTERM) == (130, "")


@pytest.mark.parametrize("kind", ["tcp", "legacy", "uart"])
def test_scan_lists_a_phone(kind: str, tmp_path: Path) -> None:
    with (
        controllers(kind, tmp_path) as (ours, its),
        virtual_phone("receive", its),
        ferry("scan", "--hci", ours, "--seconds", 10, "--json") as scan,
    ):
        device = event(scan)
        assert end(scan, signal.SIGINT) == (130, "")
    assert device["event"] == "device"
    assert (device["name"], device["brand"], device["brand_id"]) == ("Virtual phone", "Xiaomi", 30)
    assert device["supports_5ghz"]
    assert len(device["id"]) == 4


def test_scan_finds_nobody() -> None:
    with VirtualAir(1) as air, ferry("scan", "--hci", air.hci[0], "--seconds", "0.3") as scan:
        out, err = scan.communicate(timeout=20)
    assert (scan.returncode, out) == (5, "")
    assert "Nobody of the alliance is in range" in err


def test_the_virtual_radio_has_a_phone_in_range() -> None:
    with ferry("scan", "--hci", "virtual", "--seconds", 4) as scan:
        out, _ = scan.communicate(timeout=30)
    assert scan.returncode == 0
    assert out.startswith("Virtual phone")
    with ferry("advertise", "--name", "Ferry", "--hci", "virtual", "--json") as station:
        assert [event(station)["event"] for _ in range(5)] == ["visible", *WROTE]
        assert end(station, signal.SIGINT) == (130, "")


def test_the_station_falls_silent_when_it_ends(tmp_path: Path) -> None:
    with VirtualAir(1, pty=[tmp_path / "hci"]) as air:  # at a UART, which keeps its power when its host goes
        with ferry("advertise", "--name", "Ferry", "--hci", air.hci[1], "--json") as station:
            event(station)
            assert end(station, signal.SIGINT)[0] == 130
        with ferry("scan", "--hci", air.hci[0], "--seconds", "0.5") as scan:
            scan.communicate(timeout=20)
            assert scan.returncode == 5


def test_several_phones_at_once_and_one_after_the_other(tmp_path: Path) -> None:
    with VirtualAir(4) as air, ferry("advertise", "--name", "Ferry", "--hci", air.hci[0], "--json") as station:
        event(station)
        with virtual_phone("introduce", air.hci[1]), virtual_phone("introduce", air.hci[2]):
            events = [event(station) for _ in range(8)]
        with virtual_phone("introduce", air.hci[3]):
            events += [event(station) for _ in WROTE]
    assert len({each["phone"] for each in events}) == 3
    for phone in {each["phone"] for each in events}:
        assert [each["event"] for each in events if each["phone"] == phone] == WROTE


def test_a_dead_radio_is_one_clear_line_and_a_restart() -> None:
    with VirtualAir(1) as air, ferry("advertise", "--name", "Ferry", "--hci", air.hci[0], "--json") as station:
        assert event(station)["event"] == "visible"
        air.__exit__(None, None, None)
        trouble = [event(station) for _ in range(2)]
        assert [each["event"] for each in trouble] == ["trouble", "trouble"]
        assert "has gone away" in trouble[0]["error"]
        assert "There is no Bluetooth controller" in trouble[1]["error"]
        assert trouble[1]["pause_ms"] > trouble[0]["pause_ms"]
        assert end(station, signal.SIGINT)[0] == 130


def test_a_radio_that_dies_while_it_scans_is_not_nobody() -> None:
    with (
        VirtualAir(2) as air,
        virtual_phone("receive", air.hci[1]),
        ferry("scan", "--hci", air.hci[0], "--seconds", 50, "--json") as scan,
    ):
        assert event(scan)["event"] == "device"
        air.__exit__(None, None, None)
        assert "has gone away" in event(scan)["error"]
        assert scan.wait(20) == 6


@pytest.mark.parametrize("verb", [["scan"], ["advertise", "--name", "x"]])
def test_no_controller_is_radio_trouble(verb: list[str]) -> None:
    with ferry(*verb, "--hci", "tcp:127.0.0.1:1", "--json") as process:
        out, err = process.communicate(timeout=20)
    assert process.returncode == 6
    assert err.startswith("ferry: There is no Bluetooth controller at 127.0.0.1:1")
    assert json.loads(out)["event"] == "error"


def test_bluez_has_no_peripheral_role() -> None:
    with ferry("advertise", "--name", "x", "--hci", "bluez") as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 6
    assert "systemctl stop bluetooth" in err


def test_a_capture_is_written(tmp_path: Path) -> None:
    capture = tmp_path / "hci.btsnoop"
    with VirtualAir(1) as air, ferry("scan", "--hci", air.hci[0], "--seconds", "0.1", "--capture", capture) as scan:
        scan.communicate(timeout=20)
    content = capture.read_bytes()
    with ferry("scan", "--hci", "tcp:127.0.0.1:1", "--capture", tmp_path / "hci.btsnoop") as again:
        again.communicate(timeout=20)
    assert (tmp_path / "hci.btsnoop.1").read_bytes() == content
    assert content.startswith(b"btsnoop\0\0\0\0\1\0\0\3\xea")
    assert bytes.fromhex("01030c00") in content


@pytest.mark.parametrize("name", ["notes.txt", "hci.btsnoop"])
def test_a_capture_replaces_nothing_else(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "hci.btsnoop.1").write_text("mine too")
    with ferry("scan", "--hci", "tcp:127.0.0.1:1", "--capture", tmp_path / name) as scan:
        _, err = scan.communicate(timeout=20)
    assert scan.returncode == 1
    assert "is there already, and is no capture" in err
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("verb", [["scan"], ["advertise", "--name", "x"], ["demo"]])
def test_sigterm_at_any_moment_is_an_orderly_end(verb: list[str], tmp_path: Path) -> None:
    hci = ["--into", tmp_path] if verb == ["demo"] else ["--hci", "virtual"]
    for delay_s in (0.01, 0.2, 0.4):
        with ferry(*verb, *hci) as process:
            while not Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text():
                assert process.poll() is None  # until its virtual controllers start
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(delay_s)
            status, err = end(process, signal.SIGTERM)
        assert status == 130
        assert "Traceback" not in err
