"""A controller on a serial line, H4 with hardware flow control (Core specification, volume 4, part A)."""

import errno
import termios
from contextlib import suppress
from typing import Final

import serial

from board import aio
from drivers.hci.transport import TransportError
from drivers.hci.transports.stream import StreamTransport, reason_of

_REMEDIES: Final = {
    errno.ENOENT: "Check the path, and that the adapter is plugged in.",
    errno.EACCES: "Run Ferry as root, or as a user in the group that owns the device (dialout).",
    errno.EAGAIN: "Stop the other program that uses it.",
    errno.EBUSY: "Stop the other program that uses it.",
}


class SerialPortError(TransportError):
    """The serial port cannot be opened, or not at this speed."""

    remedy = "Name a serial port, such as /dev/ttyAMA0, and a speed that it can do."


class UartTransport(StreamTransport):
    """A `Transport` over a serial port, whose speed can change on the way."""

    def __init__(self, port: serial.Serial) -> None:
        """Take over an open `port`."""
        super().__init__(str(port.port), aio.Stream(port))
        self._port = port

    def close(self) -> None:
        """Give the port back. What it has not sent is dropped, or the kernel would wait for it."""
        with suppress(OSError, termios.error, serial.SerialException):
            self._port.reset_output_buffer()
        super().close()

    def set_baud_rate(self, baud_rate: int) -> None:
        """Change our side of the line; the controller has just been told to. Raises `SerialPortError`."""
        try:
            self._port.baudrate = baud_rate
        except (OSError, ValueError, termios.error) as error:
            raise _refused(str(self._port.port), error) from None


def open_uart(path: str, baud_rate: int) -> UartTransport:
    """Open the serial port, for us alone. Raises `SerialPortError`."""
    try:
        return UartTransport(_open(path, baud_rate))
    except (OSError, ValueError, termios.error) as error:
        raise _refused(path, error) from None


def _open(path: str, baud_rate: int) -> serial.Serial:
    # An inter-byte timeout of zero becomes VMIN = 1: a read without data then says so, instead of "end of file".
    port = serial.Serial(path, baud_rate, timeout=0, inter_byte_timeout=0, exclusive=True)
    try:
        port.rtscts = _has_modem_lines(port)
    except BaseException:
        port.close()
        raise
    return port


def _has_modem_lines(port: serial.Serial) -> bool:
    """Whether the port has RTS and CTS at all: a pseudo terminal has none."""
    try:
        port.cts  # noqa: B018 (asks the driver)
    except OSError:
        return False
    return True


def _refused(path: str, error: Exception) -> SerialPortError:
    if isinstance(error, OSError) and error.errno:
        refused = SerialPortError(f"The serial port {path} cannot be used: {reason_of(error)}.")
        refused.remedy = _REMEDIES.get(error.errno, SerialPortError.remedy)
        return refused
    return SerialPortError(f"{path} is no serial port, or cannot do this speed.")
