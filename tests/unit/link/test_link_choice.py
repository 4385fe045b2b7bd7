"""Which radio takes the link: room before borrowing, the offered channel before others, the idle before the busy."""

from dataclasses import replace

import pytest

from drivers.nl80211.capabilities import Channel, Combination, Limit, Wiphy
from drivers.nl80211.constants import Feature, InterfaceType
from drivers.nl80211.errors import NoWifiError
from drivers.nl80211.interfaces import Interface, Plan
from stack.link.choice import Choice, borrowable, choose
from stack.link.reasons import LinkError, Reason

STATION, DEVICE, CLIENT = InterfaceType.STATION, InterfaceType.P2P_DEVICE, InterfaceType.P2P_CLIENT
ONLY_2_4_GHZ = (2412, 2437)
BOTH = (*ONLY_2_4_GHZ, 5180)


def radio(
    index: int, *, channels_at_once: int = 1, stations: int = 2, frequencies_mhz: tuple[int, ...] = BOTH
) -> Wiphy:
    limit = Limit(stations, frozenset({STATION}))
    channels = {
        mhz: Channel(mhz, is_disabled=False, no_ir=False, has_radar=False, max_dbm=20) for mhz in frequencies_mhz
    }
    return Wiphy(
        index=index,
        name=f"phy{index}",
        channels=channels,
        interface_types=frozenset({STATION}),
        software_types=frozenset(),
        combinations=(Combination((limit,), stations, channels_at_once),),
        features=Feature(0),
        ext_features=frozenset(),
        commands=frozenset(),
        cipher_suites=frozenset(),
        max_scan_ssids=4,
        is_self_managed=False,
    )


def house(wiphy: int, frequency_mhz: int | None = 2412, kind: InterfaceType = STATION, index: int = 10) -> Interface:
    return Interface(index + wiphy, index + wiphy, f"wlan{wiphy}", kind, wiphy, b"", frequency_mhz)


def chosen(radios: list[Wiphy], existing: list[Interface], mhz: int | None, *, may_borrow: bool = False) -> Choice:
    return choose(radios, existing, mhz, may_borrow=may_borrow)


@pytest.mark.parametrize("may_borrow", [False, True])
def test_a_radio_with_room_is_taken_before_one_is_borrowed(may_borrow: bool) -> None:
    choice = chosen([radio(0), radio(1)], [house(0), house(1, None)], 2437, may_borrow=may_borrow)
    assert (choice.wiphy.index, choice.borrows) == (1, ())


def test_while_the_channel_is_unknown_the_idle_radio_is_taken() -> None:
    assert chosen([radio(0), radio(1)], [house(0), house(1, None)], None).wiphy.index == 1


def test_the_first_radio_is_taken_when_all_are_idle() -> None:
    assert chosen([radio(0), radio(1)], [], None).wiphy.index == 0


def test_a_radio_that_has_the_channel_is_taken_before_an_idle_one() -> None:
    radios = [radio(0, frequencies_mhz=ONLY_2_4_GHZ), radio(1, channels_at_once=2)]
    assert chosen(radios, [house(1)], 5180).wiphy.index == 1
    assert chosen(radios, [house(1)], 2437).wiphy.index == 0


def test_without_leave_nothing_is_borrowed_and_the_chips_reason_is_told() -> None:
    with pytest.raises(LinkError, match="1 channel at once and is on 2412 MHz, so not on 2437 MHz") as refused:
        chosen([radio(0)], [house(0)], 2437)
    assert refused.value.reason is Reason.RADIO_BUSY


def test_with_leave_everything_on_the_radio_is_borrowed_that_can_be_switched_off() -> None:
    existing = [house(0), house(1), house(0, None, index=20)]
    choice = chosen([radio(0, stations=1)], existing, 2437, may_borrow=True)
    assert choice.borrows == (existing[0], existing[2])


def test_what_is_switched_off_may_still_be_counted_by_the_driver() -> None:
    limits = tuple(Limit(1, frozenset({kind})) for kind in (STATION, DEVICE, CLIENT))
    chip = replace(
        radio(0), interface_types=frozenset({STATION, DEVICE, CLIENT}), combinations=(Combination(limits, 3, 1),)
    )
    assert chosen([chip], [house(0)], 2437, may_borrow=True).plan == Plan(CLIENT, makes_p2p_device=True)


def test_what_is_no_link_cannot_be_switched_off() -> None:
    device = Interface(7, 0, "", DEVICE, 0, b"", None)
    assert borrowable(radio(0), [device, house(0)]) == (house(0),)
    with pytest.raises(LinkError):
        chosen([radio(0)], [device, house(0)], 2437, may_borrow=True)


def test_a_machine_without_a_radio() -> None:
    with pytest.raises(NoWifiError):
        chosen([], [], None, may_borrow=True)
