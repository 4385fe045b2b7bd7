"""Radios that are not the appliance's: chips with limits, one whose house is in the way; and countries.

The board of these tests is a namespace with a radio of its own, whose station is connected to the house by
wpa_supplicant. hwsim lets a radio do everything, so what a chip cannot do is taken out of what it says of itself:
the link manager goes the chip's road then, and the kernel carries all of it out.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from board import aio
from drivers.nl80211.capabilities import Wiphy, wiphys
from drivers.nl80211.constants import Command, ExtFeature
from drivers.nl80211.radio import Nl80211
from stack.link.backend import Offer
from stack.link.manager import Link, LinkManager
from stack.link.nl80211_backend import open_backend
from stack.link.plan import Memory
from tests.lab.inside import world
from tests.lab.inside.access_point import WPA2, access_point
from tests.lab.inside.ferry import FERRY, Join, failure, ferry_join, finish, until
from tests.lab.inside.hwsim import Hwsim, Radio
from tests.lab.inside.station import lease_script
from tests.lab.inside.supplicant import Supplicant
from tests.lab.inside.world import PHONE_ADDRESS, PHONE_NAMESPACE, RUN, USUAL_GROUP, Group, Phone, run, wait_until
from tests.unit.nl80211.chip import FULLMAC_COMBINATIONS

BOARD = "board"
ADDRESS = "02:00:00:00:04:00"
PORT = 4711
MARK = "borrowed by ferry"
_STEPS = frozenset({Command.AUTHENTICATE, Command.ASSOCIATE, Command.DEAUTHENTICATE})
_CONTROL_PORT = frozenset({ExtFeature.CONTROL_PORT_OVER_NL80211, ExtFeature.CONTROL_PORT_OVER_NL80211_TX_STATUS})


# Chips


def boards_chip(wiphy: Wiphy) -> Wiphy:
    """The FullMAC of the boards: CONNECT, EAPOL by packet sockets, a P2P client beside the station."""
    return replace(
        connecting_chip(wiphy), combinations=FULLMAC_COMBINATIONS, ext_features=wiphy.ext_features - _CONTROL_PORT
    )


def connecting_chip(wiphy: Wiphy) -> Wiphy:
    """A chip that walks the steps itself, and takes a second station."""
    return replace(wiphy, commands=wiphy.commands - _STEPS)


CHIPS: dict[str, Callable[[Wiphy], Wiphy]] = {each.__name__: each for each in (boards_chip, connecting_chip)}


def hold_link(chip: str) -> None:
    """Join with a radio that says that it is `chip`; tell, hear the phone's server, leave at the next line."""

    async def radios(radio: Nl80211) -> list[Wiphy]:
        return [CHIPS[chip](each) for each in await wiphys(radio)]

    async def hold() -> None:
        offer = Offer(USUAL_GROUP.ssid, USUAL_GROUP.psk, PORT)
        async with open_backend(radios=radios) as backend, LinkManager(backend, Memory()).joined(offer) as link:
            print(json.dumps({"event": "joined", "heard": hear(link)}), flush=True)
            sys.stdin.readline()

    aio.run(hold())


def hear(link: Link) -> str:
    """Connect to the phone over the link and return what it says."""
    with socket.socket() as flow:
        flow.settimeout(5)
        flow.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.interface.encode())
        flow.connect((str(link.addresses.peer), PORT))
        return flow.recv(16).decode()


# The board


@contextmanager
def board(channels: int) -> Iterator[str]:
    """A namespace with a radio of its own. Yields the name of its interface."""
    with Hwsim() as hwsim, ExitStack() as undo:
        number = hwsim.make(Radio(BOARD, ADDRESS, channels))
        undo.callback(hwsim.remove, number)
        run("ip", "netns", "add", BOARD)
        undo.callback(run, "ip", "netns", "delete", BOARD)
        run("iw", "phy", BOARD, "set", "netns", "name", BOARD)
        undo.callback(run, "iw", "phy", BOARD, "set", "netns", "1", namespace=BOARD)
        run("ip", "-n", BOARD, "link", "set", "lo", "up")
        yield on_board("iw", "dev").split("Interface ")[1].split()[0]


