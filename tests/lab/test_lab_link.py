"""The link manager on a real kernel, with wpa_supplicant as the phone's group owner: there, back, and bad days."""

import random
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.lab.inside import world
from tests.lab.inside.ferry import assert_no_trace, ferry_join, finish, until
from tests.lab.inside.station import joined
from tests.lab.inside.world import PHONE_ADDRESS, PHONE_NAMESPACE, USUAL_GROUP, Group, Phone, run, wait_until

PORT = 4711
HOUSE_MHZ = 2412


def test_there_and_back_without_a_trace() -> None:
    with ferry_join(USUAL_GROUP, "--hold", "1") as join:
        link = until(join, "joined")
        assert link["peer"] == PHONE_ADDRESS
        assert link["frequency_mhz"] == USUAL_GROUP.frequency_mhz
        assert re.search(r"Interface ferry\d", run("iw", "dev"))
        status, events = finish(join)
    assert (status, events[-1]["event"]) == (0, "left")
    assert_no_trace()


def test_ctrl_c_leaves_without_a_trace() -> None:
    with ferry_join(USUAL_GROUP) as join:
        until(join, "joined")
        join.send_signal(signal.SIGINT)
        assert finish(join)[0] == 130
    assert_no_trace()


@pytest.mark.parametrize("frequency_mhz", [2412, 2462])
def test_the_group_is_found_on_other_channels(frequency_mhz: int, phone: Phone) -> None:
    group = Group(frequency_mhz=frequency_mhz)
    phone.host_group(group)
    with ferry_join(group, "--hold", "0.1") as join:
        assert until(join, "joined")["frequency_mhz"] == frequency_mhz


@pytest.mark.parametrize(("alpha2", "frequency_mhz"), [("DE", 5180), ("US", 5745)])
def test_the_group_is_found_on_5_ghz(alpha2: str, frequency_mhz: int, country: None, phone: Phone) -> None:
    world.set_country(alpha2)
    group = Group(frequency_mhz=frequency_mhz)
    phone.host_group(group)
    with ferry_join(group, "--hold", "0.1") as join:
        assert until(join, "joined")["frequency_mhz"] == frequency_mhz


def test_a_wrong_passphrase_is_told_apart() -> None:
    with ferry_join(Group(psk="wrongwrong")) as join:
        status, events = finish(join)
    assert status == 6
    assert next(each for each in events if each["event"] == "failed")["reason"] == "wrong_passphrase"
    assert_no_trace()


def test_a_network_that_is_not_there_is_not_found() -> None:
    with ferry_join(Group(ssid="DIRECT-no-such")) as join:
        status, events = finish(join)
    assert status == 5
    assert events[-1]["reason"] == "not_found"
    assert_no_trace()


def test_a_phone_that_walks_away_is_noticed(phone: Phone) -> None:
    with ferry_join(USUAL_GROUP) as join:
        until(join, "joined")
        phone.leave_group()
        status, events = finish(join)
    assert (status, events[-1]["reason"]) == (6, "lost")
    assert_no_trace()


def test_an_interface_that_is_taken_away_is_noticed() -> None:
    with ferry_join(USUAL_GROUP) as join:
        until(join, "joined")
        name = re.search(r"Interface (ferry\d+)", run("iw", "dev"))
        assert name
        run("iw", "dev", name[1], "del")
        assert finish(join)[0] == 6
    assert_no_trace()


def test_kill_9_at_any_moment_leaves_nothing_after_the_next_start() -> None:
    dice = random.Random(4)
    for _ in range(6):
        with ferry_join(USUAL_GROUP) as join:
            until(join, "state")
            time.sleep(dice.uniform(0, 2.5))
            join.kill()
        wait_until(lambda: "ferry" not in run("iw", "dev"), "the end of the interface, whose owner is dead")
    with ferry_join(USUAL_GROUP, "--hold", "0.1") as join:
        assert finish(join)[0] == 0
    assert_no_trace()


def test_the_house_goes_on_while_we_come_and_go() -> None:
    with joined(world.HOUSE_SSID, world.HOUSE_PSK, HOUSE_MHZ) as home:
        pings = subprocess.Popen(
            ["ping", "-i", "0.05", "-c", "400", "-W", "2", "-I", home, world.HOUSE_ADDRESS],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3):
            with ferry_join(USUAL_GROUP, "--hold", "0.5") as join:
                assert finish(join)[0] == 0
        said, _ = pings.communicate(timeout=120)
    lost = re.search(r"([\d.]+)% packet loss", said)
    assert lost
    assert float(lost[1]) <= 1.0, said


def in_phone(program: str) -> "subprocess.Popen[str]":
    """Run a Python program in the phone's namespace."""
    command = ["ip", "netns", "exec", PHONE_NAMESPACE, sys.executable, "-c", program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


LISTEN = f"""
import socket
server = socket.create_server(("{PHONE_ADDRESS}", {{port}}))
print("ready", flush=True)
peer, _ = server.accept()
peer.sendall(b"hello")
peer.close()
"""
CONNECT = """
import socket
try:
    socket.create_connection(("{address}", {port}), 3).close()
    print("open")
except OSError as error:
    print(type(error).__name__)
"""


def test_only_the_flow_passes() -> None:
    foreign = socket.create_server(("0.0.0.0", 8022))
    with foreign, ferry_join(USUAL_GROUP, "--port", str(PORT)) as join:
        ours = until(join, "joined")["local"]
        with in_phone(LISTEN.format(port=PORT)) as server, in_phone(LISTEN.format(port=PORT + 1)) as other:
            assert server.stdout
            assert other.stdout
            assert server.stdout.readline() == other.stdout.readline() == "ready\n"
            with socket.create_connection((PHONE_ADDRESS, PORT), 5) as flow:
                assert flow.recv(5) == b"hello"
            with pytest.raises(OSError, match=r"timed out|ermitted|reach"):
                socket.create_connection((PHONE_ADDRESS, PORT + 1), 2)
            other.kill()
        with in_phone(CONNECT.format(address=ours, port=8022)) as intruder:
            assert intruder.communicate(timeout=30)[0].strip() in ("TimeoutError", "timeout")
        with pytest.raises(RuntimeError):
            run("ping", "-c", "1", "-W", "1", ours, namespace=PHONE_NAMESPACE)


def test_fifty_times_without_a_leak() -> None:
    program = """
import os, resource
from board import aio
from stack.link.backend import Offer
from stack.link.manager import LinkManager
from stack.link.nl80211_backend import open_backend
from stack.link.plan import Memory

async def main():
    async with open_backend() as backend:
        manager = LinkManager(backend, Memory())
        for number in range(50):
            async with manager.joined(Offer("DIRECT-ab", "radiolab123", 0, 2437)):
                pass
            if number in (9, 49):
                rss = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))
                print(len(os.listdir("/proc/self/fd")), rss, flush=True)

aio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    (fds, rss), (fds_after, rss_after) = ([int(each) for each in line.split()] for line in done.stdout.splitlines())
    assert fds_after == fds
    assert rss_after - rss < 2_000
    assert_no_trace()
