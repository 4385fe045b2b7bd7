"""Samba's smbd on loopback, with what a careful NAS demands: SMB 3, signing, and encryption where asked for."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.servers.running import free_port, running, tool

USER = "nobody"  # has to be a user of this machine
PASSWORD = "correct horse, battery"
SHARE = "photos"


@dataclass(frozen=True, slots=True)
class Samba:
    """A running smbd; `folder` is what its share shows."""

    port: int
    folder: Path


@contextmanager
def samba(place: Path, *, encrypt: bool = False, share_options: str = "") -> Iterator[Samba]:
    """Run smbd with all that is its own under `place`."""
    smbd = tool("smbd", "apt-get install samba")
    port, folder, own = free_port(), place / "share", place / "samba"
    folder.mkdir(parents=True, exist_ok=True)
    own.mkdir(exist_ok=True)
    config = own / "smb.conf"
    config.write_text(_config(port, folder, own, encrypt, share_options))
    subprocess.run(
        [tool("smbpasswd", "apt-get install samba"), "-c", str(config), "-a", "-s", USER],
        input=f"{PASSWORD}\n{PASSWORD}\n".encode(),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    command = [smbd, "-F", "--no-process-group", "-s", str(config), "-l", str(own)]
    with running(command, port, own / "out.log"):
        yield Samba(port, folder)


def _config(port: int, folder: Path, own: Path, encrypt: bool, share_options: str) -> str:
    folders = ("private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir")
    places = "\n".join(f"{name} = {own}" for name in folders)
    return f"""
[global]
{places}
smb ports = {port}
interfaces = lo
bind interfaces only = yes
server role = standalone server
server min protocol = SMB3
server signing = mandatory
server smb encrypt = {"required" if encrypt else "off"}
passdb backend = tdbsam:{own}/passdb.tdb
disable spoolss = yes
load printers = no
[{SHARE}]
path = {folder}
read only = no
force user = root
create mask = 0660
{share_options}
"""
