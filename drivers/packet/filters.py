"""Which Ethernet frames the kernel gives to a packet socket: programs of the classic BPF (<linux/filter.h>)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_INSTRUCTION: Final = struct.Struct("=HBBI")

# The opcodes that are in use: load from a fixed place, or behind the IPv4 header whose length is in X; jump; return.
LOAD_BYTE, LOAD_HALF, LOAD_HALF_BEHIND, LOAD_HEADER_LENGTH = 0x30, 0x28, 0x48, 0xB1
JUMP_IF_EQUAL, JUMP_IF_ANY_BIT, RETURN = 0x15, 0x45, 0x06

_ETHERNET_HEADER_BYTES = 14
_WHOLE_FRAME = 0xFFFF


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step. A jump skips `if_true` or `if_false` instructions."""

    code: int
    operand: int
    if_true: int = 0
    if_false: int = 0


Program = tuple[Instruction, ...]


def udp_to_port(port: int) -> Program:
    """Take IPv4 datagrams of UDP to `port` that are not in fragments (RFC 791, RFC 768)."""
    protocol, fragment, destination_port = 9, 6, 2
    return (
        Instruction(LOAD_BYTE, _ETHERNET_HEADER_BYTES + protocol),
        Instruction(JUMP_IF_EQUAL, 17, if_false=6),
        Instruction(LOAD_HALF, _ETHERNET_HEADER_BYTES + fragment),
        Instruction(JUMP_IF_ANY_BIT, 0x3FFF, if_true=4),  # a part of a datagram, the first one too
        Instruction(LOAD_HEADER_LENGTH, _ETHERNET_HEADER_BYTES),
        Instruction(LOAD_HALF_BEHIND, _ETHERNET_HEADER_BYTES + destination_port),
        Instruction(JUMP_IF_EQUAL, port, if_false=1),
        Instruction(RETURN, _WHOLE_FRAME),
        Instruction(RETURN, 0),
    )


DHCP_CLIENT: Final = udp_to_port(68)  # RFC 2131, 4.1


def assemble(program: Sequence[Instruction]) -> bytes:
    """Build the array of `struct sock_filter`."""
    return b"".join(_INSTRUCTION.pack(each.code, each.if_true, each.if_false, each.operand) for each in program)
