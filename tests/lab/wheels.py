"""The locked wheels for the guest's Python, got with this machine's pip."""

import re
import sys
from pathlib import Path

from packaging.requirements import Requirement

from tests.lab import recipe
from tests.lab.tools import run

_LIMIT_S = 600
_NEWEST_GLIBC_MINOR = 41  # trixie's
_COMPILE = "python3 -m compileall -q -j0 /usr/local/lib"


def install_wheels(root: Path) -> None:
    """Put what the lock file names, less what has no work in the guest, where the guest's Python finds it."""
    lock = root.with_suffix(".lock")
    lock.write_text(guest_lock(recipe.LOCK.read_text()))
    platforms = (f"--platform=manylinux_2_{minor}_x86_64" for minor in range(_NEWEST_GLIBC_MINOR, 4, -1))
    target = root / f"usr/local/lib/python{recipe.PYTHON}/dist-packages"
    options = ("--require-hashes", "--no-deps", "--only-binary=:all:", "--no-compile", "--no-cache-dir", "--quiet")
    python = ("--implementation=cp", f"--python-version={recipe.PYTHON}", *platforms)
    pip = (sys.executable, "-m", "pip", "install")
    run(*pip, *options, *python, f"--target={target}", f"--requirement={lock}", timeout_s=_LIMIT_S)
    run("chroot", root, "sh", "-c", _COMPILE, timeout_s=_LIMIT_S)


def guest_lock(lock: str) -> str:
    """Return the requirements of `lock` that the guest takes, with their hashes and without their conditions.

    pip judges conditions by the Python that runs it, also where it installs for another one.
    """
    entries = re.split(r"^(?=\w)", lock, flags=re.MULTILINE)
    return "".join(taken for entry in entries[1:] if (taken := _guest_entry(entry)))


def _guest_entry(entry: str) -> str:
    head, _, hashes = entry.partition(" \\\n")
    requirement = Requirement(head)
    target = {"python_version": recipe.PYTHON, "python_full_version": f"{recipe.PYTHON}.0"}
    unwanted = requirement.marker is not None and not requirement.marker.evaluate(target)
    if unwanted or requirement.name in recipe.LEFT_OUT:
        return ""
    return f"{requirement.name}{requirement.specifier} \\\n{hashes}"
