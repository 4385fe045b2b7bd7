"""The nl80211 family on one netlink socket: requests in declared attributes, events to who listens.

The law: a listener hears every event of its interface from `listen` on, in the order of the kernel. When the kernel
had to drop events everybody is told (`on_overrun`) and asks for what it must know; nobody waits for what was lost.
"""

import errno
from collections.abc import Callable
from typing import Final, Self

from drivers.netlink.attributes import NetlinkFormatError, build, parse
from drivers.netlink.channel import Netlink
from drivers.netlink.generic import Family, family, generic_body, split_generic
from drivers.netlink.message import Flag, Message, NetlinkError
from drivers.nl80211.constants import FAMILY, Command
from drivers.nl80211.declarations import Attrs, Event
from drivers.nl80211.errors import NoWifiError

# Interfaces come and go, scans end, connections end, the regulatory domain changes.
_GROUPS: Final = ("config", "scan", "mlme", "regulatory")
_VERSION: Final = 0


class Listener:
    """Hears events until `close`. `ifindex` 0 hears those of all interfaces."""

    def __init__(self, radio: "Nl80211", ifindex: int, happened: Callable[[Event], None], lost: Callable[[], None]):
        """Made by `Nl80211.listen`."""
        self._radio = radio
        self._ifindex = ifindex
        self._happened = happened
        self.lost = lost

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hear no more. May be repeated."""
        self._radio.forget(self)

    def hear(self, event: Event) -> None:
        """Pass on an event that concerns this listener."""
        if self._ifindex in (0, event.attrs.ifindex):
            self._happened(event)


class Nl80211:
    """Asks the kernel's 802.11 and hands out its events. Made by `open_nl80211`."""

    def __init__(self, netlink: Netlink, known_as: Family) -> None:
        """Take the events of `netlink`, which from now on speaks of nothing else."""
        self._netlink = netlink
        self._family = known_as
        self._listeners: list[Listener] = []
        netlink.on_event = self._received
        netlink.on_overrun = self._overrun

    async def ask(self, command: Command, attrs: Attrs) -> list[Attrs]:
        """Send a request and return its answers, often none. Raises `NetlinkError` and `RadioError`."""
        answers = await self._ask(command, build(attrs), 0)
        return [parse(Attrs, each) for each in answers]

    async def dump(self, command: Command, attrs: Attrs) -> list[Attrs]:
        """Ask for all there is of something. Raises `NetlinkError` and `RadioError`."""
        return [parse(Attrs, each) for each in await self.dump_raw(command, attrs)]

    async def dump_raw(self, command: Command, attrs: Attrs) -> list[bytes]:
        """Do as `dump`, and return each answer's attributes unparsed."""
        return await self._ask(command, build(attrs), Flag.DUMP)

    def listen(
        self, ifindex: int, happened: Callable[[Event], None], lost: Callable[[], None] = lambda: None
    ) -> Listener:
        """Call `happened` with each event of an interface (0: of all), `lost` when events were dropped."""
        listener = Listener(self, ifindex, happened, lost)
        self._listeners.append(listener)
        return listener

    def forget(self, listener: Listener) -> None:
        """Take `listener` off; `Listener.close` is the way."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def _ask(self, command: Command, attributes: bytes, flags: int) -> list[bytes]:
        body = generic_body(command, _VERSION, attributes)
        answers = await self._netlink.ask(self._family.id, body, flags)
        return [split_generic(each.body)[1] for each in answers]

    def _received(self, message: Message) -> None:
        if message.type != self._family.id:
            return
        try:
            command, attributes = split_generic(message.body)
            event = Event(command, parse(Attrs, attributes))
        except NetlinkFormatError:
            return  # of an event that we do not know: those we wait for are covered by recordings
        for listener in tuple(self._listeners):
            listener.hear(event)

    def _overrun(self) -> None:
        for listener in tuple(self._listeners):
            listener.lost()


async def open_nl80211(netlink: Netlink) -> Nl80211:
    """Find the family and hear its events. Raises `NoWifiError` where the kernel has none, `RadioError`."""
    try:
        known_as = await family(netlink, FAMILY)
    except NetlinkError as error:
        if error.code == errno.ENOENT:
            raise NoWifiError("This kernel knows of no Wi-Fi radio.") from None
        raise
    for group in _GROUPS:
        netlink.join(known_as.groups[group])
    return Nl80211(netlink, known_as)
