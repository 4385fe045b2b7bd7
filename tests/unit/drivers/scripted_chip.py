"""A bare Broadcom chip at the far end of a pseudo terminal, as strict as the real one and strict about more.

It is deaf while it is busy, hears noise at a wrong speed, takes its patch byte for byte and only in order. It knows the
host's speed from the terminal. What it cannot accept it refuses with an error status; `log` says what happened.
"""

import os
import pty
import termios
import time
import tty
from dataclasses import dataclass, field
from enum import Enum, auto

from board import aio

MINIDRIVER_BUSY_S, LAUNCH_BUSY_S, RESET_BUSY_S = 0.05, 0.25, 0.1
DEFAULT_BAUD_RATE = 115_200
ROM_ADDRESS = bytes.fromhex("ac1f00c04543")

_COMMAND_DISALLOWED, _INVALID_PARAMETERS = 0x0C, 0x12
_BROADCOM, _BCM4345C0 = 15, 0x6119
_BAUD_RATES = {getattr(termios, f"B{rate}"): rate for rate in (115_200, 921_600, 3_000_000, 4_000_000)}


class Stage(Enum):
    """How far the chip has come."""

    ROM = auto()
    MINIDRIVER = auto()
    PATCHED = auto()


class Fault(Enum):
    """What is wrong with this chip."""

    NONE = auto()
    SILENT = auto()
    REFUSES_A_RECORD = auto()
    DIES_AFTER_LAUNCH = auto()


@dataclass(slots=True)
class Terminal:
    """The chip's end of the line. The host opens `path`."""

    master: int
    slave: int

    @classmethod
    def open(cls) -> "Terminal":
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        return cls(master, slave)

    @property
    def path(self) -> str:
        return os.ttyname(self.slave)

    @property
    def host_baud_rate(self) -> int:
        return _BAUD_RATES[termios.tcgetattr(self.slave)[5]]

    def fileno(self) -> int:
        return self.master

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


@dataclass(slots=True)
class ScriptedChip:
    """Expects exactly the patch `image`, as (opcode, parameters); `fault_at` counts its records from 0."""

    image: list[tuple[int, bytes]]
    fault: Fault = Fault.NONE
    fault_at: int = 0
    terminal: Terminal = field(default_factory=Terminal.open)
    stage: Stage = Stage.ROM
    baud_rate: int = DEFAULT_BAUD_RATE
    has_fast_clock: bool = False
    address: bytes = ROM_ADDRESS
    records_taken: int = 0
    log: list[str] = field(default_factory=list)
    _deaf_until_s: float = 0.0

    async def serve(self) -> None:
        """Live until the line is closed."""
        stream = aio.Stream(self.terminal)
        received = bytearray()
        while True:
            received += await stream.read(1024)
            while len(received) >= 4 and len(received) >= 4 + received[3]:
                end = 4 + received[3]
                stream.write(self.hear(bytes(received[:end])))
                del received[:end]

    def hear(self, packet: bytes) -> bytes:
        """Take one command and return what goes back over the line."""
        opcode, parameters = int.from_bytes(packet[1:3], "little"), packet[4:]
        if self.fault is Fault.SILENT:
            return b""
        if self.terminal.host_baud_rate != self.baud_rate:
            self.log.append(f"noise for 0x{opcode:04x}")
            return b"\xf8\x00\xe0"
        if time.monotonic() < self._deaf_until_s:
            self.log.append(f"deaf for 0x{opcode:04x}")
            return b""
        return self._answer(opcode, self._obey(opcode, parameters))

    def _answer(self, opcode: int, returned: bytes | int | None) -> bytes:
        if returned is None:
            return b""
        status = returned if isinstance(returned, int) else 0
        if status:
            self.log.append(f"refused 0x{opcode:04x}")
        body = b"\x01" + opcode.to_bytes(2, "little") + bytes((status,)) + (b"" if status else bytes(returned))
        return b"\x04\x0e" + bytes((len(body),)) + body

    def _obey(self, opcode: int, parameters: bytes) -> bytes | int | None:
        """Return the return parameters, an error status, or nothing at all."""
        if self.stage is Stage.MINIDRIVER:
            return self._take_record(opcode, parameters)
        match opcode:
            case 0x0C03:
                self._be_busy(RESET_BUSY_S)
            case 0x1001:
                return b"".join(n.to_bytes(size, "little") for n, size in self._version())
            case 0x1009:
                return self.address
            case 0xFC01:
                self.address = parameters
            case 0xFC2E if self.stage is Stage.ROM:
                self.stage = Stage.MINIDRIVER
                self._be_busy(MINIDRIVER_BUSY_S)
            case 0xFC45 if parameters == b"\x01":
                self.has_fast_clock = True
            case 0xFC18:
                return self._change_baud_rate(parameters)
            case _:
                return _COMMAND_DISALLOWED
        return b""

    def _version(self) -> list[tuple[int, int]]:
        build = 0x0156 if self.stage is Stage.PATCHED else 0
        return [(9, 1), (build, 2), (9, 1), (_BROADCOM, 2), (_BCM4345C0, 2)]

    def _change_baud_rate(self, parameters: bytes) -> bytes | int:
        rate = int.from_bytes(parameters[2:], "little")
        if len(parameters) != 6 or parameters[:2] != bytes(2) or (rate > 3_000_000 and not self.has_fast_clock):
            return _INVALID_PARAMETERS
        self.baud_rate = rate
        self.log.append(f"baud rate {rate}")
        return b""

    def _take_record(self, opcode: int, parameters: bytes) -> bytes | int | None:
        at = self.records_taken
        if self.fault is Fault.REFUSES_A_RECORD and at == self.fault_at:
            return _INVALID_PARAMETERS
        if self.image[at] != (opcode, parameters):
            return _COMMAND_DISALLOWED
        self.records_taken += 1
        if self.records_taken == len(self.image):
            self._launch()
        return b""

    def _launch(self) -> None:
        self.stage = Stage.PATCHED
        self.baud_rate, self.has_fast_clock = DEFAULT_BAUD_RATE, False
        self._be_busy(LAUNCH_BUSY_S)
        self.log.append("launched")
        if self.fault is Fault.DIES_AFTER_LAUNCH:
            self.fault = Fault.SILENT

    def _be_busy(self, duration_s: float) -> None:
        self._deaf_until_s = time.monotonic() + duration_s
