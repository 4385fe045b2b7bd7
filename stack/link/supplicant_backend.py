"""The link through wpa_supplicant, which owns the radio: it gets one more interface, and one network there.

nl80211 is read here, to know what the chip can do and does, and told at most the country, and to take away what a
wpa_supplicant that was killed has left: interfaces are made and taken away, scans and connections begun and ended, by
wpa_supplicant. Addresses, routes and the firewall are ours as ever.

The firewall is shut before the interface is there, because wpa_supplicant makes it and switches it on in one step.
IPv6 is off before anything can be sent: the interface is not connected yet.

wpa_supplicant does one thing after the other, so what belongs to an event has come before it answers the next
request: that is how a wrong passphrase is told from a phone that left.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from board import aio
from drivers.errors import RadioError
from drivers.netlink import firewall, rtnetlink
from drivers.nl80211.capabilities import Wiphy
from drivers.nl80211.interfaces import NAME_PREFIX, Interface, interfaces, sweep
from drivers.wpa_supplicant import requests
from drivers.wpa_supplicant.control import Control, connected
from drivers.wpa_supplicant.errors import RefusedError, SupplicantGoneError
from drivers.wpa_supplicant.wire import Bss, Event, parse_fields, parse_names, parse_table
from stack.link.backend import Addresses, Loss, Network, Offer
from stack.link.borrowing import give_back
from stack.link.country import check_allowed, settle_country
from stack.link.ground import admit, frequencies_mhz, get_address, open_kernel
from stack.link.joinable import Heard, joinable, reason_of_silence
from stack.link.kernel import Kernel
from stack.link.reasons import LinkError, Reason
from stack.link.room import Room
from stack.link.settings import DEFAULT_SETTINGS, WifiSettings
from stack.link.sole_use import sole_use
from stack.link.supplicant_outcome import (
    ASSOCIATED,
    CONNECTED,
    DISCONNECTED,
    FAILURES,
    NOT_FOUND,
    SCAN_FAILED,
    SCANNED,
    explain,
)
from stack.wlan.keys import PmkCache

_JOIN_MS: Final = 1_800  # a little less than the manager gives: then we can say why
_BUSY_PAUSE_MS: Final = 250
_SWITCHED_OFF: Final = "INTERFACE_DISABLED"
_BUSY: Final = "FAIL-BUSY"
_OURS: Final = re.compile(rf"{NAME_PREFIX}[0-9]+")


class SupplicantBackend:
    """See `stack.link.backend.Backend`. Made by `open_backend`; one link at a time."""

    def __init__(self, control: Control, kernel: Kernel) -> None:
        """Use `control`, whose events nobody else reads."""
        self.lost = Loss()
        self._control = control
        self._kernel = kernel
        self._room = Room(kernel, DEFAULT_SETTINGS)
        self._pmks = PmkCache()
        self._pmk = b""
        self._name = ""
        self._wiphy: Wiphy | None = None
        self._network: Network | None = None
        self._watching: aio.Task[None] | None = None

    @property
    def interface(self) -> str:
        """The name of the link's interface."""
        return self._name

    async def prepare(self, offer: Offer) -> None:
        """Have an interface made, its firewall shut before and IPv6 off at once, and compute the key."""
        self.lost.clear()
        if self._name:  # wpa_supplicant did not answer when it was to be taken away
            await self._take_away()
        self._name = await self._free_name()
        await firewall.install(self._kernel.filtering, self._name)
        await self._ask(requests.ATTACH)
        await self._make_interface()
        self._kernel.isolate(self._name)
        await self._look(offer.freq_mhz)
        self._pmk = self._pmks.pmk(offer.ssid.encode(), offer.psk)

    def frequencies_mhz(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return where this radio may send, and where it may only listen."""
        assert self._wiphy is not None
        return frequencies_mhz(self._wiphy)

    async def scan(self, ssid: bytes, frequencies_mhz: Sequence[int]) -> list[Network]:
        """Ask for `ssid`. Raises `LinkError` if it is there, but is none that can be joined."""
        while not await self._scanned(requests.scan(ssid, frequencies_mhz)):
            if not await self._is_on():
                raise LinkError(Reason.RADIO_OFF)
            await aio.sleep_ms(_BUSY_PAUSE_MS)
        return joinable(ssid, map(_heard, await self._table()))

    async def associate(self, network: Network) -> None:
        """Associate, if the chip can be on that channel beside what it does already."""
        assert self._wiphy is not None
        await self._room.make(self._wiphy, await self._interface(), network.frequency_mhz)
        if self._watching:  # over the network before
            self._watching.cancel()
        self._network = network
        self.lost.clear()
        await self._ask_ours(requests.REMOVE_NETWORKS)
        number = await self._number(requests.ADD_NETWORK)
        described = requests.network_settings(number, network.ssid, self._pmk, network.bssid, network.frequency_mhz)
        for setting in described:
            await self._ask_ours(setting)
        self._control.take_events()  # about the network before
        await self._ask_ours(requests.select_network(number))
        try:
            await aio.wait_for_ms(self._until(ASSOCIATED), _JOIN_MS)
        except aio.TimeoutError:
            raise LinkError(reason_of_silence(network)) from None

    async def handshake(self) -> None:
        """Wait until wpa_supplicant has proved the passphrase, and watch the connection from now on."""
        await self._until(CONNECTED)
        self._watching = aio.create_task(self._watch())
        with suppress(RefusedError):  # some drivers have no choice
            await self._ask_ours(requests.NO_POWER_SAVE)

    async def address(self, until_ms: int) -> Addresses:
        """Get an address, and tell the kernel."""
        return await get_address(self._kernel, await self._interface(), until_ms)

    async def admit(self, addresses: Addresses, port: int) -> None:
        """Let the one flow pass."""
        await admit(self._kernel, self._name, addresses, port)

    async def close(self) -> None:
        """Have the interface taken away, which leaves the network, and then its rules."""
        if self._watching:
            self._watching.cancel()
        if self._name:
            with suppress(RadioError):
                await self._take_away()
        self._watching, self._network, self._wiphy = None, None, None

    # Requests.

    async def _ask(self, request: str) -> str:
        """Ask wpa_supplicant. Raises `RefusedError`, `SilentError`, and `LinkError` if it has ended."""
        try:
            return await self._control.ask(request)
        except SupplicantGoneError as error:
            raise LinkError(Reason.SUPPLICANT_GONE) from error

    async def _ask_ours(self, request: str) -> str:
        return await self._ask(requests.on(self._name, request))

    async def _number(self, request: str) -> int:
        """Ask for something on our interface that is answered by a number."""
        answer = (await self._ask_ours(request)).strip()
        if not answer.isdecimal():
            raise RefusedError(requests.command_of(request), answer)
        return int(answer)

    async def _interfaces(self) -> list[str]:
        return parse_names(await self._ask(requests.INTERFACES))

    # The interface.

    async def _free_name(self) -> str:
        taken = {each.name for each in await interfaces(self._kernel.radio)} | set(await self._interfaces())
        return next(name for number in range(len(taken) + 1) if (name := f"{NAME_PREFIX}{number}") not in taken)

    async def _make_interface(self) -> None:
        try:
            await self._ask(requests.interface_add(self._name))
        except RefusedError as error:
            raise await self._why_no_interface() from error

    async def _why_no_interface(self) -> LinkError:
        """It does not say why, but its other interfaces tell."""
        others = await self._interfaces()
        states = [parse_fields(await self._ask(requests.on(each, requests.STATUS))).get("wpa_state") for each in others]
        if _SWITCHED_OFF in states:
            return LinkError(Reason.RADIO_OFF)
        if not others:
            return LinkError(Reason.RADIO_TROUBLE, "wpa_supplicant has no Wi-Fi interface to make another one beside")
        return LinkError(Reason.RADIO_BUSY, "wpa_supplicant cannot make another interface")

    async def _interface(self) -> Interface:
        """Ask the kernel for our interface; its address changes when it connects. Raises `LinkError`."""
        for each in await interfaces(self._kernel.radio):
            if each.name == self._name:
                return each
        await self._interfaces()  # which tells if it went together with wpa_supplicant
        raise LinkError(Reason.RADIO_TROUBLE, f"{self._name} was taken away")

    async def _look(self, frequency_mhz: int | None) -> None:
        """Learn what the chip can do, and whether it may do that on the offered channel."""
        ours = await self._interface()
        radios = await self._kernel.radios(self._kernel.radio)
        self._wiphy = next(each for each in radios if each.index == ours.wiphy)
        if frequency_mhz is not None:
            await check_allowed(self._kernel.radio, self._wiphy, frequency_mhz)

    async def _is_on(self) -> bool:
        """Whether the radio is on: where it is blocked, the kernel has switched the interface off."""
        link = await rtnetlink.link_at(self._kernel.route, (await self._interface()).index)
        return link.is_up

    async def _take_away(self) -> None:
        """While the interface may be there, so are its rules."""
        for request in (requests.interface_remove(self._name), requests.DETACH):
            with suppress(RefusedError, SupplicantGoneError):
                await self._control.ask(request)
        await sweep(self._kernel.radio)  # a wpa_supplicant that was killed may have left it
        await firewall.remove(self._kernel.filtering)
        self._name = ""

    # Scans.

    async def _scanned(self, request: str) -> bool:
        """Scan; false if that could not be."""
        self._control.take_events()
        try:
            number = await self._number(request)
        except RefusedError as error:
            if error.answer == _BUSY or not await self._is_on():
                return False
            raise
        while True:
            event = await self._next()
            if event.name == SCANNED and event.number("id") == number:
                return True
            if event.name == SCAN_FAILED and not event.number("retry"):  # else it tries again by itself
                return False

    async def _table(self) -> list[Bss]:
        """Ask for all who were heard, as many at a time as an answer has room for."""
        heard: list[Bss] = []
        first_id = 0
        while page := parse_table(await self._ask_ours(requests.heard(first_id))):
            heard += page
            first_id = max(page[-1].id, first_id) + 1
        return heard

    # Events.

    async def _next(self) -> Event:
        """Wait for an event of our interface."""
        while True:
            try:
                event = await self._control.next_event()
            except SupplicantGoneError as error:
                raise LinkError(Reason.SUPPLICANT_GONE) from error
            if event.interface == self._name:
                return event

    async def _until(self, name: str) -> None:
        """Wait for an event, or for what makes it impossible, which raises."""
        looked_again = False
        while (event := await self._next()).name != name:
            looked_again = looked_again or event.name == SCANNED
            if event.name in FAILURES and (event.name != NOT_FOUND or looked_again):
                raise await self._why(event)

    async def _why(self, event: Event) -> LinkError:
        """Say why the connection failed, or ended."""
        assert self._network is not None
        try:
            if not await self._is_on():
                return LinkError(Reason.RADIO_OFF)
            await self._ask_ours(requests.STATUS)  # what belongs to the event has come when this is answered
        except LinkError as error:
            return error
        return explain([event, *self._control.take_events()], self._network)

    async def _watch(self) -> None:
        """Say when the connection is over, and why."""
        try:
            while (event := await self._next()).name != DISCONNECTED:
                pass
            self.lost.reason = (await self._why(event)).reason
        except LinkError as error:
            self.lost.reason = error.reason
        except RadioError:
            self.lost.reason = Reason.LOST
        self.lost.set()


@asynccontextmanager
async def open_backend(path: Path, settings: WifiSettings = DEFAULT_SETTINGS) -> AsyncIterator[SupplicantBackend]:
    """Connect to wpa_supplicant's global control socket. Raises `RadioError`."""
    with sole_use(), connected(path) as control:
        await control.start()
        async with open_kernel() as kernel, ready_backend(control, kernel, settings) as backend:
            yield backend


@asynccontextmanager
async def ready_backend(
    control: Control, kernel: Kernel, settings: WifiSettings = DEFAULT_SETTINGS
) -> AsyncIterator[SupplicantBackend]:
    """Sweep what a run that died has left, for wpa_supplicant keeps it, and set the country. Raises `RadioError`."""
    for each in filter(_OURS.fullmatch, await control.interfaces()):
        await control.ask(requests.interface_remove(each))
    await sweep(kernel.radio)
    await firewall.remove(kernel.filtering)
    await give_back(kernel.route)
    if settings.country:
        await settle_country(kernel.radio, await kernel.radios(kernel.radio), settings.country)
    backend = SupplicantBackend(control, kernel)
    try:
        yield backend
    finally:
        await backend.close()


def _heard(bss: Bss) -> Heard:
    elements = bss.elements + bss.beacon_elements
    return Heard(bss.bssid, bss.frequency_mhz, bss.signal_dbm, bss.capability, elements)
