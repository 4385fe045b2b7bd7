"""Traces: the shipped one is good, bad ones are refused in a sentence, random ones come from their seed alone."""

from pathlib import Path
from random import Random

import pytest

import stack.power
from stack.power.trace import DAY_MS, NasChanges, PhoneComes, PowerChanges, TraceError, draw, read

HEAD = 'name = "x"\nbattery_mwh = 1000\nstart_charge_percent = 50\n'


def test_the_shipped_day() -> None:
    trace = read((Path(stack.power.__path__[0]) / "traces/day.toml").read_text())
    phones = [each for each in trace.happenings if isinstance(each, PhoneComes)]
    assert len(phones) == 11
    assert sum(each.size_bytes for each in phones) == 2_985_000_000


def test_it_reads_every_kind_in_the_order_of_time() -> None:
    text = HEAD + (
        'event = [{at = 01:00:01, phone_bytes = 5}, {at = 00:00:10, nas = "there"}, {at = 00:00:20, power = "mains"}]'
    )
    assert read(text).happenings == (NasChanges(10_000, True), PowerChanges(20_000, True), PhoneComes(3_601_000, 5))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("event", "not TOML"),
        (HEAD, "lacks event"),
        ("event = []", "lacks battery_mwh"),
        (HEAD + "event = 5", "does not fit"),
        (HEAD + "event = [5]", "does not fit"),
        (HEAD + "event = [{at = 5, phone_bytes = 5}]", "no time of day"),
        (HEAD + "event = [{at = 01:00:00, phone_bytes = -5}]", "no size"),
        (HEAD + 'event = [{at = 01:00:00, nas = "maybe"}]', "neither 'there' nor 'away'"),
        (HEAD + "event = [{at = 01:00:00}]", "lacks power"),
        (HEAD.replace("50", "101") + "event = []", "cannot be"),
        (HEAD.replace("1000", "0") + "event = []", "cannot be"),
    ],
)
def test_bad_ones_are_refused(text: str, says: str) -> None:
    with pytest.raises(TraceError, match=says) as refused:
        read(text)
    assert "day.toml" in refused.value.explain()


@pytest.mark.parametrize("seed", range(30))
def test_random_days(seed: int) -> None:
    trace = draw(Random(seed), "day")
    times_ms = [each.at_ms for each in trace.happenings]
    assert times_ms == sorted(times_ms)
    assert all(0 <= each < DAY_MS for each in times_ms)
    assert 4 <= sum(isinstance(each, PhoneComes) for each in trace.happenings) <= 16
    assert trace == draw(Random(seed), "day")
    assert trace != draw(Random(seed + 1), "day")
