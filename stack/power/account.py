"""The energy account: integrates what each part of the board draws over time. Exact: mW x ms are whole microjoules."""

from collections.abc import Mapping

from board.errors import LocalProtocolError


class Account:
    """One period, such as today. Parts are named by who draws; times are milliseconds of one steady clock."""

    def __init__(self, now_ms: int) -> None:
        """Begin a period at `now_ms` in which nothing draws yet."""
        self._began_ms = self._at_ms = now_ms
        self._draws_mw: dict[str, int] = {}
        self._spent_uj: dict[str, int] = {}

    @property
    def now_mw(self) -> int:
        """What all parts draw at present."""
        return sum(self._draws_mw.values())

    def draw(self, parts_mw: Mapping[str, int], now_ms: int) -> None:
        """From now on these parts draw this, and no others anything."""
        self._integrate(now_ms)
        self._draws_mw = dict(parts_mw)

    def spent_uj(self, now_ms: int) -> dict[str, int]:
        """What each part has drawn in this period."""
        self._integrate(now_ms)
        return dict(self._spent_uj)

    def mean_mw(self, now_ms: int) -> float:
        """Return the mean of the period; what is drawn at present when it has just begun."""
        elapsed_ms = now_ms - self._began_ms
        return sum(self.spent_uj(now_ms).values()) / elapsed_ms if elapsed_ms else float(self.now_mw)

    def left_ms(self, stored_mwh: float, now_ms: int) -> int | None:
        """How long a battery with so much in it lasts at the period's mean; `None` while nothing is drawn."""
        mean = self.mean_mw(now_ms)
        return round(stored_mwh * 3_600_000 / mean) if mean else None

    def _integrate(self, now_ms: int) -> None:
        """Book until `now_ms`. Raises `LocalProtocolError` if the clock went back."""
        if now_ms < self._at_ms:
            raise LocalProtocolError("The account's clock went back.")
        for part, draw_mw in self._draws_mw.items():
            self._spent_uj[part] = self._spent_uj.get(part, 0) + draw_mw * (now_ms - self._at_ms)
        self._at_ms = now_ms
