"""The country: its rules are made to hold for all radios, and an offered channel is checked against them."""

from collections.abc import Sequence

from drivers.nl80211.capabilities import Wiphy
from drivers.nl80211.radio import Nl80211
from drivers.nl80211.regulatory import CHANGE_TIMEOUT_MS, WORLD, domain, set_country
from stack.link.reasons import LinkError, Reason


async def settle_country(
    radio: Nl80211, radios: Sequence[Wiphy], country: str, timeout_ms: int = CHANGE_TIMEOUT_MS
) -> bool:
    """Make the rules of `country` hold where others do, and say whether that changed anything.

    Raises `RegulatoryError` if the kernel does not take them.
    """
    others = [each for each in radios if not (await domain(radio, each)).honours(country)]
    for wiphy in others:
        await set_country(radio, wiphy, country, timeout_ms)
    return bool(others)


async def check_allowed(radio: Nl80211, wiphy: Wiphy, frequency_mhz: int) -> None:
    """Raise `LinkError` if no group may be joined on a frequency. Where we may only listen, one may."""
    rules = await domain(radio, wiphy)
    refusal = rules.refusal_to_join(frequency_mhz)
    if refusal:
        raise LinkError(Reason.NO_COUNTRY if rules.country == WORLD else Reason.FORBIDDEN, refusal)
