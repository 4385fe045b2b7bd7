"""Power states: which wins, what each means, and that noise around a limit changes nothing."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stack.power.policy import HOT_C, SETTINGS, Band, Policy, PowerState, Readings, Visibility
from stack.power.work import Priority

_S = PowerState


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (Readings(has_mains=True, charge_percent=80, temperature_c=40), _S.MAINS),
        (Readings(has_mains=True, charge_percent=3, temperature_c=40), _S.MAINS),
        (Readings(has_mains=True, charge_percent=80, temperature_c=80), _S.HOT),
        (Readings(has_mains=True, charge_percent=80, temperature_c=80, is_undervolted=True), _S.UNDERVOLTED),
        (Readings(has_mains=False, charge_percent=80, temperature_c=40), _S.BATTERY),
        (Readings(has_mains=False, charge_percent=20, temperature_c=40), _S.LOW),
        (Readings(has_mains=False, charge_percent=20, temperature_c=75), _S.HOT),
        (Readings(has_mains=False, charge_percent=5, temperature_c=80, is_undervolted=True), _S.CRITICAL),
    ],
)
def test_which_state_wins(readings: Readings, expected: PowerState) -> None:
    assert Policy().read(readings) is expected


def test_every_state_means_something() -> None:
    assert set(SETTINGS) == set(PowerState)


def test_what_the_states_mean() -> None:
    assert SETTINGS[_S.MAINS].slack_percent == 0
    assert SETTINGS[_S.BATTERY].slack_percent == 100
    assert [state for state in PowerState if SETTINGS[state].powers_off] == [_S.CRITICAL]
    assert [state for state in PowerState if SETTINGS[state].keeps_wifi_up] == [_S.MAINS]
    assert SETTINGS[_S.CRITICAL].visibility is Visibility.NEVER
    for state in (_S.LOW, _S.CRITICAL, _S.HOT, _S.UNDERVOLTED):
        assert SETTINGS[state].least_priority is Priority.PERSON


@pytest.mark.parametrize(
    ("charges", "expected"),
    [
        ((26, 21, 20, 24, 25, 21), (_S.BATTERY, _S.BATTERY, _S.LOW, _S.LOW, _S.BATTERY, _S.BATTERY)),
        ((20, 6, 5, 9, 10, 6), (_S.LOW, _S.LOW, _S.CRITICAL, _S.CRITICAL, _S.LOW, _S.LOW)),
    ],
)
def test_charge_has_hysteresis(charges: tuple[int, ...], expected: tuple[PowerState, ...]) -> None:
    policy = Policy()
    assert tuple(policy.read(Readings(False, charge, 40)) for charge in charges) == expected


def test_heat_has_hysteresis() -> None:
    policy = Policy()
    states = [policy.read(Readings(False, 80, celsius)) for celsius in (74, 75, 66, 65, 74)]
    assert states == [_S.BATTERY, _S.HOT, _S.HOT, _S.BATTERY, _S.BATTERY]


@given(st.lists(st.integers(0, 100), min_size=2))
def test_a_band_changes_only_where_it_is_crossed(values: list[int]) -> None:
    held = [False]
    for value in values:
        held.append(HOT_C.holds(value, held[-1]))
    changes = [value for value, (before, after) in zip(values, pairwise(held), strict=True) if before != after]
    assert all(value >= HOT_C.begins or value <= HOT_C.ends for value in changes)
    assert all((one >= HOT_C.begins) != (other >= HOT_C.begins) for one, other in pairwise(changes))


def test_a_band_may_fall_or_rise() -> None:
    assert Band(begins=5, ends=10).holds(5, before=False)
    assert Band(begins=10, ends=5).holds(10, before=False)
    assert not Band(begins=5, ends=10).holds(10, before=True)
    assert not Band(begins=10, ends=5).holds(5, before=True)


def test_the_setting_follows_the_state() -> None:
    policy = Policy()
    policy.read(Readings(False, 80, 40))
    assert policy.setting is SETTINGS[_S.BATTERY]
