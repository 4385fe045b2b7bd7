"""Debian trixie's micropython with its libraries and its tests, in a folder of its own.

Works without root on any machine that has apt and a Debian mirror among its sources. Nothing is installed: the
packages are unpacked, and the program runs through the loader that came with them.
"""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"
PACKAGE = "micropython"

# Not those of TLS, which `board.aio` leaves to the threads of a transfer.
TESTS = re.compile(r"[^/]+/tests/(extmod|net_hosted|multi_net)/asyncio_(?!tls_)\w+\.py")

# Seconds for one apt-get command. All of it is about 30 MB, most of it package lists.
_APT_LIMIT_S = 100


class UnavailableError(Exception):
    """What the machine lacks, as one line."""


@dataclass(frozen=True, slots=True)
class MicroPython:
    """An unpacked micropython: `root` holds the packages, `tests` the tests of the same version."""

    root: Path
    tests: Path

    @property
    def command(self) -> tuple[str, ...]:
        """How to run it: its own loader, its own libraries."""
        (loader,) = self.root.glob("usr/lib/*/ld-linux*.so.*")
        return (str(loader), "--library-path", str(loader.parent), str(self.root / "usr/bin/micropython"))


def micropython(into: Path) -> MicroPython:
    """Return what is in `into`, after getting it if it is not there. Raises `UnavailableError`."""
    if not into.exists():
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=into.name) as work:
            _get(Path(work).resolve())
            _move(Path(work) / "done", into)
    return MicroPython(into / "root", into / "tests")


def _move(done: Path, into: Path) -> None:
    try:
        done.rename(into)
    except OSError:
        if not into.exists():  # otherwise another run was faster, and theirs is as good
            raise


def _get(work: Path) -> None:
    apt = _Apt(work)
    apt.run("update")
    planned = apt.run("install", "--simulate", "--no-install-recommends", PACKAGE)
    packages = re.findall(r"^Inst (\S+) \((\S+) ", planned, re.MULTILINE)
    apt.run("download", *(f"{name}={version}" for name, version in packages))
    apt.run("source", "--download-only", f"{PACKAGE}={dict(packages)[PACKAGE]}")
    for package in apt.downloads.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, work / "done/root"], check=True, timeout=60)
    (original,) = apt.downloads.glob("*.orig.tar.*")
    _extract_tests(original, work / "done/tests")


def _extract_tests(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            if found := TESTS.fullmatch(member.name):
                path = into / found[1] / Path(member.name).name
                path.parent.mkdir(parents=True, exist_ok=True)
                content = tar.extractfile(member)
                assert content is not None
                path.write_bytes(content.read())


class _Apt:
    """apt-get with lists, cache and sources of its own below `work`."""

    def __init__(self, work: Path) -> None:
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            raise UnavailableError("needs apt-get and dpkg-deb, to get Debian's micropython")
        self.downloads = work / "downloads"
        for folder in ("done/root", "downloads", "sources", "state/lists/partial", "cache/archives/partial"):
            (work / folder).mkdir(parents=True)
        (work / "sources/trixie.sources").write_text(trixie_source(Path("/etc/apt")))
        self._options = [
            f"-oDir::State={work}/state",
            f"-oDir::Cache={work}/cache",
            f"-oDir::Etc::SourceParts={work}/sources",
            "-oDir::Etc::SourceList=/dev/null",
            "-oDir::State::Status=/dev/null",
            "-oAPT::Sandbox::User=root",
            "-oAcquire::Retries=1",
            "-oAcquire::http::Timeout=20",
        ]

    def run(self, *arguments: str) -> str:
        command = ["apt-get", "-q", *self._options, *arguments]
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            done = subprocess.run(
                command, cwd=self.downloads, env=environment, capture_output=True, text=True, timeout=_APT_LIMIT_S
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"apt-get {arguments[0]} did not get Debian's micropython in time") from None
        # a failed update is only a warning to apt-get
        complaint = re.search(r"^[EW]: (Failed to fetch .*|.*not available.*)", done.stderr, re.MULTILINE)
        if done.returncode or complaint:
            reason = complaint[1] if complaint else done.stderr.strip().rpartition("\n")[2]
            raise UnavailableError(f"apt-get {arguments[0]} cannot get Debian's micropython: {reason}")
        return done.stdout


def trixie_source(etc_apt: Path) -> str:
    """Return a source for trixie from the Debian mirror that this machine uses. Raises `UnavailableError`."""
    lists = (etc_apt / "sources.list", *etc_apt.glob("sources.list.d/*"))
    text = "\n\n".join(path.read_text() for path in lists if path.is_file())
    for stanza in re.split(r"\n\s*\n", text):
        for pattern in (r"^URIs:.*?(\S+/debian/?)(?:\s|$)", r"^deb\s.*?(\S+/debian/?)\s"):
            if mirror := re.search(pattern, stanza, re.MULTILINE):
                return _stanza(mirror[1], re.search(r"signed-by[:=]\s*([^\s\]]+)", stanza, re.IGNORECASE))
    raise UnavailableError("needs a Debian mirror among apt's sources, to get Debian's micropython")


def _stanza(mirror: str, signed_by: "re.Match[str] | None") -> str:
    key = f"Signed-By: {signed_by[1]}\n" if signed_by else ""
    return f"Types: deb deb-src\nURIs: {mirror}\nSuites: {SUITE}\nComponents: main\n{key}"
