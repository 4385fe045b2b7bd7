"""Bumble as the phone, on a controller of its own, against our station and our sender; good days and bad ones."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from board.errors import FerryError
from stack.alliance.advertisement import Advertisement, for_station
from stack.alliance.cipher import KeyPair
from stack.alliance.device_info import parse_device_info
from stack.alliance.link_info import LinkInfo
from stack.ble.peripheral import Limits
from stack.station.demo.controllers import VirtualAir
from stack.station.introduction import ReceiverBusyError
from tests.peers.bumble.phone import PhoneError, ReceivingPhone, SendingPhone
from tests.peers.station import ADDRESS, Station, send_to_whoever_receives
from tests.peers.transcript import transcript

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/alliance.json").read_text("utf-8"))
ADVERTISEMENTS = {
    case["title"]: case
    for case in VECTORS["ble"]
    if case["input"]["name"] and "CatShare rule truncates" not in case["title"]
}
TRANSCRIPTS = Path(__file__).parent / "transcripts"
OURS = for_station("NAS-照片", b"\x1c\x5e")
OFFER = {"id": "1c5e", "ssid": "DIRECT-a1B2c3D4", "psk": "Zx81Qw7e", "mac": "02:11:22:33:44:55", "port": 43210}
LINK = LinkInfo("DIRECT-a1B2c3D4", "Zx81Qw7e", 43210, "02:11:22:33:44:55", "1c5e")
VALUE_NOT_ALLOWED = 0x13


@contextmanager
def controllers(kind: str, folder: Path, phones: int = 1) -> Iterator[tuple[str, list[str]]]:
    """Give our controller and those of the phones, all in one air. Ours is reached in the way that `kind` names."""
    if kind == "uart":
        with VirtualAir(phones, pty=[folder / "hci"]) as air:
            yield air.hci[-1], air.hci[:-1]
    else:
        with VirtualAir(phones + 1) if kind == "tcp" else VirtualAir(legacy_tcp=phones + 1) as air:
            yield air.hci[0], air.hci[1:]


@contextmanager
def face_to_face(folder: Path, limits: Limits | None = None) -> Iterator[tuple[Station, SendingPhone]]:
    """A station and a phone that is connected to it."""
    with (
        controllers("legacy", folder) as (ours, (its,)),
        Station(ours, OURS, limits or Limits()) as station,
        SendingPhone(its) as phone,
    ):
        reach(phone)
        yield station, phone


def reach(phone: SendingPhone, mtu: int = 517) -> None:
    phone.scan()
    phone.connect()
    if mtu > 23:
        assert phone.mtu(mtu) == mtu
    phone.discover()


def sealed(phone: SendingPhone, **changes: Any) -> bytes:
    """The phone's offer for the key that it reads now."""
    return phone.seal({**OFFER, **changes}, read_key(phone))


def read_key(phone: SendingPhone) -> str:
    key = parse_device_info(phone.read()).key
    assert key
    return key


@pytest.mark.parametrize("title", ADVERTISEMENTS)
def test_the_air_carries_every_advertisement_to_the_byte(title: str, tmp_path: Path) -> None:
    case, parsed = ADVERTISEMENTS[title], ADVERTISEMENTS[title]["parsed"]
    advertisement = Advertisement(
        case["input"]["name"],
        bytes.fromhex(parsed["deviceIdHex"]),
        parsed["brand"],
        parsed["supports5GHz"],
        int(parsed["scanRspUuid16"], 16),
        bytes.fromhex(case["advHex"])[2],
    )
    with (
        controllers("legacy", tmp_path) as (ours, (its,)),
        Station(ours, advertisement),
        SendingPhone(its) as phone,
    ):
        heard = phone.scan()
    assert (heard["advertising_data"], heard["scan_response"]) == (case["advHex"], case["scanRspHex"])
    assert heard["address"].startswith(str(ADDRESS))


