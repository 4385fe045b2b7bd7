"""Which radio takes the link: one with room beside what it does, else, if that is allowed, one that is borrowed. Pure.

Among several, those come first that have the offered channel and are on the fewest others: where the phone's channel
is not known yet, an idle radio has room for any.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from drivers.nl80211.capabilities import Wiphy
from drivers.nl80211.errors import NoRoomError, NoWifiError
from drivers.nl80211.interfaces import Interface, Plan, plan
from stack.link.reasons import LinkError, Reason


@dataclass(frozen=True, slots=True)
class Choice:
    """A radio, how it gets the link's interface, and what has to be switched off before."""

    wiphy: Wiphy
    plan: Plan
    borrows: tuple[Interface, ...] = ()


def choose(
    radios: Sequence[Wiphy], existing: Sequence[Interface], frequency_mhz: int | None, *, may_borrow: bool
) -> Choice:
    """Choose a radio for a group on `frequency_mhz`, if that is known.

    Raises `LinkError` with the reason of the first radio, `NoWifiError` where there is none.
    """
    ranked = sorted(radios, key=lambda wiphy: _rank(wiphy, existing, frequency_mhz))
    refusals: list[NoRoomError] = []
    for wiphy in ranked:
        try:
            return Choice(wiphy, plan(wiphy, existing, frequency_mhz))
        except NoRoomError as error:
            refusals.append(error)
    for wiphy in ranked if may_borrow else ():
        with suppress(NoRoomError):
            return _borrowed(wiphy, existing, frequency_mhz)
    if refusals:
        raise LinkError(Reason.RADIO_BUSY, str(refusals[0]))
    raise NoWifiError("This machine has no Wi-Fi radio.")


def borrowable(wiphy: Wiphy, existing: Sequence[Interface]) -> tuple[Interface, ...]:
    """Return those interfaces of a radio that can be switched off. A P2P device cannot: it is no link."""
    return tuple(each for each in existing if each.wiphy == wiphy.index and each.index)


def _borrowed(wiphy: Wiphy, existing: Sequence[Interface], frequency_mhz: int | None) -> Choice:
    """Plan as if the others were switched off: on no channel, and for some drivers not even there."""
    borrows = borrowable(wiphy, existing)
    others = [each for each in existing if each not in borrows]
    with suppress(NoRoomError):
        off = [replace(each, frequency_mhz=None) for each in borrows]
        return Choice(wiphy, plan(wiphy, [*others, *off], frequency_mhz), borrows)
    return Choice(wiphy, plan(wiphy, others, frequency_mhz), borrows)


def _rank(wiphy: Wiphy, existing: Sequence[Interface], frequency_mhz: int | None) -> tuple[bool, int]:
    channel = wiphy.channels.get(frequency_mhz) if frequency_mhz else None
    cannot_hear = frequency_mhz is not None and (channel is None or channel.is_disabled)
    busy_mhz = {each.frequency_mhz for each in existing if each.wiphy == wiphy.index and each.frequency_mhz}
    return cannot_hear, len(busy_mhz)
