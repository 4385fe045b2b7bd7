"""What a simulated day came to."""

from dataclasses import dataclass, field
from statistics import median

from stack.power.trace import DAY_MS


@dataclass(slots=True)
class Outcome:
    """One strategy's day. `owed_mj` is what forwarding the rest of the spool would take on top of an idle board."""

    strategy: str
    hourly_mw: list[float] = field(default_factory=list)
    spent_mj_by_part: dict[str, int] = field(default_factory=dict)
    owed_mj: int = 0
    received_bytes: int = 0
    left_bytes: int = 0
    missed: int = 0
    presses: int = 0
    wifi_raised: int = 0
    timer_wakes: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    bounds_ms: list[float] = field(default_factory=list)
    forwarding_delays_ms: list[int] = field(default_factory=list)

    @property
    def energy_mj(self) -> int:
        """What was drawn, and what is owed."""
        return sum(self.spent_mj_by_part.values()) + self.owed_mj

    @property
    def mean_mw(self) -> float:
        """The mean over the day."""
        return self.energy_mj * 1000 / DAY_MS

    @property
    def joules_per_gb(self) -> float | None:
        """All of the day's energy by what was received; `None` if nothing was."""
        return self.energy_mj / 1000 / (self.received_bytes / 1e9) if self.received_bytes else None

    @property
    def median_latency_ms(self) -> float | None:
        """From the share sheet's opening to being listed."""
        return median(self.latencies_ms) if self.latencies_ms else None

    @property
    def median_bound_ms(self) -> float | None:
        """The shortest time in which anything could guarantee that, for the same share of sending."""
        return median(self.bounds_ms) if self.bounds_ms else None

    @property
    def median_forwarding_delay_ms(self) -> float | None:
        """From being safe in the spool to being safe in the NAS, of what got there."""
        return median(self.forwarding_delays_ms) if self.forwarding_delays_ms else None
