"""The kernel's user channel: an adapter for us alone, raw, with the kernel's own Bluetooth out of the way.

The kernel sets a new adapter up by itself first and gives it to nobody meanwhile; that is waited for. An adapter that
is up is taken down first, as the channel demands, but not from under bluetoothd: that would break the connections of
whoever sits at this machine.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from board import aio
from drivers.hci.transport import TransportError
from drivers.hci.transports.stream import StreamTransport, reason_of

PATIENCE_MS: Final = 10_000
PAUSE_MS: Final = 100

# <bluetooth/bluetooth.h> and <bluetooth/hci.h>; some Pythons are built without them.
_AF_BLUETOOTH, _BTPROTO_HCI, _HCI_CHANNEL_USER = 31, 1, 1
_HCIDEVDOWN, _HCIGETDEVINFO = 0x400448CA, 0x800448D3
_HCI_UP = 1 << 0
_DEVICE_INFO_BYTES = 96  # struct hci_dev_info has 92
_DEVICE_FLAGS = struct.Struct("=16xI")

# What passes by itself: the adapter or its set-up is not there yet, or its last user has not quite gone.
_MAY_PASS = frozenset({errno.ENODEV, errno.EBUSY, errno.EUSERS})

_PLAIN_WORDS: Final = {
    errno.ENODEV: (
        "There is no Bluetooth adapter {}.",
        "Plug it in, or name another: ls /sys/class/bluetooth shows what there is.",
    ),
    errno.EBUSY: (
        "The Bluetooth adapter {} is busy: the kernel's set-up of it does not come to an end.",
        "Unplug the adapter and plug it in again, or restart the board.",
    ),
    errno.EUSERS: ("Another program has the Bluetooth adapter {}.", "Stop that program."),
    errno.EPERM: (
        "Ferry may not use the Bluetooth adapter {}.",
        "Run it as root, or with the capabilities CAP_NET_ADMIN and CAP_NET_RAW.",
    ),
    errno.ERFKILL: ("The Bluetooth adapter {} is switched off.", "Run: rfkill unblock bluetooth."),
    errno.EAFNOSUPPORT: ("This kernel has no Bluetooth.", "Use another kernel, or a serial or TCP controller."),
}

_libc = ctypes.CDLL(None, use_errno=True)


class AdapterError(TransportError):
    """This adapter cannot be had."""


async def open_user_channel(index: int) -> StreamTransport:
    """Take adapter hci`index` for us alone, waiting up to `PATIENCE_MS`. Raises `AdapterError`.

    Needs CAP_NET_ADMIN.
    """
    try:
        return StreamTransport(f"hci{index}", aio.Stream(await _taken(index)))
    except OSError as error:
        raise explain(error, index) from None


async def patiently(attempt: Callable[[], None], patience_ms: int = PATIENCE_MS, pause_ms: int = PAUSE_MS) -> None:
    """Repeat `attempt` while what hinders it may pass. Raises the last `OSError`."""
    for _ in range(patience_ms // pause_ms):
        try:
            return attempt()
        except OSError as error:
            if error.errno not in _MAY_PASS:
                raise
        await aio.sleep_ms(pause_ms)
    return attempt()


def explain(error: OSError, index: int) -> AdapterError:
    """Say in plain words why hci`index` cannot be had."""
    unknown = (f"The Bluetooth adapter {{}} cannot be used: {reason_of(error)}.", "See what the kernel says: dmesg.")
    sentence, remedy = _PLAIN_WORDS.get(error.errno or 0, unknown)
    return _adapter_error(sentence.format(f"hci{index}"), remedy)


def bluetoothd_pid() -> int | None:
    """Return the process id of BlueZ's daemon if it runs."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has just ended
            if (folder / "comm").read_text() == "bluetoothd\n":
                return int(folder.name)
    return None


async def _taken(index: int) -> socket.socket:
    """Return a socket bound to the channel. Raises `OSError`, `AdapterError`."""
    sock = socket.socket(_AF_BLUETOOTH, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _BTPROTO_HCI)
    try:
        await patiently(lambda: _take(sock, index))
    except BaseException:
        sock.close()
        raise
    return sock


def _take(sock: socket.socket, index: int) -> None:
    """Try once. Raises `OSError`, `AdapterError`."""
    if _is_up(sock, index):
        _leave_to_bluetoothd(index)
        _bring_down(sock, index)
    _bind(sock, index)


def _is_up(sock: socket.socket, index: int) -> bool:
    """Whether somebody has switched the adapter on. Raises `OSError`.

    One that the kernel is about to switch off after its set-up counts as down.
    """
    asked = struct.pack("=H", index).ljust(_DEVICE_INFO_BYTES, b"\0")
    (flags,) = _DEVICE_FLAGS.unpack_from(fcntl.ioctl(sock, _HCIGETDEVINFO, asked))
    return bool(flags & _HCI_UP)


def _bring_down(sock: socket.socket, index: int) -> None:
    try:
        fcntl.ioctl(sock, _HCIDEVDOWN, index)
    except OSError as error:
        if error.errno == errno.EBUSY:  # said here of nothing but an adapter whose user channel is taken
            raise OSError(errno.EUSERS, os.strerror(errno.EUSERS)) from None
        raise


def _leave_to_bluetoothd(index: int) -> None:
    owner = bluetoothd_pid()
    if owner is not None:
        sentence = f"The Bluetooth adapter hci{index} is in use by bluetoothd (process {owner})."
        raise _adapter_error(sentence, "Stop it: systemctl stop bluetooth.")


def _bind(sock: socket.socket, index: int) -> None:
    """Bind to the user channel. Raises `OSError`."""
    try:
        sock.bind((index, _HCI_CHANNEL_USER))
    except OSError as error:
        if error.errno is not None:
            raise
        _bind_by_libc(sock, index)  # before Python 3.15 `bind` cannot name the channel


def _bind_by_libc(sock: socket.socket, index: int) -> None:
    address = struct.pack("=HHH", _AF_BLUETOOTH, index, _HCI_CHANNEL_USER)  # struct sockaddr_hci
    if _libc.bind(sock.fileno(), address, len(address)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _adapter_error(sentence: str, remedy: str) -> AdapterError:
    error = AdapterError(sentence)
    error.remedy = remedy
    return error
