"""The link when addresses are late, odd or missing, when the radio is switched off, and when others interfere."""

import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from board import aio
from drivers.netlink.channel import GENERIC, Netlink
from drivers.netlink.generic import family
from tests.lab.inside.access_point import GROUP, AccessPoint, access_point
from tests.lab.inside.ferry import Join, assert_no_trace, failure, ferry_join, finish, until
from tests.lab.inside.supplicant import Supplicant
from tests.lab.inside.world import (
    APPLIANCE_WLAN,
    PHONE_ADDRESS,
    RUN,
    run,
    serve_dhcp,
    wait_until,
)


def test_a_late_dhcp_server_is_in_time() -> None:
    with access_point(address=None) as phone, ferry_join(GROUP, "--hold", "0.1") as join:
        with phone.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, phone.interface.encode())
            deaf.bind(("", 67))
            deaf.settimeout(30)
            asked = [deaf.recv(2000) for _ in range(3)]  # the third comes after 0.9 s
        assert len({message[4:8] for message in asked}) == 1, "one transaction"
        serve_dhcp(phone.namespace, phone.interface, PHONE_ADDRESS)
        until(join, "joined")
        assert finish(join)[0] == 0
    assert_no_trace()


def test_without_a_dhcp_server_we_choose_an_address() -> None:
    with access_point(address=None) as phone, ferry_join(GROUP, "--hold", "0.1") as join:
        run("ip", "-n", phone.namespace, "address", "add", f"{PHONE_ADDRESS}/24", "dev", phone.interface)
        link = until(join, "joined")
        assert finish(join)[0] == 0
    assert link["local"].startswith("192.168.49.")
    assert link["peer"] == PHONE_ADDRESS
    assert_no_trace()


def test_without_anybody_there_is_no_address() -> None:
    with access_point(address=None), ferry_join(GROUP) as join:
        status, reason, sentence = failure(join)
    assert (status, reason) == (6, "no_address")
    assert "gives no address: nobody answers at 192.168.49.1" in sentence
    assert_no_trace()


def test_dnsmasq_gives_an_address() -> None:
    with access_point(address=None) as phone:
        run("ip", "-n", phone.namespace, "address", "add", f"{PHONE_ADDRESS}/24", "dev", phone.interface)
        with _dnsmasq(phone), ferry_join(GROUP, "--hold", "0.1") as join:
            link = until(join, "joined")
            assert finish(join)[0] == 0
        assert link["local"] in (RUN / "dnsmasq.leases").read_text()
    assert_no_trace()


@contextmanager
def _dnsmasq(phone: AccessPoint) -> Iterator[None]:
    """As old phones have it: it looks with a ping whether an address is free before it offers it."""
    command = (
        *("ip", "netns", "exec", phone.namespace, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"),
        *("--port=0", f"--interface={phone.interface}", "--bind-interfaces", "--user=root", "--pid-file"),
        *("--dhcp-range=192.168.49.50,192.168.49.99,255.255.255.0", f"--dhcp-leasefile={RUN / 'dnsmasq.leases'}"),
    )
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("server", "first", "mask"),
    [
        ("8.8.8.1", "8.8.8.50", "255.255.255.0"),
        (PHONE_ADDRESS, "10.9.9.50", "255.255.255.0"),
        (PHONE_ADDRESS, "192.168.49.50", "255.0.255.0"),
    ],
    ids=["somebody else's", "of another network", "with a mask that is none"],
)
def test_an_address_that_cannot_be_is_not_taken(server: str, first: str, mask: str) -> None:
    with access_point(address=None) as phone:
        run("ip", "-n", phone.namespace, "address", "add", f"{server}/24", "dev", phone.interface)
        with _udhcpd(phone, first, mask), ferry_join(GROUP) as join:
            status, reason, sentence = failure(join)
    assert (status, reason) == (6, "bad_address")
    assert "gives an address that cannot be" in sentence
    assert_no_trace()


@contextmanager
def _udhcpd(phone: AccessPoint, first: str, mask: str) -> Iterator[None]:
    leases, config = RUN / "bad.leases", RUN / "bad.dhcp.conf"
    leases.touch()
    end = first.rpartition(".")[0] + ".99"
    config.write_text(
        f"interface {phone.interface}\nstart {first}\nend {end}\noption subnet {mask}\nlease_file {leases}\n"
        f"pidfile {RUN / 'bad.dhcp.pid'}\n"
    )
    command = ("ip", "netns", "exec", phone.namespace, "busybox", "udhcpd", "-f", config)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture
def rfkill() -> Iterator[Path]:
    """The soft switch of the appliance's radio, where 1 is off; afterwards all is on."""
    (soft,) = Path("/sys/class/ieee80211/appliance").glob("rfkill*/soft")
    yield soft
    soft.write_text("0")
    run("ip", "link", "set", APPLIANCE_WLAN, "up")


