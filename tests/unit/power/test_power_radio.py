"""The radio's table: complete, and nobody loses the radio in circles."""

from itertools import product

import pytest

from stack.power.radio import TABLE, Use, Verdict, verdict

PAIRS = list(product(Use, Use))


def test_it_knows_every_pair() -> None:
    assert set(TABLE) == set(PAIRS)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_sharing_is_mutual_and_who_lost_the_radio_waits(one: Use, other: Use) -> None:
    assert (TABLE[one, other] is Verdict.SHARE) == (TABLE[other, one] is Verdict.SHARE)
    if TABLE[one, other] is Verdict.TAKE:
        assert TABLE[other, one] is Verdict.WAIT


@pytest.mark.parametrize(("wanted", "held"), PAIRS)
def test_none_takes_from_a_stronger_one(wanted: Use, held: Use) -> None:
    if TABLE[wanted, held] is Verdict.TAKE:
        assert wanted.value < held.value


def test_a_phone_goes_before_the_house_and_every_phone_finds_us_meanwhile() -> None:
    assert TABLE[Use.P2P_LINK, Use.HOME_STATION] is Verdict.TAKE
    assert TABLE[Use.ADVERTISING, Use.P2P_LINK] is Verdict.SHARE


def test_only_the_house_has_several_users() -> None:
    assert [use for use in Use if TABLE[use, use] is not Verdict.WAIT] == [Use.HOME_STATION]


def test_the_worst_verdict_counts() -> None:
    assert verdict(Use.SCANNING, []) is Verdict.SHARE
    assert verdict(Use.SCANNING, [Use.HOME_STATION, Use.ADVERTISING]) is Verdict.TAKE
    assert verdict(Use.SCANNING, [Use.ADVERTISING, Use.P2P_LINK]) is Verdict.WAIT
