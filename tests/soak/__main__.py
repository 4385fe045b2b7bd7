"""`make soak SECONDS=300 SEED=`: a phone keeps sending while power, processes, NAS and disk fail; nothing may be lost.

    python -m tests.soak SECONDS [--seed N] [--host]

The seed is printed; with it the same files and blows come again. Half of the kills are power cuts of the lab's guest,
where there is a lab. What is wrong in the end is said in words, and ends with 1; the logs stay in build/soak then.
"""

import argparse
import os
import platform
import random
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab import recipe
from tests.lab.guest import Guest
from tests.soak.machines import Host, LabMachine, Machine
from tests.soak.run import Run
from tests.soak.sinks import kinds, nas

_PLACE = recipe.ROOT / "build" / "soak"
_VIDEO_BYTES = (20_000_000, 50_000_000)
_VIDEO_BYTES_IN_GUEST = (4_000_000, 8_000_000)  # its processor is emulated


def main() -> int:
    """Soak, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seconds", type=float, help="how long")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="what it depends on")
    parser.add_argument("--host", action="store_true", help="no power cuts, also where there is a lab")
    options = parser.parse_args()
    reason = "--host was given" if options.host else _no_lab()
    if reason:
        print(f"no power cuts: {reason}", flush=True)
    try:
        differences = soak(options.seed, options.seconds, in_guest=not reason)
    except KeyboardInterrupt:
        return 130
    print("\n".join(differences or ["everything that was acknowledged is there, once, whole and under its date"]))
    return 1 if differences else 0


def soak(seed: int, seconds: float, *, in_guest: bool, among: tuple[str, ...] = ("sftp", "smb", "webdav")) -> list[str]:
    """Run once with a NAS of a kind that the seed draws from `among`; print seed and figures, return what is wrong."""
    kind = random.Random(seed).choice([each for each in kinds(in_guest=in_guest) if each in among])
    print(f"seed {seed}: {kind} and a disk, {'in the lab' if in_guest else 'on this machine'}", flush=True)
    place = _PLACE / f"{seed}-{os.getpid()}"
    place.mkdir(parents=True)
    try:
        with nas(kind, place / "nas") as server, _machine(place, in_guest=in_guest) as machine:
            videos = _VIDEO_BYTES_IN_GUEST if in_guest else _VIDEO_BYTES
            run = Run(seed, machine, server, place, power_cuts=in_guest, video_bytes=videos)
            started_s = time.monotonic()
            differences = run.go(seconds)
            print("\n".join(run.figures.lines(time.monotonic() - started_s)), flush=True)
    except KeyboardInterrupt:
        shutil.rmtree(place)
        raise
    if not differences:
        shutil.rmtree(place)
    return differences


@contextmanager
def _machine(place: Path, *, in_guest: bool) -> Iterator[Machine]:
    if not in_guest:
        yield Host(place)
        return
    with Guest(place / "guest") as guest:
        yield LabMachine(guest)


def _no_lab() -> str:
    """Why there is no lab, or nothing."""
    if os.geteuid() != 0:
        return "the lab needs root"
    if platform.machine() != "x86_64":
        return f"the lab's machine is amd64, this one is {platform.machine()}"
    if not (recipe.CACHE / "images" / recipe.key()).exists():
        return "the lab's guest is not built (make lab-up)"
    return ""


if __name__ == "__main__":
    sys.exit(main())
