"""What every driver of a radio may raise."""

from board.errors import FerryError


class RadioError(FerryError):
    """The radio, or the way to it, does not do what it should."""
