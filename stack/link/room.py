"""Room for the link on a radio that others use as well: which one, and borrowing it where that is allowed."""

from contextlib import suppress
from dataclasses import replace

from drivers.errors import RadioError
from drivers.nl80211.capabilities import Occupant, Wiphy
from drivers.nl80211.errors import RegulatoryError
from drivers.nl80211.interfaces import Interface, interfaces
from stack.link.borrowing import borrow, give_back
from stack.link.choice import Choice, borrowable, choose
from stack.link.country import check_allowed, settle_country
from stack.link.kernel import Kernel
from stack.link.reasons import LinkError, Reason
from stack.link.settings import WifiSettings

_COUNTRY_MS = 1_500  # fits into the time for preparing


class Room:
    """Room for one link at a time. `take` it, `make` more when the channel is known, `give_back` in the end."""

    def __init__(self, kernel: Kernel, settings: WifiSettings) -> None:
        """Use the radios of `kernel`."""
        self._kernel = kernel
        self._settings = settings
        self._borrowed: set[int] = set()

    async def take(self, frequency_mhz: int | None) -> Choice:
        """Choose a radio, under the rules of the country, and borrow it if need be. Raises `LinkError`."""
        radios = await self._radios()
        existing = await interfaces(self._kernel.radio)
        choice = choose(radios, existing, frequency_mhz, may_borrow=self._settings.may_borrow)
        if frequency_mhz is not None:
            await check_allowed(self._kernel.radio, choice.wiphy, frequency_mhz)
        await self._borrow(choice.borrows)
        return choice

    async def make(self, wiphy: Wiphy, link: Interface, frequency_mhz: int) -> None:
        """See that `link` can be on a channel beside what its radio does. Raises `LinkError`."""
        wanted = replace(link.occupant, frequency_mhz=frequency_mhz)
        beside = await self._beside(link)
        refusal = _refusal(wiphy, beside, wanted)
        if refusal and self._settings.may_borrow:
            borrows = borrowable(wiphy, beside)
            await self._borrow(borrows)
            refusal = _refusal(wiphy, [each for each in beside if each not in borrows], wanted)
        if refusal:
            raise LinkError(Reason.RADIO_BUSY, refusal)

    async def give_back(self) -> None:
        """Give back what was borrowed. Never raises."""
        if self._borrowed:
            with suppress(RadioError):
                await give_back(self._kernel.route)
                self._borrowed.clear()

    async def _radios(self) -> list[Wiphy]:
        """Ask for all radios, after the rules of the country have come to hold."""
        found = await self._kernel.radios(self._kernel.radio)
        country = self._settings.country
        try:
            if country and await settle_country(self._kernel.radio, found, country, _COUNTRY_MS):
                return await self._kernel.radios(self._kernel.radio)
        except RegulatoryError as error:
            raise LinkError(Reason.COUNTRY_REFUSED, str(error)) from error
        return found

    async def _beside(self, link: Interface) -> list[Interface]:
        """Ask what there is on the link's radio, and is not borrowed."""
        found = await interfaces(self._kernel.radio)
        beside = [each for each in found if each.wiphy == link.wiphy and each.wdev != link.wdev]
        return [each for each in beside if each.index not in self._borrowed]

    async def _borrow(self, occupying: tuple[Interface, ...]) -> None:
        for each in occupying:
            self._borrowed.add(each.index)
            await borrow(self._kernel.route, each.index)


def _refusal(wiphy: Wiphy, beside: list[Interface], wanted: Occupant) -> str | None:
    return wiphy.refusal([each.occupant for each in beside], [wanted])
