"""Packets for hypothesis, drawn from their declarations: a field's own parser takes its bytes from the fuzzer."""

from typing import Any, TypeVar

from hypothesis import reject
from hypothesis import strategies as st

from drivers.hci import commands
from drivers.hci.packet import Command
from drivers.hci.wire import Packet, PacketError, Reader, formats

PacketT = TypeVar("PacketT", bound=Packet)

COMMANDS: list[type[Command[Any]]] = [
    kind
    for kind in vars(commands).values()
    if isinstance(kind, type) and issubclass(kind, Command) and kind is not Command
]

_REST_BYTES = 64
# Counts are single bytes: small ones are more fun than 200 reports.
_BYTE = st.integers(0, 4) | st.integers(0, 255)


class _DrawnReader(Reader):
    """Whatever is taken is there."""

    def __init__(self, draw: st.DrawFn) -> None:
        super().__init__(b"")
        self._draw = draw

    def take(self, count: int) -> bytes:
        if count == 1:
            return bytes((self._draw(_BYTE),))
        return self._draw(st.binary(min_size=count, max_size=count))

    def rest(self) -> bytes:
        return self._draw(st.binary(max_size=_REST_BYTES))


@st.composite
def packets(draw: st.DrawFn, kind: type[PacketT]) -> PacketT:
    """Draw any packet of `kind` that its fields can hold."""
    reader = _DrawnReader(draw)
    try:
        return kind(*[each.parse(reader) for _, each in formats(kind)])
    except PacketError:
        reject()
