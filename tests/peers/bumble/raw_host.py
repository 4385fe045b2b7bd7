"""A host that speaks HCI by hand: it sends what the test writes and tells what comes back, bit by bit."""

import os
import select
import socket
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

LIMIT_S = 5.0

COMMAND, ACL, EVENT = 1, 2, 4
DISCONNECTION_COMPLETE, COMMAND_COMPLETE, COMMAND_STATUS = 0x05, 0x0E, 0x0F
HARDWARE_ERROR, COMPLETED_PACKETS, OVERFLOW, LE_META = 0x10, 0x13, 0x1A, 0x3E
CONNECTION_COMPLETE, ADVERTISING_REPORT, ENHANCED_CONNECTION_COMPLETE = 0x01, 0x02, 0x0A
EXTENDED_REPORT, SET_TERMINATED = 0x0D, 0x12

RESET, DISCONNECT, SET_EVENT_MASK, LE_SET_EVENT_MASK = 0x0C03, 0x0406, 0x0C01, 0x2001
ALL_EVENTS = struct.pack("<Q", (1 << 62) - 1)
ALL_BUT_ENHANCED = struct.pack("<Q", ((1 << 20) - 1) & ~(1 << 9))


class RawHost:
    """A host at `tcp:HOST:PORT` or `uart:PATH`, for the time of a `with` block."""

    def __init__(self, hci: str) -> None:
        kind, _, place = hci.partition(":")
        if kind == "tcp":
            host, _, port = place.rpartition(":")
            self._socket = socket.create_connection((host, int(port)), LIMIT_S)
            self._file = self._socket.detach()
        else:
            self._file = os.open(place, os.O_RDWR | os.O_NOCTTY)
        os.set_blocking(self._file, True)
        self._stream = b""
        self._packets: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._file, data) :]

    def start(self, le_mask: bytes = ALL_BUT_ENHANCED) -> Self:
        """Reset, ask for all events, take a random address."""
        assert self.ask(RESET) == b"\0"
        assert self.ask(SET_EVENT_MASK, ALL_EVENTS) == b"\0"
        assert self.ask(LE_SET_EVENT_MASK, le_mask) == b"\0"
        return self

    def ask(self, opcode: int, parameters: bytes = b"") -> bytes:
        """Send a command; return its return parameters, or its status alone."""
        self.send(struct.pack("<BHB", COMMAND, opcode, len(parameters)) + parameters)
        return self.answer(opcode)

    def answer(self, opcode: int) -> bytes:
        """Wait for the answer to a command."""
        packet = self.wait(
            lambda each: (
                (each[1], each[4:6]) == (COMMAND_COMPLETE, struct.pack("<H", opcode))
                or (each[1], each[5:7]) == (COMMAND_STATUS, struct.pack("<H", opcode))
            )
        )
        return packet[6:] if packet[1] == COMMAND_COMPLETE else packet[3:4]

    def event(self, code: int) -> bytes:
        """Wait for an event; return its parameters."""
        return self.wait(lambda each: each[0] == EVENT and each[1] == code)[3:]

    def meta(self, subevent: int) -> bytes:
        """Wait for an LE event; return its parameters, without the subevent code."""
        return self.wait(lambda each: each[:2] == bytes((EVENT, LE_META)) and each[3] == subevent)[4:]

    def acl(self) -> bytes:
        """Wait for a packet of data; return it from its handle on."""
        return self.wait(lambda each: each[0] == ACL)[1:]

    def settle(self) -> list[bytes]:
        """Return all packets that came until the controller has answered one more command."""
        self.ask(0x1009)
        packets, self._packets = self._packets, []
        return packets

    def wait(self, wanted: Callable[[bytes], bool]) -> bytes:
        """Take the first packet that is wanted; the others stay."""
        deadline = time.monotonic() + LIMIT_S
        seen = 0
        while True:
            for index in range(seen, len(self._packets)):
                if wanted(self._packets[index]):
                    return self._packets.pop(index)
            seen = len(self._packets)
            self._receive(deadline - time.monotonic())

    def _receive(self, limit_s: float) -> None:
        ready, _, _ = select.select([self._file], [], [], max(limit_s, 0))
        data = os.read(self._file, 65536) if ready else b""
        assert data, f"nothing that was waited for came; there is {[each.hex() for each in self._packets]}"
        self._stream += data
        while self._stream and len(self._stream) >= (size := self._first_size()):
            self._packets.append(self._stream[:size])
            self._stream = self._stream[size:]

    def _first_size(self) -> int:
        if self._stream[0] == EVENT:
            return 3 + self._stream[2] if len(self._stream) > 2 else 3
        assert self._stream[0] == ACL, self._stream.hex()
        return 5 + int.from_bytes(self._stream[3:5], "little") if len(self._stream) > 4 else 5