def test_a_radio_that_is_switched_off(rfkill: Path) -> None:
    rfkill.write_text("1")
    with ferry_join(GROUP) as join:
        assert failure(join) == (6, "radio_off", "The Wi-Fi radio is switched off. Run: rfkill unblock wifi.")
    assert_no_trace()


@pytest.mark.parametrize("while_it_is", ["scanning", "up"])
def test_a_radio_that_gets_switched_off(rfkill: Path, while_it_is: str) -> None:
    with ExitStack() as stack:
        join = stack.enter_context(ferry_join(GROUP))
        if while_it_is == "up":
            stack.enter_context(access_point())
            until(join, "joined")
        else:
            until(join, "state", state=while_it_is)
        rfkill.write_text("1")
        assert failure(join) == (6, "radio_off", "The Wi-Fi radio is switched off. Run: rfkill unblock wifi.")
    assert_no_trace()


def test_a_second_ferry_is_told_and_harms_nothing() -> None:
    with access_point(), ferry_join(GROUP) as first:
        until(first, "joined")
        there = run("iw", "dev"), run("nft", "list", "ruleset"), run("ip", "-4", "address")
        with ferry_join(GROUP) as second:
            status, events = finish(second)
        assert (status, [each["event"] for each in events]) == (6, ["error"])
        assert events[0]["error"] == "Another Ferry uses the Wi-Fi radio."
        assert events[0]["remedy"]
        assert there == (run("iw", "dev"), run("nft", "list", "ruleset"), run("ip", "-4", "address"))
        first.send_signal(signal.SIGINT)
        assert finish(first)[0] == 130
    assert_no_trace()


_THE_GROUP = f'network={{\nssid="{GROUP.ssid}"\npsk="{GROUP.psk}"\n}}\n'


def test_a_wpa_supplicant_that_only_takes_our_interface_does_no_harm() -> None:
    """As NetworkManager has it with every interface that comes."""
    with access_point(), _idle_supplicant() as control, ferry_join(GROUP, "--hold", "1") as join:
        until(join, "state", state="scanning")
        _grab(control, "# no network\n")
        assert finish(join)[0] == 0
    assert_no_trace()


@pytest.mark.parametrize("moment", ["scanning", "addressing"])
def test_a_wpa_supplicant_that_joins_the_group_with_our_interface(moment: str) -> None:
    with access_point(), _idle_supplicant() as control, ferry_join(GROUP, "--hold", "1") as join:
        until(join, "state", state=moment)
        _grab(control, _THE_GROUP)
        status, events = finish(join)
    assert (status, events[-1]["event"]) in ((0, "left"), (6, "failed"))
    assert_no_trace()


def _grab(control: Path, networks: str) -> None:
    (name,) = [each.name for each in Path("/sys/class/net").iterdir() if each.name.startswith("ferry")]
    config = RUN / "grab.conf"
    config.write_text(networks)
    with Supplicant(control) as supplicant:
        supplicant.request(f"INTERFACE_ADD {name}\t{config}")


@contextmanager
def _idle_supplicant() -> Iterator[Path]:
    """A wpa_supplicant without an interface."""
    control = RUN / "grab"
    with subprocess.Popen(["wpa_supplicant", "-g", control, "-f", RUN / "grab.log"]) as process:
        try:
            wait_until(control.exists, "wpa_supplicant's control socket")
            yield control
        finally:
            process.terminate()


@pytest.mark.parametrize("moment", ["scanning", "joining", "handshaking", "addressing", "up"])
def test_events_that_are_lost(moment: str) -> None:
    with access_point(), ferry_join(GROUP, "--hold", "0.5") as join:
        if moment == "up":
            until(join, "joined")
        else:
            until(join, "state", state=moment)
        _overrun(join)
        assert finish(join)[0] == 0
    assert_no_trace()


def _overrun(join: Join) -> None:
    """Hold a process while more comes to its socket for nl80211's events than it takes."""
    group = aio.run(_config_group())
    join.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: _state_of(join) == "T", "the stop")
        junk = struct.pack("=IHHII", 16, 1, 0, 0, 0) + bytes(60_000)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, GENERIC) as flood:
            flood.bind((0, 0))
            while not _dropped(join):
                flood.sendto(junk, (0, 1 << group - 1))
    finally:
        join.send_signal(signal.SIGCONT)


async def _config_group() -> int:
    netlink = Netlink(GENERIC)
    netlink.start()
    try:
        return (await family(netlink, "nl80211")).groups["config"]
    finally:
        netlink.close()


def _state_of(process: Join) -> str:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0]


def _dropped(process: Join) -> bool:
    """Whether the kernel has dropped messages to a generic netlink socket of the process (its port is its PID)."""
    rows = [line.split() for line in Path("/proc/net/netlink").read_text().splitlines()[1:]]
    return any(int(row[8]) for row in rows if (int(row[1]), int(row[2])) == (GENERIC, process.pid))
