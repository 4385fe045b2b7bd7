"""What a chip can do: bands, interface types and their combinations, features, commands (NL80211_CMD_GET_WIPHY)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from drivers.netlink.attributes import parse
from drivers.nl80211.constants import Command, ExtFeature, Feature, InterfaceType
from drivers.nl80211.declarations import Attrs, CombinationAttrs, FrequencyAttrs, WiphyAttrs
from drivers.nl80211.radio import Nl80211


@dataclass(frozen=True, slots=True)
class Channel:
    """A frequency, and what the regulatory domain of the moment makes of it. `max_dbm` is the power."""

    frequency_mhz: int
    is_disabled: bool
    no_ir: bool
    has_radar: bool
    max_dbm: int


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `max` interfaces whose type is one of `types`."""

    max: int
    types: frozenset[InterfaceType]


@dataclass(frozen=True, slots=True)
class Combination:
    """Interfaces that may exist at the same time, on at most `channels` channels."""

    limits: tuple[Limit, ...]
    max_interfaces: int
    channels: int

    def holds(self, types: Iterable[InterfaceType]) -> bool:
        """Whether interfaces of these types may exist together. A limit with several types is shared by them."""
        wanted = sorted(types)
        if len(wanted) > self.max_interfaces:
            return False
        room = [limit.max for limit in self.limits]
        for kind in set(wanted):
            for index, limit in enumerate(self.limits):
                if kind in limit.types:
                    room[index] -= wanted.count(kind)
        return all(left >= 0 for left in room) and set(wanted) <= self._types()

    def _types(self) -> set[InterfaceType]:
        return {kind for limit in self.limits for kind in limit.types}


@dataclass(frozen=True, slots=True)
class Occupant:
    """An interface that exists or is wanted. `frequency_mhz` is `None` while it is on none."""

    type: InterfaceType
    frequency_mhz: int | None = None


@dataclass(frozen=True, slots=True)
class Wiphy:
    """One radio. Frequencies are keyed by MHz; `software_types` are in no combination because they cost nothing."""

    index: int
    name: str
    channels: dict[int, Channel]
    interface_types: frozenset[InterfaceType]
    software_types: frozenset[InterfaceType]
    combinations: tuple[Combination, ...]
    features: Feature
    ext_features: frozenset[int]
    commands: frozenset[int]
    cipher_suites: frozenset[int]
    max_scan_ssids: int
    is_self_managed: bool

    def supports(self, command: Command) -> bool:
        """Whether the driver has a command."""
        return command in self.commands

    def has(self, feature: ExtFeature) -> bool:
        """Whether the driver announces an extended feature."""
        return feature in self.ext_features

    def refusal(self, existing: Sequence[Occupant], wanted: Sequence[Occupant]) -> str | None:
        """Say why `wanted` cannot be beside `existing`, `None` if it can."""
        missing = [each.type.words for each in wanted if each.type not in self.interface_types]
        if missing:
            return f"The chip has no {missing[0]}"
        counted = [each for each in existing if each.type not in self.software_types]
        for each in wanted:
            if each.type not in self.software_types:
                if reason := fits(self.combinations, counted, each):
                    return reason
                counted.append(each)
        return None


def fits(combinations: Sequence[Combination], existing: Sequence[Occupant], wanted: Occupant) -> str | None:
    """Say why an interface cannot be beside the existing ones, `None` if it can.

    A single interface needs no combination. Those that are on no channel yet are counted as if they came to
    the channel of the others.
    """
    if not existing:
        return None
    together = [*existing, wanted]
    holding = [each for each in combinations if each.holds(occupant.type for occupant in together)]
    if not holding:
        names = ", ".join(each.type.words for each in existing)
        return f"The chip cannot be {wanted.type.words} beside what it is already ({names})"
    channels = {each.frequency_mhz for each in together if each.frequency_mhz}
    most = max(each.channels for each in holding)
    if len(channels) <= most:
        return None
    others = ", ".join(str(channel) for channel in sorted(channels - {wanted.frequency_mhz}))
    return (
        f"The chip can be on {channel_words(most)} at once and is on {others} MHz, so not on {wanted.frequency_mhz} MHz"
    )


def channel_words(channels: int) -> str:
    """Count channels."""
    return "1 channel" if channels == 1 else f"{channels} channels"


async def wiphys(radio: Nl80211) -> list[Wiphy]:
    """Ask for all radios. Raises `RadioError`."""
    pieces = await radio.dump_raw(Command.GET_WIPHY, Attrs(split_wiphy_dump=True))
    merged: dict[int, _Merger] = {}
    for piece in pieces:
        attrs = parse(WiphyAttrs, piece)
        if attrs.wiphy is not None:
            merged.setdefault(attrs.wiphy, _Merger(attrs.wiphy)).add(attrs)
    return [each.wiphy() for each in merged.values()]


class _Merger:
    """Puts the pieces of one wiphy together: each attribute comes once, but channels come one by one."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._channels: dict[int, Channel] = {}
        self._pieces: list[WiphyAttrs] = []

    def add(self, piece: WiphyAttrs) -> None:
        self._pieces.append(piece)
        for band in (piece.wiphy_bands or {}).values():
            for each in (band.freqs or {}).values():
                channel = _channel(each)
                self._channels[channel.frequency_mhz] = channel

    def wiphy(self) -> Wiphy:
        whole = {name: value for piece in self._pieces for name, value in _present(piece)}
        attrs = WiphyAttrs(**whole)
        return Wiphy(
            index=self._index,
            name=attrs.wiphy_name or "",
            channels=dict(sorted(self._channels.items())),
            interface_types=_types(attrs.supported_iftypes),
            software_types=_types(attrs.software_iftypes),
            combinations=tuple(_combination(each) for each in attrs.interface_combinations or ()),
            features=Feature(attrs.feature_flags or 0),
            ext_features=_bits(attrs.ext_features or b""),
            commands=frozenset(attrs.supported_commands or ()),
            cipher_suites=frozenset(attrs.cipher_suites or ()),
            max_scan_ssids=attrs.max_num_scan_ssids or 0,
            is_self_managed=bool(attrs.wiphy_self_managed_reg),
        )


def _present(piece: WiphyAttrs) -> Iterator[tuple[str, Any]]:
    for each in fields(piece):
        value = getattr(piece, each.name)
        if value is not None:
            yield each.name, value


def _channel(attrs: FrequencyAttrs) -> Channel:
    return Channel(
        attrs.freq or 0,
        bool(attrs.disabled),
        bool(attrs.no_ir),
        bool(attrs.radar),
        (attrs.max_tx_power or 0) // 100,
    )


def _types(numbers: Iterable[int] | None) -> frozenset[InterfaceType]:
    return frozenset(map(InterfaceType, numbers or ())) - {InterfaceType.UNSPECIFIED}


def _combination(attrs: CombinationAttrs) -> Combination:
    limits = tuple(Limit(each.max or 0, _types(each.types)) for each in attrs.limits or ())
    return Combination(limits, attrs.maxnum or 0, attrs.num_channels or 1)


def _bits(octets: bytes) -> frozenset[int]:
    return frozenset(8 * at + bit for at, octet in enumerate(octets) for bit in range(8) if octet >> bit & 1)
