"""A battery in a simulation: full or less, drained by the board, charged by mains."""

from math import ceil
from typing import Final

CONVERTER_PERCENT: Final = 90  # from cell to 5 V, assumed
CHARGING_MW: Final = 5000  # into the cell, assumed
MARKS_PERCENT: Final = (5, 10, 20, 25)  # where the policy's bands begin and end: a fuel gauge raises an alert there
_MS_PER_HOUR: Final = 3_600_000


class Battery:
    """How much is in it, and when that passes a mark."""

    def __init__(self, capacity_mwh: int, charge_percent: int) -> None:
        """Begin with `charge_percent`."""
        self._capacity_mwh = capacity_mwh
        self._stored_mwh = capacity_mwh * charge_percent / 100

    @property
    def charge_percent(self) -> int:
        """How full it is; a hair is added so that a mark that is reached counts."""
        return int(self._stored_mwh / self._capacity_mwh * 100 + 1e-6)

    def live(self, elapsed_ms: int, draw_mw: int, *, has_mains: bool) -> None:
        """Let time pass at a draw."""
        change = self._rate_mw(draw_mw, has_mains) * elapsed_ms / _MS_PER_HOUR
        self._stored_mwh = min(max(self._stored_mwh + change, 0.0), float(self._capacity_mwh))

    def next_mark_ms(self, draw_mw: int, *, has_mains: bool) -> int | None:
        """In how long it passes a mark, or `None` if it does not."""
        rate_mw = self._rate_mw(draw_mw, has_mains)
        marks_mwh = [self._capacity_mwh * mark / 100 for mark in MARKS_PERCENT]
        away_mwh = [(mark - self._stored_mwh) / rate_mw for mark in marks_mwh] if rate_mw else []
        return min((ceil(hours * _MS_PER_HOUR) + 1 for hours in away_mwh if hours * _MS_PER_HOUR > 1), default=None)

    def _rate_mw(self, draw_mw: int, has_mains: bool) -> float:
        return CHARGING_MW if has_mains else -draw_mw * 100 / CONVERTER_PERCENT
