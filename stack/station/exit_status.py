"""Exit statuses, the same for every verb."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """What a verb's end means to a script."""

    SAFE = 0  # or confirmed
    ERROR = 1
    USAGE = 2
    REFUSED = 3
    CANCELLED = 4
    NOT_FOUND = 5
    RADIO = 6
    BROKEN = 7
    NO_SPACE = 8
    UNCONFIRMED = 9
    INTERRUPTED = 130
