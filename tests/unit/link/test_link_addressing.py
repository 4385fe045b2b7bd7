"""The address machines in their loop, over wires made of paper."""

from collections import deque
from collections.abc import Callable
from ipaddress import IPv4Address

import pytest

from board import aio
from stack.ip.arp import ArpPacket, Operation, build_arp, parse_arp
from stack.ip.dhcp import MessageType
from stack.link.addressing import Addressing
from stack.link.backend import Addresses
from stack.link.reasons import LinkError, Reason
from tests.unit.drivers.controller import now_ms, run
from tests.unit.ip.dhcp_server import CLIENT, MAC, SERVER, SERVER_MAC, heard, saying

UNTIL_MS = 5_000
Answer = Callable[[bytes], bytes | None]


class PaperWire:
    """A wire at whose other end `answer` sits."""

    def __init__(self, answer: Answer) -> None:
        self.sent: list[bytes] = []
        self._answer = answer
        self._frames: deque[bytes] = deque()

    async def read(self) -> bytes:
        while not self._frames:
            await aio.sleep_ms(10)
        return self._frames.popleft()

    def write(self, frame: bytes) -> None:
        self.sent.append(frame)
        answer = self._answer(frame)
        if answer:
            self._frames.append(answer)


def serve(frame: bytes) -> bytes | None:
    asked = heard(frame)
    return saying(MessageType.OFFER if asked.type is MessageType.DISCOVER else MessageType.ACK, xid=asked.xid)


def offer_the_moon(frame: bytes) -> bytes | None:
    return saying(MessageType.OFFER, address="8.8.8.8", server="8.8.8.1", xid=heard(frame).xid)


def nobody(frame: bytes) -> bytes | None:
    return None


def whoever_is_asked_for(frame: bytes) -> bytes | None:
    asked = parse_arp(frame)
    return build_arp(ArpPacket(Operation.REPLY, SERVER_MAC, asked.target_address, MAC, asked.sender_address))


def addressing(dhcp: Answer, arp: Answer) -> Addressing:
    return Addressing(PaperWire(dhcp), PaperWire(arp), MAC, now_ms, lambda below: 5)


def test_a_lease_is_both_ends() -> None:
    async def test() -> None:
        found = await addressing(serve, nobody).obtain(now_ms() + UNTIL_MS)
        assert found == Addresses(CLIENT, 24, SERVER)

    run(test())


def test_without_a_server_an_address_of_our_own() -> None:
    async def test() -> None:
        found = await addressing(nobody, nobody).obtain(now_ms() + UNTIL_MS)
        assert found == Addresses(IPv4Address("192.168.49.7"), 24, SERVER)

    run(test())


@pytest.mark.parametrize(
    ("dhcp", "arp", "reason"),
    [(offer_the_moon, nobody, Reason.BAD_ADDRESS), (nobody, whoever_is_asked_for, Reason.NO_ADDRESS)],
)
def test_how_it_fails(dhcp: Answer, arp: Answer, reason: Reason) -> None:
    async def test() -> None:
        with pytest.raises(LinkError) as failed:
            await addressing(dhcp, arp).obtain(now_ms() + UNTIL_MS)
        assert failed.value.reason is reason

    run(test())


def test_the_peer_is_found_or_not() -> None:
    async def test() -> None:
        ends = Addresses(CLIENT, 24, SERVER)
        assert await addressing(nobody, whoever_is_asked_for).find_peer(ends) == SERVER_MAC
        with pytest.raises(LinkError, match=str(SERVER)):
            await addressing(nobody, nobody).find_peer(ends)

    run(test())