@pytest.mark.parametrize("kind", ["uart", "tcp", "legacy"])
@pytest.mark.parametrize("mtu", [517, 247, 23])
def test_a_phone_hands_over_its_link_info(kind: str, mtu: int, tmp_path: Path) -> None:
    with controllers(kind, tmp_path) as (ours, (its,)), Station(ours, OURS) as station, SendingPhone(its) as phone:
        heard = phone.scan()
        assert heard["advertising_data"] == OURS.advertising_data().hex()
        assert heard["scan_response"] == OURS.scan_response().hex()
        phone.connect()
        if mtu > 23:
            assert phone.mtu(mtu) == mtu
        handles = phone.discover()
        assert (handles["9953"]["properties"], handles["9954"]["properties"]) == (0x0A, 0x0A)
        value = sealed(phone)
        assert len(value) > 247
        phone.write(value)
        phone.disconnect()
        _, _, link, _ = station.expect("connected", "read", "wrote", "disconnected")
    assert link == LINK


@pytest.mark.parametrize(("kind", "mtu"), [("legacy", 517), ("tcp", 23)])
def test_the_dialogue_is_the_one_beside_this_test(kind: str, mtu: int, tmp_path: Path) -> None:
    with controllers(kind, tmp_path) as (ours, (its,)):
        with Station(ours, OURS) as station, SendingPhone(its) as phone:
            reach(phone, mtu)
            phone.write(sealed(phone))
            phone.disconnect()
            station.expect("connected", "read", "wrote", "disconnected")
        spoken = transcript(station.recorder.packets)
    (tmp_path / "spoken.txt").write_text(spoken)
    assert spoken == (TRANSCRIPTS / f"{kind}-mtu{mtu}.txt").read_text()


@pytest.mark.parametrize("how", ["request", "long", "command", "pieces"])
def test_every_way_to_write(how: str, tmp_path: Path) -> None:
    with face_to_face(tmp_path) as (station, phone):
        phone.write(sealed(phone), how)
        assert station.expect("connected", "read", "wrote")[2] == LINK


def test_bytes_before_the_brace_and_offers_in_clear(tmp_path: Path) -> None:
    with face_to_face(tmp_path) as (station, phone):
        phone.write(b"\0\x01junk" + json.dumps(OFFER).encode(), "pieces")
        assert station.expect("connected", "wrote")[1] == LINK


def test_each_accepted_write_brings_a_fresh_key(tmp_path: Path) -> None:
    with face_to_face(tmp_path) as (station, phone):
        first = read_key(phone)
        assert read_key(phone) == first
        value = phone.seal(OFFER, first)
        phone.write(value)
        with pytest.raises(PhoneError):
            phone.write(value)  # a replay
        assert read_key(phone) != first
        phone.write(sealed(phone, port=1))
        events = station.expect("connected", "read", "read", "wrote", "refused", "read", "read", "wrote")
    assert (events[3].port, events[-1].port) == (43210, 1)


BAD_OFFERS = {
    "no JSON": b"\xff" * 40,
    "closed, but no JSON": b'{"ssid":}',
    "no UTF-8": b'{"ssid":"\xff\xfe"}',
    "no fields": b"{}",
    "a list": b'[{"ssid":1}] ',
    "a key that is no point": json.dumps({**OFFER, "key": base64.b64encode(b"\4" * 65).decode()}).encode(),
    "a port of 70000": json.dumps({**OFFER, "port": 70000}).encode(),
    "a psk of one character": json.dumps({**OFFER, "psk": "x"}).encode(),
    "an SSID with a newline": json.dumps({**OFFER, "ssid": "DIRECT-ab\n"}).encode(),
}


@pytest.mark.parametrize("bad", BAD_OFFERS)
def test_a_bad_offer_is_refused_and_the_next_good_one_taken(bad: str, tmp_path: Path) -> None:
    with face_to_face(tmp_path) as (station, phone):
        with pytest.raises(PhoneError, match="VALUE_NOT_ALLOWED"):
            phone.write(BAD_OFFERS[bad])
        phone.write(sealed(phone))
        assert station.expect("connected", "refused", "read", "wrote")[3] == LINK


