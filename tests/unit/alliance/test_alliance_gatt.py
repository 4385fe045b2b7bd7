"""GATT values, bent in every way (alliance protocol, 3.3 and 3.4). The vectors are tested with discovery."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import RemoteProtocolError
from stack.alliance.cipher import KeyPair
from stack.alliance.device_info import (
    SERVICE_UUID,
    STATE_BUSY,
    STATUS_UUID,
    DeviceInfo,
    build_device_info,
    parse_device_info,
)
from stack.alliance.link_info import P2P_UUID, LinkInfo, LinkInfoError, build_link_info, parse_link_info

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors/alliance.json").read_text("utf-8"))
GATT = VECTORS["gatt"]
RECEIVER, SENDER = KeyPair.from_private_scalar(7), KeyPair.from_private_scalar(11)
LINK = LinkInfo("DIRECT-a1B2c3D4", "Zx81Qw7e", 43210, "02:11:22:33:44:55", "1c5e")


def test_uuids() -> None:
    ours = {"service": SERVICE_UUID, "status": STATUS_UUID, "p2p": P2P_UUID}
    assert ours.items() <= VECTORS["uuids"].items()


def test_status_without_a_key_is_the_vector_byte_for_byte() -> None:
    assert build_device_info(DeviceInfo(None)) == GATT["status"][3]["bytesUtf8"].encode()


def test_status_writes_addresses_in_lower_case_and_busy_as_state() -> None:
    built = json.loads(build_device_info(DeviceInfo(RECEIVER.public_key, "DA:1B:2C:3D:4E:5F", STATE_BUSY)))
    assert (built["mac"], built["state"]) == ("da:1b:2c:3d:4e:5f", 1)


@pytest.mark.parametrize("text", ["{}", '{"state":null}', '{"state":"ready"}', '{"state":true}', "[]", '{"state":0'])
def test_status_without_state_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_device_info(text.encode())


def test_link_info_vector_builds_in_clear_byte_for_byte() -> None:
    assert build_link_info(LINK, SENDER, peer_key=None) == GATT["p2p"][2]["bytesUtf8"].encode()


REFUSED: dict[str, dict[str, object]] = {
    "no ssid": {"ssid": None},
    "empty ssid": {"ssid": ""},
    "ssid of 33 bytes": {"ssid": "家" * 11},
    "NUL in ssid": {"ssid": "DIRECT-ab\0"},
    "C1 control in ssid": {"ssid": "DIRECT-ab\x85"},
    "short psk": {"psk": "1234567"},
    "long psk": {"psk": "a" * 64 + "b"},
    "64 characters, not hex": {"psk": "z" * 64},
    "newline after psk": {"psk": "12345678\n"},
    "psk not ASCII": {"psk": "密码密码密码密码"},
    "number as psk, too short": {"psk": 1234567},
    "port 0": {"port": 0},
    "port missing": {"port": None},
    "port negative": {"port": "-1"},
    "port with space": {"port": " 22"},
    "port huge": {"port": 10**30},
    "key is no key": {"key": "AAAA"},
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED)
def test_link_info_refused(change: dict[str, object]) -> None:
    fields = json.loads(build_link_info(LINK, SENDER, peer_key=None)) | change
    with pytest.raises(RemoteProtocolError):
        parse_link_info(json.dumps(fields).encode(), RECEIVER)


ACCEPTED: dict[str, tuple[dict[str, object], LinkInfo]] = {
    "hex psk": ({"psk": "aF" * 32}, replace(LINK, psk="aF" * 32)),
    "mac upper case": ({"mac": "0A:11:22:33:44:FF"}, replace(LINK, mac="0a:11:22:33:44:ff")),
    "mac missing": ({"mac": None}, replace(LINK, mac=None)),
    "mac nonsense": ({"mac": "02-11"}, replace(LINK, mac=None)),
    "empty key": ({"key": ""}, LINK),
    "id number": ({"id": 7}, replace(LINK, sender_id="7")),
    "id giant": ({"id": "x" * 500}, replace(LINK, sender_id="x" * 64)),
    "channel": ({"freq": "5180"}, replace(LINK, freq_mhz=5180)),
    "no channel": ({"freq": 0}, LINK),
    "wild channel": ({"freq": 10**12}, LINK),
    "ssid of another form": ({"ssid": "Hotspot"}, replace(LINK, ssid="Hotspot")),
}


@pytest.mark.parametrize(("change", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_link_info_accepted(change: dict[str, object], expected: LinkInfo) -> None:
    fields = json.loads(build_link_info(LINK, SENDER, peer_key=None)) | change
    assert parse_link_info(json.dumps(fields).encode(), RECEIVER) == expected


def test_ssid_form_is_told_not_enforced() -> None:
    assert LINK.has_p2p_ssid
    assert not replace(LINK, ssid="DIRECT-").has_p2p_ssid
    assert not replace(LINK, ssid="Hotspot").has_p2p_ssid


def test_passphrase_is_not_shown() -> None:
    assert LINK.psk not in repr(LINK)
    with pytest.raises(LinkInfoError) as caught:
        parse_link_info(b'{"id":"x","ssid":"DIRECT-aa","psk":"secret!","mac":"","port":1}', RECEIVER)
    assert "secret!" not in str(caught.value)


def test_a_bad_status_key_is_the_receivers_fault() -> None:
    with pytest.raises(RemoteProtocolError):
        build_link_info(LINK, SENDER, "AAAA")


PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=8, max_size=63)
SSIDS = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=8)


@given(SSIDS, PRINTABLE, st.integers(1, 65535), st.none() | st.sampled_from([2412, 5180, 5955]), st.booleans())
def test_links_round_trip(ssid: str, psk: str, port: int, freq_mhz: int | None, encrypted: bool) -> None:
    link = LinkInfo(ssid, psk, port, "02:11:22:33:44:55", "1c5e", freq_mhz)
    data = build_link_info(link, SENDER, RECEIVER.public_key if encrypted else None)
    assert parse_link_info(data, RECEIVER) == link


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2)
LINK_FIELDS = st.dictionaries(st.sampled_from(["id", "ssid", "psk", "mac", "port", "key", "freq", "x"]), VALUES)
STATUS_FIELDS = st.dictionaries(st.sampled_from(["state", "key", "mac", "reason", "x"]), VALUES)


@given(st.sampled_from(["ssid", "psk", "mac", "key", "port", "freq", "id"]), VALUES)
def test_any_change_of_a_good_write_is_a_link_or_the_peers_fault(name: str, value: object) -> None:
    fields = json.loads(build_link_info(LINK, SENDER, RECEIVER.public_key)) | {name: value}
    try:
        link = parse_link_info(json.dumps(fields).encode(), RECEIVER)
    except RemoteProtocolError:
        return
    assert 1 <= len(link.ssid.encode()) <= 32
    assert 8 <= len(link.psk) <= 64


@given(st.binary() | STATUS_FIELDS.map(lambda fields: json.dumps(fields).encode()))
def test_any_status_is_a_device_or_the_peers_fault(data: bytes) -> None:
    try:
        info = parse_device_info(data)
    except RemoteProtocolError:
        return
    assert isinstance(info.state, int)


def test_only_encryption_loads_cryptography() -> None:
    program = (
        "import sys, stack.alliance.link_info, stack.alliance.receiver, stack.alliance.sender\n"
        "assert 'cryptography' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
