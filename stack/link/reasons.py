"""Why there is no link, so that a person understands it."""

from enum import Enum

from board.errors import FerryError


class Reason(Enum):
    """Why a join failed or a link ended. The value is what happened, and what can be done."""

    NOT_FOUND = "The phone's network was not found", "Bring the phone closer, and share again."
    TOO_WEAK = "The phone is too far away", "Bring the phone closer, and share again."
    WRONG_PASSPHRASE = "The phone's network does not take the passphrase", "Share again: the offer may be an old one."
    NOT_WPA2 = "The phone's network is not protected by WPA2", "Update the phone, or share with another one."
    REFUSED = "The phone's network does not let us in", "Switch the phone's hotspot off, and share again."
    NO_ADDRESS = "The phone's network gives no address", "Share again."
    BAD_ADDRESS = "The phone's network gives an address that cannot be", "Share again with the phone's own app."
    LOST = "The phone's network is gone", "Keep the phone close and its screen on until it says that it has sent."
    TIMED_OUT = "The phone's network took too long", "Bring the phone closer, and share again."
    RADIO_BUSY = (
        "The radio is needed for the house network",
        "Connect the board by cable, or borrow the radio meanwhile: --borrow.",
    )
    NO_COUNTRY = (
        "The phone's network is on a channel that not every country allows",
        "Say in which one the board is, such as --country DE.",
    )
    FORBIDDEN = (
        "The phone's network is on a channel that this country does not allow",
        "Switch the phone's hotspot to 2.4 GHz, and share again; or check --country.",
    )
    COUNTRY_REFUSED = (
        "The kernel does not take the country",
        "Install the package wireless-regdb, and check --country.",
    )
    RADIO_OFF = "The Wi-Fi radio is switched off", "Run: rfkill unblock wifi."
    RADIO_TROUBLE = "The Wi-Fi radio does not do what it should", "See what the kernel says: dmesg."
    SUPPLICANT_GONE = "wpa_supplicant has ended", "See why: journalctl -u wpa_supplicant."
    CANCELLED = "It was cancelled", ""

    @property
    def sentence(self) -> str:
        """What happened."""
        return self.value[0]

    @property
    def remedy(self) -> str:
        """What can be done about it."""
        return self.value[1]


class LinkError(FerryError):
    """There is no link. `reason` says why, `detail` adds what only this case knows."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.sentence}: {detail}" if detail else reason.sentence)
        self.reason = reason
        self.detail = detail
        self.remedy = reason.remedy
