"""What a kernel makes of our nf_tables messages: it takes batches and says what becomes of a packet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from drivers.netlink.attributes import Attributes, parse, split
from drivers.netlink.exchange import Request
from drivers.netlink.nftables import (
    Base,
    Bitwise,
    Compare,
    Comparison,
    Immediate,
    Meta,
    MetaKey,
    Payload,
    Verdict,
)

NEW_TABLE, DELETE_TABLE, NEW_CHAIN, NEW_RULE = 0xA00, 0xA02, 0xA03, 0xA06
KINDS: dict[str, type[Attributes]] = {
    "meta": Meta,
    "payload": Payload,
    "bitwise": Bitwise,
    "cmp": Compare,
    "immediate": Immediate,
}


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet at a hook. `network` begins with the IP header, `transport` with that of TCP or UDP."""

    meta: dict[MetaKey, bytes]
    network: bytes
    transport: bytes


@dataclass(slots=True)
class PacketFilter:
    """Tables by name; chains are (hook, priority, rules) by name; a rule is a list of expressions."""

    tables: dict[str, dict[str, tuple[int, int, list[list[Any]]]]] = field(default_factory=dict)

    def take(self, requests: Sequence[Request]) -> None:
        """Carry a batch out."""
        for kind, body, _ in requests:
            names = dict(split(body[4:]))
            if kind == NEW_TABLE:
                self.tables.setdefault(text(names[1]), {})
            elif kind == DELETE_TABLE:
                del self.tables[text(names[1])]
            elif kind == NEW_CHAIN:
                hook = {number: int.from_bytes(value, "big", signed=True) for number, value in split(names[4])}
                self.tables[text(names[1])][text(names[3])] = (hook[1], hook[2], [])
            elif kind == NEW_RULE:
                self.tables[text(names[1])][text(names[2])][2].append(expressions(names[4]))

    def verdict(self, hook: int, packet: Packet) -> Verdict:
        """Decide: what one table drops is dropped, an acceptance ends its chain only."""
        for table in self.tables.values():
            for at, _, rules in table.values():
                if at == hook and self._of_chain(rules, packet) is Verdict.DROP:
                    return Verdict.DROP
        return Verdict.ACCEPT

    @staticmethod
    def _of_chain(rules: list[list[Any]], packet: Packet) -> Verdict:
        return next((found for rule in rules if (found := of_rule(rule, packet)) is not None), Verdict.ACCEPT)


def text(payload: bytes) -> str:
    assert payload.endswith(b"\0")
    return payload[:-1].decode()


def expressions(payload: bytes) -> list[Any]:
    """Read the expressions of a rule."""
    rows = [dict(split(element)) for _, element in split(payload)]
    return [parse(KINDS[text(row[1])], row[2]) for row in rows]


def of_rule(rule: list[Any], packet: Packet) -> Verdict | None:
    """Run one rule; `None` if it does not match."""
    register = b""
    for step in rule:
        match step:
            case Meta():
                register = packet.meta[MetaKey(step.key or 0)]
            case Payload():
                part = packet.network if step.base == Base.NETWORK else packet.transport
                register = part[step.offset : (step.offset or 0) + (step.length or 0)]
                if len(register) != step.length:
                    return None
            case Bitwise(mask=mask, flip=flip):
                assert mask
                assert flip
                pairs = zip(register, mask.value or b"", flip.value or b"", strict=True)
                register = bytes(each & masked ^ flipped for each, masked, flipped in pairs)
            case Compare(data=data):
                assert data
                if (register == data.value) is not (step.comparison == Comparison.EQUAL):
                    return None
            case Immediate(data=data):
                assert data
                assert data.verdict
                return Verdict(data.verdict.code or 0)
    return None
