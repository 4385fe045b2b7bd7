"""Bluetooth: how fast a phone hands over its link info, and what it costs only to be visible.

Both stations advertise every 100 ms on virtual controllers in one air; the phone is Bumble. The clock runs from the
moment the phone is told to scan until the station has the passphrase in clear.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from stack.alliance.advertisement import for_station
from stack.alliance.device_info import parse_device_info
from stack.alliance.link_info import LinkInfo
from stack.station.demo.controllers import VirtualAir
from tests.bench.measure import BenchError, say
from tests.bench.report import Report, number, table, verdict
from tests.peers.bumble.phone import PhoneError, ReceivingPhone, SendingPhone
from tests.peers.station import Station

_RUNS, _QUICK_RUNS = 20, 2
_IDLE_S, _QUICK_IDLE_S = 60.0, 3.0
_GOAL_MS, _GOAL_SWITCHES = 400.0, 2.0
_OFFER = {"id": "1c5e", "ssid": "DIRECT-a1B2c3D4", "psk": "Zx81Qw7e", "mac": "02:11:22:33:44:55", "port": 43210}
_SHOWN = for_station("Ferry", b"\x1c\x5e")


def bench(report: Report, *, quick: bool) -> None:
    """Measure both."""
    with _all_cores():
        try:
            _introduce(report, _QUICK_RUNS if quick else _RUNS)
            _idle(report, _QUICK_IDLE_S if quick else _IDLE_S)
        except PhoneError as error:
            raise BenchError(str(error)) from None


class _TimedStation(Station):
    """Knows when it had the passphrase."""

    decrypted_ms = 0.0

    def wrote(self, phone: str, link: LinkInfo) -> None:
        self.decrypted_ms = _now_ms()
        super().wrote(phone, link)


def _introduce(report: Report, runs: int) -> None:
    ours: list[float] = []
    theirs: list[float] = []
    for number_of_run in range(runs):
        say(f"bluetooth: exchange {number_of_run + 1} of {runs}")
        ours.append(_exchange_with_ours())
        theirs.append(_exchange_with_bumbles())
    report.add("bluetooth.introduce_ms", median(ours), "ms", reference=median(theirs), runs=ours)
    report.add("bluetooth.introduce_bumble_ms", median(theirs), "ms", runs=theirs)
    table(
        f"phone starts scanning -> link info decrypted, {runs} runs, advertising at 100 ms",
        ("station", "median ms", "fastest", "slowest"),
        [
            ("Ferry", verdict(median(ours), _GOAL_MS, 0), number(min(ours), 0), number(max(ours), 0)),
            ("Bumble's GATT server", number(median(theirs), 0), number(min(theirs), 0), number(max(theirs), 0)),
        ],
    )


def _exchange_with_ours() -> float:
    with VirtualAir(legacy_tcp=2) as air, _TimedStation(air.hci[0], _SHOWN) as station:
        with SendingPhone(air.hci[1]) as phone:
            began_ms = _share(phone)
            station.expect("connected", "read", "wrote")
        return station.decrypted_ms - began_ms


def _exchange_with_bumbles() -> float:
    advertised = _SHOWN.advertising_data(), _SHOWN.scan_response()
    with VirtualAir(legacy_tcp=2) as air, ReceivingPhone(air.hci[0], *advertised) as station:
        with SendingPhone(air.hci[1]) as phone:
            began_ms = _share(phone)
            written = station.expect("written")
        return float(written["at_ms"]) - began_ms


def _share(phone: SendingPhone) -> float:
    """Do what a phone does when its user taps on the station; return when it began."""
    began_ms = _now_ms()
    phone.scan()
    phone.connect()
    phone.mtu()
    phone.discover()
    key = parse_device_info(phone.read()).key
    assert key
    phone.write(phone.seal(_OFFER, key))
    return began_ms


def _idle(report: Report, seconds: float) -> None:
    say(f"bluetooth: watching two idle stations for {seconds:.0f} s")
    command = [sys.executable, "-m", "stack.station.cli.main", "advertise", "--name", "Ferry", "--json", "--hci"]
    advertised = _SHOWN.advertising_data(), _SHOWN.scan_response()
    with VirtualAir(2) as air, ReceivingPhone(air.hci[1], *advertised) as reference:
        ours = subprocess.Popen([*command, air.hci[0]], stdout=subprocess.PIPE)
        try:
            assert ours.stdout
            assert json.loads(ours.stdout.readline())["event"] == "visible"
            counts = _switches(seconds, ours.pid, reference.pid)
        finally:
            ours.terminate()
            ours.communicate()
    per_minute = [count * 60 / seconds for count in counts]
    report.add("bluetooth.idle_switches_per_min", per_minute[0], "1/min", reference=per_minute[1])
    table(
        f"only visible, {seconds:.0f} s",
        ("station", "voluntary context switches a minute"),
        [("Ferry", verdict(per_minute[0], _GOAL_SWITCHES, 1)), ("Bumble's GATT server", number(per_minute[1], 1))],
    )


def _switches(seconds: float, *pids: int) -> list[int]:
    """Count the voluntary context switches of processes, all their threads included, over a while."""
    time.sleep(min(1.0, seconds))  # whatever start-up left to do
    before = [_voluntary(pid) for pid in pids]
    time.sleep(seconds)
    return [_voluntary(pid) - count for pid, count in zip(pids, before, strict=True)]


def _voluntary(pid: int) -> int:
    threads = Path(f"/proc/{pid}/task").glob("*/status")
    counts = (re.search(r"^voluntary_ctxt_switches:\s*(\d+)", each.read_text(), re.MULTILINE) for each in threads)
    return sum(int(count[1]) for count in counts if count)


@contextmanager
def _all_cores() -> Iterator[None]:
    """Four processes take part: let them run where they like."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _now_ms() -> float:
    return time.monotonic_ns() / 1e6
