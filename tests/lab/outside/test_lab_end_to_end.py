"""The whole road over simulated air: Bumble as the phone's Bluetooth, wpa_supplicant as its Wi-Fi, a spool.

The phone's Bluetooth runs on the host and meets the guest's hci0 through /dev/vhci. Its group and its server are in the
guest's namespace `go`.
"""

import io
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from stack.alliance.device_info import parse_device_info
from stack.station.demo.controllers import VirtualAir
from tests.lab.guest import Guest, GuestDiedError
from tests.lab.inside.world import PHONE_ADDRESS, USUAL_GROUP
from tests.peers.bumble.phone import SendingPhone

pytestmark = pytest.mark.timeout(900)

PORT = 4711
FERRY = "python3 -m stack.station.cli.main"
WORLD = "python3 -m tests.lab.inside.world"
ALBUM = {"IMG_1.jpg": 300_000, "IMG_2.jpg": 1_200_000, "VID_1.mp4": 4_000_000}
PUT_ALBUM = f"""
import random
from pathlib import Path
album = Path("/tmp/album")
album.mkdir(exist_ok=True)
for name, size in {ALBUM!r}.items():
    (album / name).write_bytes(random.Random(name).randbytes(size))
"""


class Running(threading.Thread):
    """A command in the guest, in the background, with its output."""

    def __init__(self, guest: Guest, command: str) -> None:
        super().__init__(daemon=True)
        self._guest, self._command = guest, command
        self.output = io.BytesIO()
        self.status: int | None = None
        self.start()

    def run(self) -> None:
        with suppress(GuestDiedError):  # whoever takes its power away knows
            self.status = self._guest.run(self._command, output=self.output, complaints=self.output)

    def events(self) -> list[dict[str, Any]]:
        lines = self.output.getvalue().decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_for(self, event: str, limit_s: float = 120) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            for said in self.events():
                if said["event"] == event:
                    return said
            if self.status is not None:
                break
            time.sleep(0.1)
        raise AssertionError(f"{event} never came: {self.output.getvalue().decode()}")


@contextmanager
def bluetooth(guest: Guest) -> Iterator[str]:
    """Give the guest hci0; yield a controller for the phone, in the same air."""
    with VirtualAir(2) as air:
        bridge = Running(guest, f"exec python3 -m tests.lab.inside.vhci {air.hci[0].rpartition(':')[2]}")
        guest.read("while ! [ -e /sys/class/bluetooth/hci0 ]; do sleep 0.1; done", timeout_s=60)
        yield air.hci[1]
    bridge.join(20)


def share(hci: str, port: int = PORT) -> None:
    """Do what the phone does over Bluetooth: find the station, read its key, write the way to the group."""
    with SendingPhone(hci) as phone:
        phone.scan(limit_ms=60_000)
        phone.connect(20_000)
        phone.mtu()
        phone.discover()
        key = parse_device_info(phone.read()).key
        assert key
        offer = {
            "id": "1c5e",
            "ssid": USUAL_GROUP.ssid,
            "psk": USUAL_GROUP.psk,
            "mac": "02:00:00:00:00:00",
            "port": port,
        }
        phone.write(phone.seal(offer, key))
        phone.disconnect()


def sums_of(guest: Guest, folder: str) -> dict[str, str]:
    lines = guest.read(f"cd {folder} && sha256sum *").splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    with Guest(tmp_path / "guest") as guest:
        guest.read(WORLD, timeout_s=120)
        yield guest


def test_from_the_share_sheet_to_the_spool(guest: Guest) -> None:
    guest.read(f"python3 -c '{PUT_ALBUM.replace(chr(39), chr(34))}'")
    phone = Running(guest, f"ip netns exec go {FERRY} send --listen {PHONE_ADDRESS}:{PORT} --json /tmp/album/*")
    phone.wait_for("waiting")
    with bluetooth(guest) as hci:
        station = Running(guest, f"{FERRY} receive --name NAS --into /spool/in --accept all --once --json")
        station.wait_for("visible")
        share(hci)
        done = station.wait_for("done")
        station.join(60)
    phone.join(60)
    assert (done["outcome"], done["stored"], station.status) == ("safe", len(ALBUM), 0)
    assert phone.events()[-1]["outcome"] == "safe"
    assert sums_of(guest, "/spool/in") == sums_of(guest, "/tmp/album")
    assert "ferry" not in guest.read("iw dev; nft list ruleset")


def test_a_power_cut_takes_no_file_that_was_acknowledged(guest: Guest) -> None:
    dice = random.Random(4)
    for _ in range(2):
        guest.read(f"python3 -c '{PUT_ALBUM.replace(chr(39), chr(34))}'")
        phone = Running(guest, f"ip netns exec go {FERRY} send --listen {PHONE_ADDRESS}:{PORT} --json /tmp/album/*")
        phone.wait_for("waiting")
        with bluetooth(guest) as hci:
            station = Running(guest, f"{FERRY} receive --name NAS --into /spool/in --accept all --once --json")
            station.wait_for("visible")
            share(hci)
            station.wait_for("kept")
            time.sleep(dice.uniform(0, 3))
            guest.kill()
        kept = {each["name"]: each["sha256"] for each in station.events() if each["event"] == "kept"}
        guest.start()
        guest.read(WORLD, timeout_s=120)
        found = sums_of(guest, "/spool/in")
        assert kept.items() <= found.items()
        assert "ferry" not in guest.read("iw dev")
