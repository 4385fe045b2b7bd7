"""Our own ends for the Bluetooth peers: what the commands do, with the inside open."""

import queue
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from board import aio
from board.errors import FerryError, RemoteProtocolError
from drivers.hci.address import Address
from drivers.hci.host import Host
from drivers.hci.transports.spec import open_transport, parse_spec
from stack.alliance.advertisement import Advertisement
from stack.alliance.cipher import KeyPair
from stack.alliance.credentials import Credentials
from stack.alliance.device_info import DeviceInfo
from stack.alliance.link_info import LinkInfo
from stack.alliance.nearby import Device
from stack.ble.central import HciCentral
from stack.ble.peripheral import DEFAULT_LIMITS, Limits
from stack.ble.radio import Radio
from stack.station.finder import find
from stack.station.introduction import introduce_to
from stack.station.visibility import make_visible

ADDRESS = Address.parse("C1:00:00:00:00:03")
_PATIENCE_S = 20.0

Event = tuple[str, Any]


class Recorder:
    """A `Capture` that keeps all packets, with their direction."""

    def __init__(self) -> None:
        self.packets: list[tuple[str, bytes]] = []

    def sent(self, packet: bytes) -> None:
        self.packets.append((">", packet))

    def received(self, packet: bytes) -> None:
        self.packets.append(("<", packet))


class Station:
    """A station on the air for the time of a `with` block, on a loop in a thread of its own.

    What phones do comes out of `next_event`.
    """

    def __init__(
        self,
        hci: str,
        advertisement: Advertisement,
        limits: Limits = DEFAULT_LIMITS,
        keys: Sequence[KeyPair] = (),
    ) -> None:
        self.recorder = Recorder()
        known = iter(keys)
        self._credentials = Credentials(lambda: next(known, None) or KeyPair.generate())
        self._hci, self._advertisement, self._limits = hci, advertisement, limits
        self._events: queue.Queue[Event | FerryError] = queue.Queue()
        self._stop = aio.ThreadSafeFlag()
        self._thread = threading.Thread(target=self._run)

    def next_event(self) -> Event:
        """Return what happened next: its name and what came with it."""
        event = self._events.get(timeout=_PATIENCE_S)
        if isinstance(event, FerryError):
            raise event
        return event

    def expect(self, *names: str) -> list[Any]:
        """Return what came with the next events, which must have these names."""
        events = [self.next_event() for _ in names]
        assert [name for name, _ in events] == list(names)
        return [what for _, what in events]

    def __enter__(self) -> Self:
        self._thread.start()
        self.expect("visible")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_PATIENCE_S)

    def connected(self, phone: str) -> None:
        self._events.put(("connected", phone))

    def read(self, phone: str) -> None:
        self._events.put(("read", phone))

    def wrote(self, phone: str, link: LinkInfo) -> None:
        self._events.put(("wrote", link))

    def refused(self, phone: str, error: RemoteProtocolError) -> None:
        self._events.put(("refused", str(error)))

    def disconnected(self, phone: str) -> None:
        self._events.put(("disconnected", phone))

    def _run(self) -> None:
        try:
            aio.run(self._be_visible())
        except FerryError as error:
            self._events.put(error)

    async def _be_visible(self) -> None:
        radio = Radio(Host(await open_transport(parse_spec(self._hci)), self.recorder), ADDRESS)
        try:
            await radio.start()
            await make_visible(radio, self._advertisement, self._credentials, self, limits=self._limits).start()
            self._events.put(("visible", None))
            await self._stop.wait()
        finally:
            await radio.close()


def send_to_whoever_receives(hci: str, link: LinkInfo, looking_ms: int = 10_000) -> tuple[Device[Address], DeviceInfo]:
    """Be the sender: find a device, connect, introduce ourselves, leave."""

    async def send() -> tuple[Device[Address], DeviceInfo]:
        radio = Radio(Host(await open_transport(parse_spec(hci))), ADDRESS)
        try:
            await radio.start()
            central = HciCentral(radio)
            device = await find(central, looking_ms)
            return device, await introduce_to(central, device.address, link, KeyPair.generate())
        finally:
            await radio.close()

    async def bounded() -> tuple[Device[Address], DeviceInfo]:
        return await aio.wait_for(send(), _PATIENCE_S)

    return aio.run(bounded())
