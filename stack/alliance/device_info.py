"""The status JSON that a sender reads before it writes (alliance protocol, 3.3)."""

from dataclasses import dataclass
from typing import Final

from board.errors import RemoteProtocolError
from stack.alliance.jsonobject import JsonObject, parse_object
from stack.alliance.text import clean_text

SERVICE_UUID: Final = "00009955-0000-1000-8000-00805f9b34fb"
STATUS_UUID: Final = "00009954-0000-1000-8000-00805f9b34fb"

MAX_BYTES: Final = 1024
STATE_READY: Final = 0
STATE_BUSY: Final = 1

# What phones send when they may not read their own address, and accept from others.
UNKNOWN_MAC: Final = "02:00:00:00:00:00"

_MAC_CHARS = len(UNKNOWN_MAC)


class DeviceInfoError(RemoteProtocolError):
    """The receiver's status is not usable."""

    remedy = "Restart sharing on the receiving phone and try again."


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A receiver's status. `key` is its public key (see `cipher`); without one, everything is written in clear.

    `reason` is Xiaomi's: 1 screen mirroring, 2 hotspot on.
    """

    key: str | None
    mac: str | None = UNKNOWN_MAC
    state: int = STATE_READY
    reason: int | None = None

    @property
    def ready(self) -> bool:
        """Whether the receiver takes an offer now; any state but 0 is busy."""
        return self.state == STATE_READY


def build_device_info(info: DeviceInfo) -> bytes:
    """Build the value of the status characteristic. CatShare's parser wants all three fields."""
    fields = {"state": info.state, "key": info.key, "mac": (info.mac or UNKNOWN_MAC).lower()}
    return JsonObject(fields).to_json().encode()


def parse_device_info(data: bytes) -> DeviceInfo:
    """Parse the value of the status characteristic. Raises `JsonError` or `DeviceInfoError`."""
    fields = parse_object(data, MAX_BYTES)
    state = fields.integer("state")
    if state is None:
        raise DeviceInfoError("The receiver's status tells no state.")
    mac = clean_text(fields.text("mac") or "", _MAC_CHARS)
    return DeviceInfo(fields.text("key") or None, mac or None, state, fields.integer("reason"))
