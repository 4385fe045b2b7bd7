"""The link by raw nl80211: an interface of our own beside the board's, and nothing of it left afterwards."""

import importlib
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from ipaddress import IPv4Interface, IPv4Network
from typing import Final

from board import aio
from board.clock import boottime_ms
from drivers.errors import RadioError
from drivers.netlink import firewall, ipv4, rtnetlink, sysctl
from drivers.netlink.channel import GENERIC, NETFILTER, ROUTE, Netlink
from drivers.nl80211.capabilities import Occupant, Wiphy, wiphys
from drivers.nl80211.errors import (
    DisconnectedError,
    HandshakeOffloadError,
    JoinTimeoutError,
    NoRoomError,
    NoWifiError,
    RejectedError,
)
from drivers.nl80211.interfaces import Interface, Plan, create_for_link, destroy, interfaces, plan, sweep
from drivers.nl80211.radio import Nl80211, open_nl80211
from drivers.nl80211.road import Network as Target
from drivers.nl80211.road import road_of
from drivers.nl80211.scan import Bss as Answer
from drivers.nl80211.scan import ScanRequest, scan
from drivers.nl80211.station import Station
from drivers.packet.packet_socket import Ethertype, PacketSocket
from stack.link.addressing import Addressing
from stack.link.authentication import Authentication
from stack.link.backend import Addresses, Network, Offer
from stack.link.frame_wire import open_arp, open_dhcp
from stack.link.reasons import LinkError, Reason
from stack.wlan.bss import Bss, parse_bss
from stack.wlan.handshake import Association, Supplicant
from stack.wlan.keys import NONCE_BYTES, PmkCache
from stack.wlan.rsn import PSK_CCMP_ELEMENT

_MAC_BYTES: Final = 6
_PRIVACY: Final = 1 << 4
_RUNNING: Final = rtnetlink.OperationalState.UP
_LOOK_MS: Final = 5
_PHONES_MHZ: Final = range(2400, 5900)  # no phone's group is on 900 MHz, 6 GHz or above
_WEAK_DBM: Final = -82  # below this, silence means distance


