"""What a DHCP server offers, and which offers a station takes (alliance protocol, 5.2 and 8).

An evil group owner must not be able to send the station elsewhere: own address and mask only, from the private
ranges, and the server on the same link. Routers, name servers and all else are not even asked for.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from board.errors import LocalProtocolError
from stack.ip.dhcp import DhcpError, DhcpMessage, Option

# A constant of Android's tethering, for all groups.
ANDROID_GROUP_OWNER: Final = IPv4Address("192.168.49.1")
ANDROID_PREFIX: Final = 24

_PRIVATE = tuple(IPv4Network(each) for each in ("192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8"))
_PREFIXES = range(16, 31)


@dataclass(frozen=True, slots=True)
class Lease:
    """An address of ours, with the length of its network's prefix, and who gave it for how long."""

    address: IPv4Address
    prefix: int
    server: IPv4Address
    lease_s: int


def read_lease(message: DhcpMessage) -> Lease:
    """Read what an OFFER or ACK gives. Raises `DhcpError` for anything a station does not take, with the reason."""
    mask = message.address(Option.SUBNET_MASK)
    lease = Lease(
        address=message.yiaddr,
        prefix=_prefix_of(mask),
        server=message.address(Option.SERVER_IDENTIFIER),
        lease_s=message.seconds(Option.LEASE_TIME),
    )
    network = IPv4Network((lease.address, lease.prefix), strict=False)
    if not any(lease.address in each for each in _PRIVATE):
        raise DhcpError(f"The address {lease.address} is in no private range.")
    if not (_is_host(lease.address, network) and _is_host(lease.server, network)) or lease.address == lease.server:
        raise DhcpError(f"{lease.address} and the server {lease.server} cannot be two hosts of {network}.")
    if not lease.lease_s:
        raise DhcpError("The lease has no duration.")
    return lease


def android_address(host: int) -> IPv4Address:
    """Return the address of `host` in Android's network. Raises `LocalProtocolError` unless it is from 2 to 254."""
    network = IPv4Network((ANDROID_GROUP_OWNER, ANDROID_PREFIX), strict=False)
    address = network.network_address + host
    if not _is_host(address, network) or address == ANDROID_GROUP_OWNER:
        raise LocalProtocolError(f"{host} is no free host number of {network}.")
    return address


def _prefix_of(mask: IPv4Address) -> int:
    prefix = f"{int(mask):032b}".rstrip("0")
    if "0" in prefix or len(prefix) not in _PREFIXES:
        raise DhcpError(f"The mask {mask} is not sane.")
    return len(prefix)


def _is_host(address: IPv4Address, network: IPv4Network) -> bool:
    return address in network and address not in (network.network_address, network.broadcast_address)
