"""What BlueZ hands out in parts is put together so that the alliance's parser reads it."""

import json
from pathlib import Path
from typing import Any

import pytest
from bleak import BleakScanner
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakDBusError, BleakError

from board import aio
from stack.alliance.advertisement import ADVERTISED_UUID, parse_sighting
from stack.ble.bluez import BluezCentral, BluezError, rebuilt
from stack.ble.uuids import short_uuid

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors/alliance.json").read_text("utf-8"))


def parts(case: dict[str, Any]) -> AdvertisementData:
    """An advertisement and its scan response as BlueZ takes them apart."""
    head, tail = bytes.fromhex(case["advHex"])[23:31], bytes.fromhex(case["scanRspHex"])[2:31]
    data = {short_uuid(int.from_bytes(each[:2], "little")): each[2:] for each in (head, tail)}
    return AdvertisementData(None, {}, data, [ADVERTISED_UUID], None, -50, ())


@pytest.mark.parametrize("case", VECTORS["ble"], ids=lambda case: case["title"])
def test_the_parts_tell_what_the_whole_told(case: dict[str, Any]) -> None:
    whole = parse_sighting(bytes.fromhex(case["advHex"] + case["scanRspHex"]))
    assert parse_sighting(rebuilt(parts(case))) == whole


def test_somebody_elses_advertisement_stays_somebody_elses() -> None:
    other = AdvertisementData("Headset", {76: b"x"}, {ADVERTISED_UUID: b"12"}, [short_uuid(0x180F)], None, -50, ())
    assert rebuilt(other) == b""
    assert not parse_sighting(rebuilt(other)).listed


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            BleakDBusError("org.freedesktop.DBus.Error.Spawn.ChildExited", ["Launch helper exited"]),
            "BlueZ cannot be reached: bluetoothd does not run. See whether",
        ),
        (
            BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["The name is not activatable"]),
            "BlueZ cannot be reached: bluetoothd does not run. See whether",
        ),
        (BleakDBusError("org.bluez.Error.InProgress", ["Busy"]), "BlueZ reports: [org.bluez.Error.InProgress] Busy."),
        (BleakError("adapter 'hci0' not found"), "BlueZ reports: adapter 'hci0' not found. See whether"),
    ],
    ids=["not to be started", "no such name", "busy", "no adapter"],
)
def test_a_scan_that_bluez_refuses_is_trouble_of_the_radio(
    error: BleakError, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(scanner: BleakScanner) -> None:
        raise error

    async def scan() -> None:
        async with BluezCentral().scanning(lambda heard: None):
            pass

    monkeypatch.setattr(BleakScanner, "start", refuse)
    monkeypatch.setattr(BleakScanner, "__init__", lambda *_, **__: None)
    with pytest.raises(BluezError) as refused:
        aio.run(scan())
    assert refused.value.explain().startswith(sentence)
