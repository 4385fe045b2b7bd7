"""The link by raw nl80211: an interface of our own beside the board's, and nothing of it left afterwards."""

import errno
import importlib
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from board import aio
from drivers.errors import RadioError
from drivers.netlink import firewall, rtnetlink
from drivers.netlink.message import NetlinkError
from drivers.nl80211.capabilities import Wiphy, wiphys
from drivers.nl80211.errors import (
    DisconnectedError,
    HandshakeOffloadError,
    JoinTimeoutError,
    RejectedError,
)
from drivers.nl80211.interfaces import Interface, create_for_link, destroy, sweep
from drivers.nl80211.known_radios import Radios
from drivers.nl80211.road import Network as Target
from drivers.nl80211.road import road_of
from drivers.nl80211.scan import Bss as Answer
from drivers.nl80211.scan import ScanRequest, scan
from drivers.nl80211.station import Station
from stack.link.authentication import Authentication
from stack.link.backend import Addresses, Loss, Network, Offer
from stack.link.borrowing import give_back
from stack.link.country import settle_country
from stack.link.ground import admit, frequencies_mhz, get_address, open_kernel
from stack.link.joinable import Heard, joinable, reason_of_silence
from stack.link.kernel import Kernel
from stack.link.reasons import LinkError, Reason
from stack.link.room import Room
from stack.link.settings import DEFAULT_SETTINGS, WifiSettings
from stack.link.sole_use import sole_use
from stack.wlan.handshake import Association, Limits, Supplicant
from stack.wlan.keys import NONCE_BYTES, PmkCache
from stack.wlan.rsn import PSK_CCMP_ELEMENT

_MAC_BYTES: Final = 6
_HANDSHAKE_MS: Final = 3_800  # a little less than the manager gives: then we can say why, and try again
_LEAVE_MS: Final = 1_000


