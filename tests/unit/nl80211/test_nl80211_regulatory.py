"""The regulatory domain: a recorded one, setting the country, and what it says about frequencies."""

from dataclasses import replace

import pytest

from board import aio
from drivers.nl80211.constants import Command
from drivers.nl80211.errors import RegulatoryError
from drivers.nl80211.regulatory import INTERSECTION, domain, set_country
from tests.unit.nl80211.chip import Kind
from tests.unit.nl80211.fake_world import FakeWorld, with_chip


def test_the_worlds_domain_as_it_was_recorded() -> None:
    async def test(world: FakeWorld) -> None:
        now = await domain(world.radio, world.wiphy)
        assert now.country == "00"
        assert now.refusal_to_own(2437) is None
        assert now.refusal_to_join(5180) is None
        assert now.refusal_to_own(5180) == "5180 MHz is for listening only while no country is set"
        assert (
            now.refusal_to_own(4920) == now.refusal_to_join(4920) == "4920 MHz is not allowed while no country is set"
        )

    with_chip(Kind.SOFTMAC, test)


def test_a_country_is_set_when_the_kernel_says_so() -> None:
    async def test(world: FakeWorld) -> None:
        now = await set_country(world.radio, world.wiphy, "DE")
        assert now.country == "DE"
        assert now.refusal_to_own(5180) is None
        assert now.refusal_to_own(5260) == "5260 MHz is shared with radar in DE"
        assert now.refusal_to_join(5260) is None
        assert now.refusal_to_own(2477) == "2477 MHz is not allowed in DE"  # half of the channel is outside
        rule = now.rule(2437)
        assert rule
        assert (rule.max_bandwidth_khz, rule.max_eirp_dbm) == (40_000, 20)

    with_chip(Kind.FULLMAC, test)


def test_the_country_that_holds_already_needs_no_event() -> None:
    async def test(world: FakeWorld) -> None:
        world.chip.country = "DE"
        assert (await set_country(world.radio, world.wiphy, "DE", timeout_ms=1)).country == "DE"

    with_chip(Kind.FULLMAC, test)


def test_the_country_that_holds_already_is_not_set() -> None:
    async def test(world: FakeWorld) -> None:
        world.chip.country = "DE"
        await set_country(world.radio, world.wiphy, "DE")
        assert Command.REQ_SET_REG not in [command for command, _ in world.chip.asked]

    with_chip(Kind.FULLMAC, test)


def test_what_an_access_point_adds_to_the_country_is_good_enough() -> None:
    async def test(world: FakeWorld) -> None:
        setting = aio.create_task(set_country(world.radio, world.wiphy, "DE", timeout_ms=50))
        world.chip.known_countries = ()
        for _ in range(5):
            await aio.sleep_ms(0)
        world.chip.country_changes(INTERSECTION)
        assert (await setting).country == INTERSECTION

    with_chip(Kind.FULLMAC, test)


def test_a_country_that_the_kernel_does_not_know_is_told() -> None:
    async def test(world: FakeWorld) -> None:
        with pytest.raises(RegulatoryError, match="those of '00' hold") as caught:
            await set_country(world.radio, world.wiphy, "ZZ", timeout_ms=20)
        assert "wireless-regdb" in caught.value.explain()

    with_chip(Kind.FULLMAC, test)


def test_lost_events_do_not_delay_a_change() -> None:
    async def test(world: FakeWorld) -> None:
        world.chip.events_to_lose = 1
        assert (await set_country(world.radio, world.wiphy, "DE")).country == "DE"

    with_chip(Kind.FULLMAC, test)


def test_the_change_of_somebody_else_is_not_ours() -> None:
    async def test(world: FakeWorld) -> None:
        world.chip.known_countries += ("US",)
        setting = aio.create_task(set_country(world.radio, world.wiphy, "DE"))
        for _ in range(5):
            await aio.sleep_ms(0)
        world.chip.country_changes("US")
        assert (await setting).country == "DE"
        assert [command for command, _ in world.chip.asked].count(Command.GET_REG) == 4  # and no busy waiting

    with_chip(Kind.FULLMAC, test)


def test_a_chip_that_manages_itself_keeps_its_rules() -> None:
    async def test(world: FakeWorld) -> None:
        wiphy = replace(world.wiphy, is_self_managed=True)
        assert (await set_country(world.radio, wiphy, "DE")).country == "00"
        assert Command.REQ_SET_REG not in [command for command, _ in world.chip.asked]

    with_chip(Kind.FULLMAC, test)
