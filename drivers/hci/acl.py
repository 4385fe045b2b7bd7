"""ACL data: its packets, cut and put together (Core specification, volume 4, part E, 5.4.2), and whose turn it is.

An L2CAP PDU tells its own length in its first two bytes (volume 3, part A, 3.1), which is how its end is known.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from drivers.errors import RadioError
from drivers.hci.packet import Indicator
from drivers.hci.wire import PacketError

# The largest L2CAP PDU on a fixed channel of ours is an ATT PDU of 517 bytes and its header.
MAX_PDU_BYTES: Final = 1024
MAX_QUEUED_PACKETS: Final = 256

_HANDLE = 0x0FFF
_FIRST_FROM_HOST, _CONTINUING, _FIRST = 0b00, 0b01, 0b10
_L2CAP_HEADER_BYTES = 4


class QueueFullError(RadioError):
    """A peer takes no data, so that no more can be queued for it."""


@dataclass(frozen=True, slots=True)
class AclPacket:
    """A piece of an L2CAP PDU, as it comes from the controller."""

    connection_handle: int
    is_first: bool
    data: bytes


def parse_acl(data: bytes) -> AclPacket:
    """Parse an ACL packet as it comes from the transport, its indicator first. Raises `PacketError`."""
    if len(data) < 5 or len(data) != 5 + int.from_bytes(data[3:5], "little"):
        raise PacketError("An ACL packet does not have the length that it says.")
    handle = int.from_bytes(data[1:3], "little")
    return AclPacket(handle & _HANDLE, handle >> 12 & 0b11 != _CONTINUING, data[5:])


def build_acl(connection_handle: int, boundary: int, data: bytes) -> bytes:
    """Build an ACL packet; `boundary` is the packet boundary flag."""
    handle = connection_handle | boundary << 12
    return bytes((Indicator.ACL_DATA,)) + handle.to_bytes(2, "little") + len(data).to_bytes(2, "little") + data


def fragments(connection_handle: int, pdu: bytes, length: int) -> list[bytes]:
    """Cut an L2CAP PDU into ACL packets of at most `length` bytes of data."""
    starts = range(0, len(pdu), length)
    return [
        build_acl(connection_handle, _CONTINUING if start else _FIRST_FROM_HOST, pdu[start : start + length])
        for start in starts
    ]


class Reassembler:
    """Puts the L2CAP PDUs of one connection together. What does not fit together is dropped."""

    def __init__(self) -> None:
        """Start between two PDUs."""
        self._held = bytearray()
        self._open = False

    def feed(self, packet: AclPacket) -> bytes | None:
        """Take the next piece; return the PDU if this was its last."""
        if packet.is_first:
            self._held, self._open = bytearray(), True
        if not self._open:
            return None
        self._held += packet.data
        if len(self._held) < _L2CAP_HEADER_BYTES:
            return None
        missing = _L2CAP_HEADER_BYTES + int.from_bytes(self._held[:2], "little") - len(self._held)
        self._open = missing > 0 and len(self._held) + missing <= MAX_PDU_BYTES
        return bytes(self._held) if missing == 0 and len(self._held) <= MAX_PDU_BYTES else None


@dataclass(slots=True)
class _Lane:
    """What one connection has waiting here, and in the controller."""

    waiting: deque[bytes] = field(default_factory=deque)
    in_controller: int = 0


class AclQueue:
    """Holds ACL packets until the controller has buffers for them (volume 4, part E, 4.1.1). Connections take turns."""

    def __init__(self, packet_bytes: int, packets: int) -> None:
        """Know the controller's buffers: how many, and of what size."""
        self._packet_bytes = packet_bytes
        self._free = packets
        self._lanes: dict[int, _Lane] = {}

    def opened(self, connection_handle: int) -> None:
        """A connection is there; one of the same handle whose end got lost on the way is gone."""
        self.closed(connection_handle)
        self._lanes[connection_handle] = _Lane()

    def closed(self, connection_handle: int) -> None:
        """A connection is gone, and with it what it had waiting; its buffers are free again (4.3)."""
        lane = self._lanes.pop(connection_handle, None)
        self._free += lane.in_controller if lane else 0

    def put(self, connection_handle: int, pdu: bytes) -> None:
        """Queue an L2CAP PDU; for a connection that is gone, do nothing. Raises `QueueFullError`."""
        lane = self._lanes.get(connection_handle)
        if lane is None:
            return
        if len(lane.waiting) >= MAX_QUEUED_PACKETS:
            raise QueueFullError("The other side asks, but does not take the answers.")
        lane.waiting.extend(fragments(connection_handle, pdu, self._packet_bytes))

    def completed(self, connection_handle: int, count: int) -> None:
        """The controller has sent `count` packets of a connection. It cannot free more than it had."""
        lane = self._lanes.get(connection_handle)
        if lane:
            freed = min(count, lane.in_controller)
            lane.in_controller -= freed
            self._free += freed

    def has(self, connection_handle: int) -> bool:
        """Whether anything of a connection has not reached the other side yet."""
        lane = self._lanes.get(connection_handle)
        return lane is not None and bool(lane.waiting or lane.in_controller)

    def take(self) -> bytes | None:
        """Return the next packet that may go to the controller now, if there is one."""
        handle = next((handle for handle, lane in self._lanes.items() if lane.waiting), None)
        if handle is None or self._free <= 0:
            return None
        lane = self._lanes.pop(handle)
        self._lanes[handle] = lane  # to the end: the others' turn comes first
        self._free -= 1
        lane.in_controller += 1
        return lane.waiting.popleft()
