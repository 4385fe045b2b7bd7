"""Radios as a person or a script sees them."""

from drivers.nl80211.capabilities import Wiphy
from drivers.nl80211.describe import describe
from drivers.nl80211.regulatory import WORLD, Domain
from drivers.nl80211.road import road_of
from stack.station.console import Console


def show_wiphy(console: Console, wiphy: Wiphy, domain: Domain) -> None:
    """Show what one radio can do, and which country's rules hold for it."""
    road = road_of(wiphy)
    unset = " (none is set: most of 5 GHz is for listening only)" if domain.country == WORLD else ""
    lines = [*describe(wiphy), f"country: {domain.country}{unset}"]
    console.say(
        "\n".join((wiphy.name, *(f"  {line}" for line in lines))),
        "radio",
        name=wiphy.name,
        frequencies_mhz=[each.frequency_mhz for each in wiphy.channels.values() if not each.is_disabled],
        roles=[each.words for each in sorted(wiphy.interface_types)],
        offloads_handshake=road.offloads_handshake,
        has_control_port=road.has_control_port,
        country=domain.country,
    )
