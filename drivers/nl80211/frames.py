"""The few bytes of management frames that events carry (IEEE 802.11-2020, 9.3.3)."""

from drivers.netlink.attributes import NetlinkFormatError

_HEADER_BYTES = 24  # 9.3.3.2
_TRANSMITTER = slice(10, 16)


def transmitter(frame: bytes) -> bytes:
    """Return address 2: who sent the frame. Raises `NetlinkFormatError`."""
    _body(frame, 0)
    return frame[_TRANSMITTER]


def reason_of(frame: bytes) -> int:
    """Read the reason of a Deauthentication or Disassociation (9.3.3.12, 9.3.3.4). Raises `NetlinkFormatError`."""
    return int.from_bytes(_body(frame, 2)[:2], "little")


def authentication_status(frame: bytes) -> int:
    """Read the status of an Authentication (9.3.3.11). Raises `NetlinkFormatError`."""
    return int.from_bytes(_body(frame, 6)[4:6], "little")


def association_status(frame: bytes) -> int:
    """Read the status of an Association Response (9.3.3.6). Raises `NetlinkFormatError`."""
    return int.from_bytes(_body(frame, 6)[2:4], "little")


def _body(frame: bytes, least: int) -> bytes:
    if len(frame) < _HEADER_BYTES + least:
        raise NetlinkFormatError("The kernel told of a management frame and cut it off.")
    return frame[_HEADER_BYTES:]
