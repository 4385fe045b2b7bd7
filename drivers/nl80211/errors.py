"""What goes wrong with Wi-Fi, each with the sentence that a person reads."""

from typing import Final

from drivers.errors import RadioError
from drivers.nl80211.codes import reason_words, status_words
from drivers.nl80211.constants import TimeoutReason

_UNANSWERED: Final = {
    TimeoutReason.UNSPECIFIED: "did not answer in time",
    TimeoutReason.SCAN: "is not in reach",
    TimeoutReason.AUTH: "did not answer to the authentication",
    TimeoutReason.ASSOC: "did not answer to the association",
}


class NoWifiError(RadioError):
    """This machine has no Wi-Fi radio that the kernel knows."""

    remedy = "Plug in an adapter, or see whether the kernel has its driver and firmware."


class NoRoomError(RadioError):
    """The chip cannot have one more interface beside those it has."""

    remedy = "Take another radio for the link, or give up the board's own Wi-Fi while it lasts."


class RegulatoryError(RadioError):
    """The kernel does not take the country."""

    remedy = "Install the package wireless-regdb, and check the country."


class ScanError(RadioError):
    """A scan did not end as it should."""


class InterfaceGoneError(RadioError):
    """The interface was taken away while it was in use."""

    remedy = "Keep other programs off the interfaces whose names begin with ferry."


class RejectedError(RadioError):
    """The access point refused us. `status` is the code of IEEE 802.11."""

    def __init__(self, status: int) -> None:
        super().__init__(f"The access point refused: {status_words(status)}.")
        self.status = status


class HandshakeOffloadError(RadioError):
    """A chip that does the handshake itself did not get in; it does not tell why."""

    remedy = "The passphrase may be wrong, or the phone too far away."

    def __init__(self, status: int) -> None:
        super().__init__(f"The chip could not join: {status_words(status)}.")
        self.status = status


class JoinTimeoutError(RadioError):
    """The access point did not answer. `step` tells what."""

    remedy = "Bring the phone nearer."

    def __init__(self, step: TimeoutReason) -> None:
        super().__init__(f"The access point {_UNANSWERED[step]}.")
        self.step = step


class DisconnectedError(RadioError):
    """The connection has ended. `reason` is the code of IEEE 802.11."""

    def __init__(self, reason: int, *, by_peer: bool) -> None:
        who = "The access point" if by_peer else "The radio"
        super().__init__(f"{who} ended the connection: {reason_words(reason)}.")
        self.reason = reason
        self.by_peer = by_peer
