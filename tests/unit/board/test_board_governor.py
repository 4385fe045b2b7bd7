"""The governor of all CPUs."""

from pathlib import Path

import pytest

from board.governor import GovernorError, governors, present_governor, set_governor
from board.sysfs import Sysfs
from tests.unit.board.fake_sysfs import made

POLICY = "sys/devices/system/cpu/cpufreq/policy"


@pytest.fixture
def cpus(tmp_path: Path) -> Sysfs:
    """Two clusters, of which the second cannot do ondemand."""
    attributes = {}
    for number, names in ((0, "ondemand powersave performance"), (4, "powersave performance")):
        attributes[f"{POLICY}{number}/scaling_available_governors"] = names
        attributes[f"{POLICY}{number}/scaling_governor"] = "powersave"
    return made(tmp_path, attributes)


def test_only_what_all_cpus_have_can_be_set(cpus: Sysfs) -> None:
    assert governors(cpus) == {"powersave", "performance"}
    with pytest.raises(GovernorError, match="no governor ondemand"):
        set_governor("ondemand", cpus)


def test_all_cpus_are_set(cpus: Sysfs) -> None:
    for number in (0, 4):
        (cpus.root / f"{POLICY}{number}/scaling_governor").write_bytes(b"")
    set_governor("performance", cpus)
    assert present_governor(cpus) == "performance"


def test_cpus_of_two_minds_have_no_governor_in_common(cpus: Sysfs) -> None:
    (cpus.root / f"{POLICY}4/scaling_governor").write_text("performance")
    assert present_governor(cpus) is None


def test_a_machine_with_one_clock_says_so(tmp_path: Path) -> None:
    assert (governors(Sysfs(tmp_path)), present_governor(Sysfs(tmp_path))) == (frozenset(), None)
    with pytest.raises(GovernorError):
        set_governor("powersave", Sysfs(tmp_path))


def test_a_refusal_of_the_kernel_is_a_sentence(cpus: Sysfs) -> None:
    (cpus.root / f"{POLICY}4/scaling_governor").unlink()
    with pytest.raises(GovernorError, match="cannot be set: No such file"):
        set_governor("performance", cpus)
