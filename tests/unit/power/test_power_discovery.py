"""Discovery latency: the simulation against closed forms, and the bound against both."""

from random import Random
from statistics import fmean

import pytest

from stack.power.discovery import (
    ADV_DELAY_MAX_MS,
    CONTINUOUS,
    MEAN_ADV_DELAY_MS,
    PACKET_MS,
    Scanner,
    advertiser_share,
    bound_ms,
    latency_ms,
    mean_latency_ms,
    mean_latency_within_interval_ms,
)

DRAWS = 20_000


def mean_ms(interval_ms: float, scanner: Scanner = CONTINUOUS, loss: float = 0.0) -> float:
    random = Random(7)
    return fmean(latency_ms(random, interval_ms, scanner, loss) for _ in range(DRAWS))


@pytest.mark.parametrize("interval_ms", [20, 100, 250, 1022.5])
def test_one_advertiser_and_a_continuous_scanner(interval_ms: float) -> None:
    assert mean_ms(interval_ms) == pytest.approx(mean_latency_ms(interval_ms), rel=0.01)


@pytest.mark.parametrize("interval_ms", [20, 100, 250, 1022.5])
def test_started_within_the_interval_it_is_half_of_it_and_the_mean_delay(interval_ms: float) -> None:
    """Events one after the other; the phone starts at any time within advInterval of one of them."""
    random = Random(7)
    waits_ms = []
    for _ in range(DRAWS):
        gap_ms = interval_ms + ADV_DELAY_MAX_MS * random.random()
        waits_ms.append(gap_ms - interval_ms * random.random())
    assert fmean(waits_ms) == pytest.approx(mean_latency_within_interval_ms(interval_ms), rel=0.02)
    assert mean_latency_within_interval_ms(interval_ms) == interval_ms / 2 + MEAN_ADV_DELAY_MS
    assert 0 < mean_latency_within_interval_ms(interval_ms) - mean_latency_ms(interval_ms) < 2.5


def test_each_loss_costs_one_more_event() -> None:
    loss, gap_ms = 0.4, 100 + MEAN_ADV_DELAY_MS
    expected_ms = mean_latency_ms(100) + gap_ms * loss / (1 - loss)
    assert mean_ms(100, loss=loss) == pytest.approx(expected_ms, rel=0.02)


def test_a_scanner_with_pauses_waits_for_its_window() -> None:
    """With events far shorter apart than the pause: at once in the window, else its rest; then about half a gap."""
    scanner = Scanner(window_ms=1024, interval_ms=4096)
    pause_ms = scanner.interval_ms - scanner.window_ms
    expected_ms = pause_ms**2 / (2 * scanner.interval_ms) + mean_latency_ms(20)
    assert mean_ms(20, scanner) == pytest.approx(expected_ms, rel=0.03)


def test_the_bound_is_a_packet_by_both_duty_cycles() -> None:
    assert bound_ms(0.01, 1.0, packet_ms=0.5) == pytest.approx(50)
    assert bound_ms(0.01, 0.1, packet_ms=0.5) == pytest.approx(500)
    assert advertiser_share(100) == pytest.approx(3 * PACKET_MS / 105)


@pytest.mark.parametrize("interval_ms", [20, 100, 1000])
def test_bluetooths_worst_case_is_three_bounds(interval_ms: float) -> None:
    """It sends each advertisement thrice; its longest gap is the interval and the longest delay."""
    random = Random(7)
    worst_ms = max(latency_ms(random, interval_ms) for _ in range(DRAWS))
    bound = bound_ms(advertiser_share(interval_ms), CONTINUOUS.share)
    assert 3 * bound == pytest.approx(interval_ms + MEAN_ADV_DELAY_MS)
    assert bound < worst_ms <= 3 * bound + MEAN_ADV_DELAY_MS