@contextmanager
def at_home(interface: str, *, has_p2p: bool = False) -> Iterator[Path]:
    """Connect the board's own station to the house, as an installed system does. Yields wpa_supplicant's log."""
    config, control, log = RUN / "board.conf", RUN / "board", RUN / "board.log"
    network = f'ssid="{world.HOUSE_SSID}"\npsk="{world.HOUSE_PSK}"\nscan_ssid=1\nscan_freq=2412\n'
    config.write_text(f"p2p_disabled={int(not has_p2p)}\nnetwork={{\ndisabled=1\n{network}}}\n")
    log.unlink(missing_ok=True)
    options = ["-i", interface, "-c", str(config), "-g", str(control), "-f", str(log)]
    process = subprocess.Popen(["ip", "netns", "exec", BOARD, "wpa_supplicant", *options])
    try:
        wait_until(control.exists, "wpa_supplicant's control socket")
        with Supplicant(control) as supplicant:
            supplicant.request(f"IFNAME={interface} ENABLE_NETWORK 0")
            supplicant.wait_for("CTRL-EVENT-CONNECTED", 60)
        on_board("busybox", "udhcpc", "-n", "-q", "-f", "-t", "10", "-T", "1", "-i", interface, "-s", lease_script())
        yield log
    finally:
        process.terminate()
        process.wait(timeout=10)


def on_board(*command: str) -> str:
    return run(*command, namespace=BOARD)


def house_answers() -> bool:
    try:
        on_board("ping", "-c", "1", "-W", "2", world.HOUSE_ADDRESS)
    except RuntimeError:
        return False
    return True


def assert_no_trace_on_board() -> None:
    assert "ferry" not in on_board("iw", "dev") + on_board("nft", "list", "ruleset") + on_board("ip", "link")
    assert "192.168.49" not in on_board("ip", "-4", "address") + on_board("ip", "-4", "route", "show", "table", "all")


