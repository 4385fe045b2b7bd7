"""HCI packets as the host sends and gets them (Core specification, volume 4, part E, 5.4).

Commands are in `commands`, events in `events`, ACL data in `acl`; here is what frames them.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Generic, TypeVar

from drivers.hci.wire import Packet, build, u8


class Indicator(IntEnum):
    """The first byte of a packet on a transport: what follows (volume 4, part A, 2)."""

    COMMAND = 1
    ACL_DATA = 2
    SYNCHRONOUS_DATA = 3
    EVENT = 4
    ISO_DATA = 5


@dataclass(frozen=True, slots=True)
class Returned(Packet):
    """Return parameters of a command that tells only whether it worked, or has begun."""

    status: int = u8()


ReturnedT = TypeVar("ReturnedT", bound=Returned)


class Command(Packet, Generic[ReturnedT]):
    """A command. `OPCODE` is OGF << 10 | OCF; its answer parses as `RETURNS`."""

    __slots__ = ()
    OPCODE: ClassVar[int]
    RETURNS: ClassVar[type[Returned]] = Returned


class Event(Packet):
    """An event. LE events have the code 0x3E and a `SUBEVENT`."""

    __slots__ = ()
    CODE: ClassVar[int]
    SUBEVENT: ClassVar[int | None] = None


def frame_command(opcode: int, parameters: bytes) -> bytes:
    """Frame a command for the transport (5.4.1)."""
    return bytes((Indicator.COMMAND,)) + opcode.to_bytes(2, "little") + bytes((len(parameters),)) + parameters


def build_command(command: Command[ReturnedT]) -> bytes:
    """Build a command for the transport."""
    return frame_command(command.OPCODE, build(command))