def test_ciphertext_that_is_no_base64(tmp_path: Path) -> None:
    with face_to_face(tmp_path) as (station, phone):
        fields = json.loads(sealed(phone))
        with pytest.raises(PhoneError):
            phone.write(json.dumps({**fields, "psk": "!!!!"}).encode())
        assert station.expect("connected", "read", "refused")[2] == "An encrypted field does not decrypt to text."


def test_link_info_of_64_kib(tmp_path: Path) -> None:
    huge = b'{"ssid":"' + b"x" * 65_536
    with face_to_face(tmp_path) as (station, phone):
        with pytest.raises(PhoneError):
            phone.write(huge, "long")
        phone.raw(b"\x18\x00")  # forget what was prepared
        with pytest.raises(PhoneError):
            phone.write(huge, "pieces")
        phone.write(sealed(phone))
        assert station.expect("connected", "refused", "read", "wrote")[3] == LINK


def test_hostile_pdus_get_an_error_each_and_change_nothing(tmp_path: Path) -> None:
    with face_to_face(tmp_path) as (station, phone):
        handles = phone.discover()
        p2p = handles["9953"]["handle"].to_bytes(2, "little")
        status = handles["9954"]["handle"].to_bytes(2, "little")
        asked = {
            "truncated read": (b"\x0a\x01", "010a000004"),
            "read of handle 0": (b"\x0a\x00\x00", "010a000001"),
            "read past the end": (b"\x0a\xff\xff", "010affff01"),
            "read of p2p": (b"\x0a" + p2p, f"010a{p2p.hex()}02"),
            "write to status": (b"\x12" + status + b"{}", f"0112{status.hex()}03"),
            "unknown request": (b"\x3f\0\0", "013f000006"),
            "blob beyond the end": (b"\x0c" + status + b"\xff\xff", f"010c{status.hex()}07"),
            "backward range": (b"\x08\x09\x00\x01\x00\x03\x28", "0108090001"),
            "gap between prepared writes": (b"\x16" + p2p + b"\x09\0xx", f"17{p2p.hex()}09007878"),
            "execution of the gap": (b"\x18\x01", f"0118{p2p.hex()}07"),
        }
        for name, (pdu, answer) in asked.items():
            assert [each.hex() for each in phone.raw(pdu)] == [answer], name
        assert phone.raw(b"", b"\x52", b"\x1e", b"\xd2" + p2p + b"x" * 20, answers=1, within_ms=200) == []
        assert len(phone.raw(b"\x0a" + status, b"\x0a" + status, answers=2)) == 2
        phone.raw(b"\x01\x02\x03", b"\xff" * 600, within_ms=200, cid=0x0040)
        phone.raw(b"\x12\x01\x08\x00\x06\x00\x06\x00\x00\x00\x0a\x00", within_ms=200, cid=5)
        phone.write(sealed(phone))
        names = [station.next_event()[0]]
        while names[-1] != "wrote":
            names.append(station.next_event()[0])
    assert set(names) == {"connected", "read", "wrote"}


def test_the_prepare_queue_is_bounded(tmp_path: Path) -> None:
    with face_to_face(tmp_path) as (station, phone):
        p2p = phone.discover()["9953"]["handle"].to_bytes(2, "little")
        answers = [phone.raw(b"\x16" + p2p + bytes(2) + b"x" * 10)[0] for _ in range(40)]
        assert answers[-1].hex() == f"0116{p2p.hex()}09"
        phone.disconnect()
        reach(phone)
        phone.write(sealed(phone))
        assert station.expect("connected", "disconnected", "connected", "read", "wrote")[4] == LINK


