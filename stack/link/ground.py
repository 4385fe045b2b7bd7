"""What is below a link whoever owns the radio: the sockets, addresses and the way to the peer, and what may pass."""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from ipaddress import IPv4Interface, IPv4Network
from typing import Final

from board import aio
from drivers.netlink import firewall, ipv4, rtnetlink
from drivers.netlink.channel import GENERIC, NETFILTER, ROUTE, Netlink
from drivers.nl80211.capabilities import Wiphy, wiphys
from drivers.nl80211.interfaces import Interface
from drivers.nl80211.known_radios import KnownRadios, Radios
from drivers.nl80211.radio import open_nl80211
from stack.link.addressing import Addressing
from stack.link.backend import Addresses
from stack.link.kernel import Kernel

# A supplicant that somebody else has put on the interface keeps it DORMANT; frames pass all the same.
_RUNNING: Final = (rtnetlink.OperationalState.UP, rtnetlink.OperationalState.DORMANT)
_LOOK_MS: Final = 5
_PHONES_MHZ: Final = range(2400, 5900)  # no phone's group is on 900 MHz, 6 GHz or above


@asynccontextmanager
async def open_kernel(radios: Radios = wiphys) -> AsyncIterator[Kernel]:
    """Open the netlink sockets. Raises `RadioError`. `radios` says what the radios can do."""
    with ExitStack() as stack:
        generic, route, filtering = (stack.enter_context(_opened(each)) for each in (GENERIC, ROUTE, NETFILTER))
        radio = await open_nl80211(generic)
        known = stack.enter_context(closing(KnownRadios(radio, radios)))
        yield Kernel(radio, route, filtering, known)


def frequencies_mhz(wiphy: Wiphy) -> tuple[Sequence[int], Sequence[int]]:
    """Return where a radio may send, and where it may only listen."""
    channels = wiphy.channels.values()
    usable = [each for each in channels if each.frequency_mhz in _PHONES_MHZ and not each.is_disabled]
    return (
        [each.frequency_mhz for each in usable if not each.no_ir],
        [each.frequency_mhz for each in usable if each.no_ir],
    )


async def get_address(kernel: Kernel, interface: Interface, until_ms: int) -> Addresses:
    """Get an address for a link that is connected, and tell the kernel. Raises `LinkError`, `RadioError`."""
    await _until_running(kernel.route, interface.index)
    dhcp, arp = kernel.open_dhcp(interface.name), kernel.open_arp(interface.name)
    try:
        addressing = Addressing(dhcp, arp, interface.address, kernel.now_ms, secrets.randbelow)
        addresses = await addressing.obtain(until_ms)
        peer_mac = await addressing.find_peer(addresses)
    finally:
        dhcp.close()
        arp.close()
    ours = IPv4Interface((addresses.local, addresses.prefix))
    requests = (
        ipv4.add_address(interface.index, ours),
        ipv4.add_route(interface.index, IPv4Network((addresses.peer, 32)), addresses.local),
        ipv4.set_neighbour(interface.index, addresses.peer, peer_mac),
    )
    await kernel.route.ask_all(requests)
    return addresses


async def admit(kernel: Kernel, interface: str, addresses: Addresses, port: int) -> None:
    """Let the one flow to the peer's `port` pass. Raises `RadioError`."""
    flow = firewall.Flow(addresses.local, addresses.peer, port)
    await firewall.install(kernel.filtering, interface, flow)


async def _until_running(route: Netlink, index: int) -> None:
    """Wait until the kernel takes frames: it drops what comes in the moments after the port has opened."""
    while (await rtnetlink.link_at(route, index)).operational_state not in _RUNNING:
        await aio.sleep_ms(_LOOK_MS)


@contextmanager
def _opened(protocol: int) -> Iterator[Netlink]:
    netlink = Netlink(protocol)
    netlink.start()
    try:
        yield netlink
    finally:
        netlink.close()
