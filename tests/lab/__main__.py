"""`make lab` and its parts: `python -m tests.lab build | test | run CMD | up | sh CMD | down`.

    build           make the guest's files, once for each recipe and lock file
    test [ARG...]   boot three guests, run the unit ring and the lab tests in them, power off, then run what starts
                    guests itself (outside/); with ARG... one guest and pytest with these arguments
    run CMD         boot a guest with the world around it (inside/world.py), run a shell command in it, power off
    up              boot a guest and leave it running, with its radios
    sh CMD          run a shell command in that guest, in the checkout
    down            power it off

Several guests can be up under different names: `--name NAME`.
"""

import argparse
import io
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.lab import recipe
from tests.lab.guest import Guest, Sink
from tests.lab.image import built_image
from tests.lab.tools import LabError

_TEST_LIMIT_S = 3600
_WORLD = "python3 -m tests.lab.inside.world"
# Temporary folders go to the disk, which syncs as a board's does; memory does not.
_PYTEST = "python3 -m pytest -q -p no:cacheprovider -p tests.lab.inside.patience --basetemp=/spool/pytest --timeout=300"
# What each guest runs. Most of it waits for radios most of the time, so two cores serve three of them.
_UNIT = ("tests/unit",)
_LINK = (
    "tests/lab/test_lab_ground.py",
    "tests/lab/test_lab_netlink.py",
    "tests/lab/test_lab_nl80211.py",
    "tests/lab/test_lab_link.py",
    "tests/lab/test_lab_bad_days.py",
)
_OUTSIDE = "tests/lab/outside"
_REST = ("tests/lab", *(f"--ignore={path}" for path in (*_LINK, _OUTSIDE)))


def build(_: argparse.Namespace) -> int:
    """Make the guest's files."""
    print(built_image().folder)
    return 0


def up(options: argparse.Namespace) -> int:
    """Boot a guest with a new disk and leave it running."""
    guest = _kept(options.name)
    if running := guest.running:
        if running.image != recipe.key():
            print("lab: the guest that is up is of an older recipe; `down` and `up` make the new one", file=sys.stderr)
    else:
        guest.disk.unlink(missing_ok=True)
        try:
            _start(guest, outlives_us=True)
        except BaseException:
            guest.stop()
            raise
    return 0


def sh(options: argparse.Namespace) -> int:
    """Run a command in the guest that is up."""
    return _kept(options.name).run(" ".join(options.command), timeout_s=_TEST_LIMIT_S)


def down(options: argparse.Namespace) -> int:
    """Power off the guest that is up."""
    _kept(options.name).stop()
    return 0


def run(options: argparse.Namespace) -> int:
    """Run a command in a guest that lives only for it."""
    with _short_lived() as guest:
        return guest.run(" ".join(options.command), timeout_s=_TEST_LIMIT_S)


def test(options: argparse.Namespace) -> int:
    """Run what has a place in the guest, in three of them side by side, and then what starts guests itself."""
    if options.argument:
        options.command = [_PYTEST, shlex.join(options.argument)]
        return run(options)
    built_image()
    status = _test_side_by_side((_UNIT, _LINK, _REST))
    outside = subprocess.run([sys.executable, "-m", "pytest", "-q", _OUTSIDE], cwd=recipe.ROOT, check=False)
    return status or outside.returncode


def _test_side_by_side(shares: Sequence[Sequence[str]]) -> int:
    """Run each share in a guest of its own; show what they printed one after the other, also if it was cut short."""
    outputs = [io.BytesIO() for _ in shares]
    try:
        with ThreadPoolExecutor() as pool, ExitStack() as guests:
            parts = [
                pool.submit(_run_tests, guests.enter_context(_short_lived()), share, output)
                for share, output in zip(shares, outputs, strict=True)
            ]
            return max([part.result() for part in parts])
    finally:
        for output in outputs:
            sys.stdout.buffer.write(output.getvalue())
        sys.stdout.buffer.flush()


def _run_tests(guest: Guest, arguments: Sequence[str], output: Sink) -> int:
    return guest.run(f"{_PYTEST} {shlex.join(arguments)}", timeout_s=_TEST_LIMIT_S, output=output)


@contextmanager
def _short_lived() -> Iterator[Guest]:
    """Boot a guest with the world in it, for the time of the block."""
    with tempfile.TemporaryDirectory() as folder:
        guest = Guest(Path(folder))
        try:
            _start(guest)
            yield guest
        finally:
            guest.stop()


def _kept(name: str) -> Guest:
    return Guest(recipe.CACHE / "guests" / name)


def _start(guest: Guest, *, outlives_us: bool = False) -> None:
    begun = time.monotonic()
    guest.start(outlives_us=outlives_us)
    booted = time.monotonic()
    guest.read(_WORLD, timeout_s=120)
    print(f"lab: booted in {booted - begun:.1f} s, world in {time.monotonic() - booted:.1f} s", file=sys.stderr)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests.lab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", default="lab", help="which guest up, sh and down mean")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    actions: tuple[Callable[[argparse.Namespace], int], ...] = (build, up, down, run, sh, test)
    for action in actions:
        verb = verbs.add_parser(action.__name__, help=action.__doc__)
        verb.set_defaults(action=action)
        if action in (run, sh):
            verb.add_argument("command", nargs="+", help="for the guest's shell")
        if action is test:
            verb.add_argument("argument", nargs="*", help="for pytest, after --")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Returns the exit status: the command's own, or 1 if the lab itself failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    options = _options(arguments)
    try:
        status: int = options.action(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status


if __name__ == "__main__":
    sys.exit(main())
