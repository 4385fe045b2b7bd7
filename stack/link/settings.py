"""What a person decides about the Wi-Fi, by options today and by a file later."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WifiSettings:
    """`country` is an ISO 3166 alpha-2 code, `None` leaves the kernel's rules as they are.

    `may_borrow`: where the radio has no room beside the house's connection, that one is switched off meanwhile.
    """

    country: str | None = None
    may_borrow: bool = False


DEFAULT_SETTINGS: Final = WifiSettings()
