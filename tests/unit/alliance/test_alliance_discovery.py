"""Advertisement, device info, link info and cipher: every vector in both directions, and anything at all."""

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError, RemoteProtocolError
from stack.alliance.advertisement import (
    Advertisement,
    fit_name,
    for_station,
    parse_sighting,
    repeated_id,
)
from stack.alliance.brands import brand_name
from stack.alliance.cipher import KeyPair
from stack.alliance.device_info import DeviceInfo, build_device_info, parse_device_info
from stack.alliance.link_info import LinkInfo, build_link_info, parse_link_info

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "alliance.json").read_text())
BLE = {case["title"]: case for case in VECTORS["ble"]}
# CatShare cuts a name of 16 bytes, which we keep whole: that form is only parsed, never built.
BUILT = [title for title in BLE if "CatShare rule truncates" not in title]
STATION = KeyPair.from_private_scalar(int(VECTORS["crypto"][0]["receiver"]["privateScalarHex"], 16))


@pytest.mark.parametrize("title", BUILT)
def test_advertisement_is_built(title: str) -> None:
    case = BLE[title]
    parsed = case["parsed"]
    advertisement = Advertisement(
        case["input"]["name"],
        bytes.fromhex(parsed["deviceIdHex"]),
        parsed["brand"],
        parsed["supports5GHz"],
        int(parsed["scanRspUuid16"], 16),
        bytes.fromhex(case["advHex"])[2],
    )
    assert advertisement.advertising_data().hex() == case["advHex"]
    assert advertisement.scan_response().hex() == case["scanRspHex"]


@pytest.mark.parametrize("title", BLE)
@pytest.mark.parametrize("merged", [True, False])
def test_advertisement_is_parsed(title: str, merged: bool) -> None:
    case, parsed = BLE[title], BLE[title]["parsed"]
    parts = bytes.fromhex(case["advHex"]), bytes.fromhex(case["scanRspHex"])
    first, second = (parse_sighting(part) for part in parts)
    sighting = parse_sighting(b"".join(parts)) if merged else first.completed_by(second)
    assert sighting.listed
    assert sighting.head is not None
    assert sighting.tail is not None
    assert (sighting.head.brand, sighting.head.supports_5ghz) == (parsed["brand"], parsed["supports5GHz"])
    assert sighting.device_id == bytes.fromhex(parsed["deviceIdHex"])
    assert sighting.short_id == parsed["shortId"]
    assert (sighting.tail.name, sighting.tail.name_was_cut) == (parsed["name"], parsed["nameTruncated"])
    assert sighting.tail.model_code == int(parsed["scanRspUuid16"], 16)


@pytest.mark.parametrize("case", VECTORS["bleDeviations"], ids=lambda case: str(case["title"]))
def test_deviation_is_tolerated(case: dict[str, Any]) -> None:
    expected = case["tolerantScanner"]
    sighting = parse_sighting(bytes.fromhex(case["mergedHex"]))
    assert sighting.listed == expected["listed"]
    if sighting.listed:
        assert sighting.head is not None
        assert (sighting.head.brand, sighting.head.supports_5ghz) == (expected["brand"], expected["supports5GHz"])
        assert (sighting.device_id.hex() if sighting.device_id else None) == expected["deviceIdHex"]
        assert (sighting.tail.name if sighting.tail else None) == expected["name"]


@pytest.mark.parametrize("case", VECTORS["bleDeviations"], ids=lambda case: str(case["title"]))
def test_phones_with_fixed_offsets_read_ours(case: dict[str, Any]) -> None:
    """The offsets of Xiaomi and ZTE, read out of what we build: why the layout is what it is (2.7)."""
    ours = for_station("NAS", b"\x1c\x5e", brand=30)
    merged = ours.advertising_data() + ours.scan_response()
    assert (merged[23], merged[24] & 1) == (30, 1)
    assert merged[25:31] + merged[35:45] == repeated_id(b"\x1c\x5e")
    assert merged[45:61].split(b"\0")[0] == b"NAS"
    if "fixedOffsetPhoneReads" in case:
        theirs, reads = bytes.fromhex(case["mergedHex"]), case["fixedOffsetPhoneReads"]
        assert (theirs[23], theirs[24]) == (reads["brand"], reads["flagByte"])


def test_station_always_has_a_name_and_a_plain_id() -> None:
    for name in ("", "\u202e\n", "   "):
        with pytest.raises(LocalProtocolError):
            for_station(name, b"\x1c\x5e")
    for short_id in (b"\x80\xff", b"\0\1", b"\1"):
        with pytest.raises(LocalProtocolError):
            for_station("NAS", short_id)


@given(st.text(max_size=40))
def test_name_fits_and_stays_whole_characters(name: str) -> None:
    field = fit_name(name)
    assert len(field) == 16
    field.rstrip(b"\0").decode()


@given(st.binary(max_size=80))
def test_any_advertisement_is_read(data: bytes) -> None:
    for sighting in (parse_sighting(data), parse_sighting(bytes.fromhex(VECTORS["ble"][0]["advHex"]) + data)):
        assert sighting.label is None or sighting.label.isprintable()


@pytest.mark.parametrize("entry", VECTORS["brandRanges"], ids=lambda entry: str(entry[2]))
def test_brands(entry: list[Any]) -> None:
    first, last, name, exceptions = entry if len(entry) == 4 else [*entry, {}]
    for brand in range(first, last + 1):
        assert brand_name(brand) == exceptions.get(str(brand), name)


def test_unclaimed_brand() -> None:
    assert brand_name(40) == brand_name(0) == "unknown"


