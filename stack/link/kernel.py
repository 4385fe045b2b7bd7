"""What the link by raw nl80211 stands on: the kernel's netlink families, packet sockets, settings, and a clock."""

from collections.abc import Callable
from dataclasses import dataclass

from board.clock import boottime_ms
from drivers.netlink import sysctl
from drivers.netlink.channel import Netlink
from drivers.nl80211.capabilities import wiphys
from drivers.nl80211.interfaces import Interface
from drivers.nl80211.known_radios import Radios
from drivers.nl80211.radio import Nl80211
from drivers.nl80211.station import EapolSocket
from drivers.packet.packet_socket import Ethertype, PacketSocket
from stack.link.frame_wire import ClosableWire, open_arp, open_dhcp


def open_eapol(interface: Interface) -> EapolSocket:
    """Hear EAPOL where nl80211 does not bring it. Raises `RadioError`."""
    return PacketSocket(interface.name, Ethertype.EAPOL)


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel. What belongs to the three netlink sockets goes with them, however the process ends."""

    radio: Nl80211
    route: Netlink
    filtering: Netlink
    radios: Radios = wiphys
    open_eapol: Callable[[Interface], EapolSocket] = open_eapol
    open_dhcp: Callable[[str], ClosableWire] = open_dhcp
    open_arp: Callable[[str], ClosableWire] = open_arp
    isolate: Callable[[str], None] = sysctl.isolate
    now_ms: Callable[[], int] = boottime_ms
