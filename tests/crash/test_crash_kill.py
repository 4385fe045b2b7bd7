"""A receiver is killed at twenty moments: what it told is there, and the rest is whole or not there."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.crash.checker import FOLDER, check_folder
from tests.crash.search import scratch

KILLS = 20
LINES = 40


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(KILLS))
def test_a_killed_receiver(seed: int) -> None:
    chance = random.Random(seed)
    with scratch() as root:
        told = receive_until(root / FOLDER, chance.randrange(LINES), chance.random() * 0.02)
        check_folder(root / FOLDER, told)


def receive_until(folder: Path, lines: int, delay_s: float) -> tuple[str, ...]:
    """What a receiver told that is killed so long after it told so many lines."""
    scenario = [sys.executable, "-m", "tests.crash.scenario", "all", str(folder)]
    with subprocess.Popen(scenario, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        told = [receiver.stdout.readline() for _ in range(lines)]
        time.sleep(delay_s)
        receiver.kill()
        told += receiver.stdout.readlines()
    return tuple(line.strip() for line in told if line.endswith("\n"))
