"""Where the bench of the sinks brings files: servers on loopback, and the clients of others that go there too.

What is brought back is hashed by `openssl`, the library that hashes for Python as well.
"""

import http.client
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tests.bench.measure import Command
from tests.peers.servers import samba as smb
from tests.peers.servers import web
from tests.peers.servers.sshd import sshd

_HASH: Command = ("openssl", "dgst", "-sha256")
_RCLONE = str(Path(sys.executable).with_name("rclone"))
_SETTING = "RCLONE_CONFIG_BENCH_"

Steps = Sequence[Sequence[Command]]


@dataclass(frozen=True, slots=True)
class Cargo:
    """A file to bring."""

    path: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Client:
    """Programs. What they do to put a file under a name, or to get it from there and hash it: pipelines in turn."""

    name: str
    programs: Sequence[str]
    put: Callable[[Cargo, str], Steps]
    get: Callable[[Cargo, str], Steps] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A sink and its clients, ours and the reference first. `reads_back` is false where the store's hash verifies."""

    url: str
    secret: str
    clients: Sequence[Client]
    reads_back: bool = True


@contextmanager
def directory(base: Path) -> Iterator[Place]:
    """A folder. Whoever reads back drops the page cache first: the disk has to answer."""

    def put(cargo: Cargo, name: str) -> Steps:
        return [[["cp", str(cargo.path), str(base / name)]], [["sync", str(base / name)]]]

    def drop(name: str) -> Command:
        return ["dd", f"of={base / name}", "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none"]

    def get(_: Cargo, name: str) -> Steps:
        return [[drop(name)], [[*_HASH, str(base / name)]]]

    def ours_get(cargo: Cargo, name: str) -> Steps:
        return [[drop(name)], *_carry("verify", str(base), "")(cargo, name)]

    ours = Client("ours", (), _carry("put", str(base), ""), ours_get)
    yield Place(
        str(base),
        "",
        [ours, Client("cp, sync", ("cp", "sync", "dd", "openssl"), put, get), _rclone(str(base), {"TYPE": "local"})],
    )


@contextmanager
def samba(base: Path) -> Iterator[Place]:
    """A share that demands signatures."""
    with smb.samba(base) as server:
        share = f"//127.0.0.1/{smb.SHARE}"
        login = ["smbclient", share, "-p", str(server.port), "-U", f"{smb.USER}%{smb.PASSWORD}", "-m", "SMB3"]
        reference = Client(
            "smbclient",
            ("smbclient", "openssl"),
            lambda cargo, name: [[[*login, "-c", f"put {cargo.path} {name}"]]],
            lambda _, name: [[[*login, "-c", f"get {name} -"], _HASH]],
        )
        rclone = {"TYPE": "smb", "HOST": "127.0.0.1", "PORT": str(server.port), "USER": smb.USER}
        url = f"smb://{smb.USER}@127.0.0.1:{server.port}/{smb.SHARE}"
        yield Place(url, smb.PASSWORD, [_ours(url, smb.PASSWORD), reference, _rclone(smb.SHARE, rclone, smb.PASSWORD)])


@contextmanager
def openssh(base: Path) -> Iterator[Place]:
    """OpenSSH's server. Its client writes what it gets into a file, for it cannot get into a pipe."""
    with sshd(base) as server:
        hosts, got = base / "known_hosts", str(base / "got")
        hosts.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")

        def batch(command: str) -> Sequence[Command]:
            (base / "batch").write_text(f"{command}\n")
            options = ["-F", "none", "-i", str(server.key), "-o", f"UserKnownHostsFile={hosts}"]
            return [
                ["sftp", "-q", "-b", str(base / "batch"), *options, "-P", str(server.port), f"{server.user}@127.0.0.1"]
            ]

        reference = Client(
            "sftp",
            ("sftp", "openssl"),
            lambda cargo, name: [batch(f"put {cargo.path} {server.folder}/{name}")],
            lambda _, name: [batch(f"get {server.folder}/{name} {got}"), [[*_HASH, got]]],
        )
        rclone = {"TYPE": "sftp", "HOST": "127.0.0.1", "PORT": str(server.port), "USER": server.user}
        rclone |= {"KEY_FILE": str(server.key), "KNOWN_HOSTS_FILE": str(hosts)}
        options = f"key={quote(str(server.key))}&host_key={quote(server.host_key)}"
        url = f"sftp://{server.user}@127.0.0.1:{server.port}{server.folder}?{options}"
        yield Place(url, "", [_ours(url, ""), reference, _rclone(str(server.folder), rclone)])


@contextmanager
def webdav(base: Path) -> Iterator[Place]:
    """WebDAV by `rclone serve`, without TLS."""
    with web.webdav(base) as server:
        address = f"http://127.0.0.1:{server.port}"
        curl = ["curl", "-sSf", "-u", f"{web.USER}:{web.PASSWORD}"]
        reference = Client(
            "curl",
            ("curl", "openssl"),
            lambda cargo, name: [[[*curl, "-T", str(cargo.path), f"{address}/{name}"]]],
            lambda _, name: [[[*curl, f"{address}/{name}"], _HASH]],
        )
        rclone = {"TYPE": "webdav", "URL": address, "VENDOR": "other", "USER": web.USER}
        url = f"webdav://{web.USER}@127.0.0.1:{server.port}/"
        yield Place(url, web.PASSWORD, [_ours(url, web.PASSWORD), reference, _rclone("", rclone, web.PASSWORD)])


@contextmanager
def s3(base: Path) -> Iterator[Place]:
    """A bucket of moto's. `rclone` verifies by a hash that the store keeps, as we do: both only put."""
    with web.moto_s3(base) as server:
        make = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        make.request("PUT", f"/{web.BUCKET}")
        make.getresponse().read()
        make.close()
        rclone = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": f"http://127.0.0.1:{server.port}"}
        rclone |= {"ACCESS_KEY_ID": web.USER, "SECRET_ACCESS_KEY": web.PASSWORD}
        url = f"s3+http://{web.USER}@127.0.0.1:{server.port}/{web.BUCKET}"
        ours = Client("ours", (), _carry("put", url, web.PASSWORD))
        yield Place(url, web.PASSWORD, [ours, _rclone(web.BUCKET, rclone)], reads_back=False)


PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "directory": directory,
    "smb": samba,
    "sftp": openssh,
    "webdav": webdav,
    "s3": s3,
}


def _ours(url: str, secret: str) -> Client:
    return Client("ours", (), _carry("put", url, secret), _carry("verify", url, secret))


def _carry(verb: str, url: str, secret: str) -> Callable[[Cargo, str], Steps]:
    command = [sys.executable, "-m", "tests.bench.carry", verb, url, secret]
    return lambda cargo, name: [[[*command, str(cargo.path), cargo.sha256, name]]]


def _rclone(root: str, settings: Mapping[str, str], password: str = "") -> Client:
    environment = {"RCLONE_CONFIG": "/dev/null"} | {f"{_SETTING}{name}": value for name, value in settings.items()}
    if password and shutil.which(_RCLONE):
        environment[f"{_SETTING}PASS"] = _obscured(password)
    target = f"bench:{root}/" if root else "bench:"
    return Client(
        "rclone",
        (_RCLONE,),
        lambda cargo, name: [[[_RCLONE, "copyto", str(cargo.path), f"{target}{name}"]]],
        environment=environment,
    )


def _obscured(password: str) -> str:
    """The password as rclone's settings want it."""
    return subprocess.run([_RCLONE, "obscure", password], capture_output=True, text=True, check=True).stdout.strip()
