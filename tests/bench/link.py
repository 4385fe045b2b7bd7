"""From "link info received" to "TCP connected to the phone": our link manager beside wpa_supplicant and udhcpc.

In the lab's guest, by turns, on a channel that is drawn for each run and that neither of them knows. Ours once more
when the phone has told the channel, for comparison and beside what the air needs for that. The phone's DHCP server
looks for two seconds whether an address is free before it offers one, and everybody waits for it.
"""

import json
import os
import random
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.air_time import air_time
from tests.bench.measure import BenchError, need, say
from tests.bench.report import Report, number, table, verdict
from tests.lab.guest import Guest
from tests.lab.tools import LabError

_RUNS, _QUICK_RUNS = 10, 1
_GOAL_RATIO = 1 / 3


def bench(report: Report, *, quick: bool) -> None:
    """Race and print. Raises `BenchError` where there is no lab."""
    if os.geteuid() != 0:
        raise BenchError("the lab needs root")
    need("tshark")
    runs, seed = _QUICK_RUNS if quick else _RUNS, random.randrange(10_000)
    say(f"link: {runs} runs in the lab, seed {seed}")
    try:
        results = _race(runs, seed)
    except LabError as error:
        raise BenchError(str(error)) from None
    ours = [each["ours"]["connected"] for each in results]
    knowing = [each["ours_knowing"]["connected"] for each in results]
    theirs = [each["theirs_ms"] for each in results]
    report.add("link.join_ms", median(ours), "ms", reference=median(theirs), runs=ours)
    report.add("link.join_known_channel_ms", median(knowing), "ms", reference=median(theirs), runs=knowing)
    ratio = median(ours) / median(theirs)
    table(
        f"link info received -> TCP connected, {runs} runs, seed {seed}",
        ("", "median ms", "of theirs"),
        [
            ("Ferry", number(median(ours), 0), verdict(ratio, _GOAL_RATIO)),
            ("Ferry, channel told", number(median(knowing), 0), number(median(knowing) / median(theirs))),
            ("wpa_supplicant + udhcpc", number(median(theirs), 0), "1"),
        ],
    )
    air_time(report, [each["ours_knowing"] for each in results], seed)


def _race(runs: int, seed: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder, Guest(Path(folder)) as guest:
        guest.read("python3 -m tests.lab.inside.world --country US", timeout_s=120)
        said = guest.read(f"python3 -m tests.lab.inside.race {runs} {seed}", timeout_s=60 + 60 * runs)
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]
