"""The link where networks are not what they should be, or do what they should not."""

import re
import socket
from functools import partial

import pytest

from tests.lab.inside.access_point import GROUP, OPEN, WPA2, AccessPoint, Config, access_point
from tests.lab.inside.ferry import assert_no_trace, failure, ferry_join, finish, until
from tests.lab.inside.world import PHONE_ADDRESS, Group, run, serve_dhcp, wait_until

_SAE: Config = {**WPA2, "wpa_key_mgmt": "SAE", "ieee80211w": 2}
_TKIP: Config = {**WPA2, "rsn_pairwise": "TKIP"}
_WPA1: Config = {"wpa": 1, "wpa_key_mgmt": "WPA-PSK", "wpa_pairwise": "CCMP"}
_TRANSITION: Config = {**WPA2, "wpa_key_mgmt": "WPA-PSK SAE", "ieee80211w": 1}

_FOR_EXPERIMENTS = 0x88B5  # an Ethertype of IEEE 802
_EVERYBODY = b"\xff" * 6


@pytest.mark.parametrize(
    ("config", "words"), [(OPEN, "open"), (_SAE, "WPA3-SAE only"), (_TKIP, "TKIP"), (_WPA1, "WPA1")]
)
def test_a_network_that_is_not_protected_as_it_should_be(config: Config, words: str) -> None:
    with access_point(config, address=None), ferry_join(GROUP) as join:
        status, reason, sentence = failure(join)
    assert (status, reason) == (6, "not_wpa2")
    assert re.search(f"not protected by WPA2: it is .*{words}.*Update the phone", sentence)
    assert_no_trace()


# An empty vendor element and one without a type, P2P cut off after its type and inside an attribute, a second RSN
# element of no bytes, a WPA1 element that ends too early. The kernel refuses to send elements that are not whole.
_ODD_ELEMENTS = "dd00" + "dd03506f9a" + "dd04506f9a09" + "dd08506f9a0902020100" + "3000" + "dd0a0050f2010100ffffffff"


@pytest.mark.parametrize("config", [{**WPA2, "vendor_elements": _ODD_ELEMENTS}, _TRANSITION], ids=["odd", "transition"])
def test_what_else_a_network_says_does_not_matter(config: Config) -> None:
    with access_point(config), ferry_join(GROUP, "--hold", "0.1") as join:
        assert finish(join)[0] == 0
    assert_no_trace()


@pytest.mark.parametrize(
    ("decoy", "decoy_config"),
    [
        (Group(GROUP.ssid, "otherother", GROUP.frequency_mhz), WPA2),
        (Group(GROUP.ssid, "", 2437), OPEN),
    ],
    ids=["another passphrase", "open"],
)
@pytest.mark.parametrize("frequency_mhz", [2437, 2412], ids=["beside", "elsewhere"])
def test_another_network_of_that_name_is_no_trap(decoy: Group, decoy_config: Config, frequency_mhz: int) -> None:
    right = Group(GROUP.ssid, GROUP.psk, frequency_mhz)
    with (
        access_point(decoy_config, decoy, address=None, signal_dbm=-30) as trap,
        access_point(WPA2, right, signal_dbm=-45) as there,
        ferry_join(right, "--hold", "0.1") as join,
    ):
        assert until(join, "joined")["frequency_mhz"] == frequency_mhz
        assert finish(join)[0] == 0
        assert there.has_said("EAPOL-4WAY-HS-COMPLETED")
        if frequency_mhz != decoy.frequency_mhz:  # then its channel was asked first
            assert trap.has_said("AP-STA-POSSIBLE-PSK-MISMATCH") == (decoy_config is WPA2)
    assert_no_trace()


def test_a_network_that_does_not_let_us_in() -> None:
    """Hostapd does not answer the probes of whom it does not know, so its beacons come often."""
    closed = {**WPA2, "macaddr_acl": 1, "beacon_int": 50}
    with access_point(closed, address=None), ferry_join(GROUP) as join:
        status, reason, sentence = failure(join)
    assert (status, reason) == (6, "refused")
    assert "does not let us in: The access point refused" in sentence
    assert_no_trace()


def test_a_phone_that_throws_us_out_before_there_is_an_address_is_joined_again() -> None:
    with access_point(address=None) as phone, ferry_join(GROUP, "--hold", "0.1") as join:
        until(join, "state", state="addressing")
        phone.drop_everybody()
        until(join, "state", state="joining")
        serve_dhcp(phone.namespace, phone.interface, PHONE_ADDRESS)
        until(join, "joined")
        assert finish(join)[0] == 0
    assert_no_trace()


def test_a_phone_that_throws_us_out_is_lost() -> None:
    with access_point() as phone, ferry_join(GROUP) as join:
        until(join, "joined")
        phone.drop_everybody()
        status, reason, sentence = failure(join)
    assert (status, reason) == (6, "lost")
    assert "Keep the phone close" in sentence
    assert_no_trace()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"wpa_group_rekey": 2}, "group key handshake completed"),
        ({"wpa_ptk_rekey": 2}, "pairwise key handshake completed"),
    ],
    ids=["group", "pairwise"],
)
def test_new_keys_are_taken(config: Config, words: str) -> None:
    with access_point({**WPA2, **config}) as phone, ferry_join(GROUP) as join:
        until(join, "joined")
        assert_frames_pass(phone)
        for times in (2, 3):
            wait_until(partial(phone.has_said, words, times), f"{words}, {times} times")
            assert_frames_pass(phone)
        assert not phone.has_said("AP-STA-DISCONNECTED")
        join.terminate()
        assert finish(join)[0] == 130
    assert_no_trace()


def assert_frames_pass(phone: AccessPoint) -> None:
    """Check that frames pass: to everybody, to us, and to the phone."""
    (name,) = re.findall(r"Interface (ferry\d+)", run("iw", "dev"))
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_FOR_EXPERIMENTS)) as ours,
        phone.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_FOR_EXPERIMENTS)) as theirs,
    ):
        ours.bind((name, _FOR_EXPERIMENTS))
        theirs.bind((phone.interface, _FOR_EXPERIMENTS))
        _send(theirs, ours, _EVERYBODY)
        _send(theirs, ours, ours.getsockname()[4])
        _send(ours, theirs, theirs.getsockname()[4])


def _send(sender: socket.socket, receiver: socket.socket, destination: bytes) -> None:
    receiver.settimeout(5)
    name, protocol, *_ = sender.getsockname()
    sender.sendto(destination, (name, protocol, 0, 0, destination))
    assert receiver.recv(100)[: len(destination)] == destination
