"""Sets the station's day beside the baselines', and beside what other measurements of the board would make of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from stack.power.discovery import Uniform
from stack.power.figures import ZERO_2_W, ZERO_2_W_OTHER_METER, ZERO_2_W_STOCK_AWAKE, Figures
from stack.power.outcome import Outcome
from stack.power.simulate import simulate
from stack.power.strategies import BUTTON, FERRY, STOCK
from stack.power.trace import Trace

TARGET_SHARE: Final = 0.55
TARGET_LATENCY_MS: Final = 1500.0

OTHER_FIGURES: Final = {
    "on the other published meter": ZERO_2_W_OTHER_METER,
    "if stock's Wi-Fi power save is off": ZERO_2_W_STOCK_AWAKE,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One day, three ways. `other_shares` has ferry's part of stock's energy by other figures."""

    trace: Trace
    ferry: Outcome
    stock: Outcome
    button: Outcome
    other_shares: dict[str, float]

    @property
    def outcomes(self) -> tuple[Outcome, Outcome, Outcome]:
        """All three, the station's first."""
        return self.ferry, self.stock, self.button

    def share(self, outcome: Outcome) -> float:
        """Return the part of stock's energy that `outcome` takes."""
        return outcome.energy_mj / self.stock.energy_mj

    @property
    def is_frugal(self) -> bool:
        """Whether the energy is within the target."""
        return self.share(self.ferry) <= TARGET_SHARE

    @property
    def is_prompt(self) -> bool:
        """Whether the median discovery latency is within the target; so it is if nobody came."""
        return (self.ferry.median_latency_ms or 0.0) < TARGET_LATENCY_MS


def compare(trace: Trace, randomness: Callable[[], Uniform], figures: Figures = ZERO_2_W) -> Comparison:
    """Live through `trace` three times, each with fresh but equal `randomness`."""
    ferry, stock, button = (simulate(trace, each, figures, randomness()) for each in (FERRY, STOCK, BUTTON))
    return Comparison(
        trace, ferry, stock, button, {name: _share(trace, each, randomness) for name, each in OTHER_FIGURES.items()}
    )


def _share(trace: Trace, figures: Figures, randomness: Callable[[], Uniform]) -> float:
    ferry, stock = (simulate(trace, each, figures, randomness()) for each in (FERRY, STOCK))
    return ferry.energy_mj / stock.energy_mj


def floor_share(figures: Figures = ZERO_2_W) -> float:
    """Return the part of stock's idle draw that our idle board takes: no schedule gets below while the board is on."""
    return figures.base_mw / (figures.base_mw + figures.stock_surplus_mw + figures.wifi_associated_mw)
