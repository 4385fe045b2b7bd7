"""The regulatory domain: which country's rules hold, setting it, and what it says about a frequency."""

from dataclasses import dataclass
from typing import Final

from board import aio
from drivers.nl80211.capabilities import Wiphy
from drivers.nl80211.constants import Command, RuleFlag
from drivers.nl80211.declarations import Attrs, Event, RegRuleAttrs
from drivers.nl80211.errors import RegulatoryError
from drivers.nl80211.radio import Nl80211

WORLD: Final = "00"
INTERSECTION: Final = "98"
CHANGE_TIMEOUT_MS: Final = 3_000  # the kernel reads its database from a file, or asks a helper
_HALF_CHANNEL_KHZ: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds from `start_khz` to `end_khz`."""

    start_khz: int
    end_khz: int
    max_bandwidth_khz: int
    max_eirp_dbm: int
    flags: RuleFlag

    def covers(self, frequency_mhz: int) -> bool:
        """Whether a channel of 20 MHz around `frequency_mhz` lies inside."""
        centre_khz = frequency_mhz * 1000
        return self.start_khz <= centre_khz - _HALF_CHANNEL_KHZ and centre_khz + _HALF_CHANNEL_KHZ <= self.end_khz


@dataclass(frozen=True, slots=True)
class Domain:
    """A regulatory domain. `country` is an ISO code, `WORLD` where none is set, `INTERSECTION` where several hold."""

    country: str
    rules: tuple[Rule, ...]

    def honours(self, country: str) -> bool:
        """Whether the rules of a country hold, perhaps with those of another that an access point has told."""
        return self.country in (country, INTERSECTION)

    def rule(self, frequency_mhz: int) -> Rule | None:
        """Return the rule for a channel of 20 MHz."""
        return next((rule for rule in self.rules if rule.covers(frequency_mhz)), None)

    def refusal_to_join(self, frequency_mhz: int) -> str | None:
        """Say why no group may be joined on a frequency, `None` if one may. Where radar lives, the owner watches."""
        if self.rule(frequency_mhz) is None:
            return f"{frequency_mhz} MHz is not allowed {self._place()}"
        return None

    def refusal_to_own(self, frequency_mhz: int) -> str | None:
        """Say why no group may be opened on a frequency, `None` if one may."""
        rule = self.rule(frequency_mhz)
        if rule is None:
            return self.refusal_to_join(frequency_mhz)
        if rule.flags & RuleFlag.DFS:
            return f"{frequency_mhz} MHz is shared with radar {self._place()}"
        if rule.flags & RuleFlag.NO_IR:
            return f"{frequency_mhz} MHz is for listening only {self._place()}"
        return None

    def _place(self) -> str:
        return "while no country is set" if self.country == WORLD else f"in {self.country}"


async def domain(radio: Nl80211, wiphy: Wiphy) -> Domain:
    """Ask which domain holds for a chip. Raises `RadioError`."""
    answers = await radio.ask(Command.GET_REG, Attrs(wiphy=wiphy.index))
    if not answers:
        raise RegulatoryError("The kernel has no regulatory domain.")
    rules = tuple(_rule(each) for each in answers[0].reg_rules or ())
    return Domain(answers[0].reg_alpha2 or WORLD, rules)


async def set_country(radio: Nl80211, wiphy: Wiphy, country: str, timeout_ms: int = CHANGE_TIMEOUT_MS) -> Domain:
    """Make the rules of `country` hold and return them; a chip that manages itself keeps its own.

    Raises `RegulatoryError` if they do not come.
    """
    current = await domain(radio, wiphy)
    if wiphy.is_self_managed or current.honours(country):
        return current
    changed = aio.Event()

    def happened(event: Event) -> None:
        if event.command == Command.REG_CHANGE:
            changed.set()

    with radio.listen(0, happened, lost=changed.set):
        await radio.ask(Command.REQ_SET_REG, Attrs(reg_alpha2=country))
        while not (current := await domain(radio, wiphy)).honours(country):
            try:
                await aio.wait_for_ms(changed.wait(), timeout_ms)
            except aio.TimeoutError:
                raise RegulatoryError(
                    f"The kernel knows no rules for {country!r}: those of {current.country!r} hold."
                ) from None
            changed.clear()
    return current


def _rule(attrs: RegRuleAttrs) -> Rule:
    return Rule(
        attrs.freq_range_start or 0,
        attrs.freq_range_end or 0,
        attrs.freq_range_max_bw or 0,
        (attrs.power_rule_max_eirp or 0) // 100,
        RuleFlag(attrs.flags or 0),
    )
