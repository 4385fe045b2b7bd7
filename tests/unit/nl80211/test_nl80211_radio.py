"""Events find who listens for them, and nobody else."""

from board import aio
from drivers.netlink.attributes import build, join
from drivers.netlink.generic import generic_body
from drivers.netlink.message import Message
from drivers.nl80211.constants import Command
from drivers.nl80211.declarations import Attrs, Event
from drivers.nl80211.radio import Nl80211, open_nl80211
from tests.unit.nl80211.chip import FAMILY_ID, GROUPS, Chip, ChipNetlink

ENDED = Attrs(ifindex=7)


def message(attributes: bytes, family: int = FAMILY_ID) -> Message:
    return Message(family, 0, 0, 0, generic_body(Command.SCAN_ABORTED, 1, attributes))


def opened() -> tuple[ChipNetlink, Nl80211]:
    async def whole() -> tuple[ChipNetlink, Nl80211]:
        netlink = ChipNetlink(Chip())
        return netlink, await open_nl80211(netlink)

    return aio.run(whole())


def test_an_event_goes_to_the_listeners_of_its_interface_and_of_all() -> None:
    netlink, radio = opened()
    heard: dict[int, list[Event]] = {0: [], 7: [], 8: []}
    for ifindex, events in heard.items():
        radio.listen(ifindex, events.append)
    netlink.on_event(message(build(ENDED)))
    assert heard == {0: [Event(Command.SCAN_ABORTED, ENDED)], 7: [Event(Command.SCAN_ABORTED, ENDED)], 8: []}


def test_who_has_closed_hears_no_more() -> None:
    netlink, radio = opened()
    heard: list[Event] = []
    losses: list[str] = []
    with radio.listen(0, heard.append, lambda: losses.append("lost")) as listener:
        netlink.on_overrun()
    listener.close()
    netlink.on_overrun()
    netlink.on_event(message(build(ENDED)))
    assert (heard, losses) == ([], ["lost"])


def test_other_families_and_broken_events_are_passed_over() -> None:
    netlink, radio = opened()
    heard: list[Event] = []
    radio.listen(0, heard.append)
    netlink.on_event(message(build(ENDED), family=FAMILY_ID + 1))
    netlink.on_event(message(join(3, b"\x07")))  # an interface index of one byte
    netlink.on_event(Message(FAMILY_ID, 0, 0, 0, b"\x01"))
    assert heard == []


def test_the_groups_of_all_events_are_joined() -> None:
    netlink, _ = opened()
    assert netlink.groups == set(GROUPS.values())
