"""The link through Debian's wpa_supplicant, which owns the appliance's radio and is connected to the house."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.inside import world
from tests.lab.inside.ferry import assert_no_trace, failure, ferry_join, finish, until
from tests.lab.inside.station import lease_script
from tests.lab.inside.supplicant import Supplicant
from tests.lab.inside.world import APPLIANCE_WLAN, PHONE_ADDRESS, RUN, USUAL_GROUP, Group, Phone, run, wait_until

GLOBAL = RUN / "owner"
THROUGH = ("--supplicant", str(GLOBAL))
CONFIG = f"""\
ctrl_interface={RUN}/owners
network={{
ssid="{world.HOUSE_SSID}"
psk="{world.HOUSE_PSK}"
key_mgmt=WPA-PSK
scan_freq=2412
}}
"""


class Owner:
    """The wpa_supplicant that has the radio."""

    _LOG = RUN / "owner.log"

    def __init__(self) -> None:
        """Start it."""
        self.start()

    def start(self) -> None:
        """Start it, and wait until it is in the house."""
        config = RUN / "owner.conf"
        config.write_text(CONFIG)
        command = ("-i", APPLIANCE_WLAN, "-c", config, "-g", GLOBAL, "-f", self._LOG)
        self.process = subprocess.Popen(["wpa_supplicant", *command])
        wait_until(GLOBAL.exists, "wpa_supplicant's global control socket")
        wait_until(self.is_in_the_house, "the house")

    def ask(self, request: str) -> str:
        with Supplicant(GLOBAL) as supplicant:
            return supplicant.request(request)

    def is_in_the_house(self) -> bool:
        return "wpa_state=COMPLETED" in self.ask(f"IFNAME={APPLIANCE_WLAN} STATUS")

    def interfaces(self) -> set[str]:
        return set(self.ask("INTERFACES").split())

    def house_losses(self) -> int:
        return self._LOG.read_text().count(f"{APPLIANCE_WLAN}: CTRL-EVENT-DISCONNECTED")

    def kill(self) -> None:
        """End it as nothing should end."""
        self.process.kill()
        self.process.wait(timeout=30)
        GLOBAL.unlink()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=30)


@contextmanager
def owned() -> Iterator[Owner]:
    """Have the radio owned; afterwards it is as the world made it."""
    owner = Owner()
    try:
        yield owner
    finally:
        owner.end()
        run("ip", "link", "set", APPLIANCE_WLAN, "up")


@pytest.fixture(scope="module")
def shared_owner() -> Iterator[Owner]:
    with owned() as owner:
        yield owner


@pytest.fixture
def owner(shared_owner: Owner) -> Iterator[Owner]:
    """The radio's owner. Afterwards it has nothing of ours, and has been in the house all the time."""
    before, losses = shared_owner.interfaces(), shared_owner.house_losses()
    yield shared_owner
    assert_no_trace()
    assert shared_owner.interfaces() == before
    assert shared_owner.is_in_the_house()
    assert shared_owner.house_losses() == losses


def test_there_and_back_without_a_trace(owner: Owner) -> None:
    with ferry_join(USUAL_GROUP, *THROUGH) as join:
        link = until(join, "joined")
        assert (link["peer"], link["frequency_mhz"]) == (PHONE_ADDRESS, USUAL_GROUP.frequency_mhz)
        (ours,) = (each for each in owner.interfaces() if each.startswith("ferry"))
        assert "drop" in run("nft", "list", "table", "inet", "ferry")
        assert "inet6" not in run("ip", "address", "show", ours)
        assert "Power save: off" in run("iw", "dev", ours, "get", "power_save")
        join.send_signal(signal.SIGINT)
        assert finish(join)[0] == 130


def test_a_wrong_passphrase_is_told_apart(owner: Owner) -> None:
    with ferry_join(Group(psk="wrongwrong"), *THROUGH) as join:
        assert failure(join)[:2] == (6, "wrong_passphrase")


