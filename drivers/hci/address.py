"""Device addresses (Core specification, volume 6, part B, 1.3)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from board.errors import LocalProtocolError
from drivers.hci.wire import show_address

ADDRESS_BYTES = 6
_STATIC = 0xC0  # the two highest bits of a static address are ones


class AddressType(IntEnum):
    """How an address is to be read; the values are those of HCI."""

    PUBLIC = 0
    RANDOM = 1


@dataclass(frozen=True, slots=True)
class Address:
    """Where a device is reached. `octets` are six bytes as they travel: the lowest first."""

    octets: bytes
    type: AddressType = AddressType.RANDOM

    @classmethod
    def random_static(cls, entropy: bytes) -> Self:
        """Make a random static address of six random bytes (1.3.2.1)."""
        if len(entropy) != ADDRESS_BYTES or len(set(entropy)) == 1:
            raise LocalProtocolError("A random static address takes six bytes of which not all are equal.")
        return cls(entropy[:-1] + bytes((entropy[-1] | _STATIC,)))

    @classmethod
    def parse(cls, text: str, kind: AddressType = AddressType.RANDOM) -> Self:
        """Read the form that people write. Raises `ValueError`."""
        octets = bytes.fromhex(text.replace(":", ""))
        if len(octets) != ADDRESS_BYTES:
            raise ValueError(f"{text!r} is no device address, such as C0:11:22:33:44:55")
        return cls(octets[::-1], kind)

    def __str__(self) -> str:
        return show_address(self.octets)
