"""What chips can do: a recorded one and the boards' one, their combinations, and the words for both."""

from dataclasses import replace

import pytest

from board import aio
from drivers.nl80211.capabilities import Combination, Limit, Occupant, Wiphy, fits
from drivers.nl80211.constants import Command, ExtFeature, Feature, InterfaceType
from drivers.nl80211.describe import describe
from drivers.nl80211.road import Road, road_of
from tests.unit.nl80211.chip import FULLMAC_COMBINATIONS, Kind
from tests.unit.nl80211.fake_world import fake_world

STATION, CLIENT = InterfaceType.STATION, InterfaceType.P2P_CLIENT
DEVICE, OWNER, AP = InterfaceType.P2P_DEVICE, InterfaceType.P2P_GO, InterfaceType.AP
HOME = Occupant(STATION, 2412)


def wiphy_of(kind: Kind) -> Wiphy:
    async def look() -> Wiphy:
        return (await fake_world(kind)).wiphy

    return aio.run(look())


def test_a_recorded_dump_in_190_pieces_is_one_wiphy() -> None:
    wiphy = wiphy_of(Kind.SOFTMAC)
    assert (wiphy.index, wiphy.name, wiphy.max_scan_ssids) == (1, "phy1", 255)
    assert set(range(2412, 2473, 5)) < set(wiphy.channels)
    assert not wiphy.channels[2437].no_ir
    assert wiphy.channels[2437].max_dbm == 20
    assert wiphy.channels[5180].no_ir
    assert wiphy.channels[5260].has_radar
    assert InterfaceType.P2P_DEVICE in wiphy.interface_types
    assert wiphy.software_types == {InterfaceType.AP_VLAN, InterfaceType.MONITOR}
    assert wiphy.combinations[0].max_interfaces == 2050
    assert wiphy.combinations[0].channels == 2
    assert Feature.MAC_ON_CREATE in wiphy.features
    assert 0x000FAC04 in wiphy.cipher_suites
    assert not wiphy.is_self_managed


def test_the_roads_of_the_chips() -> None:
    softmac, fullmac, offload = (wiphy_of(kind) for kind in Kind)
    assert road_of(softmac) == Road(by_steps=True, offloads_handshake=False, has_control_port=True, tells_ack=True)
    assert road_of(fullmac) == Road(by_steps=False, offloads_handshake=False, has_control_port=False, tells_ack=False)
    assert road_of(offload) == Road(by_steps=False, offloads_handshake=True, has_control_port=False, tells_ack=False)
    with_both = replace(softmac, ext_features=softmac.ext_features | offload.ext_features)
    assert not road_of(with_both).offloads_handshake  # the PMK goes with CONNECT only
    assert not fullmac.supports(Command.AUTHENTICATE)
    assert offload.has(ExtFeature.HANDSHAKE_STA_PSK)


@pytest.mark.parametrize(
    ("existing", "wanted", "reason"),
    [
        ([], Occupant(STATION, 5180), None),
        ([HOME], Occupant(STATION, 2412), "The chip cannot be station beside what it is already (station)"),
        ([HOME], Occupant(DEVICE), None),
        ([HOME, Occupant(DEVICE)], Occupant(CLIENT, 2437), None),
        ([HOME, Occupant(DEVICE)], Occupant(OWNER, 2437), None),
        (
            [HOME, Occupant(DEVICE), Occupant(OWNER, 2437)],
            Occupant(CLIENT, 2437),
            "The chip cannot be P2P client beside what it is already (station, P2P device, P2P group owner)",
        ),
        # With an access point beside, the second combination holds, and that one has a single channel.
        ([HOME, Occupant(AP, 2412)], Occupant(CLIENT, 2412), None),
        (
            [HOME, Occupant(AP, 2412)],
            Occupant(CLIENT, 2437),
            "The chip can be on 1 channel at once and is on 2412 MHz, so not on 2437 MHz",
        ),
        # Who is on no channel yet may come to that of the others.
        ([HOME, Occupant(AP)], Occupant(CLIENT, 2412), None),
    ],
)
def test_what_fits_the_boards_chip(existing: list[Occupant], wanted: Occupant, reason: str | None) -> None:
    assert fits(FULLMAC_COMBINATIONS, existing, wanted) == reason


def test_a_combination_counts_all_together_too() -> None:
    both = Combination((Limit(2, frozenset({STATION})), Limit(2, frozenset({CLIENT}))), max_interfaces=2, channels=2)
    assert fits([both], [HOME], Occupant(CLIENT)) is None
    assert fits([both], [HOME, Occupant(CLIENT)], Occupant(CLIENT)) is not None


def test_a_chip_without_combinations_holds_one_interface() -> None:
    assert fits((), [], HOME) is None
    assert fits((), [HOME], Occupant(DEVICE)) == "The chip cannot be P2P device beside what it is already (station)"


def test_types_that_a_chip_lacks_and_those_made_in_software() -> None:
    softmac, fullmac = wiphy_of(Kind.SOFTMAC), wiphy_of(Kind.FULLMAC)
    assert fullmac.refusal([], [Occupant(InterfaceType.MESH_POINT)]) == "The chip has no mesh point"
    assert softmac.refusal([HOME, Occupant(InterfaceType.MONITOR)], [Occupant(CLIENT, 2437)]) is None
    assert softmac.refusal([HOME], [Occupant(InterfaceType.MONITOR)]) is None
    assert softmac.refusal([HOME, Occupant(CLIENT, 2437)], [Occupant(STATION, 5180)]) == (
        "The chip can be on 2 channels at once and is on 2412, 2437 MHz, so not on 5180 MHz"
    )


def test_what_is_wanted_counts_for_what_is_wanted_after_it() -> None:
    fullmac = wiphy_of(Kind.FULLMAC)
    assert fullmac.refusal([HOME], [Occupant(DEVICE), Occupant(CLIENT, 2437)]) is None
    assert fullmac.refusal([HOME], [Occupant(CLIENT, 2437), Occupant(OWNER, 2437)]) is not None


def test_the_words_for_the_boards_chip() -> None:
    assert describe(wiphy_of(Kind.FULLMAC)) == [
        "2.4 GHz: 2412 to 2437 free",
        "5 GHz: 5180 listen only",
        "roles: station, access point, P2P client, P2P group owner, P2P device",
        "at once: 1 of (station) and 1 of (P2P device) and 1 of (P2P client, P2P group owner), 3 in all, on 2 channels",
        "at once: 1 of (station) and 1 of (access point) and 1 of (P2P client) and 1 of (P2P device), "
        "4 in all, on 1 channel",
        "looks for: 10 names at once",
        "address: chosen by the chip",
        "security: WPA2",
        "connects: by itself",
        "handshake: by Ferry, frames through a packet socket",
    ]


def test_the_words_for_the_others() -> None:
    assert describe(wiphy_of(Kind.SOFTMAC))[-4:] == [
        "address: chosen by Ferry",
        "security: WPA2",
        "connects: step by step",
        "handshake: by Ferry, frames through nl80211",
    ]
    offload = wiphy_of(Kind.FULLMAC_OFFLOAD)
    assert describe(offload)[-1] == "handshake: by the chip"
    assert "security: none that a phone takes" in describe(replace(offload, cipher_suites=frozenset()))
    assert "5260 to 5700 shared with radar" in "".join(describe(wiphy_of(Kind.SOFTMAC)))
