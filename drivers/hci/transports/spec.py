"""How a user names the way to a controller, and what opens it.

    user:0                          adapter hci0 of this kernel, by its user channel
    uart:/dev/ttyAMA0,3000000       a serial port and its speed in baud; without one 115200. A pseudo terminal does too
    uart:/dev/ttyAMA0,3000000,bcm   the same with a bare Broadcom chip, which gets its firmware first
    tcp:127.0.0.1:9001              a virtual controller

Only what opens the chosen one is imported.
"""

import re
from dataclasses import dataclass

from board.errors import FerryError
from drivers.hci.transport import Transport

DEFAULT_BAUD_RATE = 115_200

_USER = re.compile(r"user:([0-9]{1,4})")
_UART = re.compile(r"uart:(/[^,\x00-\x1f]+)(?:,([1-9]\d{0,6})(,bcm)?)?")
_TCP = re.compile(r"tcp:(?:\[([^\[\]\s]+)\]|([^\[\]:\s]+)):(\d{1,5})")


class TransportSpecError(FerryError):
    """The user named no way to a controller that we know."""

    remedy = "Write it as user:0, uart:/dev/ttyAMA0, uart:/dev/ttyAMA0,3000000 or tcp:127.0.0.1:9001."


@dataclass(frozen=True, slots=True)
class UserChannel:
    """Adapter hci`index` of this kernel."""

    index: int


@dataclass(frozen=True, slots=True)
class Uart:
    """A serial port."""

    path: str
    baud_rate: int = DEFAULT_BAUD_RATE
    needs_firmware: bool = False


@dataclass(frozen=True, slots=True)
class Tcp:
    """A virtual controller that listens."""

    host: str
    port: int


Spec = UserChannel | Uart | Tcp


def parse_spec(text: str) -> Spec:
    """Read what the user wrote. Raises `TransportSpecError`."""
    if found := _USER.fullmatch(text):
        return UserChannel(int(found[1]))
    if found := _UART.fullmatch(text):
        return Uart(found[1], int(found[2] or DEFAULT_BAUD_RATE), bool(found[3]))
    if (found := _TCP.fullmatch(text)) and 0 < int(found[3]) < 1 << 16:
        return Tcp(found[1] or found[2], int(found[3]))
    raise TransportSpecError(f"{text!r} does not name a Bluetooth controller.")


async def open_transport(spec: Spec) -> Transport:
    """Open the way to the controller. Raises `RadioError`, or `FirmwareFileError` for a chip that lacks its file."""
    match spec:
        case UserChannel(index):
            from drivers.hci.transports.user_channel import open_user_channel

            return await open_user_channel(index)
        case Uart(path, baud_rate, needs_firmware):
            if needs_firmware:
                from drivers.hci.broadcom import bring_up

                await bring_up(path, baud_rate)
            from drivers.hci.transports.uart import open_uart

            return open_uart(path, baud_rate)
        case Tcp(host, port):
            from drivers.hci.transports.tcp import open_tcp

            return await open_tcp(host, port)