def test_a_network_that_is_not_there_is_not_found(owner: Owner) -> None:
    with ferry_join(Group(ssid="DIRECT-no-such"), *THROUGH) as join:
        assert failure(join)[:2] == (5, "not_found")


def test_a_phone_that_walks_away_is_noticed(owner: Owner, phone: Phone) -> None:
    with ferry_join(USUAL_GROUP, *THROUGH) as join:
        until(join, "joined")
        phone.leave_group()
        assert failure(join)[:2] == (6, "lost")


def test_kill_9_leaves_nothing_after_the_next_start(owner: Owner) -> None:
    with ferry_join(USUAL_GROUP, *THROUGH) as join:
        until(join, "joined")
        join.kill()
    assert "ferry0" in owner.interfaces()
    with ferry_join(USUAL_GROUP, *THROUGH, "--hold", "0.1") as join:
        assert finish(join)[0] == 0


@contextmanager
def address_in_the_house() -> Iterator[None]:
    run("busybox", "udhcpc", "-n", "-q", "-f", "-t", "10", "-T", "1", "-i", APPLIANCE_WLAN, "-s", lease_script())
    try:
        yield
    finally:
        run("ip", "address", "flush", "dev", APPLIANCE_WLAN)


def test_the_house_goes_on_while_we_come_and_go(owner: Owner) -> None:
    with address_in_the_house():
        pings = subprocess.Popen(
            ["ping", "-i", "0.05", "-c", "200", "-W", "2", "-I", APPLIANCE_WLAN, world.HOUSE_ADDRESS],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2):
            with ferry_join(USUAL_GROUP, *THROUGH, "--hold", "0.5") as join:
                assert finish(join)[0] == 0
        said, _ = pings.communicate(timeout=120)
    lost = re.search(r"([\d.]+)% packet loss", said)
    assert lost
    assert float(lost[1]) <= 1.0, said


def _switch(*, is_blocked: bool) -> None:
    (switch,) = Path("/sys/class/ieee80211/appliance").glob("rfkill*/soft")
    switch.write_text(str(int(is_blocked)))


@contextmanager
def radio_blocked() -> Iterator[None]:
    _switch(is_blocked=True)
    try:
        yield
    finally:
        _switch(is_blocked=False)


def test_a_radio_that_is_blocked_says_so(shared_owner: Owner) -> None:
    with ferry_join(USUAL_GROUP, *THROUGH) as join:
        until(join, "joined")
        with radio_blocked():
            assert failure(join)[:2] == (6, "radio_off")
            with ferry_join(USUAL_GROUP, *THROUGH) as again:
                assert failure(again)[:2] == (6, "radio_off")
            assert_no_trace()
    run("ip", "link", "set", APPLIANCE_WLAN, "up")  # where nobody hands out /dev/rfkill, wpa_supplicant does not do it
    wait_until(shared_owner.is_in_the_house, "the house, after the radio was blocked")


def test_a_socket_of_one_interface_is_not_taken_for_the_global_one(owner: Owner) -> None:
    with ferry_join(USUAL_GROUP, "--supplicant", str(RUN / "owners" / APPLIANCE_WLAN)) as join:
        status, events = finish(join)
    assert status == 6
    assert "not the global one" in events[-1]["error"]


def test_a_wpa_supplicant_that_dies_ends_the_link_at_once(shared_owner: Owner) -> None:
    with ferry_join(USUAL_GROUP, *THROUGH) as join:
        until(join, "joined")
        shared_owner.kill()
        assert failure(join)[:2] == (6, "supplicant_gone")
    assert_no_trace()
    with ferry_join(USUAL_GROUP, *THROUGH) as join:
        status, events = finish(join)
    assert (status, events[-1]["event"]) == (6, "error")
    assert "-g" in events[-1]["remedy"]
    shared_owner.start()
