"""A drivable GPIO chip of eight lines: a CP2112, a USB bridge by Silicon Labs, played over /dev/uhid.

Debian's kernel has no simulated GPIO on amd64, but the driver of this chip, which makes a chip with edge events of it.
In `PINS`, the file `inN` holds the level that comes to line N from outside, 0 or 1, and `outN` what the machine
drives there. A line that nobody drives is high, as with a pull-up.

The driver asks for the levels about 25 times a second: a pulse shorter than 40 ms is missed, and an edge is seen up
to 40 ms late. It refuses to debounce. The last line is taken: see `_keep_polling` in world.py.
"""

import os
import struct
from pathlib import Path

PINS = Path("/run/lab/gpio")
LINES = 8

# linux/uhid.h: the events, all packed
_GET_REPORT, _GET_REPORT_REPLY, _CREATE, _SET_REPORT, _SET_REPORT_REPLY = 9, 10, 11, 13, 14
_CREATE_EVENT = struct.Struct("<I128s64s64sHHIIII4096s")
_EVENT_BYTES = 4380
_BUS_USB = 3
_VENDOR, _PRODUCT = 0x10C4, 0xEA90
_EIO = 5

# AN495, Silicon Labs: the feature reports
_CONFIGURE, _GET, _SET, _VERSION, _SMBUS, _LOCK = 0x02, 0x03, 0x04, 0x05, 0x06, 0x20
_REPORT_BYTES = {_CONFIGURE: 4, _GET: 1, _SET: 2, _VERSION: 2, _SMBUS: 13, _LOCK: 1}


def _descriptor() -> bytes:
    """Return a report descriptor of vendor-defined features."""
    start = bytes.fromhex("06 00ff 09 01 a1 01 15 00 26 ff00 75 08")
    reports = (bytes([0x85, kind, 0x95, size, 0x09, kind, 0xB1, 0x02]) for kind, size in _REPORT_BYTES.items())
    return start + b"".join(reports) + b"\xc0"


class Chip:
    """The chip's registers, and the files that are its pins."""

    def __init__(self, pins: Path = PINS) -> None:
        """Make the pins, all high."""
        pins.mkdir(parents=True, exist_ok=True)
        self._pins = pins
        self._inputs = [_opened(pins / f"in{line}", b"1") for line in range(LINES)]
        self._levels = [1] * LINES
        self._outputs = 0
        self._reports = {
            _CONFIGURE: bytes(4),
            _VERSION: bytes([0x0C, 0x02]),
            _SMBUS: struct.pack(">IBBHHBH", 100_000, 2, 0, 0, 0, 0, 0),
            _LOCK: b"\xff",
        }

    def get(self, report: int) -> bytes | None:
        """Return what the machine reads in a report, its number first."""
        value = bytes([self._level_bits()]) if report == _GET else self._reports.get(report)
        return None if value is None else bytes([report]) + value

    def set(self, report: int, value: bytes) -> None:
        """Take what the machine wrote to a report."""
        if report == _SET:
            levels, mask = value[:2]
            self._outputs = self._outputs & ~mask | levels & mask
        else:
            self._reports[report] = value[: _REPORT_BYTES[report]]
        self._show_outputs()

    def _driven(self) -> int:
        return self._reports[_CONFIGURE][0]

    def _level_bits(self) -> int:
        for line, descriptor in enumerate(self._inputs):
            if (level := os.pread(descriptor, 1, 0)) in (b"0", b"1"):  # it is empty while somebody writes it
                self._levels[line] = int(level)
        inputs = sum(level << line for line, level in enumerate(self._levels))
        return inputs & ~self._driven() | self._outputs & self._driven()

    def _show_outputs(self) -> None:
        for line in range(LINES):
            if self._driven() >> line & 1:
                (self._pins / f"out{line}").write_text(str(self._outputs >> line & 1))


def _opened(path: Path, content: bytes) -> int:
    path.write_bytes(content)
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def serve(chip: Chip) -> None:
    """Plug the chip in and answer the driver for ever."""
    device = os.open("/dev/uhid", os.O_RDWR | os.O_CLOEXEC)
    descriptor = _descriptor()
    name, place = b"virtual CP2112", b"lab"
    identity = (len(descriptor), _BUS_USB, _VENDOR, _PRODUCT, 0x100, 0)
    os.write(device, _CREATE_EVENT.pack(_CREATE, name, place, b"", *identity, descriptor))
    while True:
        if answer := _answer(chip, os.read(device, _EVENT_BYTES)):
            os.write(device, answer)


def _answer(chip: Chip, event: bytes) -> bytes | None:
    kind, request, report = struct.unpack_from("<IIB", event)
    if kind == _GET_REPORT:
        value = chip.get(report)
        error = 0 if value is not None else _EIO
        return struct.pack("<IIHH4096s", _GET_REPORT_REPLY, request, error, len(value or b""), value or b"")
    if kind == _SET_REPORT:
        (size,) = struct.unpack_from("<H", event, 10)
        chip.set(report, event[13 : 12 + size])
        return struct.pack("<IIH", _SET_REPORT_REPLY, request, 0)
    return None


if __name__ == "__main__":
    serve(Chip())
