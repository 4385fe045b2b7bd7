"""Where the files go: a real server behind a wire, and a disk that is pulled."""

import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.peers.servers import samba, web
from tests.peers.servers.sshd import sshd
from tests.soak.machines import Machine
from tests.soak.wire import Wire

_OPTIONS = "time_limit_s=5"  # so that a stalled server is given up while the soak still runs
_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin:.venv/bin"
_NEEDS = {"sftp": "sshd", "smb": "smbd", "webdav": "rclone"}


@dataclass(frozen=True, slots=True)
class Nas:
    """A server: what it stores lies in `folder`, its URL depends on where the wire and the secret's file are."""

    kind: str
    folder: Path
    wire: Wire
    secret: str
    url: Callable[[str, str], str]

    def url_from(self, machine: Machine) -> str:
        """Leave the secret on a machine, and return the URL to use there."""
        file = f"{machine.place}/nas.secret"
        machine.sh(f"mkdir -p {machine.place}; umask 077; printf %s {shlex.quote(self.secret)} >{file}; sync")
        return self.url(machine.address, file)


def kinds(*, in_guest: bool) -> list[str]:
    """Return the kinds of server that this machine can run; the guest has no ssh."""
    there = [kind for kind, program in _NEEDS.items() if shutil.which(program, path=_FOLDERS)]
    return [kind for kind in there if not (in_guest and kind == "sftp")]


@contextmanager
def nas(kind: str, place: Path) -> Iterator[Nas]:
    """Run a server of this kind, and the wire to it."""
    place.mkdir(parents=True)
    match kind:
        case "sftp":
            with sshd(place) as ssh, Wire(ssh.port) as wire:
                keys = f"key={quote(str(ssh.key))}&host_key={quote(ssh.host_key)}"
                end = f"{wire.port}{ssh.folder}?{keys}&{_OPTIONS}"
                yield Nas(kind, ssh.folder, wire, "", lambda host, _: f"sftp://{ssh.user}@{host}:{end}")
        case "smb":
            with samba.samba(place) as smb, Wire(smb.port) as wire:
                end = f"{wire.port}/{samba.SHARE}?{_OPTIONS}&secret_file="
                yield Nas(
                    kind, smb.folder, wire, samba.PASSWORD, lambda host, file: f"smb://{samba.USER}@{host}:{end}{file}"
                )
        case _:
            with web.webdav(place) as dav, Wire(dav.port) as wire:
                end = f"{wire.port}/?{_OPTIONS}&secret_file="
                yield Nas(
                    kind, dav.folder, wire, web.PASSWORD, lambda host, file: f"webdav://{web.USER}@{host}:{end}{file}"
                )


class Disk:
    """A folder of a machine. Pulled, another one lies in its place, empty: whatever goes there is an error."""

    def __init__(self, machine: Machine) -> None:
        """Make it."""
        self.folder = f"{machine.place}/disk"
        self._away = f"{machine.place}/disk-away"
        self._marker = f"{self.folder}/.ferry/sink.json"
        self._machine = machine
        machine.sh(f"mkdir -p {self.folder}")

    def pull(self) -> None:
        """Leave the empty mount point."""
        self._machine.sh(f"mv -T {self.folder} {self._away}; mkdir {self.folder}")

    def take_marker(self) -> None:
        """Let it look like a disk of somebody else."""
        self._machine.sh(f"mv {self._marker} {self._marker}-away")

    def put_back(self) -> None:
        """Put everything back, also what a power cut left half done. Fails if something is in the mount point."""
        self._machine.sh(
            f"if [ -d {self._away} ]; then [ ! -d {self.folder} ] || rmdir {self.folder}; "
            f"mv -T {self._away} {self.folder}; fi; "
            f"if [ -e {self._marker}-away ]; then mv {self._marker}-away {self._marker}; fi"
        )
