"""A machine with one fake chip as the link by raw nl80211 sees it, in bytes: links, addresses, rules, packets.

The phone's group leases addresses and answers ARP while our port is open. A link is switched on only when its rules
are there and its settings made; that is the law which `FakeLinks` keeps.
"""

import errno
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from board import aio
from drivers.errors import RadioError
from drivers.netlink.attributes import build, parse, split
from drivers.netlink.channel import Netlink
from drivers.netlink.exchange import Request
from drivers.netlink.ipv4 import AddressAttributes, NeighbourAttributes, RouteAttributes
from drivers.netlink.message import Flag, Message, NetlinkError
from drivers.netlink.rtnetlink import LinkAttributes, LinkFlag, OperationalState
from drivers.nl80211.capabilities import wiphys
from drivers.nl80211.interfaces import Interface
from drivers.nl80211.known_radios import Radios
from drivers.nl80211.radio import open_nl80211
from drivers.nl80211.station import EapolSocket
from stack.ip.arp import ArpPacket, Operation, build_arp, parse_arp
from stack.ip.dhcp import MessageType, parse_dhcp
from stack.ip.frames import ETHERTYPE_IPV4, parse_datagram, parse_ethernet
from stack.link.kernel import Kernel
from stack.link.nl80211_backend import Nl80211Backend, ready_backend
from stack.link.settings import DEFAULT_SETTINGS, WifiSettings
from tests.unit.drivers.controller import now_ms
from tests.unit.ip.dhcp_server import SERVER_MAC, saying
from tests.unit.nl80211.access_point import AccessPoint
from tests.unit.nl80211.chip import HOME_INDEX, Chip, ChipNetlink, FakeEapolSocket, FakeInterface, Kind

_NEW_LINK, _GET_LINK, _NEW_ADDRESS, _NEW_ROUTE, _NEW_NEIGHBOUR = 16, 18, 20, 24, 28
_LINK = struct.Struct("=BxHiII")
_MAC_BYTES = 6
_NEW_TABLE, _DEL_TABLE, _NEW_RULE = 0x0A00, 0x0A02, 0x0A06
_NF_HEADER_BYTES = 4
OnLink = AddressAttributes | RouteAttributes | NeighbourAttributes
_FORMS: Final[dict[int, tuple[int, type[OnLink]]]] = {
    _NEW_ADDRESS: (8, AddressAttributes),
    _NEW_ROUTE: (12, RouteAttributes),
    _NEW_NEIGHBOUR: (12, NeighbourAttributes),
}


@dataclass
class Machine:
    """What there is beside the chip. `wires` are the packet sockets that are open; `is_blocked` is rfkill's switch."""

    chip: Chip
    is_blocked: bool = False
    home_mhz: int | None = None
    aliases: dict[int, bytes] = field(default_factory=dict)
    on_links: list[tuple[int, OnLink]] = field(default_factory=list)
    tables: dict[str, list[bytes]] = field(default_factory=dict)
    isolated: set[str] = field(default_factory=set)
    wires: list["FakeWire"] = field(default_factory=list)

    def is_guarded(self, name: str) -> bool:
        """Whether there are rules for an interface."""
        return any(name.encode() in rule for rules in self.tables.values() for rule in rules)

    def link(self, index: int) -> FakeInterface:
        """Find a link. Raises `NetlinkError`."""
        for each in self.chip.interfaces.values():
            if index and each.index == index:
                return each
        raise NetlinkError(errno.ENODEV)

    def assert_no_trace(self) -> None:
        """Only what is the house's is there."""
        assert list(self.chip.interfaces) == [1]
        assert not any(index == HOME_INDEX for index, _ in self.on_links)
        assert self.tables == {}
        assert self.wires == []

    def switch(self, interface: FakeInterface, *, on: bool) -> None:
        """Switch a link on or off. Raises `NetlinkError`."""
        if on and self.is_blocked:
            raise NetlinkError(errno.ERFKILL)
        if on and interface.owner:
            assert self.is_guarded(interface.name)
            assert interface.name in self.isolated
        interface.is_up = on
        if interface.index == HOME_INDEX:
            self.home_mhz = self.home_mhz or self.chip.home_frequency_mhz
            self.chip.home_frequency_mhz = self.home_mhz if on else None

    def carries(self, interface: FakeInterface) -> bool:
        """Whether a link is authorised, by us or by a chip that does it alone."""
        is_ours = self.chip.kind is not Kind.FULLMAC_OFFLOAD
        return interface.associated is not None and (interface.is_authorized or not is_ours)


class FakeSocket(Netlink):
    """A netlink socket of a machine."""

    def __init__(self, machine: Machine) -> None:
        """Open it."""
        self._machine = machine
        self._is_closed = False

    def close(self) -> None:
        """Nothing goes with it."""
        self._is_closed = True

    async def take_turn(self) -> None:
        """Let others run, as the kernel's answer does."""
        await aio.sleep_ms(0)
        if self._is_closed:
            raise RadioError("The netlink socket is closed.")


