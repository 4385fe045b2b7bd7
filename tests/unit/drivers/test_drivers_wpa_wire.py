"""wpa_supplicant's words: what it said in the lab, what it may say at worst, and what we say."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from drivers.wpa_supplicant import requests
from drivers.wpa_supplicant.wire import (
    Bss,
    decode,
    is_refusal,
    parse_event,
    parse_fields,
    parse_names,
    parse_table,
    unescape,
)

PMK, BSSID = bytes(range(32)), bytes.fromhex("060000000000")
TABLE = """\
id=0
bssid=06:00:00:00:00:00
freq=2437
capabilities=0x0411
level=-30
ie=00094449524543542d6162
id=3
bssid=02:00:00:00:02:00
freq=2412
capabilities=0x0411
level=-71
ie=0004686f6d65
beacon_ie=0004686f6d650301
"""


def escape(ssid: bytes) -> str:
    """Write a name as wpa_supplicant does (printf_encode)."""
    short = {b'"': r"\"", b"\\": r"\\", b"\n": r"\n", b"\r": r"\r", b"\t": r"\t", b"\x1b": r"\e"}
    octets = (ssid[at : at + 1] for at in range(len(ssid)))
    return "".join(
        short.get(each) or (each.decode() if b" " <= each <= b"~" else rf"\x{each.hex()}") for each in octets
    )


@pytest.mark.parametrize(
    ("message", "interface", "priority", "name", "fields"),
    [
        ("IFNAME=ferry0 <3>CTRL-EVENT-SCAN-RESULTS id=1", "ferry0", 3, "CTRL-EVENT-SCAN-RESULTS", {"id": "1"}),
        ("<3>CTRL-EVENT-TERMINATING ", "", 3, "CTRL-EVENT-TERMINATING", {}),
        ("IFNAME=ferry1 <5>Failed to initialize driver interface", "ferry1", 5, "Failed", {}),
        ("IFNAME=ferry0 <3>Associated with 06:00:00:00:00:00", "ferry0", 3, "Associated", {}),
        (
            "IFNAME=wlan1 <3>CTRL-EVENT-DISCONNECTED bssid=02:00:00:00:02:00 reason=3 locally_generated=1",
            "wlan1",
            3,
            "CTRL-EVENT-DISCONNECTED",
            {"bssid": "02:00:00:00:02:00", "reason": "3", "locally_generated": "1"},
        ),
        (
            'IFNAME=ferry0 <3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid="DIRECT-ab" auth_failures=1 reason=WRONG_KEY',
            "ferry0",
            3,
            "CTRL-EVENT-SSID-TEMP-DISABLED",
            {"id": "0", "ssid": "DIRECT-ab", "auth_failures": "1", "reason": "WRONG_KEY"},
        ),
    ],
)
def test_events(message: str, interface: str, priority: int, name: str, fields: dict[str, str]) -> None:
    event = parse_event(message)
    assert event
    assert (event.interface, event.priority, event.name, event.fields) == (interface, priority, name, fields)


@pytest.mark.parametrize("answer", ["OK\n", "", "0\n", "FAIL-BUSY\n", "p2p-dev-wlan1\nwlan1\n", "id=0\n", "<\n"])
def test_an_answer_is_no_event(answer: str) -> None:
    assert parse_event(answer) is None


@pytest.mark.parametrize("answer", ["FAIL\n", "FAIL-BUSY\n", "FAIL-NO-IFNAME-MATCH\n", "UNKNOWN COMMAND\n"])
def test_refusals(answer: str) -> None:
    assert is_refusal(answer)
    assert not is_refusal("OK\n")


@given(st.binary(min_size=0, max_size=32))
def test_no_part_of_a_name_passes_for_a_field(ssid: bytes) -> None:
    event = parse_event(f'IFNAME=ferry0 <3>X id=7 ssid="{escape(ssid)}" reason=CONN_FAILED')
    assert event
    assert event.fields.keys() == {"id", "ssid", "reason"}
    assert unescape(event.fields["ssid"]) == ssid
    assert event.fields["reason"] == "CONN_FAILED"


def test_a_name_that_looks_like_a_field() -> None:
    event = parse_event('<3>X ssid="a\\" reason=WRONG_KEY" reason=CONN_FAILED')
    assert event
    assert event.fields == {"ssid": r"a\" reason=WRONG_KEY", "reason": "CONN_FAILED"}


@pytest.mark.parametrize(("text", "number"), [("id=12", 12), ("id=-3", -3), ("id=", 0), ("id=1x", 0), ("", 0)])
def test_numbers(text: str, number: int) -> None:
    event = parse_event(f"<3>X {text}")
    assert event
    assert event.number("id") == number


@given(st.binary(max_size=300) | st.sampled_from([b"IFNAME= <3>", b"<3>", b'<3>X a="', b"IFNAME=x <3>X a=\xff"]))
def test_whatever_comes_is_read(datagram: bytes) -> None:
    message = decode(datagram)
    event = parse_event(message)
    if event:
        assert all(isinstance(value, str) for value in event.fields.values())
    parse_table(message)
    parse_fields(message)
    parse_names(message)
    unescape(message)


def test_the_table() -> None:
    house = bytes.fromhex("0004686f6d65")
    assert parse_table(TABLE) == [
        Bss(0, BSSID, 2437, -30, 0x411, b"\x00\x09DIRECT-ab", b""),
        Bss(3, bytes.fromhex("020000000200"), 2412, -71, 0x411, house, house + b"\3\1"),
    ]
    assert parse_table("") == []


@pytest.mark.parametrize("line", ["bssid=06:00", "freq=", "level=x", "ie=0", "capabilities=", "id=x"])
def test_an_entry_that_cannot_be_read_is_left_out(line: str) -> None:
    key = line.partition("=")[0]
    broken = re.sub(rf"^{key}=.*$", line, TABLE, count=1, flags=re.MULTILINE)
    assert [each.id for each in parse_table(broken)] == [3]


def test_a_status() -> None:
    status = parse_fields("bssid=02:00:00:00:02:00\nssid=a=b\nwpa_state=COMPLETED\nwpa_state=forged\n\n")
    assert status == {"bssid": "02:00:00:00:02:00", "ssid": "a=b", "wpa_state": "COMPLETED"}


def test_requests() -> None:
    assert requests.interface_add("ferry0") == "INTERFACE_ADD ferry0\t\tnl80211\t\t\t\tcreate\tsta"
    assert requests.on("ferry0", requests.STATUS) == "IFNAME=ferry0 STATUS"
    assert requests.scan(b"a b", [2437, 5180]) == "SCAN TYPE=ONLY freq=2437,5180 use_id=1 only_new=1 ssid 612062"


@given(st.binary(min_size=1, max_size=32), st.binary(min_size=32, max_size=32))
def test_nothing_that_goes_out_needs_escaping(ssid: bytes, pmk: bytes) -> None:
    described = list(requests.network_settings(0, ssid, pmk, BSSID, 2437))
    assert all(re.fullmatch(r"SET_NETWORK 0 \w+ [\w:-]+", each) for each in described)
    assert f"SET_NETWORK 0 ssid {ssid.hex()}" in described
    assert f"SET_NETWORK 0 psk {pmk.hex()}" in described


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "a\n", "../x", "x" * 16, "é"])
def test_a_name_that_would_be_more_than_a_name(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        requests.interface_add(name)
    with pytest.raises(LocalProtocolError):
        requests.on(name, requests.STATUS)


def test_what_is_no_network() -> None:
    for ssid, pmk, bssid in ((b"", PMK, BSSID), (b"x" * 33, PMK, BSSID), (b"a", PMK[1:], BSSID), (b"a", PMK, b"")):
        with pytest.raises(LocalProtocolError):
            list(requests.network_settings(0, ssid, pmk, bssid, 2437))


def test_what_a_message_may_name_of_a_request() -> None:
    described = requests.network_settings(0, b"a", PMK, BSSID, 2437)
    assert {requests.command_of(requests.on("ferry0", each)) for each in described} == {"SET_NETWORK"}
    assert requests.command_of(requests.ATTACH) == "ATTACH"


def test_pages_of_the_table_go_on() -> None:
    ids = [each.id for each in parse_table(TABLE)]
    assert all(first < second for first, second in pairwise(ids))
    assert requests.heard(ids[-1] + 1) == "BSS RANGE=4- MASK=0x800497"
