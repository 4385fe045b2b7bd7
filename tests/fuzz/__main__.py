"""`make fuzz SECONDS=600`: the properties of this folder, again and again with another seed, until the time is up.

    python -m tests.fuzz SECONDS [--seed N]

The seed is printed; with it the same run comes again. The first failure prints its smallest example and ends with 1.
"""

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable

from hypothesis import seed, settings

Property = Callable[[], None]


def main() -> int:
    """Fuzz, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=float, help="how long")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="where to begin")
    options = parser.parse_args()
    # No database: a run depends on its seed alone.
    settings.register_profile("fuzz", database=None, deadline=None, max_examples=500)
    settings.load_profile("fuzz")
    print(f"seed {options.seed}", flush=True)
    return _fuzz(options.seed, time.monotonic() + options.seconds)


def _fuzz(number: int, deadline_s: float) -> int:
    properties, runs = _properties(), 0
    while True:
        for name, check in properties.items():
            if time.monotonic() >= deadline_s:
                print(f"{runs} runs of {len(properties)} properties, nothing found")
                return 0
            if not _holds(name, check, number):
                return 1
            runs += 1
        number += 1


def _properties() -> dict[str, Property]:
    from tests.fuzz import test_fuzz_bluetooth  # its settings are made at import, so the profile comes first

    return {name: check for name, check in vars(test_fuzz_bluetooth).items() if name.startswith("test_")}


def _holds(name: str, check: Property, number: int) -> bool:
    try:
        seed(number)(check)()
    except Exception:
        traceback.print_exc()
        print(f"{name} does not hold: python -m tests.fuzz 60 --seed {number}")
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
