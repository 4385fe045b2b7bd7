"""Batteries, sensors and the firmware's complaints, also from drivers that come, go and tell nonsense."""

from pathlib import Path

import pytest

from board.power import Sensor, Source, Supply, Throttling, charge_percent, is_undervolted, sensors, source, supplies
from board.power import throttling as read_throttling
from board.sysfs import Sysfs
from tests.unit.board.fake_sysfs import made

SUPPLIES = "sys/class/power_supply"
HWMON = "sys/class/hwmon"
THROTTLED = "sys/devices/platform/soc/soc:firmware/get_throttled"
BATTERY = {
    "type": "Battery",
    "status": "Discharging",
    "capacity": "73",
    "voltage_now": "3912000",
    "current_now": "-410000",
}


def device(folder: str, **attributes: str) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in attributes.items()}


def battery(root: Path, **changes: str) -> Supply:
    (supply,) = supplies(made(root, device(f"{SUPPLIES}/BAT0", **BATTERY | changes)))
    return supply


def test_a_battery(tmp_path: Path) -> None:
    assert battery(tmp_path) == Supply("BAT0", False, None, True, 73, 3_912, 1_603)


def test_a_battery_that_tells_its_power(tmp_path: Path) -> None:
    assert battery(tmp_path, power_now="-2500000").draw_mw == 2_500


def test_a_plug(tmp_path: Path) -> None:
    plug = made(tmp_path, device(f"{SUPPLIES}/usb", type="USB", online="1"))
    assert supplies(plug) == [Supply("usb", True, True)]


def test_the_battery_of_a_mouse_is_not_the_boards(tmp_path: Path) -> None:
    assert supplies(made(tmp_path, device(f"{SUPPLIES}/hid-0", **BATTERY, scope="Device"))) == []


@pytest.mark.parametrize(
    ("attribute", "nonsense", "field"),
    [
        ("capacity", "101", "charge_percent"),
        ("capacity", "-1", "charge_percent"),
        ("capacity", "", "charge_percent"),
        ("capacity", "many", "charge_percent"),
        ("voltage_now", "4294967295", "voltage_mv"),
        ("voltage_now", "4294967295", "draw_mw"),
        ("current_now", "9" * 5000, "draw_mw"),
        ("status", "Unknown", "is_discharging"),
        ("status", "", "is_discharging"),
    ],
)
def test_nonsense_is_unknown_and_the_rest_is_kept(attribute: str, nonsense: str, field: str, tmp_path: Path) -> None:
    supply = battery(tmp_path, **{attribute: nonsense})
    assert getattr(supply, field) is None
    assert (supply.charge_percent, supply.is_discharging).count(None) <= 1


def test_a_battery_that_vanishes_while_it_is_read_is_unknown(tmp_path: Path) -> None:
    assert supplies(made(tmp_path, device(f"{SUPPLIES}/BAT0", type="Battery"))) == [Supply("BAT0", False)]
    assert supplies(made(tmp_path / "other", device(f"{SUPPLIES}/BAT0", capacity="5"))) == []


def test_an_attribute_that_fails_is_unknown(tmp_path: Path) -> None:
    sysfs = made(tmp_path, device(f"{SUPPLIES}/BAT0", type="Battery"))
    (tmp_path / SUPPLIES / "BAT0" / "capacity").mkdir()  # reading it is an error
    assert supplies(sysfs)[0].charge_percent is None


def test_a_current_sensor(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        device(f"{HWMON}/hwmon0", name="cpu_thermal", temp1_input="50000")
        | device(f"{HWMON}/hwmon1", name="ina219", in1_input="5080", curr1_input="412", power1_input="2090000"),
    )
    assert sensors(found) == [Sensor("ina219", 5_080, 412, 2_090)]


def test_a_sensor_that_tells_nonsense_tells_nothing(tmp_path: Path) -> None:
    found = made(tmp_path, device(f"{HWMON}/hwmon1", name="ina219", in1_input="-3", curr1_input="2147483647"))
    assert sensors(found) == [Sensor("ina219", None, None, None)]


@pytest.mark.parametrize(("alarm", "verdict"), [("1", True), ("0", False), ("7", None), ("", None)])
def test_undervoltage(alarm: str, verdict: bool | None, tmp_path: Path) -> None:
    found = made(tmp_path, device(f"{HWMON}/hwmon3", name="rpi_volt", in0_lcrit_alarm=alarm))
    assert is_undervolted(found) is verdict


@pytest.mark.parametrize(
    ("bits", "verdict"),
    [
        ("0", Throttling(0)),
        (
            "50005",
            Throttling.UNDERVOLTED
            | Throttling.THROTTLED
            | Throttling.HAS_BEEN_UNDERVOLTED
            | Throttling.HAS_BEEN_THROTTLED,
        ),
        ("80008", Throttling.SOFT_LIMITED | Throttling.HAS_BEEN_SOFT_LIMITED),
        ("ffffffff", ~Throttling(0)),
        ("what", None),
    ],
)
def test_throttling(bits: str, verdict: Throttling | None, tmp_path: Path) -> None:
    assert read_throttling(made(tmp_path, {THROTTLED: bits})) == verdict


def test_a_machine_without_any_of_it_is_unknown(tmp_path: Path) -> None:
    nothing = Sysfs(tmp_path)
    assert (supplies(nothing), sensors(nothing)) == ([], [])
    assert (is_undervolted(nothing), read_throttling(nothing)) == (None, None)
    assert (source([]), charge_percent([])) == (Source.UNKNOWN, None)


PLUG_IN, PLUG_OUT = Supply("usb", True, True), Supply("usb", True, False)
DRAINED, CHARGED = Supply("BAT0", False, None, True, 40), Supply("BAT0", False, None, False, 60)
SILENT = Supply("BAT0", False)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([PLUG_IN], Source.EXTERNAL),
        ([PLUG_OUT], Source.UNKNOWN),
        ([PLUG_IN, DRAINED], Source.BATTERY),
        ([PLUG_OUT, DRAINED], Source.BATTERY),
        ([PLUG_IN, CHARGED], Source.EXTERNAL),
        ([CHARGED], Source.EXTERNAL),
        ([SILENT], Source.UNKNOWN),
        ([PLUG_IN, SILENT], Source.EXTERNAL),
    ],
)
def test_what_the_board_runs_on(found: list[Supply], verdict: Source) -> None:
    assert source(found) is verdict


def test_the_emptiest_battery_counts() -> None:
    assert charge_percent([CHARGED, SILENT, DRAINED]) == 40
