"""OpenSSH's sshd on loopback, for the user who runs the tests, by key."""

import getpass
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.servers.running import free_port, running, tool


@dataclass(frozen=True, slots=True)
class Sshd:
    """A running sshd: `key` opens it, `stranger` does not; `host_key` is its public key as in known_hosts."""

    port: int
    user: str
    key: Path
    stranger: Path
    host_key: str
    folder: Path


@contextmanager
def sshd(place: Path) -> Iterator[Sshd]:
    """Run sshd with all that is its own under `place`."""
    program = tool("sshd", "apt-get install openssh-server")
    port, own, folder = free_port(), place / "sshd", place / "files"
    own.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    keys = [make_key(own / name) for name in ("host", "user", "stranger")]
    (own / "authorized").write_text(keys[1].with_suffix(".pub").read_text())
    Path("/run/sshd").mkdir(exist_ok=True)  # its fixed place for the separation of privileges
    (own / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys[0]}\nAuthorizedKeysFile {own}/authorized\n"
        "StrictModes no\nPermitRootLogin prohibit-password\nUsePAM no\nPidFile none\nPasswordAuthentication yes\n"
        "Subsystem sftp internal-sftp\nMaxStartups 100\n"
    )
    with running([program, "-D", "-e", "-f", str(own / "config")], port, own / "out.log"):
        yield Sshd(port, getpass.getuser(), keys[1], keys[2], public_key(keys[0]), folder)


def public_key(key: Path) -> str:
    """The public part of a key, as in known_hosts."""
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def make_key(path: Path) -> Path:
    """Make a key pair at `path`, unless it is there, and return `path`."""
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path
