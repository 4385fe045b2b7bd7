"""What can be wrong with a sink, each with its remedy and with what it means for the next try."""

from typing import ClassVar

from board.errors import FerryError
from stack.storage.forward.policy import Trouble


class SinkError(FerryError):
    """The sink cannot do what was asked. `trouble` says when to try again, and whether the other files go on."""

    trouble: ClassVar[Trouble] = Trouble.STANDING


class AwayError(SinkError):
    """The server, the network or the disk is not there at the moment."""

    trouble = Trouble.PASSING
    remedy = "Switch the server or the disk on and check its network or cable; Ferry tries again by itself."


class HangingError(AwayError):
    """The sink is reached, and does not answer."""

    remedy = "Restart the server if this stays; Ferry tries again by itself."


class NoMarkerError(AwayError):
    """The place has no marker of `ferry sink init`: the disk is not mounted, or the place is new."""

    remedy = "Mount the disk or share; if this is a new place for files, run `ferry sink init URL`."


class DeniedError(SinkError):
    """Name, password or key are not accepted."""

    trouble = Trouble.BARRED
    remedy = "Correct user and password (or key) of this sink; Ferry waits long between tries, not to be locked out."


class ForbiddenError(SinkError):
    """The user is known, and may not do this here."""

    remedy = "Give the user of this sink the right to write, rename and delete in its folder."


class FullError(SinkError):
    """There is no room, or the quota is used up."""

    remedy = "Make room in the sink, or raise the quota."


class ReadOnlyError(SinkError):
    """The sink takes no writes at all."""

    remedy = "Make the share or disk writable; a disk that became read-only by itself needs a check."


class WrongPlaceError(SinkError):
    """The server is there; the share, folder or bucket is not."""

    remedy = "Correct the share, folder or bucket in the URL; perhaps it was renamed."


class IdentityError(SinkError):
    """The server cannot prove that it is the right one: certificate or host key do not fit."""

    remedy = "Check that this is the right server; if so, give its certificate (`ca=`) or host key (`host_key=`)."


class BadUrlError(SinkError):
    """The URL of the sink, or a setting beside it, cannot be used."""

    remedy = "Write a folder, or smb://, sftp://, webdav(s)://, s3:// with user, host and path."


class SecretError(SinkError):
    """The secret of a sink cannot be had."""

    remedy = "Put the secret alone into a file that only its user can read (chmod 600), and name that file."


class MissingBackendError(SinkError):
    """What this kind of sink needs is not installed."""


class ClockError(SinkError):
    """This station and the store do not agree on the time, by which requests are signed."""

    trouble = Trouble.PASSING
    remedy = "Set the clock of this station, or of the store; Ferry tries again by itself."


class ProtocolError(SinkError):
    """The server answered with something that makes no sense."""

    trouble = Trouble.PASSING
    remedy = "Check that the URL names a server of this kind, and its log."


class BadNameError(SinkError):
    """The sink cannot store a file of this name."""

    trouble = Trouble.THIS_FILE
    remedy = "Choose another pattern for names."


class TooLargeError(SinkError):
    """The sink cannot store a file of this size."""

    trouble = Trouble.THIS_FILE
    remedy = "Use a disk with ext4 or exFAT (FAT32 ends at 4 GiB), or a store that takes larger files."


class LockedError(SinkError):
    """Somebody has the file open, and the server keeps others away."""

    trouble = Trouble.THIS_FILE
    remedy = "Close the file where it is open; Ferry tries again by itself."


class TakenError(SinkError):
    """Something has this name already. It is never overwritten."""

    trouble = Trouble.THIS_FILE


class LinkError(SinkError):
    """A symbolic link stands where a folder should. It is not followed: it may lead out of the sink."""

    trouble = Trouble.THIS_FILE
    remedy = "Put a folder in place of the link (or mount there what it leads to), or choose another pattern for names."


class DamagedError(SinkError):
    """What was read back is not what was written. It did not get its final name."""

    trouble = Trouble.THIS_FILE
    remedy = "If this happens again check the sink's disk and memory; the file stays in the spool."
