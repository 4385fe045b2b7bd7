"""What Ferry knows about a board: one TOML file each in `profiles/`, read strictly.

A profile suggests, it switches nothing on: only `[button]` in the user's settings enables a button. A power figure
without a published source is left out, so a state without a figure is unknown.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from board.errors import FerryError
from board.sysfs import Sysfs

FOLDER: Final = Path(__file__).parent / "profiles"
GENERIC: Final = "generic"

_MODEL: Final = "proc/device-tree/model"


class ProfileError(FerryError):
    """There is no such profile, or its file is not what a profile is."""

    remedy = "See board/profiles for the boards that Ferry knows; `generic` fits all."


class PowerState(StrEnum):
    """What a board does when its power is measured."""

    OFF = "off"
    IDLE = "idle"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class ButtonPin:
    """A line that suits a button to ground: the chip's label, the line, the pins of the header, and why this one."""

    chip: str
    line: int
    header_pin: int
    ground_pin: int
    note: str


@dataclass(frozen=True, slots=True)
class Radio:
    """A radio on the board. Quirks are sentences for `ferry doctor`."""

    name: str
    driver: str
    bands_ghz: tuple[float, ...]
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Which thermal zone counts, where its levels begin in degrees Celsius, and who says so."""

    zone: str
    hot_c: int
    critical_c: int
    source: str


@dataclass(frozen=True, slots=True)
class PowerFigure:
    """What the board draws in a state, what exactly was measured, and where that was published."""

    state: PowerState
    draw_mw: int
    measured: str
    source: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One board. `models`: how its name in the device tree begins. `leds`: names in the LED class, the best first."""

    title: str
    models: tuple[str, ...] = ()
    leds: tuple[str, ...] = ()
    undervoltage: bool = False
    buttons: tuple[ButtonPin, ...] = ()
    radios: tuple[Radio, ...] = ()
    temperatures: Temperatures | None = None
    power: tuple[PowerFigure, ...] = ()

    def draw_mw(self, state: PowerState) -> int | None:
        """Return the published figure for a state; `None` is unknown."""
        return next((figure.draw_mw for figure in self.power if figure.state is state), None)


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of all profiles."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def load(name: str, folder: Path = FOLDER) -> Profile:
    """Read a profile by its name. Raises `ProfileError`."""
    if name not in names(folder):
        raise ProfileError(f"There is no board profile {name!r}.")
    try:
        table = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProfileError(f"The board profile {name} cannot be read: {error}.") from error
    return _build(Profile, table, name)


def detect(sysfs: Sysfs, folder: Path = FOLDER) -> str:
    """Return the name of the profile for this machine, by the longest beginning of its model that a profile names."""
    model = sysfs.text(_MODEL) or ""
    matches = [
        (len(start), name) for name in names(folder) for start in load(name, folder).models if model.startswith(start)
    ]
    return max(matches, default=(0, GENERIC))[1]


TableT = TypeVar("TableT")


def _build(kind: type[TableT], table: Any, where: str) -> TableT:
    """Make a dataclass of a TOML table: every key is a field, every field without a default is there."""
    if not isinstance(table, dict):
        raise ProfileError(f"{where} is no table.")
    hints = get_type_hints(kind)
    _check_keys(kind, table, hints, where)
    return kind(**{key: _value(hints[key], value, f"{where}.{key}") for key, value in table.items()})


def _check_keys(kind: type[Any], table: Mapping[str, Any], hints: Mapping[str, Any], where: str) -> None:
    if unknown := sorted(set(table) - set(hints)):
        raise ProfileError(f"{where} has the unknown key {unknown[0]}.")
    required = {field.name for field in fields(kind) if field.default is MISSING}
    if missing := sorted(required - set(table)):
        raise ProfileError(f"{where} lacks the key {missing[0]}.")


def _value(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) is tuple:
        return _items(get_args(hint)[0], value, where)
    hint = next((part for part in get_args(hint) if part is not type(None)), hint)
    if hasattr(hint, "__dataclass_fields__"):
        return _build(hint, value, where)
    if issubclass(hint, StrEnum) and value in tuple(hint):
        return hint(value)
    if type(value) is not hint:
        raise ProfileError(f"{where} is no {hint.__name__}.")
    return value


def _items(hint: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ProfileError(f"{where} is no list.")
    return tuple(_value(hint, item, f"{where}[{place}]") for place, item in enumerate(value))
