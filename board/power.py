"""Where the power comes from, how much is left, and whether it suffices, as the kernel tells it.

Batteries and UPS with a kernel driver are power supplies (ABI/testing/sysfs-class-power); sensors such as INA219 are
hwmon devices (hwmon/sysfs-interface.rst); a Raspberry Pi's firmware tells undervoltage and throttling. A value that is
missing or beyond reason is `None`.

Looking costs a wake-up, so look beside other work, every `LOOK_EVERY_MS` on a battery. Undervoltage need not be looked
for: the driver asks a Pi's firmware every two seconds and announces a change as a priority event (POLLPRI) on
`in0_lcrit_alarm`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Final

from board.sysfs import Sysfs

LOOK_EVERY_MS: Final = 60_000

_SUPPLIES: Final = "sys/class/power_supply"
_MAX_UV, _MAX_UA, _MAX_UW = 60_000_000, 20_000_000, 200_000_000
_SENSORS: Final = frozenset({"ina219", "ina220", "ina226", "ina230", "ina231", "ina260"})


class Source(Enum):
    """What the board runs on."""

    EXTERNAL = auto()
    BATTERY = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Supply:
    """One power supply. `is_external`: mains, USB or wireless; else a battery or a UPS."""

    name: str
    is_external: bool
    is_online: bool | None = None
    is_discharging: bool | None = None
    charge_percent: int | None = None
    voltage_mv: int | None = None
    draw_mw: int | None = None


@dataclass(frozen=True, slots=True)
class Sensor:
    """A current sensor in a supply line."""

    name: str
    voltage_mv: int | None
    current_ma: int | None
    draw_mw: int | None


class Throttling(Flag):
    """Bits of the Raspberry Pi's firmware (`vcgencmd get_throttled`).

    The `HAS_` ones since boot, or since the undervoltage driver last asked: it clears them.
    """

    UNDERVOLTED = 1 << 0
    CAPPED = 1 << 1
    THROTTLED = 1 << 2
    SOFT_LIMITED = 1 << 3
    HAS_BEEN_UNDERVOLTED = 1 << 16
    HAS_BEEN_CAPPED = 1 << 17
    HAS_BEEN_THROTTLED = 1 << 18
    HAS_BEEN_SOFT_LIMITED = 1 << 19


_ALL_BITS: Final = sum(bit.value for bit in Throttling)


def supplies(sysfs: Sysfs) -> list[Supply]:
    """Return the board's power supplies; batteries of mice and keyboards (scope `Device`) are none."""
    return [_supply(sysfs, path, kind) for path, kind in _board_supplies(sysfs)]


def _board_supplies(sysfs: Sysfs) -> Iterator[tuple[str, str]]:
    for path in sysfs.find(f"{_SUPPLIES}/*"):
        kind = sysfs.text(f"{path}/type")
        if kind and sysfs.text(f"{path}/scope") != "Device":
            yield path, kind


def _supply(sysfs: Sysfs, path: str, kind: str) -> Supply:
    status = sysfs.text(f"{path}/status")
    voltage_uv = sysfs.number(f"{path}/voltage_now", 0, _MAX_UV)
    return Supply(
        name=path.rpartition("/")[2],
        is_external=kind not in ("Battery", "UPS"),
        is_online=sysfs.flag(f"{path}/online"),
        is_discharging=None if status in (None, "", "Unknown") else status == "Discharging",
        charge_percent=sysfs.number(f"{path}/capacity", 0, 100),
        voltage_mv=None if voltage_uv is None else voltage_uv // 1_000,
        draw_mw=_draw_mw(sysfs, path, voltage_uv),
    )


def _draw_mw(sysfs: Sysfs, path: str, voltage_uv: int | None) -> int | None:
    """Return the power without its sign: drivers do not agree which way is negative."""
    power_uw = sysfs.number(f"{path}/power_now", -_MAX_UW, _MAX_UW)
    if power_uw is not None:
        return abs(power_uw) // 1_000
    current_ua = sysfs.number(f"{path}/current_now", -_MAX_UA, _MAX_UA)
    return None if current_ua is None or voltage_uv is None else abs(current_ua) * voltage_uv // 10**9


def sensors(sysfs: Sysfs) -> list[Sensor]:
    """Return the current sensors that the kernel drives."""
    return [_sensor(sysfs, path, name) for path, name in _hwmons(sysfs) if name in _SENSORS]


def _sensor(sysfs: Sysfs, path: str, name: str) -> Sensor:
    power_uw = sysfs.number(f"{path}/power1_input", 0, _MAX_UW)
    return Sensor(
        name=name,
        voltage_mv=sysfs.number(f"{path}/in1_input", 0, _MAX_UV // 1_000),
        current_ma=sysfs.number(f"{path}/curr1_input", -_MAX_UA // 1_000, _MAX_UA // 1_000),
        draw_mw=None if power_uw is None else power_uw // 1_000,
    )


def is_undervolted(sysfs: Sysfs) -> bool | None:
    """Whether a Raspberry Pi's supply was below 4.63 V (driver rpi_volt); `None` where nothing watches it."""
    alarms = (sysfs.flag(f"{path}/in0_lcrit_alarm") for path, name in _hwmons(sysfs) if name == "rpi_volt")
    return next(alarms, None)


def throttling(sysfs: Sysfs) -> Throttling | None:
    """Return what a Raspberry Pi's firmware does to its clock; `None` on other boards and kernels.

    Only the Raspberry Pi kernel has this file, and its log calls it deprecated: for diagnostics, not for watching.
    """
    for path in sysfs.find("sys/devices/platform/soc*/*firmware/get_throttled"):
        try:
            return Throttling(int(sysfs.text(path) or "", 16) & _ALL_BITS)
        except ValueError:
            return None
    return None


def _hwmons(sysfs: Sysfs) -> list[tuple[str, str | None]]:
    return [(path, sysfs.text(f"{path}/name")) for path in sysfs.find("sys/class/hwmon/hwmon*")]


def source(found: list[Supply]) -> Source:
    """Return what the board runs on: a battery that is drained outweighs a supply that says it is there."""
    if any(supply.is_discharging for supply in found if not supply.is_external):
        return Source.BATTERY
    if any(supply.is_online for supply in found if supply.is_external):
        return Source.EXTERNAL
    if any(supply.is_discharging is False for supply in found if not supply.is_external):
        return Source.EXTERNAL
    return Source.UNKNOWN


def charge_percent(found: list[Supply]) -> int | None:
    """Return the charge of the emptiest battery that tells one."""
    charges = (supply.charge_percent for supply in found if not supply.is_external)
    return min((charge for charge in charges if charge is not None), default=None)