class Nl80211Backend:
    """See `stack.link.backend.Backend`. Made by `open_backend`; one link at a time."""

    def __init__(self, kernel: Kernel, settings: WifiSettings = DEFAULT_SETTINGS) -> None:
        """Use `kernel`, with whose radios nobody of us may do anything else meanwhile."""
        self.lost = Loss()
        self._kernel = kernel
        self._radio, self._route, self._filtering = kernel.radio, kernel.route, kernel.filtering
        self._room = Room(kernel, settings)
        self._pmks = PmkCache()
        self._wiphy: Wiphy | None = None
        self._made: list[Interface] = []
        self._network: Network | None = None
        self._pmk = b""
        self._station: Station | None = None
        self._watching: aio.Task[None] | None = None

    @property
    def interface(self) -> str:
        """The name of the link's interface."""
        return self._interface.name

    async def prepare(self, offer: Offer) -> None:
        """Make the interface, its firewall shut and IPv6 off before it is switched on, and compute the key."""
        if self._made:  # what an earlier link could not take away
            await self.close()
        if self._made:
            raise LinkError(Reason.RADIO_TROUBLE, f"{self.interface} cannot be taken away")
        choice = await self._room.take(offer.freq_mhz)
        self._wiphy = choice.wiphy
        entropy = secrets.token_bytes(_MAC_BYTES), secrets.token_bytes(_MAC_BYTES)
        self._made = await create_for_link(self._radio, self._wiphy, choice.plan, entropy)
        await firewall.install(self._filtering, self._interface.name)
        self._kernel.isolate(self._interface.name)
        await self._switch_on()
        self._pmk = self._pmks.pmk(offer.ssid.encode(), offer.psk)

    def frequencies_mhz(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return where this radio may send, and where it may only listen."""
        assert self._wiphy is not None
        return frequencies_mhz(self._wiphy)

    async def scan(self, ssid: bytes, frequencies_mhz: Sequence[int]) -> list[Network]:
        """Ask for `ssid`. Raises `LinkError` if it is there, but is none that can be joined; `RadioError`."""
        request = ScanRequest(ssids=(ssid,), frequencies_mhz=tuple(frequencies_mhz))
        try:
            answers = await scan(self._radio, self._interface.index, request, self._kernel.now_ms)
        except RadioError:
            await self._switch_on()  # says so if the radio was blocked meanwhile
            raise
        return joinable(ssid, map(_heard, answers))

    async def associate(self, network: Network) -> None:
        """Associate, if the chip can be on that channel beside what it does already."""
        assert self._wiphy is not None
        await self._room.make(self._wiphy, self._interface, network.frequency_mhz)
        if self._watching:  # over the association before
            self._watching.cancel()
        if self._station:
            await self._station.leave()
        self.lost.clear()
        self._network = network
        self._station = Station(self._radio, self._interface, road_of(self._wiphy), self._kernel.open_eapol)
        target = Target(
            ssid=network.ssid,
            bssid=network.bssid,
            frequency_mhz=network.frequency_mhz,
            elements=PSK_CCMP_ELEMENT,
            pmk=self._pmk,
        )
        try:
            await self._station.join(target)
        except HandshakeOffloadError as error:
            raise LinkError(Reason.WRONG_PASSPHRASE, str(error)) from error
        except RejectedError as error:
            raise LinkError(Reason.REFUSED, str(error)) from error
        except JoinTimeoutError as error:
            raise LinkError(reason_of_silence(network), str(error)) from error
        except DisconnectedError as error:
            raise LinkError(Reason.LOST, str(error)) from error

    async def handshake(self) -> None:
        """Prove the passphrase, unless the chip has done it, and watch the connection from now on."""
        assert self._station is not None
        authentication = None
        if self._station.needs_handshake:
            authentication = self._authentication()
            await authentication.prove()
        self._watching = aio.create_task(self._watch(authentication))

    async def address(self, until_ms: int) -> Addresses:
        """Get an address, and tell the kernel."""
        return await get_address(self._kernel, self._interface, until_ms)

    async def admit(self, addresses: Addresses, port: int) -> None:
        """Let the one flow pass."""
        await admit(self._kernel, self._interface.name, addresses, port)

    async def close(self) -> None:
        """Leave, take the interface away, then its rules, and give back what was borrowed for it.

        While the interface may be there, so are its rules.
        """
        if self._watching:
            self._watching.cancel()
        if self._station:
            with suppress(aio.TimeoutError):
                await aio.wait_for_ms(self._station.leave(), _LEAVE_MS)
        with suppress(RadioError):
            while self._made:
                await destroy(self._radio, self._made[-1])
                self._made.pop()
            await firewall.remove(self._filtering)
        await self._room.give_back()
        self._station, self._watching, self._network = None, None, None

    @property
    def _interface(self) -> Interface:
        return self._made[-1]

    def _authentication(self) -> Authentication:
        assert self._network is not None
        assert self._station is not None
        association = Association(
            self._pmk, self._interface.address, self._network.bssid, PSK_CCMP_ELEMENT, self._network.rsn_element
        )
        supplicant = Supplicant(association, _draw_nonce, now=self._kernel.now_ms(), limits=Limits(_HANDSHAKE_MS))
        return Authentication(self._station, supplicant, self._kernel.now_ms)

    async def _watch(self, authentication: Authentication | None) -> None:
        """Keep the radio awake, answer rekeys, and say when the connection is over."""
        assert self._station is not None
        try:
            await self._station.set_power_save(enabled=False)
            if authentication:
                await authentication.keep()
            else:
                await self._station.lost()
        except (LinkError, RadioError):
            pass
        self.lost.reason = await self._why_lost()
        self.lost.set()

    async def _switch_on(self) -> None:
        """Switch the interface on. Raises `LinkError` where the radio is blocked."""
        try:
            await rtnetlink.set_up(self._route, self._interface.index)
        except NetlinkError as error:
            if error.code == errno.ERFKILL:
                raise LinkError(Reason.RADIO_OFF) from error
            raise

    async def _why_lost(self) -> Reason:
        """A radio that was blocked cannot be switched on; to do that where it is on changes nothing."""
        try:
            await self._switch_on()
        except LinkError as error:
            return error.reason
        except RadioError:
            pass
        return Reason.LOST


@asynccontextmanager
async def open_backend(
    settings: WifiSettings = DEFAULT_SETTINGS, radios: Radios = wiphys
) -> AsyncIterator[Nl80211Backend]:
    """Open the netlink sockets. Raises `RadioError`. `radios` says what the radios can do."""
    # Loaded here: in the handshake the group owner's first message would wait for it and be repeated.
    importlib.import_module("cryptography.hazmat.primitives.keywrap")
    with sole_use():
        async with open_kernel(radios) as kernel, ready_backend(kernel, settings) as backend:
            yield backend


@asynccontextmanager
async def ready_backend(kernel: Kernel, settings: WifiSettings = DEFAULT_SETTINGS) -> AsyncIterator[Nl80211Backend]:
    """Sweep what a run that died has left, and set the country. Raises `RadioError`."""
    await sweep(kernel.radio)
    await firewall.remove(kernel.filtering)
    await give_back(kernel.route)
    radios = await kernel.radios(kernel.radio)
    if settings.country:
        await settle_country(kernel.radio, radios, settings.country)
    backend = Nl80211Backend(kernel, settings)
    try:
        yield backend
    finally:
        await backend.close()


def _draw_nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)


def _heard(answer: Answer) -> Heard:
    elements = answer.elements + answer.beacon_elements
    return Heard(answer.bssid, answer.frequency_mhz, answer.signal_mbm // 100, answer.capability, elements)
