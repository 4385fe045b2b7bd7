"""The ground that the other lab tests stand on: radios, a house, a phone, lines, a disk, Bluetooth, MicroPython."""

import importlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.lab.inside import world
from tests.lab.inside.gpio_chip import PINS
from tests.lab.inside.hwsim import Hwsim, InterfaceType, Radio
from tests.lab.inside.station import joined
from tests.lab.inside.world import Group, Phone, run

HOUSE_MHZ = 2412


def ping(address: str, interface: str) -> None:
    """Get an answer from `address` through `interface`."""
    run("ping", "-c", "1", "-W", "5", "-I", interface, address)


# The radios


def test_a_client_joins_the_house_and_leases_an_address() -> None:
    with joined(world.HOUSE_SSID, world.HOUSE_PSK, HOUSE_MHZ) as interface:
        ping(world.HOUSE_ADDRESS, interface)


def test_a_client_joins_the_phones_group_while_it_stays_in_the_house() -> None:
    group = world.USUAL_GROUP
    with (
        joined(world.HOUSE_SSID, world.HOUSE_PSK, HOUSE_MHZ) as at_home,
        joined(group.ssid, group.psk, group.frequency_mhz) as at_phone,
    ):
        ping(world.PHONE_ADDRESS, at_phone)
        ping(world.HOUSE_ADDRESS, at_home)


def test_the_phones_group_has_the_name_that_a_test_gives_it(phone: Phone) -> None:
    group = Group("DIRECT-Zz-ünï 相册", "another1 secret", 2462)
    phone.host_group(group)
    with joined(group.ssid, group.psk, group.frequency_mhz) as interface:
        ping(world.PHONE_ADDRESS, interface)


def test_a_phone_walks_away(phone: Phone) -> None:
    phone.leave_group()
    assert "P2P-GO" not in run("iw", "dev", namespace=world.PHONE_NAMESPACE)


@pytest.mark.parametrize(("alpha2", "frequency_mhz"), [("DE", 5180), ("US", 5220), ("US", 5745)])
def test_a_phone_owns_a_group_on_5_ghz_where_the_country_allows_it(
    alpha2: str, frequency_mhz: int, country: None, phone: Phone
) -> None:
    world.set_country(alpha2)
    group = Group(frequency_mhz=frequency_mhz)
    phone.host_group(group)
    with joined(group.ssid, group.psk, frequency_mhz) as interface:
        ping(world.PHONE_ADDRESS, interface)


def test_a_radio_is_made_to_measure() -> None:
    types = frozenset({InterfaceType.STATION, InterfaceType.P2P_CLIENT})
    with Hwsim() as hwsim:
        number = hwsim.make(Radio("measured", "02:00:00:00:09:00", channels=3, types=types))
        try:
            said = run("iw", "phy", "measured", "info")
            with joined(world.HOUSE_SSID, world.HOUSE_PSK, HOUSE_MHZ, radio="measured") as interface:
                ping(world.HOUSE_ADDRESS, interface)
        finally:
            hwsim.remove(number)
    assert re.search(r"#\{ managed, P2P-client \} <= \d+,\s+total <= \d+, #channels <= 3", said)
    assert "measured" not in os.listdir("/sys/class/ieee80211")


# Lines


def test_a_line_shows_its_edges() -> None:
    command = ["gpiomon", "--format=%E", "--edges=both", "--num-events=2", "--chip=gpiochip0", "--banner", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as monitor:
        assert monitor.stdout
        assert "monitoring" in monitor.stdout.readline().lower()
        (PINS / "in3").write_text("0")
        assert monitor.stdout.readline() == "falling\n"
        (PINS / "in3").write_text("1")
        assert monitor.stdout.readline() == "rising\n"


def test_a_driven_line_shows_outside() -> None:
    run("gpioset", "--chip=gpiochip0", "--toggle=20ms,0", "5=active")
    assert (PINS / "out5").read_text() == "0"


# Everything else


def test_the_spool_has_a_disk_of_its_own() -> None:
    assert re.search(r"^/dev/vdb /spool ext4 rw", Path("/proc/mounts").read_text(), re.MULTILINE)


def test_the_checkout_is_here_and_cannot_be_written() -> None:
    assert Path("/host/pyproject.toml").samefile("pyproject.toml")
    with pytest.raises(OSError, match="Read-only"):
        Path("/host/written").touch()


@pytest.mark.parametrize("module", ["nf_tables", "cifs", "overlay", "mac80211_hwsim", "hci_vhci", "softdog"])
def test_the_kernel_has(module: str) -> None:
    run("modprobe", module)
    assert re.search(rf"^{module} ", Path("/proc/modules").read_text(), re.MULTILINE)


def test_the_kernel_filters_an_interface_of_its_own() -> None:
    rules = """
        table inet ground {
            chain in {
                type filter hook input priority 0; policy accept;
                iifname "none0" ct state established,related accept
                iifname "none0" tcp dport 4711 ct state new counter accept
                iifname "none0" limit rate 1/second log
                iifname "none0" reject with icmpx admin-prohibited
            }
        }
    """
    Path("/tmp/ground.nft").write_text(rules)
    run("nft", "-f", "/tmp/ground.nft")
    try:
        assert "ct state established,related accept" in run("nft", "list", "table", "inet", "ground")
    finally:
        run("nft", "delete", "table", "inet", "ground")


def test_bluetooth_controllers_can_be_plugged_in() -> None:
    os.close(os.open("/dev/vhci", os.O_RDWR))


def test_micropython_runs_programs() -> None:
    assert run("micropython", "-c", "import asyncio, sys; print(sys.implementation.name)") == "micropython\n"


@pytest.mark.parametrize("module", ["bleak", "cryptography.x509", "h11", "PIL.Image", "serial", "wsproto", "zlib_ng"])
def test_python_has_what_ferry_is_locked_to(module: str) -> None:
    assert importlib.import_module(module)


def test_the_kernel_complains_of_nothing() -> None:
    assert not re.findall(r"BUG: .*|WARNING: .*|Oops.*|rcu: INFO.*", run("dmesg"))
