"""What the kernel says of disks and mounts, and what that means for a sink."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from stack.storage.sinks.errors import (
    AwayError,
    BadNameError,
    DeniedError,
    ForbiddenError,
    FullError,
    HangingError,
    LockedError,
    ReadOnlyError,
    SinkError,
    TakenError,
    TooLargeError,
    WrongPlaceError,
)

# Anything else is a sink that is away.
_BY_ERRNO: Final[dict[int, tuple[type[SinkError], str]]] = {
    errno.ENOSPC: (FullError, "it is full"),
    errno.EDQUOT: (FullError, "the quota is used up"),
    errno.EROFS: (ReadOnlyError, "it is read-only"),
    errno.EFBIG: (TooLargeError, "it cannot hold a file of this size"),
    errno.EACCES: (ForbiddenError, "this user may not do that"),
    errno.EPERM: (ForbiddenError, "this user may not do that"),
    errno.EEXIST: (TakenError, "the name is taken"),
    errno.ENAMETOOLONG: (BadNameError, "the name is too long for it"),
    errno.EINVAL: (BadNameError, "it does not take this name"),
    errno.EILSEQ: (BadNameError, "it does not take this name"),
    errno.EISDIR: (TakenError, "a folder has this name"),
    errno.ELOOP: (TakenError, "a symbolic link has this name"),
    errno.ENOTDIR: (TakenError, "a file is in the way of a folder"),
    errno.EBUSY: (LockedError, "somebody has it open"),
    errno.ETXTBSY: (LockedError, "somebody has it open"),
    errno.EAGAIN: (LockedError, "somebody has it locked"),
    errno.EKEYREJECTED: (DeniedError, "the server does not accept the password"),
    errno.EKEYEXPIRED: (DeniedError, "the password has expired"),
    errno.ENOKEY: (DeniedError, "the mount has no valid key"),
    errno.ETIMEDOUT: (HangingError, "it does not answer"),
    errno.ENOENT: (WrongPlaceError, "a folder is missing"),
    errno.ESTALE: (AwayError, "the server has forgotten the mount"),
    errno.EHOSTDOWN: (AwayError, "the server is down"),
    errno.EIO: (AwayError, "the disk reports an error, or was pulled"),
    errno.ENODEV: (AwayError, "the disk was pulled"),
    errno.ENXIO: (AwayError, "the disk was pulled"),
}


def sink_error(error: OSError, place: str) -> SinkError:
    """What an error of the kernel means for the sink at `place`."""
    kind, sentence = _BY_ERRNO.get(error.errno or 0, (AwayError, error.strerror or "it is not there"))
    return kind(f"{place}: {sentence}")


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Raise what an `OSError` means for the sink or file at `place`."""
    try:
        yield
    except OSError as error:
        raise sink_error(error, place) from error
