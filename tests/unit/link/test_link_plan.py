"""In which order frequencies are scanned."""

from hypothesis import given
from hypothesis import strategies as st

from stack.link.plan import FREE_5GHZ_MHZ, SOCIAL_MHZ, Memory, scans

BAND_2GHZ = tuple(range(2412, 2473, 5))
ALL = (*BAND_2GHZ, *FREE_5GHZ_MHZ)
RADAR = (5260, 5280, 5500)


def test_the_offered_frequency_comes_first_and_alone() -> None:
    assert next(scans(5180, Memory(), ALL, RADAR)) == (5180,)


def test_then_where_groups_were_found_before() -> None:
    memory = Memory()
    for frequency_mhz in (2412, 5745, 2412, 5200):
        memory.found(frequency_mhz)
    order = list(scans(2437, memory, ALL, ()))
    assert order[:4] == [(2437,), (5200,), (2412,), (5745,)]


def test_then_the_social_channels_and_5_ghz_without_radar() -> None:
    order = list(scans(None, Memory(), ALL, RADAR))
    assert order[:3] == [(each,) for each in SOCIAL_MHZ]
    assert order[3] == FREE_5GHZ_MHZ[:4]
    assert order[-1] == RADAR


def test_a_frequency_that_the_radio_lacks_is_not_asked() -> None:
    assert next(scans(5180, Memory(), BAND_2GHZ, ())) == (2437,)


@given(
    st.none() | st.integers(2000, 6000),
    st.lists(st.sampled_from([*ALL, *RADAR]), max_size=9),
    st.lists(st.sampled_from(ALL), unique=True),
    st.lists(st.sampled_from(RADAR), unique=True),
)
def test_each_usable_frequency_is_asked_once(
    offered: int | None, found: list[int], may_send: list[int], may_listen: list[int]
) -> None:
    memory = Memory()
    for each in found:
        memory.found(each)
    asked = [frequency for batch in scans(offered, memory, may_send, may_listen) for frequency in batch]
    assert sorted(asked) == sorted([*may_send, *may_listen])
