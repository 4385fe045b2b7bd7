"""A button that is a key: an input device of the kernel (evdev), read without a library.

For presenters, keyboards and boards whose own button is a key (linux/input.h, input-event-codes.h). Keys are debounced
by their device or driver. The kernel is told to stamp events with the time since boot: by default it uses the wall
clock, which jumps.
"""

import fcntl
import os
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from board.button import Edge, Input
from board.errors import FerryError

_EVENT: Final = struct.Struct("@llHHi")  # struct input_event: seconds, microseconds, type, code, value
_EVENTS_AT_ONCE: Final = 64
_EV_SYN, _EV_KEY = 0, 1
_SYN_DROPPED: Final = 3
_EDGES: Final = {0: Input.RELEASED, 1: Input.PRESSED}  # 2 is the keyboard's own repetition
_EVIOCSCLOCKID: Final = 0x400445A0  # _IOW('E', 0xa0, int)

KEY_POWER: Final = 116


class KeyDeviceError(FerryError):
    """The key device cannot be opened, is none, or is gone."""

    remedy = "Set key_device in [button] to one of /dev/input/by-id/*, which this user may read."


def edges(events: bytes, key: int) -> list[Edge]:
    """Return what happened to `key` in a whole number of `struct input_event`, stamped in milliseconds since boot."""
    found = []
    for seconds, micros, kind, code, value in _EVENT.iter_unpack(events):
        at_ms = seconds * 1_000 + micros // 1_000
        if kind == _EV_SYN and code == _SYN_DROPPED:
            found.append(Edge(Input.LOST, at_ms))
        elif kind == _EV_KEY and code == key and value in _EDGES:
            found.append(Edge(_EDGES[value], at_ms))
    return found


class KeyDevice:
    """One key of an open input device: an `EdgeSource`."""

    def __init__(self, descriptor: int, key: int) -> None:
        """Take over a non-blocking descriptor."""
        self._descriptor = descriptor
        self._key = key

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def read(self) -> Sequence[Edge]:
        """Return the edges that wait. Raises `KeyDeviceError` when the device is gone."""
        try:
            events = os.read(self._descriptor, _EVENT.size * _EVENTS_AT_ONCE)
        except BlockingIOError:
            return []
        except OSError as error:
            raise KeyDeviceError(f"The button's key device is gone: {error.strerror}.") from error
        if not events or len(events) % _EVENT.size:
            raise KeyDeviceError("The button's key device ended.")
        return edges(events, self._key)

    def close(self) -> None:
        """Close the device."""
        os.close(self._descriptor)


def open_key(device: Path, key: int = KEY_POWER) -> KeyDevice:
    """Open an input device for one key, by its number in input-event-codes.h. Raises `KeyDeviceError`."""
    descriptor = -1
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(descriptor, _EVIOCSCLOCKID, struct.pack("i", time.CLOCK_BOOTTIME))
    except OSError as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise KeyDeviceError(f"{device} cannot be used as a button: {error.strerror}.") from error
    return KeyDevice(descriptor, key)
