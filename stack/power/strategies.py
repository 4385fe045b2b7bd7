"""What is compared: the station's own policy, and two that need no scheduler."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from stack.power.policy import SETTINGS, Governor, PowerState, Setting, Visibility
from stack.power.work import Priority


@dataclass(frozen=True, slots=True)
class Strategy:
    """A way to run a station: what each power state means, and whether the image is a stock one."""

    name: str
    settings: Mapping[PowerState, Setting]
    is_stock_image: bool = False


def _in_every_state(setting: Setting) -> dict[PowerState, Setting]:
    """Do the same in every state, but end before the battery does."""
    return {state: SETTINGS[state] if state is PowerState.CRITICAL else setting for state in PowerState}


FERRY: Final = Strategy("ferry", SETTINGS)

# Raspberry Pi OS as flashed: always visible, always in the home network, everything at once.
STOCK: Final = Strategy(
    "stock, always on",
    _in_every_state(Setting(Visibility.ALWAYS, 100, True, Governor.PERFORMANCE, 0, Priority.UPKEEP)),
    is_stock_image=True,
)

# Our image with all radios down until the button is pressed; what was received is forwarded at once.
BUTTON: Final = Strategy(
    "only after the button",
    _in_every_state(Setting(Visibility.AFTER_PRESS, 100, False, Governor.PERFORMANCE, 0, Priority.UPKEEP)),
)