@pytest.mark.parametrize("steps", range(5))
def test_a_phone_may_vanish_in_every_state(steps: int, tmp_path: Path) -> None:
    with controllers("legacy", tmp_path, phones=2) as (ours, (its, others)), Station(ours, OURS) as station:
        with SendingPhone(its) as phone:
            phone.scan()
            phone.connect()
            if steps > 0:
                phone.mtu(23 if steps == 4 else 517)
            if steps > 1:
                handles = phone.discover()
            if steps > 2:
                phone.read()
            if steps > 3:
                phone.raw(b"\x16" + handles["9953"]["handle"].to_bytes(2, "little") + bytes(2) + b'{"ssid":"')
            phone.kill()
        with SendingPhone(others, "F1:00:00:00:00:02") as phone:
            reach(phone)
            phone.write(sealed(phone))
            names = [station.next_event() for _ in range(5 + (steps > 2))]
    assert names[-1] == ("wrote", LINK)
    assert sorted({name for name, _ in names}) == ["connected", "disconnected", "read", "wrote"]


def test_two_phones_at_once_each_with_the_key_it_has_read(tmp_path: Path) -> None:
    with (
        controllers("legacy", tmp_path, phones=2) as (ours, its),
        Station(ours, OURS) as station,
        SendingPhone(its[0]) as one,
        SendingPhone(its[1], "F1:00:00:00:00:02") as other,
    ):
        reach(one)
        reach(other)
        ones, others = sealed(one, port=1), sealed(other, port=2)
        other.write(others)
        one.write(ones)
        events = station.expect("connected", "connected", "read", "read", "wrote", "wrote")
    assert [link.port for link in events[-2:]] == [2, 1]


def test_a_silent_phone_is_dropped_in_time_and_a_busy_one_not(tmp_path: Path) -> None:
    with face_to_face(tmp_path, Limits(idle_ms=600)) as (station, phone):
        for _ in range(4):
            assert phone.idle(300)
            phone.read()
        phone.wait_for_disconnection(3_000)
        station.expect("connected", "read", "read", "read", "read", "disconnected")
        reach(phone)


def test_the_last_slot_is_freed_by_whoever_is_silent_longest(tmp_path: Path) -> None:
    with (
        controllers("legacy", tmp_path, phones=3) as (ours, its),
        Station(ours, OURS, Limits(slots=2)),
        SendingPhone(its[0]) as first,
        SendingPhone(its[1], "F1:00:00:00:00:02") as second,
        SendingPhone(its[2], "F1:00:00:00:00:03") as third,
    ):
        reach(first)
        reach(second)
        first.wait_for_disconnection()
        second.write(sealed(second))
        reach(third)
        second.wait_for_disconnection()


@pytest.mark.parametrize("kind", ["uart", "tcp", "legacy"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mtu": 23},
        {"status_bytes": 500},
        {"status_bytes": 500, "mtu": 64},
        {"without_response": True},
        {"public": True},
    ],
    ids=str,
)
def test_we_send_to_a_phone(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    phone_shows = Advertisement("Redmi Note 9", bytes.fromhex("1c5e0000000000000000000000001c5e"), 30)
    with (
        controllers(kind, tmp_path) as (ours, (its,)),
        ReceivingPhone(its, phone_shows.advertising_data(), phone_shows.scan_response(), **options) as phone,
    ):
        device, info = send_to_whoever_receives(ours, LINK)
        happened: dict[str, Any] = {}
        while happened.keys() < {
            "connected",
            "read",
            "written",
            "disconnected",
        }:  # Bumble may tell the last two swapped
            said = phone.line(5_000)
            happened[said["event"]] = said
        fields = happened["written"]["fields"]
    assert (device.name, device.brand) == ("Redmi Note 9", "Xiaomi")
    assert info.ready
    assert {name: fields[name] for name in OFFER} == OFFER
    assert KeyPair.generate().cipher_with(fields["key"])


def test_a_busy_phone_is_left_alone(tmp_path: Path) -> None:
    with (
        controllers("legacy", tmp_path) as (ours, (its,)),
        ReceivingPhone(its, OURS.advertising_data(), OURS.scan_response(), state=1) as phone,
    ):
        with pytest.raises(ReceiverBusyError):
            send_to_whoever_receives(ours, LINK)
        phone.expect("disconnected")


def test_nobody_receives(tmp_path: Path) -> None:
    with controllers("legacy", tmp_path) as (ours, _), pytest.raises(FerryError, match="No receiving device"):
        send_to_whoever_receives(ours, LINK, looking_ms=300)
