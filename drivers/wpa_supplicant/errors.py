"""What goes wrong between us and wpa_supplicant, each with the sentence that a person reads."""

from pathlib import Path

from drivers.errors import RadioError


class SupplicantError(RadioError):
    """wpa_supplicant, or the way to it, does not do what it should."""


class NoSupplicantError(SupplicantError):
    """Nobody listens at the path."""

    remedy = "Start wpa_supplicant with -g and a path, and name that: see ferry join --help."

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} does not lead to wpa_supplicant: {why}.")


class ForbiddenError(SupplicantError):
    """The control socket is not for us."""

    remedy = "Run it as root, or start wpa_supplicant with -G and a group that this user is in."

    def __init__(self, path: Path) -> None:
        super().__init__(f"This user may not use wpa_supplicant's control socket {path}.")


class NotGlobalError(SupplicantError):
    """This is the control socket of one interface, which cannot make another one."""

    remedy = "Name the socket that wpa_supplicant makes with -g, such as /run/wpa_supplicant-global."

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is wpa_supplicant's socket of one interface, not the global one.")


class SupplicantGoneError(SupplicantError):
    """wpa_supplicant has ended, and what it had made ended with it."""

    remedy = "See why it ended: journalctl -u wpa_supplicant."

    def __init__(self) -> None:
        super().__init__("wpa_supplicant has ended.")


class SilentError(SupplicantError):
    """wpa_supplicant takes requests and does not answer."""

    remedy = "Restart wpa_supplicant."

    def __init__(self) -> None:
        super().__init__("wpa_supplicant does not answer.")


class RefusedError(SupplicantError):
    """wpa_supplicant does not do it. `answer` is its own word for why, such as FAIL-BUSY."""

    remedy = "See what it says: journalctl -u wpa_supplicant."

    def __init__(self, command: str, answer: str) -> None:
        super().__init__(f"wpa_supplicant refused {command}: {answer}.")
        self.answer = answer
