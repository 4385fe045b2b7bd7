"""Makes hciN of a virtual controller on the host: `python3 -m tests.lab.inside.vhci PORT`, for as long as it runs.

The controller's HCI comes as an H4 stream from 10.0.2.2, the host's loopback. It must be there first: if the kernel's
own reset of hciN goes unanswered, hciN stays unusable until /dev/vhci is opened anew. After this has printed the
name the kernel sets hciN up for some seconds; until then a user channel gets ENODEV or EBUSY.
"""

import argparse
import os
import select
import socket
from collections.abc import Iterator

_HOST = "10.0.2.2"
_VENDOR_PACKET = 0xFF
_CREATE_PRIMARY = bytes([_VENDOR_PACKET, 0x00])
_READ_BYTES = 65_536

# indicator: bytes up to and with the length, where the length is and how wide. Core specification, volume 4, part A
_SHAPES = {1: (4, 3, 1), 2: (5, 3, 2), 3: (4, 3, 1), 4: (3, 2, 1), 5: (5, 3, 2)}
_ISO_LENGTH = 0x3FFF


def packets(held: bytearray) -> Iterator[bytes]:
    """Take the complete H4 packets from the beginning of `held`, for /dev/vhci wants one a write."""
    while held and (size := _size(held)) <= len(held):
        yield bytes(held[:size])
        del held[:size]


def _size(held: bytearray) -> int:
    header, at, width = _SHAPES[held[0]]
    if len(held) < header:
        return header
    length = int.from_bytes(held[at : at + width], "little")
    return header + (length & _ISO_LENGTH if held[0] == 5 else length)


def bridge(controller: socket.socket, vhci: int) -> None:
    """Carry packets both ways until the controller leaves."""
    held = bytearray()
    while True:
        ready, _, _ = select.select([controller.fileno(), vhci], [], [])
        if vhci in ready:
            _from_kernel(os.read(vhci, _READ_BYTES), controller)
        if controller.fileno() in ready:
            data = controller.recv(_READ_BYTES)
            if not data:
                return
            held += data
            for packet in packets(held):
                os.write(vhci, packet)


def _from_kernel(packet: bytes, controller: socket.socket) -> None:
    if packet[0] == _VENDOR_PACKET:
        print(f"hci{int.from_bytes(packet[2:4], 'little')}", flush=True)
    else:
        controller.sendall(packet)


def main() -> None:
    """Connect, then plug in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int, help="where the controller listens on the host's loopback")
    with socket.create_connection((_HOST, parser.parse_args().port)) as controller:
        controller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        vhci = os.open("/dev/vhci", os.O_RDWR | os.O_CLOEXEC)
        os.write(vhci, _CREATE_PRIMARY)
        bridge(controller, vhci)


if __name__ == "__main__":
    main()
