"""What a run counts, and how it is printed."""

from collections import Counter
from dataclasses import dataclass, field

from tests.soak.album import Sent
from tests.soak.schedule import Blow


@dataclass(slots=True)
class Figures:
    """The counts of a run, and the files that it was about."""

    acknowledged: list[Sent] = field(default_factory=list)
    offered: list[Sent] = field(default_factory=list)
    albums: int = 0
    sendings: int = 0
    receptions: int = 0
    forwarders: int = 0
    troubles: int = 0
    blows: Counter[Blow] = field(default_factory=Counter)

    def lines(self, seconds: float) -> list[str]:
        """Return them for people."""
        megabytes = sum(each.size_bytes for each in self.acknowledged) / 1e6
        contents = len({each.sha256 for each in self.acknowledged})
        blows = ", ".join(f"{self.blows[blow]} times {blow.value}" for blow in Blow if self.blows[blow])
        return [
            f"{len(self.acknowledged)} files acknowledged, {contents} contents, "
            f"{megabytes:.1f} MB, in {self.albums} albums",
            f"{self.sendings} sendings, {self.receptions} receptions, {self.forwarders} forwarders, "
            f"{self.troubles} troubles with sinks",
            blows or "no blows",
            f"{seconds:.0f} s",
        ]
