"""What the radios can do is asked once, until something changes."""

import pytest

from drivers.netlink.attributes import build
from drivers.netlink.generic import generic_body
from drivers.netlink.message import Message
from drivers.nl80211.capabilities import Wiphy, wiphys
from drivers.nl80211.constants import Command
from drivers.nl80211.declarations import Attrs
from drivers.nl80211.known_radios import KnownRadios
from drivers.nl80211.radio import Nl80211
from tests.unit.nl80211.chip import FAMILY_ID, Kind
from tests.unit.nl80211.fake_world import FakeWorld, with_chip

CHANGES = [Command.NEW_WIPHY, Command.DEL_WIPHY, Command.REG_CHANGE, Command.REG_BEACON_HINT, Command.WIPHY_REG_CHANGE]


def tell(world: FakeWorld, command: Command) -> None:
    """Let the kernel say that something happened."""
    world.netlink.on_event(Message(FAMILY_ID, 0, 0, 0, generic_body(command, 1, build(Attrs(wiphy=1)))))


class Asking:
    """Counts how often the kernel is asked."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, radio: Nl80211) -> list[Wiphy]:
        self.times += 1
        return await wiphys(radio)


def test_the_answer_is_kept_until_the_end() -> None:
    async def test(world: FakeWorld) -> None:
        asking = Asking()
        known = KnownRadios(world.radio, asking)
        assert await known(world.radio) == await known(world.radio) == await wiphys(world.radio)
        tell(world, Command.NEW_SCAN_RESULTS)
        await known(world.radio)
        assert asking.times == 1
        known.close()

    with_chip(Kind.SOFTMAC, test)


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_it_is_asked_again(change: Command) -> None:
    async def test(world: FakeWorld) -> None:
        asking = Asking()
        known = KnownRadios(world.radio, asking)
        await known(world.radio)
        tell(world, change)
        await known(world.radio)
        assert asking.times == 2
        known.close()

    with_chip(Kind.SOFTMAC, test)


def test_lost_events_may_have_been_changes() -> None:
    async def test(world: FakeWorld) -> None:
        asking = Asking()
        known = KnownRadios(world.radio, asking)
        await known(world.radio)
        world.netlink.on_overrun()
        await known(world.radio)
        assert asking.times == 2
        known.close()

    with_chip(Kind.SOFTMAC, test)


def test_a_change_while_asking_is_not_lost() -> None:
    async def test(world: FakeWorld) -> None:
        asking = Asking()

        async def ask_while_it_changes(radio: Nl80211) -> list[Wiphy]:
            found = await asking(radio)
            if asking.times == 1:
                tell(world, Command.REG_CHANGE)
            return found

        known = KnownRadios(world.radio, ask_while_it_changes)
        await known(world.radio)
        await known(world.radio)
        assert asking.times == 2
        known.close()

    with_chip(Kind.SOFTMAC, test)