class FakeLinks(FakeSocket):
    """rtnetlink."""

    async def ask(self, kind: int, body: bytes, flags: int = 0) -> list[Message]:
        await self.take_turn()
        if kind == _GET_LINK:
            found = self._machine.chip.interfaces.values() if flags & Flag.DUMP else [self._link(body)]
            return [Message(_NEW_LINK, 0, 1, 1, self._told(each)) for each in found if each.index]
        if kind == _NEW_LINK:
            self._change(body)
        else:
            self._put_on_link(kind, body)
        return []

    async def ask_all(self, requests: Sequence[Request]) -> None:
        for kind, body, flags in requests:
            await self.ask(kind, body, flags)

    def _link(self, body: bytes) -> FakeInterface:
        return self._machine.link(_LINK.unpack_from(body)[2])

    def _change(self, body: bytes) -> None:
        link = self._link(body)
        _, _, _, flags, changed = _LINK.unpack_from(body)
        alias = parse(LinkAttributes, body[_LINK.size :]).alias
        if alias is not None:
            self._machine.aliases[link.index] = alias
        if changed & LinkFlag.UP:
            self._machine.switch(link, on=bool(flags & LinkFlag.UP))

    def _put_on_link(self, kind: int, body: bytes) -> None:
        header_bytes, form = _FORMS[kind]
        told = parse(form, body[header_bytes:])
        index = told.link_index if isinstance(told, RouteAttributes) else int.from_bytes(body[4:8], "little")
        self._machine.on_links.append((self._machine.link(index or 0).index, told))

    def _told(self, link: FakeInterface) -> bytes:
        state = OperationalState.UP if self._machine.carries(link) else OperationalState.DORMANT
        alias = self._machine.aliases.get(link.index)
        told = LinkAttributes(link.name, state, alias + b"\0" if alias else None)
        return _LINK.pack(0, 1, link.index, LinkFlag.UP if link.is_up else 0, 0) + build(told)


class FakeRules(FakeSocket):
    """nf_tables."""

    async def ask_all(self, requests: Sequence[Request]) -> None:
        await self.take_turn()
        for kind, body, _ in requests:
            attributes = dict(split(body[_NF_HEADER_BYTES:]))
            table = attributes.get(1, b"").rstrip(b"\0").decode()
            if kind == _NEW_TABLE:
                self._machine.tables.setdefault(table, [])
            elif kind == _DEL_TABLE:
                del self._machine.tables[table]
            elif kind == _NEW_RULE:
                self._machine.tables[table].append(body)


class FakeWire:
    """Whole frames to and from the phone, on one link."""

    def __init__(self, machine: Machine, name: str, answer: Callable[[bytes], bytes]) -> None:
        """Open it; `answer` is what the phone says to a frame."""
        self._machine = machine
        self._link = machine.chip.interface(name)
        self._answer = answer
        self._frames: list[bytes] = []
        self._came = aio.Event()
        machine.wires.append(self)

    async def read(self) -> bytes:
        while not self._frames:
            self._came.clear()
            await self._came.wait()
        return self._frames.pop(0)

    def write(self, frame: bytes) -> None:
        assert frame[_MAC_BYTES : 2 * _MAC_BYTES] == self._link.address
        if self._machine.carries(self._link):
            self._frames.append(self._link.address + self._answer(frame)[_MAC_BYTES:])
            self._came.set()

    def close(self) -> None:
        self._machine.wires.remove(self)


def lease(frame: bytes) -> bytes:
    """Answer as the phone's DHCP server."""
    asked = parse_dhcp(parse_datagram(parse_ethernet(frame, ETHERTYPE_IPV4).payload).payload)
    kind = MessageType.OFFER if asked.type is MessageType.DISCOVER else MessageType.ACK
    return saying(kind, xid=asked.xid, mac=asked.client_mac)


def here_i_am(frame: bytes) -> bytes:
    """Answer as whoever is asked for by ARP."""
    asked = parse_arp(frame)
    return build_arp(
        ArpPacket(Operation.REPLY, SERVER_MAC, asked.target_address, asked.sender_mac, asked.sender_address)
    )


class FakeBoard:
    """A machine, and a phone in its reach. Ferry runs on it for the time of `ferry`."""

    def __init__(self, kind: Kind) -> None:
        """Switch it on."""
        self.phone = AccessPoint()
        self.chip = Chip(kind, air=[self.phone])
        self.machine = Machine(self.chip)
        self.sockets: list[Netlink] = []

    def now_ms(self) -> int:
        """The chip's scans take their own time."""
        return now_ms() + self.chip.now_ms

    @asynccontextmanager
    async def ferry(
        self, settings: WifiSettings = DEFAULT_SETTINGS, radios: Radios = wiphys
    ) -> AsyncIterator[Nl80211Backend]:
        """Start, and end well."""
        async with ready_backend(await self.kernel(radios), settings) as backend:
            yield backend
        self.kill()

    async def kernel(self, radios: Radios = wiphys) -> Kernel:
        """Open the sockets."""
        generic, route, filtering = ChipNetlink(self.chip), FakeLinks(self.machine), FakeRules(self.machine)
        self.sockets = [generic, route, filtering]
        return Kernel(
            await open_nl80211(generic),
            route,
            filtering,
            radios,
            open_eapol=self._open_eapol,
            open_dhcp=lambda name: FakeWire(self.machine, name, lease),
            open_arp=lambda name: FakeWire(self.machine, name, here_i_am),
            isolate=self.machine.isolated.add,
            now_ms=self.now_ms,
        )

    def kill(self) -> None:
        """End the process: the kernel closes its sockets."""
        for each in self.sockets:
            each.close()

    def _open_eapol(self, interface: Interface) -> EapolSocket:
        return FakeEapolSocket(self.chip.interface(interface.name))
