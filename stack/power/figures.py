"""What a Raspberry Pi Zero 2 W draws, from published measurements; a board's profile may bring others.

Sources, each with what was measured. All are of whole boards at 5 V unless said otherwise:

[CNX]   J.-L. Aufranc, "A deep dive into Raspberry Pi Zero 2 W's power consumption", CNX Software, 9 December 2021,
        Qoitech Otii Arc: Raspberry Pi OS Lite (Bullseye) as flashed, idle, 120 mA = 600 mW; idle after everything that
        lowers it, below 75 mA = 375 mW.
[OTC]   OpenTrafficCam/OTCamera, issue 70, "Measure power consumption with different hardware", 2021, USB meter, 5.3 V,
        steps of 10 mA: Zero 2 W with Wi-Fi connected 0.13 A; with the legacy graphics driver and the display output off
        0.09 A; then Wi-Fi's power save off 0.12 A; Wi-Fi blocked 0.09 A, the same as connected with power save on.
[GCC]   M. Strohmayer, "Raspberry Pi Zero W Stromaufnahme", Grazer Computer Club, 2018, USB meter, a Zero W with the
        previous chip of the same family: 190 mA with its CPU busy, up to 290 mA with Wi-Fi busy too.
[AJ]    A. Jacobs, "Raspberry Pi Zero 2 W temperature and power consumption", 2021, Uni-T UT658B: the
        Zero 2 W takes about 270 mA more than the Zero W, idle 2 mA more. (That the 270 mA are with all cores busy
        is our reading.)
[IF820] Ezurio, "EZ-Serial Low Power", Vela IF820 user guide, Nordic PPK2, a module of the same vendor's Bluetooth:
        advertising every 250 ms takes 0.29 mA in the mean; that it is at 3.3 V is our assumption.
"""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliwatts of one board, each on top of those above it, and how fast it moves bytes."""

    base_mw: int
    """Awake and idle, Wi-Fi down, display output off: what our image comes down to."""
    stock_surplus_mw: int
    """What the image as flashed draws more."""
    wifi_associated_mw: int
    """In a network, power save on, silent."""
    wifi_busy_mw: int
    """Joining, or moving bytes; in place of `wifi_associated_mw`."""
    core_busy_mw: int
    """One core at full clock."""
    halted_mw: int
    """Switched off by software while the supply stays; alone."""
    advertising_event_uj: int
    """One advertising event on three channels, the controller's sleep between two included."""
    slow_clock_percent: int
    """The clock under `powersave`, of the full one. Power and speed of a busy core follow it."""
    radio_bytes_per_ms: int
    receive_bytes_per_ms: int
    """What one core receives at full clock: TLS, inflate, hashes, disk."""
    forward_bytes_per_ms: int
    """What one core forwards at full clock, with reading back."""


ZERO_2_W: Final = Figures(
    base_mw=375,  # CNX
    stock_surplus_mw=225,  # CNX: 600 - 375
    wifi_associated_mw=50,  # OTC: below one step of the meter, which is 53 mW
    wifi_busy_mw=500,  # GCC: (290 - 190) mA
    core_busy_mw=425,  # GCC, AJ: 80 mA + 270 mA over idle for four cores
    halted_mw=100,  # assumed: 20 mA, as people measure on a halted Zero W
    advertising_event_uj=240,  # IF820: 0.29 mA x 3.3 V x 250 ms
    slow_clock_percent=60,  # 600 MHz of 1 GHz
    radio_bytes_per_ms=6000,  # as tests.bench.boards assumes
    receive_bytes_per_ms=9000,  # the lower end of what tests.bench.boards models
    forward_bytes_per_ms=3000,  # assumed
)

# The same board on the other meter: its stock image includes being in a network.
ZERO_2_W_OTHER_METER: Final = replace(ZERO_2_W, base_mw=477, stock_surplus_mw=212, wifi_associated_mw=0)

# A stock image whose owner turned Wi-Fi's power save off to keep it reachable (OTC: 30 mA x 5.3 V more).
ZERO_2_W_STOCK_AWAKE: Final = replace(ZERO_2_W, stock_surplus_mw=225 + 159)
