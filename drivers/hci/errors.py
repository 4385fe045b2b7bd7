"""What a controller may do to us."""

from drivers.errors import RadioError
from drivers.hci.codes import error_name


class ControllerError(RadioError):
    """The controller is dead or mad; only a restart of the radio helps."""

    remedy = "If it happens again, unplug the adapter or restart the board."


class CommandError(RadioError):
    """The controller refused one command. `code` tells why."""

    remedy = "Restart the adapter. If it refuses again, it is too old for this."

    def __init__(self, command: str, code: int) -> None:
        super().__init__(f"The Bluetooth controller refused {command}: {error_name(code)}")
        self.code = code
