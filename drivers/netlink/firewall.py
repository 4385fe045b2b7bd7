"""What may pass on the link to a phone: one TCP flow, by one nf_tables table of ours (DESIGN, rule 5).

    await install(netlink, "ferry0")                              # before the link is switched on: nothing passes
    await install(netlink, "ferry0", Flow(local, peer, port))     # the peer is known: its flow passes
    await remove(netlink)                                         # when the link is gone

`install` replaces whatever table of ours is there, in one step that packets cannot see between, so it also cleans up
after a process that was killed. Packets of other interfaces meet one comparison a chain and go on.

Why it is built like this:
- Family inet, because it is there before the interface is, and one rule covers IPv4 and IPv6. It does not see ARP,
  which the link needs (`sysctl.isolate` bounds what ARP tells), nor EAPOL.
- At prerouting and postrouting, before anything rewrites addresses: so forwarded packets are covered as well.
- DHCP needs no rule: our client has a packet socket, which receives before these hooks and sends behind them. That
  the kernel's own UDP sees none of it is right: it would answer that nobody listens on port 68.
- Answers are told by the flags ACK and RST rather than by connection tracking, which would be switched on for all
  traffic of the machine. A peer that forges them reaches a port where we have asked for something, or a reset.
- The table has no owner (NFT_TABLE_F_OWNER): the kernel would remove it with our socket when we are killed, while the
  interface may still be up. It rather stays, and nothing passes until the next start.
- What we accept other tables may still drop, what we drop they cannot bring back.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from drivers.errors import RadioError
from drivers.netlink.channel import Netlink
from drivers.netlink.exchange import Request
from drivers.netlink.message import NetlinkError
from drivers.netlink.nftables import (
    IPV4,
    Base,
    Expression,
    Hook,
    MetaKey,
    Verdict,
    any_bit,
    batch,
    delete_table,
    interface,
    meta,
    new_chain,
    new_rule,
    new_table,
    payload,
    verdict,
)
from drivers.netlink.rtnetlink import check_link_name

TABLE: Final = "ferry"
_BEFORE_NAT_AND_TRACKING = -300  # NF_IP_PRI_RAW

_IP_SOURCE, _IP_DESTINATION = 12, 16  # RFC 791, 3.1
_TCP_SOURCE_PORT, _TCP_DESTINATION_PORT, _TCP_FLAGS = 0, 2, 13  # RFC 9293, 3.1
_TCP = 6
_ACK, _RST = 0x10, 0x04

_NO_TABLE = (new_table(TABLE), delete_table(TABLE))  # because deleting what is not there fails
_NO_NF_TABLES = frozenset({errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.ENOENT})


class FirewallError(RadioError):
    """This kernel cannot guard a link."""

    remedy = "Use a kernel with nf_tables (CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET)."


@dataclass(frozen=True, slots=True)
class Flow:
    """The TCP connections from `local` to `port` of `peer`."""

    local: IPv4Address
    peer: IPv4Address
    port: int


@dataclass(frozen=True, slots=True)
class Match:
    """One condition: what it says to people, in nft's words, and to the kernel."""

    words: str
    expressions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with packets for which all of `matches` hold."""

    matches: tuple[Match, ...]
    verdict: Verdict

    def __str__(self) -> str:
        return " ".join([*(match.words for match in self.matches), self.verdict.name.lower()])


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules that packets meet at `hook`, in this order."""

    name: str
    hook: Hook
    rules: tuple[Rule, ...]


async def install(netlink: Netlink, link: str, flow: Flow | None = None) -> None:
    """Let only `flow` pass on the interface named `link`, whether or not there is one by now.

    Raises `FirewallError` or `NetlinkError` if the kernel refuses, and then all is as it was; `RadioError`.
    """
    await _carry_out(netlink, installation(link, flow))


async def remove(netlink: Netlink) -> None:
    """Take our table away, if there is one. Raises as `install` does."""
    await _carry_out(netlink, removal())


def installation(link: str, flow: Flow | None = None) -> list[Request]:
    """Build the batch that replaces our table, if there is one."""
    made = [request for chain in chains(link, flow) for request in _requests(chain)]
    return batch([*_NO_TABLE, new_table(TABLE), *made])


def removal() -> list[Request]:
    """Build the batch that takes our table away, if there is one."""
    return batch(_NO_TABLE)


def describe(link: str, flow: Flow | None = None) -> str:
    """Write down for people what `install` does, the way `nft list table inet ferry` does."""
    return "\n".join(f"{chain.name}: {rule}" for chain in chains(link, flow) for rule in chain.rules)


def chains(link: str, flow: Flow | None = None) -> tuple[Chain, Chain]:
    """Return what `install` installs: the way in and the way out. Raises `LocalProtocolError` for a bad name."""
    check_link_name(link)
    came, goes = _on(MetaKey.IIFNAME, link), _on(MetaKey.OIFNAME, link)
    passing_in = [Rule((came, *_answers(flow)), Verdict.ACCEPT)] if flow else []
    passing_out = [Rule((goes, *_questions(flow)), Verdict.ACCEPT)] if flow else []
    return (
        Chain("in", Hook.PREROUTING, (*passing_in, Rule((came,), Verdict.DROP))),
        Chain("out", Hook.POSTROUTING, (*passing_out, Rule((goes,), Verdict.DROP))),
    )


async def _carry_out(netlink: Netlink, requests: Sequence[Request]) -> None:
    try:
        await netlink.ask_all(requests)
    except NetlinkError as error:
        if error.code in _NO_NF_TABLES:
            raise FirewallError(f"This kernel cannot guard the link to a phone: {error}") from None
        raise


def _requests(chain: Chain) -> list[Request]:
    rules = [new_rule(TABLE, chain.name, _expressions(rule)) for rule in chain.rules]
    return [new_chain(TABLE, chain.name, chain.hook, _BEFORE_NAT_AND_TRACKING), *rules]


def _expressions(rule: Rule) -> list[Expression]:
    return [each for match in rule.matches for each in match.expressions] + verdict(rule.verdict)


def _answers(flow: Flow) -> list[Match]:
    return [
        *_addresses(source=flow.peer, destination=flow.local),
        _tcp_port("sport", _TCP_SOURCE_PORT, flow.port),
        Match("tcp flags rst,ack", tuple(any_bit(Base.TRANSPORT, _TCP_FLAGS, _RST | _ACK))),
    ]


def _questions(flow: Flow) -> list[Match]:
    return [
        *_addresses(source=flow.local, destination=flow.peer),
        _tcp_port("dport", _TCP_DESTINATION_PORT, flow.port),
    ]


def _on(key: MetaKey, link: str) -> Match:
    return Match(f'{key.name.lower()} "{link}"', tuple(interface(key, link)))


def _addresses(source: IPv4Address, destination: IPv4Address) -> list[Match]:
    of_source = [*meta(MetaKey.NFPROTO, bytes((IPV4,))), *payload(Base.NETWORK, _IP_SOURCE, source.packed)]
    return [
        Match(f"ip saddr {source}", tuple(of_source)),
        Match(f"ip daddr {destination}", tuple(payload(Base.NETWORK, _IP_DESTINATION, destination.packed))),
    ]


def _tcp_port(side: str, offset: int, port: int) -> Match:
    of_port = [*meta(MetaKey.L4PROTO, bytes((_TCP,))), *payload(Base.TRANSPORT, offset, port.to_bytes(2, "big"))]
    return Match(f"tcp {side} {port}", tuple(of_port))
