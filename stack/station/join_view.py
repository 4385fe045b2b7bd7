"""A link as a person or a script sees it."""

from typing import Final

from board.clock import boottime_ms
from stack.link.machine import State
from stack.link.manager import Link
from stack.link.reasons import LinkError
from stack.station.console import Console

_DOING: Final = {
    State.PREPARING: "making an interface",
    State.SCANNING: "looking for the network",
    State.JOINING: "joining",
    State.HANDSHAKING: "proving the passphrase",
    State.ADDRESSING: "getting an address",
    State.CLOSING: "leaving",
}


class JoinView:
    """Prints each state, with the time since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began_ms = boottime_ms()

    def told(self, state: State) -> None:
        """The link has a new state."""
        if state in _DOING:
            self._say(_DOING[state], "state", state=state.name.lower())

    def joined(self, link: Link) -> None:
        """The link is up."""
        addresses = link.addresses
        ours = f"{addresses.local}/{addresses.prefix}"
        self._say(
            f"joined on {link.frequency_mhz} MHz: we are {ours}, the phone is {addresses.peer}",
            "joined",
            frequency_mhz=link.frequency_mhz,
            local=str(addresses.local),
            prefix=addresses.prefix,
            peer=str(addresses.peer),
        )

    def failed(self, error: LinkError) -> None:
        """There is no link, or no longer."""
        self._say(error.explain(), "failed", reason=error.reason.name.lower(), error=str(error), remedy=error.remedy)

    def left(self) -> None:
        """We have left."""
        self._say("left; no trace of it is there", "left")

    def _say(self, sentence: str, event: str, **fields: object) -> None:
        elapsed_ms = boottime_ms() - self._began_ms
        self._console.say(f"{elapsed_ms / 1000:6.2f} s  {sentence}", event, **fields, elapsed_ms=elapsed_ms)
