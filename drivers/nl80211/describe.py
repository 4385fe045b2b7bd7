"""What a chip can do for Ferry, in words."""

from collections.abc import Iterable
from itertools import groupby

from drivers.nl80211.capabilities import Channel, Combination, Wiphy, channel_words
from drivers.nl80211.constants import CIPHER_CCMP, Feature
from drivers.nl80211.road import Road, road_of

_BANDS = ((0, 3000, "2.4 GHz"), (3000, 5900, "5 GHz"), (5900, 8000, "6 GHz"))


def describe(wiphy: Wiphy) -> list[str]:
    """Describe a radio, one line a subject."""
    road = road_of(wiphy)
    return [
        *_band_lines(wiphy),
        f"roles: {', '.join(each.words for each in sorted(wiphy.interface_types))}",
        *(f"at once: {_combination_words(each)}" for each in wiphy.combinations),
        f"looks for: {wiphy.max_scan_ssids} names at once",
        f"address: {'chosen by Ferry' if Feature.MAC_ON_CREATE in wiphy.features else 'chosen by the chip'}",
        f"security: {'WPA2' if CIPHER_CCMP in wiphy.cipher_suites else 'none that a phone takes'}",
        f"connects: {'step by step' if road.by_steps else 'by itself'}",
        f"handshake: {_handshake_words(road)}",
    ]


def _band_lines(wiphy: Wiphy) -> Iterable[str]:
    for low, high, name in _BANDS:
        channels = [each for mhz, each in wiphy.channels.items() if low <= mhz < high]
        if channels:
            yield f"{name}: {_channels_words(channels)}"


def _channels_words(channels: list[Channel]) -> str:
    return ", ".join(f"{_span(list(group))} {state}" for state, group in groupby(channels, _state))


def _span(channels: list[Channel]) -> str:
    first, last = channels[0].frequency_mhz, channels[-1].frequency_mhz
    return str(first) if first == last else f"{first} to {last}"


def _state(channel: Channel) -> str:
    if channel.is_disabled:
        return "forbidden"
    if channel.has_radar:
        return "shared with radar"
    return "listen only" if channel.no_ir else "free"


def _combination_words(combination: Combination) -> str:
    parts = [
        f"{limit.max} of ({', '.join(each.words for each in sorted(limit.types))})" for limit in combination.limits
    ]
    return f"{' and '.join(parts)}, {combination.max_interfaces} in all, on {channel_words(combination.channels)}"


def _handshake_words(road: Road) -> str:
    if road.offloads_handshake:
        return "by the chip"
    return f"by Ferry, frames through {'nl80211' if road.has_control_port else 'a packet socket'}"