@pytest.mark.parametrize("case", VECTORS["crypto"], ids=lambda case: str(case["name"]))
def test_cipher_in_both_directions(case: dict[str, Any]) -> None:
    receiver, sender = (
        KeyPair.from_private_scalar(int(case[role]["privateScalarHex"], 16)) for role in ("receiver", "sender")
    )
    assert receiver.public_key == case["receiver"]["publicSpkiB64"]
    assert sender.public_key == case["sender"]["publicSpkiB64"]
    assert receiver.shared_secret(sender.public_key).hex() == case["sharedSecretHex"]
    assert sender.shared_secret(receiver.public_key).hex() == case["sharedSecretHex"]
    for name, plain in case["plain"].items():
        assert sender.cipher_with(receiver.public_key).encrypt(plain) == case["cipherB64"][name]
        assert receiver.cipher_with(sender.public_key).decrypt(case["cipherB64"][name]) == plain


def test_key_stream_is_reused_by_the_protocol() -> None:
    """Why the passphrase counts as public: anyone who hears the SSID has it (4)."""
    case = VECTORS["keystreamReuse"]
    ssid = case["ssidSeenInBeacon"].encode()
    hidden = (base64.b64decode(case[name]) for name in ("cipherSsidB64", "cipherPskB64"))
    assert bytes(a ^ b ^ c for a, b, c in zip(*hidden, ssid, strict=False)).decode() == case["recoveredPsk"]


def test_every_key_pair_is_new() -> None:
    assert KeyPair.generate().public_key != KeyPair.generate().public_key


def raw(case: dict[str, Any]) -> bytes:
    return bytes.fromhex(case["bytesHex"]) if "bytesHex" in case else case["bytesUtf8"].encode()


@pytest.mark.parametrize("case", VECTORS["gatt"]["status"], ids=lambda case: str(case["title"]))
def test_device_info_is_parsed(case: dict[str, Any]) -> None:
    fields = json.loads(case["bytesUtf8"])
    info = parse_device_info(raw(case))
    assert (info.state, info.key, info.mac, info.reason) == tuple(
        fields.get(name) for name in ("state", "key", "mac", "reason")
    )
    assert info.ready == (fields["state"] == 0)


def test_device_info_is_built_as_phones_parse_it() -> None:
    ours = json.loads(build_device_info(DeviceInfo(STATION.public_key)))
    theirs = json.loads(VECTORS["gatt"]["status"][0]["bytesUtf8"])
    assert ours == {name: theirs[name] for name in ("state", "key", "mac")}
    assert parse_device_info(build_device_info(DeviceInfo(None, state=1))).ready is False


@pytest.mark.parametrize("case", VECTORS["gatt"]["p2p"], ids=lambda case: str(case["title"]))
def test_link_info_is_parsed(case: dict[str, Any]) -> None:
    expected = case["decrypted"]
    info = parse_link_info(raw(case), STATION)
    assert (info.ssid, info.psk, info.mac) == (expected["ssid"], expected["psk"], expected["mac"])
    assert (info.sender_id, info.port, info.freq_mhz) == (expected["id"], expected["port"], expected.get("freq"))
    assert expected["psk"] not in repr(info)


@pytest.mark.parametrize("case", VECTORS["gatt"]["p2p"][:3], ids=lambda case: str(case["title"]))
def test_link_info_is_built(case: dict[str, Any]) -> None:
    sender = KeyPair.from_private_scalar(int(VECTORS["crypto"][0]["sender"]["privateScalarHex"], 16))
    theirs, expected = json.loads(raw(case)), case["decrypted"]
    fields = {name: expected[name] for name in ("ssid", "psk", "port", "mac")}
    info = LinkInfo(**fields, sender_id=expected["id"], freq_mhz=expected.get("freq"))
    ours = json.loads(build_link_info(info, sender, STATION.public_key if "key" in theirs else None))
    assert ours == {name: value for name, value in theirs.items() if name not in ("catShare", "G", "M", "P")}


@pytest.mark.parametrize("case", VECTORS["gatt"]["p2pReject"], ids=lambda case: str(case["title"]))
def test_link_info_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_link_info(raw(case), STATION)


@pytest.mark.parametrize(
    "change",
    [
        {"psk": "x" * 64},
        {"psk": "pässword"},
        {"ssid": ""},
        {"ssid": "DIRECT-\0"},
        {"port": 0},
        {"port": None},
        {"port": True},
        {"key": "MFkwEwYH\ud800"},
        {"key": "!" * 10_000},
        {"key": STATION.public_key, "ssid": "no base64!"},
        {"key": STATION.public_key, "ssid": "////"},
        {"ssid": ["DIRECT-ab"]},
    ],
    ids=str,
)
def test_other_link_info_is_refused(change: dict[str, object]) -> None:
    good: dict[str, object] = {"ssid": "DIRECT-ab", "psk": "12345678", "mac": "x", "port": 80}
    assert parse_link_info(json.dumps(good).encode(), STATION).mac is None
    with pytest.raises(RemoteProtocolError):
        parse_link_info(json.dumps({**good, **change}).encode(), STATION)


def test_what_no_receiver_would_take_is_not_built() -> None:
    good = LinkInfo("DIRECT-ab", "12345678", 80, "02:11:22:33:44:55")
    assert build_link_info(good, STATION, None)
    for bad in (
        LinkInfo("", "12345678", 80, good.mac),
        LinkInfo("DIRECT-ab", "short", 80, good.mac),
        LinkInfo("DIRECT-ab", "12345678", 80, "02:AA:22:33:44:55"),
        LinkInfo("DIRECT-ab", "12345678", 80),
    ):
        with pytest.raises(LocalProtocolError):
            build_link_info(bad, STATION, None)


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.text() | st.integers() | st.floats(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["ssid", "psk", "mac", "port", "key", "state", "id"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_info_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        parse_link_info(data, STATION)
    with contextlib.suppress(RemoteProtocolError):
        parse_device_info(data)
