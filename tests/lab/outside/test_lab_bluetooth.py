"""Bluetooth against the real kernel and the real BlueZ daemon. Bumble plays the phones, on the host.

The guest's hci0 is a virtual controller of the host's, in one air with the phones'.
"""

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import pytest

from stack.alliance.advertisement import Advertisement
from stack.alliance.device_info import parse_device_info
from stack.station.demo.controllers import VirtualAir
from tests.lab.guest import Guest, GuestDiedError
from tests.lab.inside.introduce import LINK
from tests.peers.bumble.phone import ReceivingPhone, SendingPhone

pytestmark = pytest.mark.timeout(900)  # the first run builds the guest

FERRY = "python3 -m stack.station.cli.main"
AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"
OFFER = {"id": "1c5e", "ssid": "DIRECT-ab", "psk": "radiolab123", "mac": "02:00:00:00:00:00", "port": 4711}
_LIVES_S = 900  # the bridge of hci0 lives as long as the module
RECEIVER = Advertisement("Redmi Note 9", bytes.fromhex("1c5e0000000000000000000000001c5e"), 30)
SWITCHED_OFF = (
    "There is no Bluetooth to be had from BlueZ: No powered Bluetooth adapters found. Turn on Bluetooth and try again."
)


class Command(threading.Thread):
    """A command in the guest for the time of a `with` block, ended by SIGTERM. It says JSON objects, one a line."""

    def __init__(self, guest: Guest, command: str) -> None:
        super().__init__(daemon=True)
        self._guest, self._command = guest, command
        self.output, self.complaints = io.BytesIO(), io.BytesIO()
        self.status: int | None = None

    def run(self) -> None:
        with suppress(GuestDiedError):  # who asks next is told
            line = f'echo "{{\\"event\\": \\"pid\\", \\"pid\\": $$}}"; exec {self._command}'
            self.status = self._guest.run(line, timeout_s=_LIVES_S, output=self.output, complaints=self.complaints)

    def __enter__(self) -> Self:
        self.start()
        self.pid = int(self.wait_for("pid")["pid"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self, signal: str = "TERM") -> int | None:
        """Send it a signal if it still runs, and return its status."""
        if self.is_alive():
            self._guest.run(f"kill -{signal} {self.pid}", complaints=io.BytesIO())
        self.join(60)
        return self.status

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = self.output.getvalue().decode().split("\n")[:-1]
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return [each for each in said if each["event"] == name]

    def wait_for(self, name: str, count: int = 1, limit_s: float = 90) -> dict[str, Any]:
        """Return the event of this name that comes as the `count`-th."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            ended = not self.is_alive()
            if len(events := self.events(name)) >= count:
                return events[count - 1]
            if ended:
                break
            time.sleep(0.1)
        raise AssertionError(f"no {name}: {self.output.getvalue()!r} {self.complaints.getvalue().decode()}")

    def result(self) -> tuple[int | None, list[dict[str, Any]]]:
        """Wait for its own end; return its status and the errors that it reports."""
        self.join(120)
        return self.status, self.events("error")


def ferry(guest: Guest, arguments: str, prefix: str = "") -> Command:
    return Command(guest, f"{prefix} {FERRY} {arguments} --json")


@contextmanager
def plugged(guest: Guest, hci: str, index: int) -> Iterator[Command]:
    """Make hci`index` of a controller of the host's."""
    with Command(guest, f"python3 -m tests.lab.inside.vhci {hci.rpartition(':')[2]}") as bridge:
        there = f"[ -e /sys/class/bluetooth/hci{index} ]"
        guest.read(f"for i in $(seq 300); do {there} && exit 0; sleep 0.1; done; exit 1")
        yield bridge
    guest.read(f"for i in $(seq 300); do {there} || exit 0; sleep 0.1; done; exit 1")


@contextmanager
def bluetoothd(guest: Guest) -> Iterator[int]:
    """Run BlueZ's daemon and its bus; yield the daemon's pid once it has switched the adapter on."""
    with Command(guest, "python3 -m tests.lab.inside.bluez") as daemons:
        pid = int(daemons.wait_for("ready")["bluetoothd"])
        powered(guest, "yes")
        yield pid
    assert daemons.status == 0


def powered(guest: Guest, answer: str) -> None:
    """Wait until the daemon says of the adapter that it is on, or off."""
    asked = f"bluetoothctl show | grep -q 'Powered: {answer}'"
    guest.read(f"for i in $(seq 60); do {asked} && exit 0; sleep 0.2; done; exit 1")


@contextmanager
def blocked(guest: Guest) -> Iterator[None]:
    """Switch hci0 off as `rfkill block` does."""
    switch = "/sys/class/bluetooth/hci0/rfkill*/soft"
    guest.read(f"echo 1 | tee {switch}")
    try:
        yield
    finally:
        guest.read(f"echo 0 | tee {switch}")


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with Guest(tmp_path_factory.mktemp("guest")) as guest:
        guest.read("modprobe hci_vhci")
        yield guest


@pytest.fixture(scope="module")
def air(guest: Guest) -> Iterator[list[str]]:
    """Three controllers: the guest's hci0, one that is free, the phone's."""
    with VirtualAir(3) as air, plugged(guest, air.hci[0], 0):
        yield air.hci


@pytest.fixture(scope="module")
def receiver(air: list[str]) -> Iterator[ReceivingPhone]:
    """A phone that receives."""
    with ReceivingPhone(air[2], RECEIVER.advertising_data(), RECEIVER.scan_response()) as phone:
        yield phone


def share(hci: str) -> None:
    """Do what a phone does with the station."""
    with SendingPhone(hci) as phone:
        phone.scan(limit_ms=60_000)
        phone.connect(20_000)
        phone.mtu()
        phone.discover()
        key = parse_device_info(phone.read()).key
        assert key
        phone.write(phone.seal(OFFER, key))
        phone.disconnect()


def test_a_phone_finds_the_station_and_writes_its_way(guest: Guest, air: list[str]) -> None:
    with ferry(guest, "advertise --name NAS --hci user:0") as station:
        assert station.wait_for("visible")["name"] == "NAS"
        share(air[1])
        station.wait_for("disconnected")
        assert station.end("INT") == 130
    assert station.events("connected")
    assert station.events("read")
    (wrote,) = station.events("wrote")
    assert (wrote["ssid"], wrote["psk"], wrote["port"]) == (OFFER["ssid"], OFFER["psk"], OFFER["port"])
    assert not station.events("trouble")
    assert station.complaints.getvalue() == b""


def test_an_adapter_that_vanishes_is_used_again_when_it_is_back(guest: Guest, air: list[str]) -> None:
    with plugged(guest, air[1], 1) as bridge, ferry(guest, "advertise --name NAS --hci user:1") as station:
        first = station.wait_for("visible")
        assert bridge.end() is not None
        trouble = station.wait_for("trouble")
        with plugged(guest, air[1], 1):
            assert station.wait_for("visible", count=2) == first
            assert station.end() == 130
    assert (len(station.events("trouble")), trouble["pause_ms"]) == (1, 1000)
    assert trouble["error"].startswith("The Bluetooth controller at hci1 has gone away")


def test_refusals_without_bluetoothd(guest: Guest, air: list[str]) -> None:
    with (
        ferry(guest, "scan --hci user:9") as absent,
        ferry(guest, "advertise --name NAS", AS_NOBODY) as nobody,
        ferry(guest, "scan --hci bluez") as busless,
    ):
        ends = [each.result() for each in (absent, nobody, busless)]
    assert [status for status, _ in ends] == [6, 6, 6]
    assert [errors[0]["error"] for _, errors in ends] == [
        "There is no Bluetooth adapter hci9.",
        "Ferry may not use the Bluetooth adapter hci0.",
        "BlueZ cannot be reached: there is no D-Bus",
    ]


def test_an_adapter_that_is_switched_off(guest: Guest, air: list[str]) -> None:
    with blocked(guest), ferry(guest, "advertise --name NAS") as station:
        status, errors = station.result()
    assert status == 6
    assert [(each["error"], each["remedy"]) for each in errors] == [
        ("The Bluetooth adapter hci0 is switched off.", "Run: rfkill unblock bluetooth.")
    ]


def test_our_own_stack_hears_a_phone_over_the_user_channel(
    guest: Guest, air: list[str], receiver: ReceivingPhone
) -> None:
    with ferry(guest, "scan --hci user:0 --seconds 5") as scan:
        assert scan.result() == (0, [])
    (device,) = scan.events("device")
    assert (device["name"], device["address"]) == ("Redmi Note 9", receiver.address)


def test_beside_bluetoothd_the_search_goes_through_it(guest: Guest, air: list[str], receiver: ReceivingPhone) -> None:
    with bluetoothd(guest) as pid:
        with ferry(guest, "scan --seconds 5") as scan, ferry(guest, "advertise --name NAS --hci user:0") as station:
            assert scan.result() == (0, [])
            status, errors = station.result()
        (device,) = scan.events("device")
        assert (device["name"], device["brand"], device["address"]) == ("Redmi Note 9", "Xiaomi", receiver.address)
        assert b"the search goes through it (--hci bluez)" in scan.complaints.getvalue()
        assert status == 6
        assert errors[0]["error"] == f"The Bluetooth adapter hci0 is in use by bluetoothd (process {pid})."
        with Command(guest, "python3 -m tests.lab.inside.introduce") as introduction:
            assert introduction.wait_for("introduced")["address"] == receiver.address
        receiver.expect("read")
        fields = receiver.expect("written")["fields"]
        assert (fields["ssid"], fields["psk"], fields["port"]) == (LINK.ssid, LINK.psk, LINK.port)
        with blocked(guest):
            powered(guest, "no")
            with ferry(guest, "scan") as scan:
                status, errors = scan.result()
        assert (status, errors[0]["error"]) == (6, SWITCHED_OFF)


def test_a_bus_that_bluetoothd_has_left(guest: Guest, air: list[str]) -> None:
    with bluetoothd(guest) as pid:
        guest.read(f"kill {pid}")
        with ferry(guest, "scan --hci bluez") as scan:
            status, errors = scan.result()
    assert (status, errors[0]["error"]) == (6, "BlueZ cannot be reached: bluetoothd does not run")
