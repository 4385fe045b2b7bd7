"""Cuts a stream of H4 bytes into packets (Core specification, volume 4, part A).

The law: a packet is handed out whole, its indicator first, or not at all. A stream that begins in the middle, or in
which a UART lost a byte, is searched for the next header that a controller could have sent; what was skipped is
counted. Nothing is held beyond one packet.
"""

from drivers.hci.packet import Indicator

MAX_ACL_BYTES = 4096
_MAX_HANDLE_AND_FLAGS = 0x2FFF  # broadcast flags do not exist on LE links
_HEADER_BYTES = {Indicator.EVENT: 3, Indicator.ACL_DATA: 5}
_NO_EVENT = frozenset({0x00, 0x40, *range(0x60, 0xFF)})


class H4Parser:
    """Feed it bytes, take packets."""

    def __init__(self) -> None:
        """Start at the beginning of a packet, or anywhere."""
        self._held = bytearray()
        self.skipped_bytes = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take `data` and return the packets that are now complete."""
        self._held += data
        packets = []
        while self._synchronise():
            length = self._packet_bytes()
            if length is None or length > len(self._held):
                break
            packets.append(bytes(self._held[:length]))
            del self._held[:length]
        return packets

    def _synchronise(self) -> bool:
        """Skip what cannot begin a packet; return whether anything is left."""
        start = next((at for at in range(len(self._held)) if _may_begin(self._held, at)), len(self._held))
        self.skipped_bytes += start
        del self._held[:start]
        return bool(self._held)

    def _packet_bytes(self) -> int | None:
        header = _HEADER_BYTES[Indicator(self._held[0])]
        if len(self._held) < header:
            return None
        if self._held[0] == Indicator.EVENT:
            return header + self._held[2]
        return header + int.from_bytes(self._held[3:5], "little")


def _may_begin(data: bytearray, at: int) -> bool:
    """Whether a controller's packet may begin at `at`, as far as the bytes that are there tell."""
    seen = data[at : at + 5]
    if seen[0] == Indicator.EVENT:
        return len(seen) < 2 or seen[1] not in _NO_EVENT
    if seen[0] != Indicator.ACL_DATA:
        return False
    handle_fits = len(seen) < 3 or int.from_bytes(seen[1:3], "little") <= _MAX_HANDLE_AND_FLAGS
    length_fits = len(seen) < 5 or int.from_bytes(seen[3:5], "little") <= MAX_ACL_BYTES
    return handle_fits and length_fits
