"""Wireshark reads our captures: tshark names the packets and their direction."""

import shutil
import subprocess
from pathlib import Path

import pytest

from drivers.hci.snoop import Snoop

SECOND_US = 1_000_000
NOON_US = 1_767_268_800 * SECOND_US  # 2026-01-01T12:00:00Z
SAID = [
    ("sent", "01030c00", "Sent Reset"),
    ("received", "040e0401030c00", "Rcvd Command Complete (Reset)"),
    ("sent", "0106200f 2000 2000 00 01 00 000000000000 07 00", "Sent LE Set Advertising Parameters"),
    ("received", "040e0401062000", "Rcvd Command Complete (LE Set Advertising Parameters)"),
    ("received", "043e13 01 00 4000 01 01 665544332211 1800 0000 4800 00", "Rcvd LE Meta (LE Connection Complete)"),
    ("sent", "0240000700 0300 0400 021700", "Sent Exchange MTU Request, Client Rx MTU: 23"),
    ("received", "0240200700 0300 0400 034000", "Rcvd Exchange MTU Response, Server Rx MTU: 64"),
]


@pytest.fixture
def tshark() -> str:
    found = shutil.which("tshark")
    if found is None:
        pytest.skip("needs tshark: apt-get install tshark")
    return found


def test_tshark_reads_a_capture(tshark: str, tmp_path: Path) -> None:
    seconds = iter(range(len(SAID)))
    capture = Snoop(tmp_path / "capture.btsnoop", 1 << 20, lambda: NOON_US + next(seconds) * SECOND_US)
    for direction, packet, _ in SAID:
        (capture.sent if direction == "sent" else capture.received)(bytes.fromhex(packet))
    capture.close()
    command = [tshark, "-n", "-r", "capture.btsnoop", "-T", "fields"]
    for name in ("frame.time_epoch", "hci_h4.direction", "_ws.col.Info"):
        command += ["-e", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=50)
    read = [line.split("\t") for line in done.stdout.splitlines()]
    assert [float(time) for time, _, _ in read] == [NOON_US // SECOND_US + number for number in range(len(SAID))]
    assert [int(direction, 0) for _, direction, _ in read] == [int(each[0] == "received") for each in SAID]
    assert [info for _, _, info in read] == [each[2] for each in SAID]
