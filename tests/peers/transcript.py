"""A capture as two dialogues that can be read and compared: with the controller, and with the phone through it.

`>` is what we say, `<` what we hear. The values of characteristics hold fresh keys, so only their lengths are shown;
the counts of completed packets come as they please, so they are left out.
"""

import re
from collections.abc import Iterable, Iterator

from drivers.hci import commands
from drivers.hci.acl import Reassembler, parse_acl
from drivers.hci.events import CommandComplete, NumberOfCompletedPackets, parse_event
from drivers.hci.packet import Command, Indicator
from drivers.hci.wire import parse, show
from stack.ble import att
from stack.ble.l2cap import Channel, split_pdu

_COMMANDS = {
    kind.OPCODE: kind
    for kind in vars(commands).values()
    if isinstance(kind, type) and issubclass(kind, Command) and kind is not Command
}
_VALUE = re.compile(r" value=([0-9a-f]+)")


def transcript(packets: Iterable[tuple[str, bytes]]) -> str:
    """Write both dialogues down, one packet a line, ATT PDUs whole."""
    packets = list(packets)
    with_controller = (f"{direction} {line}\n" for direction, line in _hci(packets))
    with_phone = (f"{direction} {_masked(line)}\n" for direction, line in _att(packets))
    return "".join((*with_controller, "\n", *with_phone))


def _hci(packets: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
    for direction, packet in packets:
        if packet[0] == Indicator.COMMAND:
            kind = _COMMANDS[int.from_bytes(packet[1:3], "little")]
            yield direction, show(parse(kind, packet[4:], exact=True))
        elif packet[0] == Indicator.EVENT:
            yield from ((direction, line) for line in _event(packet))


def _event(packet: bytes) -> Iterator[str]:
    event = parse_event(packet)
    if isinstance(event, CommandComplete):
        answered = _COMMANDS[event.command_opcode]
        yield f"{answered.__name__}: {show(parse(answered.RETURNS, event.return_parameters))}"
    elif event is not None and not isinstance(event, NumberOfCompletedPackets):
        yield show(event)


def _att(packets: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
    streams = {">": Reassembler(), "<": Reassembler()}
    for direction, packet in packets:
        pdu = streams[direction].feed(parse_acl(packet)) if packet[0] == Indicator.ACL_DATA else None
        if pdu:
            channel, payload = split_pdu(pdu)
            assert channel == Channel.ATT
            yield direction, show(att.parse_pdu(payload))


def _masked(line: str) -> str:
    return _VALUE.sub(lambda found: f" value=({len(found[1]) // 2} bytes)", line)