@contextmanager
def running_on_board(*command: str) -> Iterator[Join]:
    """Run a program on the board; at the end of the block it is gone."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", BOARD, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def joining(*options: str, group: Group = USUAL_GROUP) -> Any:
    """Run `ferry join` on the board."""
    return running_on_board(*FERRY, "join", "--ssid", group.ssid, "--psk", group.psk, "--json", *options)


def holding(chip: str) -> Any:
    """Run `hold_link` on the board."""
    return running_on_board(sys.executable, "-c", f"from {__name__} import hold_link; hold_link({chip!r})")


@pytest.fixture
def phones_server() -> Iterator[None]:
    """A server of the phone that says hello to everybody."""
    program = (
        "import socket\n"
        f'with socket.create_server(("{PHONE_ADDRESS}", {PORT})) as server:\n'
        '    print("ready", flush=True)\n'
        "    while True:\n"
        "        with server.accept()[0] as peer:\n"
        '            peer.sendall(b"hello")\n'
    )
    command = ["ip", "netns", "exec", PHONE_NAMESPACE, sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdout.readline() == "ready\n"
        yield
        server.kill()


# Chips with limits, beside the house


@pytest.mark.parametrize("has_p2p", [False, True], ids=["own_p2p_device", "p2p_device_of_wpa_supplicant"])
def test_the_boards_chip_joins_as_a_p2p_client_and_the_house_goes_on(has_p2p: bool, phones_server: None) -> None:
    with board(channels=2) as interface, at_home(interface, has_p2p=has_p2p) as log:
        before = on_board("iw", "dev").count("P2P-device")
        assert before == int(has_p2p)
        with holding("boards_chip") as link:
            assert until(link, "joined")["heard"] == "hello"
            there = on_board("iw", "dev")
            assert "type P2P-client" in there
            assert there.count("type P2P-device") == 1
            assert house_answers()
            link.communicate("\n", timeout=30)
            assert link.returncode == 0
        assert_no_trace_on_board()
        assert on_board("iw", "dev").count("P2P-device") == before
        assert "P2P-client" not in on_board("iw", "dev")
        assert house_answers()
        assert "CTRL-EVENT-DISCONNECTED" not in log.read_text()


def test_kill_9_leaves_no_p2p_device_either(phones_server: None) -> None:
    with board(channels=2) as interface, at_home(interface):
        with holding("boards_chip") as link:
            until(link, "joined")
            assert "P2P-device" in on_board("iw", "dev")
            link.kill()
        wait_until(lambda: "P2P" not in on_board("iw", "dev"), "the end of what a dead process owned")
        with holding("boards_chip") as link:
            assert until(link, "joined")["heard"] == "hello"
            link.communicate("\n", timeout=30)
        assert_no_trace_on_board()
        assert "P2P" not in on_board("iw", "dev")
        assert house_answers()


def test_a_chip_that_walks_the_steps_itself_joins_as_a_station(phones_server: None) -> None:
    with board(channels=2) as interface, at_home(interface):
        with holding("connecting_chip") as link:
            assert until(link, "joined")["heard"] == "hello"
            assert "P2P" not in on_board("iw", "dev")
            link.communicate("\n", timeout=30)
            assert link.returncode == 0
        assert_no_trace_on_board()
        assert house_answers()


# A radio that can be on one channel only, on which the house is


@pytest.mark.parametrize("options", [(), ("--freq", str(USUAL_GROUP.frequency_mhz))], ids=["found", "told"])
def test_without_leave_the_house_keeps_its_radio(options: tuple[str, ...]) -> None:
    with board(channels=1) as interface, at_home(interface) as log:
        with joining(*options) as join:
            status, reason, sentence = failure(join)
        assert (status, reason) == (6, "radio_busy")
        assert "1 channel at once and is on 2412 MHz, so not on 2437 MHz" in sentence
        assert "--borrow" in sentence
        assert_no_trace_on_board()
        assert house_answers()
        assert "CTRL-EVENT-DISCONNECTED" not in log.read_text()


@pytest.mark.parametrize("options", [(), ("--freq", str(USUAL_GROUP.frequency_mhz))], ids=["found", "told"])
def test_a_borrowed_radio_is_given_back(options: tuple[str, ...]) -> None:
    with board(channels=1) as interface, at_home(interface):
        on_board("ip", "link", "set", interface, "alias", "uplink")
        with joining("--borrow", "--hold", "1", *options) as join:
            until(join, "joined")
            assert f"{MARK}; before: uplink" in on_board("ip", "link", "show", interface)
            assert "state DOWN" in on_board("ip", "link", "show", interface)
            assert finish(join)[0] == 0
        assert_no_trace_on_board()
        assert "alias uplink" in on_board("ip", "link", "show", interface)
        wait_until(house_answers, "the house's connection, back")


def test_a_radio_borrowed_by_a_process_that_was_killed_is_given_back_by_the_next_one() -> None:
    with board(channels=1) as interface, at_home(interface):
        with joining("--borrow") as join:
            until(join, "joined")
            join.kill()
        wait_until(lambda: "ferry0" not in on_board("iw", "dev"), "the end of the interface, whose owner is dead")
        assert MARK in on_board("ip", "link", "show", interface)
        assert not house_answers()
        with joining("--freq", "2412", group=Group(ssid="DIRECT-no-such")) as join:
            until(join, "state")  # the sweep is done, and whatever comes now
            wait_until(house_answers, "the house's connection, back")
        assert "alias" not in on_board("ip", "link", "show", interface)


def test_where_the_channel_is_the_houses_nothing_is_borrowed(phone: Phone) -> None:
    group = Group(frequency_mhz=2412)
    phone.host_group(group)
    with board(channels=1) as interface, at_home(interface) as log:
        with joining("--borrow", "--hold", "0.5", group=group) as join:
            until(join, "joined")
            assert house_answers()
            assert finish(join)[0] == 0
        assert "CTRL-EVENT-DISCONNECTED" not in log.read_text()


# Countries


@pytest.fixture
def group_on_5_ghz(country: None) -> Iterator[Group]:
    """A group of somebody who may own one there, while our kernel knows of no country: for a minute it lets it be."""
    group = Group("DIRECT-five")
    world.set_country("DE")
    with access_point({**WPA2, "hw_mode": "a", "channel": 36}, group):
        world.set_country("00")
        yield group


def test_without_a_country_a_group_on_5_ghz_is_heard_by_listening(group_on_5_ghz: Group) -> None:
    with ferry_join(group_on_5_ghz, "--freq", "5180", "--hold", "0.1") as join:
        assert until(join, "joined")["frequency_mhz"] == 5180
        assert finish(join)[0] == 0
    assert "country 00:" in run("iw", "reg", "get")


def test_the_country_is_set_before_the_scan(group_on_5_ghz: Group) -> None:
    with ferry_join(group_on_5_ghz, "--country", "de", "--freq", "5180", "--hold", "0.1") as join:
        until(join, "state", state="scanning")
        assert "country DE:" in run("iw", "reg", "get")
        assert until(join, "joined")["frequency_mhz"] == 5180
        assert finish(join)[0] == 0


@pytest.mark.parametrize(
    ("options", "reason", "words"),
    [((), "no_country", "--country"), (("--country", "DE"), "forbidden", "5900 MHz is not allowed in DE")],
)
def test_a_channel_that_is_not_allowed_is_refused(
    options: tuple[str, ...], reason: str, words: str, country: None
) -> None:
    with ferry_join(USUAL_GROUP, "--freq", "5900", *options) as join:
        assert failure(join)[:2] == (6, reason)
    with ferry_join(USUAL_GROUP, "--freq", "5900", *options) as join:
        assert words in failure(join)[2]


def test_a_country_that_the_kernel_does_not_know_is_told() -> None:
    with ferry_join(USUAL_GROUP, "--country", "ZZ") as join:
        status, events = finish(join)
    assert (status, events[-1]["event"]) == (6, "error")
    assert "those of '00' hold" in events[-1]["error"]
    assert "wireless-regdb" in events[-1]["remedy"]
