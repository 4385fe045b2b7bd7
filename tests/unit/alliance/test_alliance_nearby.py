"""Who is nearby: parts merged by address, devices by id, tables that neighbours cannot fill (protocol 2.7, 8)."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.alliance.advertisement import Advertisement, for_station, repeated_id
from stack.alliance.nearby import MAX_ADDRESSES, MAX_DEVICES, Device, Nearby

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors/alliance.json").read_text("utf-8"))
PHONE = Advertisement("小米 15", repeated_id(b"\x1c\x5e"), brand=30)
ADV, SCAN_RSP = PHONE.advertising_data(), PHONE.scan_response()
SOMEBODY_ELSE = bytes.fromhex("0201060303aafe")


def names(nearby: Nearby[Any]) -> list[str | None]:
    return [device.name for device in nearby.devices]


def test_advertisement_then_scan_response() -> None:
    nearby = Nearby[str]()
    nameless = nearby.heard("A", ADV, -60)
    assert nameless is not None
    assert (nameless.name, nameless.brand, nameless.supports_5ghz) == (None, "Xiaomi", True)
    named = nearby.heard("A", SCAN_RSP, -55)
    assert named is not None
    assert (named.name, named.brand, named.address, named.rssi_dbm) == ("小米 15", "Xiaomi", "A", -55)
    assert nearby.devices == [named]


def test_scan_response_first() -> None:
    nearby = Nearby[str]()
    assert nearby.heard("A", SCAN_RSP, -60) is None
    assert nearby.devices == []
    device = nearby.heard("A", ADV, -60)
    assert device is not None
    assert device.name == "小米 15"


def test_both_in_one_report() -> None:
    nearby = Nearby[str]()
    device = nearby.heard("A", ADV + SCAN_RSP, -60)
    assert device is not None
    assert device.name == "小米 15"


@pytest.mark.parametrize("case", VECTORS["ble"], ids=lambda case: str(case["title"]))
def test_every_vector_becomes_a_device(case: dict[str, Any]) -> None:
    nearby = Nearby[str]()
    nearby.heard("A", bytes.fromhex(case["advHex"]), -60)
    nearby.heard("A", bytes.fromhex(case["scanRspHex"]), -60)
    (device,) = nearby.devices
    assert device.name == (case["parsed"]["name"] or device.sighting.short_id)


def test_only_news_are_told() -> None:
    nearby = Nearby[str]()
    told = [nearby.heard("A", part, -60) for part in (ADV, ADV, SCAN_RSP, SCAN_RSP, ADV)]
    assert [device is not None for device in told] == [True, False, True, False, False]
    renamed = Advertisement("New", PHONE.device_id, 30).scan_response()
    assert nearby.heard("A", renamed, -60) is not None
    assert names(nearby) == ["New"]


def test_the_signal_follows_without_news() -> None:
    nearby = Nearby[str]()
    nearby.heard("A", ADV + SCAN_RSP, -60)
    assert nearby.heard("A", ADV, -40) is None
    assert nearby.devices[0].rssi_dbm == -40


def test_the_strongest_is_first() -> None:
    nearby = Nearby[str]()
    for number, rssi_dbm in enumerate((-70, -40, -90, -55)):
        device = for_station(f"n{number}", bytes((1, 1 + number)))
        nearby.heard(str(number), device.advertising_data() + device.scan_response(), rssi_dbm)
    assert names(nearby) == ["n1", "n3", "n0", "n2"]


# Addresses.


def test_an_address_that_rotates_is_one_device() -> None:
    nearby = Nearby[str]()
    for address in "ABCDE":
        nearby.heard(address, ADV, -60)
        nearby.heard(address, SCAN_RSP, -60)
        (device,) = nearby.devices
        assert device.address == address


def test_news_of_a_rotated_address_are_none() -> None:
    nearby = Nearby[str]()
    nearby.heard("A", ADV + SCAN_RSP, -60)
    assert nearby.heard("B", ADV + SCAN_RSP, -60) is None
    assert nearby.devices[0].address == "B"


def test_two_addresses_nameless_are_two_until_they_are_known_to_be_one() -> None:
    nearby = Nearby[str]()
    nearby.heard("A", ADV, -60)
    nearby.heard("B", ADV, -50)
    assert names(nearby) == [None, None]
    nearby.heard("A", SCAN_RSP, -60)
    nearby.heard("B", SCAN_RSP, -50)
    assert [device.address for device in nearby.devices] == ["B"]


def test_parts_of_two_devices_do_not_mix() -> None:
    nearby = Nearby[str]()
    other = Advertisement("vivo", repeated_id(b"\x33\x44"), brand=20, supports_5ghz=False)
    nearby.heard("A", ADV, -60)
    nearby.heard("B", other.scan_response(), -70)
    nearby.heard("B", other.advertising_data(), -70)
    nearby.heard("A", SCAN_RSP, -60)
    assert [(each.name, each.brand, each.supports_5ghz) for each in nearby.devices] == [
        ("小米 15", "Xiaomi", True),
        ("vivo", "vivo", False),
    ]


def test_addresses_are_whatever_the_radio_calls_devices_by() -> None:
    nearby = Nearby[tuple[int, bytes]]()
    nearby.heard((1, b"x"), ADV, -60)
    assert nearby.devices[0].address == (1, b"x")


# Neighbours.


def test_other_devices_are_never_listed() -> None:
    nearby = Nearby[str]()
    for data in (SOMEBODY_ELSE, b"", SCAN_RSP, b"\xff" * 31):
        assert nearby.heard("A", data, -60) is None
    assert nearby.devices == []


def test_a_device_without_a_readable_head_is_listed_all_the_same() -> None:
    nearby = Nearby[str]()
    device = nearby.heard("A", ADV[:21], -60)
    assert device is not None
    assert (device.name, device.brand, device.supports_5ghz) == (None, "unknown", False)


def test_thousands_of_fake_devices_are_bounded_and_the_silent_go_first() -> None:
    nearby = Nearby[int]()
    for number in range(5000):
        fake = Advertisement(f"f{number}", number.to_bytes(16, "big"))
        assert nearby.heard(number, fake.advertising_data() + fake.scan_response(), -30) is not None
        if number % 10 == 0:
            nearby.heard(-1, ADV + SCAN_RSP, -80)
        assert len(nearby.devices) <= MAX_DEVICES
    assert names(nearby)[-1] == "小米 15", "who is still heard stays, however weak"
    assert len(nearby._sightings) == MAX_ADDRESSES


def test_a_crowd_of_others_does_not_grow_either() -> None:
    nearby = Nearby[int]()
    nearby.heard(-1, ADV, -60)
    for number in range(5000):
        nearby.heard(number, SOMEBODY_ELSE, -60)
    assert len(nearby._sightings) == MAX_ADDRESSES
    assert names(nearby) == [None], "a device stays listed though its address was forgotten"
    nearby.heard(-1, SCAN_RSP, -60)
    nearby.heard(-1, ADV, -60)
    assert names(nearby) == ["小米 15"]


def test_who_is_heard_again_and_again_is_not_forgotten_for_the_crowd() -> None:
    nearby = Nearby[int]()
    nearby.heard(-1, SCAN_RSP, -60)
    for number in range(5000):
        if number % 100 == 0:
            nearby.heard(-1, ADV, -60)
        nearby.heard(number, SOMEBODY_ELSE, -60)
    assert names(nearby) == ["小米 15"]


def test_equal_ids_are_one_device_whoever_says_so() -> None:
    nearby = Nearby[int]()
    for number in range(1000):
        fake = Advertisement(f"f{number}", PHONE.device_id)
        nearby.heard(number, fake.advertising_data() + fake.scan_response(), -60)
    assert names(nearby) == ["f999"]


REPORTS = st.tuples(
    st.integers(0, 5), st.sampled_from([ADV, SCAN_RSP, ADV + SCAN_RSP, ADV[:21]]) | st.binary(max_size=40)
)


@given(st.lists(REPORTS, max_size=40))
def test_whatever_is_heard_every_listed_device_is_the_alliances(reports: list[tuple[int, bytes]]) -> None:
    nearby = Nearby[int]()
    for address, data in reports:
        told = nearby.heard(address, data, -60)
        assert told is None or told in nearby.devices
    devices: list[Device[int]] = nearby.devices
    assert all(device.sighting.listed for device in devices)
    ids = [device.sighting.device_id for device in devices if device.sighting.device_id]
    assert len(ids) == len(set(ids))


def test_any_order_of_the_same_reports_ends_in_the_same_list() -> None:
    others = [for_station(f"n{number}", bytes((2, 1 + number))) for number in range(4)]
    reports = [("A", ADV), ("A", SCAN_RSP)]
    for number, other in enumerate(others):
        reports += [(str(number), other.advertising_data()), (str(number), other.scan_response())]
    for seed in range(20):
        nearby = Nearby[str]()
        for address, data in random.Random(seed).sample(reports, len(reports)):
            nearby.heard(address, data, -60)
        assert set(names(nearby)) == {"小米 15", "n0", "n1", "n2", "n3"}
