"""The other side of a connection over the fake controller: speaks L2CAP, remembers what it was told."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from drivers.hci.address import Address
from drivers.hci.host import Host
from stack.ble.att import Pdu, build_pdu, parse_pdu
from stack.ble.att_server import AttServer
from stack.ble.l2cap import Channel, split_pdu
from stack.ble.l2cap import build_pdu as build_l2cap_pdu
from stack.ble.radio import Radio
from tests.unit.drivers.controller import OUR_ADDRESS, PHONE, FakeController, now_ms


@asynccontextmanager
async def radio_on(chip: FakeController) -> AsyncIterator[Radio]:
    """Start a radio on `chip` and close it in the end."""
    radio = Radio(Host(chip), OUR_ADDRESS, now_ms)
    try:
        await radio.start()
        yield radio
    finally:
        await radio.close()


class Phone:
    """Somebody on the handle `handle`, whichever side began."""

    def __init__(self, chip: FakeController, handle: int, address: Address = PHONE) -> None:
        self.chip, self.handle, self.address = chip, handle, address

    def arrive(self) -> "Phone":
        """Connect to who advertises."""
        self.chip.connect(self.handle, self.address)
        return self

    def say(self, pdu: Pdu | bytes) -> None:
        """Send an ATT PDU."""
        self.tell(Channel.ATT, pdu if isinstance(pdu, bytes) else build_pdu(pdu))

    def tell(self, channel: int, payload: bytes) -> None:
        """Send on any channel."""
        self.chip.hear(self.handle, build_l2cap_pdu(channel, payload))

    @property
    def heard(self) -> list[Pdu]:
        """The ATT PDUs that came."""
        return [parse_pdu(payload) for channel, payload in self.all_heard if channel == Channel.ATT]

    @property
    def all_heard(self) -> list[tuple[int, bytes]]:
        """What came, with its channel."""
        return [split_pdu(pdu) for pdu in self.chip.links[self.handle].pdus]

    @property
    def is_connected(self) -> bool:
        return self.handle in self.chip.links


def answer_as(chip: FakeController, server: AttServer, after: Callable[[], None] = lambda: None) -> None:
    """Let whoever is connected serve ATT with `server`; `after` runs behind each answer."""

    def take(handle: int, pdu: bytes) -> None:
        channel, payload = split_pdu(pdu)
        answer = server.receive(payload) if channel == Channel.ATT else None
        if answer:
            chip.hear(handle, build_l2cap_pdu(Channel.ATT, answer))
        after()

    chip.on_pdu = take
