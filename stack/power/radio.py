"""The radio as a resource: who shares it, who takes it from whom, who waits.

The law: at any time every two holders have `Verdict.SHARE` in the table. A phone that sends is a person who waits, so
its link goes before the house's network; looking for phones goes before being found, because a person asked for it.
"""

from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Final


class Use(Enum):
    """What a board's one radio chip does for us, the strongest first: none takes the radio from an earlier one.

    `HOME_STATION` is traffic in the house's network. Where the chip can do both, being in it survives a link.
    """

    P2P_LINK = auto()
    SCANNING = auto()
    ADVERTISING = auto()
    HOME_STATION = auto()


class Verdict(Enum):
    """What happens when a use is wanted while another is held, from harmless to not at all."""

    SHARE = auto()
    TAKE = auto()
    WAIT = auto()


_V = Verdict
_ROWS: Final = {
    # wanted, while held: P2P_LINK  SCANNING  ADVERTISING  HOME_STATION
    Use.P2P_LINK: (_V.WAIT, _V.TAKE, _V.SHARE, _V.TAKE),
    Use.SCANNING: (_V.WAIT, _V.WAIT, _V.TAKE, _V.SHARE),
    Use.ADVERTISING: (_V.SHARE, _V.WAIT, _V.WAIT, _V.SHARE),
    Use.HOME_STATION: (_V.WAIT, _V.SHARE, _V.SHARE, _V.SHARE),
}
TABLE: Final[Mapping[tuple[Use, Use], Verdict]] = {
    (wanted, held): verdict for wanted, row in _ROWS.items() for held, verdict in zip(Use, row, strict=True)
}


def verdict(wanted: Use, held: Iterable[Use]) -> Verdict:
    """Return what it takes to get `wanted` beside everything in `held`: the worst of the single verdicts."""
    return max((TABLE[wanted, each] for each in held), key=lambda each: each.value, default=Verdict.SHARE)
