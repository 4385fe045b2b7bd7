"""Which governor sets the clock of the CPUs (Documentation/admin-guide/pm/cpufreq.rst)."""

from typing import Final

from board.errors import FerryError
from board.sysfs import Sysfs

_POLICIES: Final = "sys/devices/system/cpu/cpufreq/policy*"


class GovernorError(FerryError):
    """The governor cannot be set."""

    remedy = "See /sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors, and that Ferry may write there."


def governors(sysfs: Sysfs) -> frozenset[str]:
    """Return the governors that every CPU has; empty where the clock cannot be changed."""
    every = [_words(sysfs, path) for path in sysfs.find(_POLICIES)]
    return frozenset.intersection(*every) if every else frozenset()


def _words(sysfs: Sysfs, path: str) -> frozenset[str]:
    return frozenset((sysfs.text(f"{path}/scaling_available_governors") or "").split())


def present_governor(sysfs: Sysfs) -> str | None:
    """Return the governor if all CPUs have the same."""
    names = {sysfs.text(f"{path}/scaling_governor") for path in sysfs.find(_POLICIES)}
    return names.pop() if len(names) == 1 else None


def set_governor(name: str, sysfs: Sysfs) -> None:
    """Set the governor of all CPUs. Raises `GovernorError`."""
    if name not in governors(sysfs):
        raise GovernorError(f"The CPUs have no governor {name}.")
    for path in sysfs.find(_POLICIES):
        try:
            sysfs.write(f"{path}/scaling_governor", name)
        except OSError as error:
            raise GovernorError(f"The governor {name} cannot be set: {error.strerror}.") from error
