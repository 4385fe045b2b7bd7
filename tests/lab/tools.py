"""Programs of this machine: which are needed, getting them, running them."""

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_APT_LIMIT_S = 600

# program: Debian's package
_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "depmod": "kmod",
    "zstd": "zstd",
    "cpio": "cpio",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
_SUPERUSER_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


class LabError(Exception):
    """The lab cannot do it. The message is one line, perhaps with a program's last words below."""


def run(*command: str | Path, timeout_s: float, cwd: Path | None = None, stdin: bytes = b"") -> bytes:
    """Run a program and return what it printed. Raises `LabError` with its last words if it fails."""
    name = Path(command[0]).name
    environment = {**os.environ, "LC_ALL": "C", "PATH": _SUPERUSER_PATH}
    try:
        done = subprocess.run(
            command, cwd=cwd, input=stdin, capture_output=True, timeout=timeout_s, env=environment, check=True
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"{name} took more than {timeout_s:.0f} s") from None
    except subprocess.CalledProcessError as error:
        raise LabError(f"{name} failed: {last_lines(error.stderr or error.stdout, 5)}") from None
    return done.stdout


def last_lines(output: bytes, count: int) -> str:
    """Return the end of what a program said, made fit for a terminal."""
    lines = output.decode(errors="replace").replace("\r", "").strip().split("\n")
    return "\n".join("".join(c for c in line if c.isprintable() or c == "\t") for line in lines[-count:])


def require_programs() -> None:
    """See that the lab can run on this machine; as root, install what it lacks. Raises `LabError`."""
    if platform.machine() != "x86_64":
        raise LabError(f"the lab's guest is made for amd64 machines, this one is {platform.machine()}")
    missing = _missing(_PROGRAMS)
    if os.geteuid() != 0:
        wanted = f" (apt-get install {' '.join(missing.values())})" if missing else ""
        raise LabError(f"the lab needs root, to make the guest's files{wanted}")
    if missing:
        _install(missing)


def _missing(programs: Mapping[str, str]) -> dict[str, str]:
    return {name: package for name, package in programs.items() if shutil.which(name, path=_SUPERUSER_PATH) is None}


def _install(missing: Mapping[str, str]) -> None:
    packages = list(missing.values())
    if shutil.which("apt-get") is None:
        raise LabError(f"the lab lacks {', '.join(missing)} and there is no apt-get to install them with")
    print(f"lab: installing {' '.join(packages)}", flush=True)
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        _apt_get(arguments)
    if still := _missing(missing):
        raise LabError(f"the lab lacks {', '.join(still)}, though apt-get installed {' '.join(packages)}")


def _apt_get(arguments: Sequence[str]) -> None:
    options = ("-q", "-oDPkg::Lock::Timeout=300")
    run("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *options, *arguments, timeout_s=_APT_LIMIT_S)
