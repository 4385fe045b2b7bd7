"""How long a phone looks for an advertiser: in closed form, simulated, and what no protocol can beat.

An advertising event is a point in time here: its three packets and the answer to a scan request take 5 ms at most.
Events are advInterval + advDelay apart, advDelay drawn anew from 0 to 10 ms (Core volume 6, part B, 4.4.2.2.1).
"""

from dataclasses import dataclass
from typing import Final, Protocol

ADV_DELAY_MAX_MS: Final = 10.0
MEAN_ADV_DELAY_MS: Final = ADV_DELAY_MAX_MS / 2
PACKET_MS: Final = 0.376  # ADV_IND with 31 bytes of data: 47 bytes at 1 Mbit/s (volume 6, part B, 2.1)
CHANNELS: Final = 3


class Uniform(Protocol):
    """Where randomness comes from."""

    def random(self) -> float:
        """Draw from [0, 1)."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """A phone that listens for `window_ms` at the start of every `interval_ms`, on the next channel each time."""

    window_ms: float
    interval_ms: float

    @property
    def share(self) -> float:
        """The part of the time that it listens."""
        return self.window_ms / self.interval_ms


CONTINUOUS: Final = Scanner(4096, 4096)  # Android's SCAN_MODE_LOW_LATENCY, which share sheets use


def mean_latency_ms(interval_ms: float) -> float:
    """Return the mean for a continuous scanner that starts at any time: renewal theory's E[X²] / 2 E[X] of the gaps."""
    mean = interval_ms + MEAN_ADV_DELAY_MS
    return (mean * mean + ADV_DELAY_MAX_MS**2 / 12) / (2 * mean)


def mean_latency_within_interval_ms(interval_ms: float) -> float:
    """Return it for one that starts at any time within advInterval of an event: interval/2 + mean of the delay.

    It is the usual rule of thumb, and up to 2.5 ms longer: nobody can start in the delay, whose rest is short.
    """
    return interval_ms / 2 + MEAN_ADV_DELAY_MS


def advertiser_share(interval_ms: float) -> float:
    """Return the part of the time in which an advertiser sends: three packets an event."""
    return CHANNELS * PACKET_MS / (interval_ms + MEAN_ADV_DELAY_MS)


def bound_ms(sending_share: float, listening_share: float, packet_ms: float = PACKET_MS) -> float:
    """Return the shortest time within which any protocol with these duty cycles can guarantee discovery.

    One side sends, the other listens: L = omega / (beta gamma), with omega the length of a packet, beta the duty cycle
    of the sender and gamma that of the listener. P. H. Kindt, S. Chakraborty, "On Optimal Neighbor Discovery", ACM
    SIGCOMM 2019, doi:10.1145/3341302.3342067, the bound for unidirectional beaconing. It is for one channel without
    loss. Bluetooth LE sends every advertisement on three channels, so against a continuous scanner its own worst case
    is three times the bound.
    """
    return packet_ms / (sending_share * listening_share)


def first_event_ms(random: Uniform, interval_ms: float) -> float:
    """Draw how long a scanner that starts at any time waits for the first event: long gaps are met more often."""
    while True:
        gap_ms = interval_ms + ADV_DELAY_MAX_MS * random.random()
        if random.random() * (interval_ms + ADV_DELAY_MAX_MS) < gap_ms:
            return gap_ms * random.random()


def latency_ms(random: Uniform, interval_ms: float, scanner: Scanner = CONTINUOUS, loss: float = 0.0) -> float:
    """Draw one latency. `loss` is the part of events whose packets or scan response get lost."""
    at_ms = first_event_ms(random, interval_ms)
    phase_ms = random.random() * scanner.interval_ms
    while (at_ms + phase_ms) % scanner.interval_ms >= scanner.window_ms or random.random() < loss:
        at_ms += interval_ms + ADV_DELAY_MAX_MS * random.random()
    return at_ms
