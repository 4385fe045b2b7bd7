"""A capture of all HCI packets that Wireshark opens (the btsnoop format, after RFC 1761).

What matters to whoever hunts a bug is what came last, and whether it was the same before a restart. So a capture never
ends for want of room: when its file is full, and whenever a capture begins, the file becomes `PATH.1` in place of the
one before. The two together stay within the limit. Nothing is synced, so that the kernel writes an SD card in its own
large pieces.

The law: a capture never stops the radio. When it cannot go on it says so once in the log and takes nothing more.
"""

import errno
import logging
import os
import stat
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from board.errors import LocalProtocolError
from drivers.hci.packet import Indicator

MIN_LIMIT_BYTES: Final = 65_536

_DATALINK_H4 = 1002
MAGIC: Final = b"btsnoop\0"
_HEADER = struct.pack(">8sII", MAGIC, 1, _DATALINK_H4)
_RECORD = struct.Struct(">IIIIq")  # original length, included length, flags, drops, timestamp
_RECEIVED = 1 << 0
_COMMAND_OR_EVENT = 1 << 1
_UNIX_EPOCH_US = 0x00DC_DDB3_0F2F_8000  # since midnight, January 1st, 0 AD

_log = logging.getLogger(__name__)


class Snoop:
    """Writes the capture at `path`."""

    def __init__(self, path: Path, limit_bytes: int, wall_us: Callable[[], int]) -> None:
        """Begin. `limit_bytes` is for both files, at least `MIN_LIMIT_BYTES`; `wall_us` is microseconds since 1970."""
        if limit_bytes < MIN_LIMIT_BYTES:
            raise LocalProtocolError(f"A capture needs a limit of at least {MIN_LIMIT_BYTES} bytes.")
        self._path = path
        self._file_bytes = limit_bytes // 2
        self._wall_us = wall_us
        self._fd = -1
        self._written_bytes = 0
        try:
            self._begin()
        except OSError as error:
            self._give_up(error)

    def sent(self, packet: bytes) -> None:
        """Note a packet to the controller, its H4 indicator first. Never raises."""
        self._note(packet, 0)

    def received(self, packet: bytes) -> None:
        """Note a packet from the controller, its H4 indicator first. Never raises."""
        self._note(packet, _RECEIVED)

    def close(self) -> None:
        """End the capture. Harmless when repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _note(self, packet: bytes, direction: int) -> None:
        if self._fd < 0:
            return
        record = self._record(packet, direction)
        try:
            if self._written_bytes + len(record) > self._file_bytes:
                self._begin()
            self._write(record)
        except OSError as error:
            self._give_up(error)

    def _record(self, packet: bytes, direction: int) -> bytes:
        kind = _COMMAND_OR_EVENT if packet[0] in (Indicator.COMMAND, Indicator.EVENT) else 0
        timestamp = self._wall_us() + _UNIX_EPOCH_US
        return _RECORD.pack(len(packet), len(packet), direction | kind, 0, timestamp) + packet

    def _begin(self) -> None:
        """Start a new file, put the old one aside."""
        self.close()
        _put_aside(self._path)
        # Captures hold what was said over the air, keys among it: for the owner's eyes.
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._written_bytes = 0
        self._write(_HEADER)

    def _write(self, data: bytes) -> None:
        if os.write(self._fd, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written_bytes += len(data)

    def _give_up(self, error: OSError) -> None:
        _log.warning("the Bluetooth capture %s ends here: %s", self._path, error.strerror)
        if self._fd >= 0:
            with suppress(OSError):
                os.ftruncate(self._fd, self._written_bytes)  # half a record would spoil the file
        self.close()


def _put_aside(path: Path) -> None:
    """Rename what a capture has left at `path`. Raises `OSError`, also for anything but a file: it may be a device."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise FileExistsError(errno.EEXIST, "there is something else than a file", str(path))
    path.replace(path.with_name(path.name + ".1"))
