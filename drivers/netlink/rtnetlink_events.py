"""What happens to links and their addresses: the kernel's multicast messages (rtnetlink(7))."""

from dataclasses import dataclass
from typing import Final

from drivers.netlink.ipv4 import DEL_ADDRESS, NEW_ADDRESS, Address, parse_address
from drivers.netlink.message import Message
from drivers.netlink.rtnetlink import DEL_LINK, NEW_LINK, Link, parse_link, tells_all

# Groups for `Netlink.join` (RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR).
LINK_EVENTS: Final = 1
ADDRESS_EVENTS: Final = 5


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """A link is new or has changed."""

    link: Link


@dataclass(frozen=True, slots=True)
class LinkGone:
    """A link is no more."""

    link: Link


@dataclass(frozen=True, slots=True)
class AddressAdded:
    """A link has a new address."""

    address: Address


@dataclass(frozen=True, slots=True)
class AddressGone:
    """A link has lost an address."""

    address: Address


Event = LinkChanged | LinkGone | AddressAdded | AddressGone


def parse_event(message: Message) -> Event | None:
    """Read an event of the two groups, `None` if it tells about something else. Raises `NetlinkFormatError`."""
    kind, body = message.type, message.body
    if kind in (NEW_LINK, DEL_LINK) and tells_all(body):
        return LinkChanged(parse_link(body)) if kind == NEW_LINK else LinkGone(parse_link(body))
    if kind in (NEW_ADDRESS, DEL_ADDRESS):
        return AddressAdded(parse_address(body)) if kind == NEW_ADDRESS else AddressGone(parse_address(body))
    return None