class Nl80211Backend:
    """See `stack.link.backend.Backend`. Made by `open_backend`; one link at a time."""

    def __init__(self, radio: Nl80211, route: Netlink, filtering: Netlink) -> None:
        """Use three netlink sockets; what belongs to them goes with them, however the process ends."""
        self.lost = aio.Event()
        self._radio = radio
        self._route = route
        self._filtering = filtering
        self._pmks = PmkCache()
        self._wiphy: Wiphy | None = None
        self._beside: list[Occupant] = []
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
        """Make the interface, its firewall shut and IPv6 off before it is switched on.

        What the handshake will need is computed and loaded here: there, its first message would wait and be repeated.
        """
        self.lost.clear()
        existing = await interfaces(self._radio)
        self._wiphy, way = await self._choose(existing, offer.freq_mhz)
        self._beside = [each.occupant for each in existing if each.wiphy == self._wiphy.index]
        entropy = secrets.token_bytes(_MAC_BYTES), secrets.token_bytes(_MAC_BYTES)
        self._made = await create_for_link(self._radio, self._wiphy, way, entropy)
        await firewall.install(self._filtering, self._interface.name)
        sysctl.isolate(self._interface.name)
        await rtnetlink.set_up(self._route, self._interface.index)
        self._pmk = self._pmks.pmk(offer.ssid.encode(), offer.psk)
        importlib.import_module("cryptography.hazmat.primitives.keywrap")

    def frequencies_mhz(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return where this radio may send, and where it may only listen."""
        assert self._wiphy is not None
        channels = self._wiphy.channels.values()
        usable = [each for each in channels if each.frequency_mhz in _PHONES_MHZ and not each.is_disabled]
        return (
            [each.frequency_mhz for each in usable if not each.no_ir],
            [each.frequency_mhz for each in usable if each.no_ir],
        )

    async def scan(self, ssid: bytes, frequencies_mhz: Sequence[int]) -> list[Network]:
        """Ask for `ssid`. Raises `LinkError` if it is there, but is none that can be joined."""
        request = ScanRequest(ssids=(ssid,), frequencies_mhz=tuple(frequencies_mhz))
        answers = await scan(self._radio, self._interface.index, request, boottime_ms)
        # Some group owners tell in their beacons alone that they are one, or how they are protected.
        heard = [(answer, parse_bss(answer.elements + answer.beacon_elements)) for answer in answers]
        named = [(answer, bss) for answer, bss in heard if bss.ssid == ssid]
        networks = [network for answer, bss in named if (network := _joinable(answer, bss))]
        if named and not networks:
            answer, bss = named[0]
            security = bss.security(privacy=bool(answer.capability & _PRIVACY))
            raise LinkError(Reason.NOT_WPA2, f"it is {security.value}")
        return networks

    async def associate(self, network: Network) -> None:
        """Associate, if the chip can be on that channel beside what it does already."""
        assert self._wiphy is not None
        wanted = Occupant(self._interface.type, network.frequency_mhz)
        refusal = self._wiphy.refusal(self._beside, [wanted])
        if refusal:
            raise LinkError(Reason.RADIO_BUSY, refusal)
        self._network = network
        self._station = Station(self._radio, self._interface, road_of(self._wiphy), _eapol_socket)
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
            weak = network.signal_dbm < _WEAK_DBM
            raise LinkError(Reason.TOO_WEAK if weak else Reason.TIMED_OUT, str(error)) from error
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
        await self._station.set_power_save(enabled=False)

    async def address(self, until_ms: int) -> Addresses:
        """Get an address, and tell the kernel."""
        name, index = self._interface.name, self._interface.index
        await self._until_running()
        dhcp, arp = open_dhcp(name), open_arp(name)
        try:
            addressing = Addressing(dhcp, arp, self._interface.address, boottime_ms, secrets.randbelow)
            addresses = await addressing.obtain(until_ms)
            peer_mac = await addressing.find_peer(addresses)
        finally:
            dhcp.close()
            arp.close()
        ours = IPv4Interface((addresses.local, addresses.prefix))
        await ipv4.add_address(self._route, index, ours)
        await ipv4.add_route(self._route, index, IPv4Network((addresses.peer, 32)), addresses.local)
        known = ipv4.Neighbour(index, addresses.peer, peer_mac, ipv4.NeighbourState.PERMANENT)
        await ipv4.set_neighbour(self._route, known)
        return addresses

    async def _until_running(self) -> None:
        """Wait until the kernel takes frames: it drops what comes in the moments after the port has opened."""
        while (await rtnetlink.link_at(self._route, self._interface.index)).operational_state != _RUNNING:
            await aio.sleep_ms(_LOOK_MS)

    async def admit(self, addresses: Addresses, port: int) -> None:
        """Let the one flow pass."""
        flow = firewall.Flow(addresses.local, addresses.peer, port)
        await firewall.install(self._filtering, self._interface.name, flow)

    async def close(self) -> None:
        """Leave, and take the interface away, and then its rules."""
        if self._watching:
            self._watching.cancel()
        if self._station:
            await self._station.leave()
        for each in reversed(self._made):
            with suppress(RadioError):
                await destroy(self._radio, each)
        with suppress(RadioError):
            await firewall.remove(self._filtering)
        self._made, self._station, self._watching, self._network = [], None, None, None

    @property
    def _interface(self) -> Interface:
        return self._made[-1]

    async def _choose(self, existing: Sequence[Interface], frequency_mhz: int | None) -> tuple[Wiphy, Plan]:
        """Choose the first radio that has room for a link."""
        refusal: NoRoomError | None = None
        for wiphy in await wiphys(self._radio):
            try:
                return wiphy, plan(wiphy, existing, frequency_mhz)
            except NoRoomError as error:
                refusal = error
        if refusal:
            raise LinkError(Reason.RADIO_BUSY, str(refusal))
        raise NoWifiError("This machine has no Wi-Fi radio.")

    def _authentication(self) -> Authentication:
        assert self._network is not None
        assert self._station is not None
        association = Association(
            self._pmk, self._interface.address, self._network.bssid, PSK_CCMP_ELEMENT, self._network.rsn_element
        )
        supplicant = Supplicant(association, secrets.token_bytes(NONCE_BYTES), now=boottime_ms())
        return Authentication(self._station, supplicant, boottime_ms)

    async def _watch(self, authentication: Authentication | None) -> None:
        """Answer rekeys, and say when the connection is over."""
        assert self._station is not None
        try:
            if authentication:
                await authentication.keep()
            else:
                await self._station.lost()
        except (LinkError, RadioError):
            pass
        self.lost.set()


@asynccontextmanager
async def open_backend() -> AsyncIterator[Nl80211Backend]:
    """Open the netlink sockets and sweep what a run that died has left. Raises `RadioError`."""
    with ExitStack() as stack:
        generic, route, filtering = (stack.enter_context(_opened(each)) for each in (GENERIC, ROUTE, NETFILTER))
        radio = await open_nl80211(generic)
        await sweep(radio)
        await firewall.remove(filtering)
        backend = Nl80211Backend(radio, route, filtering)
        try:
            yield backend
        finally:
            await backend.close()


@contextmanager
def _opened(protocol: int) -> Iterator[Netlink]:
    netlink = Netlink(protocol)
    netlink.start()
    try:
        yield netlink
    finally:
        netlink.close()


def _eapol_socket(interface: Interface) -> PacketSocket:
    return PacketSocket(interface.name, Ethertype.EAPOL)


def _joinable(answer: Answer, bss: Bss) -> Network | None:
    """Return the network if it takes a station that has a passphrase and CCMP."""
    if bss.ssid is None or bss.rsn_element is None or bss.rsn is None or not bss.rsn.admits_psk_ccmp:
        return None
    return Network(bss.ssid, answer.bssid, answer.frequency_mhz, answer.signal_mbm // 100, bss.rsn_element)
