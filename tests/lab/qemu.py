"""QEMU: how the guest's machine is described, and whether KVM is any good on this one."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import recipe
from tests.lab.image import Image
from tests.lab.tools import LabError, last_lines
from tests.lab.wire import AGENT_PORT

_MEMORY_MIB = 1536
_EMULATED = ("-accel", "tcg,thread=multi", "-cpu", "max")
_VIRTUALISED = ("-accel", "kvm", "-cpu", "host")
_KVM = Path("/dev/kvm")
_WORKS = "works"
_PROBE_LIMIT_S = 5
_LOOK_S = 0.05
_LAST_LINES = 60  # a panic of the kernel, whole
_CONSOLE, _COMPLAINTS = "console.log", "qemu.log"

# proc_pid_stat(5), counted from the field after the name
_STATE, _STARTTIME = 0, 19

# The self-tests of the kernel's ciphers alone take a second under emulation.
_KERNEL_ARGUMENTS = (
    "console=ttyS0 quiet net.ifnames=0 panic=-1 mitigations=off cryptomgr.notests=1 no_timer_check "
    "tsc=reliable audit=0 apparmor=0 8250.nr_uarts=1"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """One virtual machine. What its serial port says, and what QEMU itself says, goes to files in `folder`."""

    image: Image
    folder: Path
    share: Path | None = None
    disk: Path | None = None
    agent_port: int | None = None

    def start(self, acceleration: Sequence[str], prefix: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        """Start QEMU, in a session of its own so that no Ctrl-C reaches it. `prefix` is a command that executes it."""
        self.console.unlink(missing_ok=True)
        with (self.folder / _COMPLAINTS).open("wb") as complaints:
            return subprocess.Popen(
                (*prefix, "qemu-system-x86_64", *acceleration, *self._arguments()),
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                start_new_session=True,
            )

    @property
    def console(self) -> Path:
        """What the guest's serial port said."""
        return self.folder / _CONSOLE

    def said(self, line: str) -> bool:
        """Whether the guest's console showed `line` yet."""
        return self.console.exists() and line in self.console.read_text(errors="replace")

    def _arguments(self) -> tuple[str, ...]:
        return (
            *("-M", "q35", "-smp", "2", "-m", str(_MEMORY_MIB)),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-serial", f"file:{self.console}", "-device", "virtio-rng-pci"),
            *("-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd), "-append", _KERNEL_ARGUMENTS),
            *self._share_arguments(),
            *_disk(self.image.root, "readonly=on"),
            *(_disk(self.disk, "cache=unsafe") if self.disk else ()),
            *self._network_arguments(),
        )

    def _share_arguments(self) -> tuple[str, ...]:
        if self.share is None:
            return ()
        return ("-virtfs", f"local,path={self.share},mount_tag=host,security_model=none,readonly=on")

    def _network_arguments(self) -> tuple[str, ...]:
        if self.agent_port is None:
            return ()
        forward = f"hostfwd=tcp:127.0.0.1:{self.agent_port}-:{AGENT_PORT}"
        return ("-netdev", f"user,id=net,{forward}", "-device", "virtio-net-pci,netdev=net,romfile=")


def _disk(path: Path, option: str) -> tuple[str, str]:
    return ("-drive", f"if=virtio,format=raw,file={path},{option}")


def acceleration(image: Image) -> Sequence[str]:
    """Return QEMU's options: KVM only where it has been seen to work. The answer is kept until the host boots again."""
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return _EMULATED
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    known, asked = recipe.CACHE / "kvm", f"{image.folder.name} {boot}"
    if not known.exists() or not known.read_text().startswith(asked):
        known.write_text(f"{asked} {_WORKS if _kvm_works(image) else 'does not work'}")
    return _VIRTUALISED if known.read_text().endswith(f" {_WORKS}") else _EMULATED


def _kvm_works(image: Image) -> bool:
    """Whether a guest under KVM comes as far as its first process. Some have a /dev/kvm that only looks like one."""
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(image, Path(folder))
        process = machine.start(_VIRTUALISED)
        try:
            return _begins(machine, process)
        finally:
            process.kill()
            process.wait()


def _begins(machine: Machine, process: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + _PROBE_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        if machine.said("lab: init"):
            return True
        time.sleep(_LOOK_S)
    return False


def last_words(folder: Path) -> str:
    """Return the end of what QEMU and the console of the machine in `folder` said."""
    said = [path.read_bytes() for name in (_COMPLAINTS, _CONSOLE) if (path := folder / name).exists()]
    return last_lines(b"\n".join(said), _LAST_LINES)


def wait_until_ready(machine: Machine, process: "subprocess.Popen[bytes]", limit_s: float) -> None:
    """Wait for the agent's line on the console. Raises `LabError` with the console's end if it does not come."""
    deadline = time.monotonic() + limit_s
    while not machine.said("lab: ready"):
        if process.poll() is not None:
            raise LabError(f"the guest died while it started:\n{last_words(machine.folder)}")
        if time.monotonic() > deadline:
            raise LabError(f"the guest was not ready after {limit_s:.0f} s:\n{last_words(machine.folder)}")
        time.sleep(_LOOK_S)


def start_ticks(pid: int) -> str:
    """Return when the process started, in clock ticks; nothing if there is none or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] == "Z" else fields[_STARTTIME]


def kill(pid: int) -> None:
    """Take the machine's power away."""
    os.kill(pid, signal.SIGKILL)
