"""`ferry sink check` as a person sees it: against every server, and against everything that can be wrong with one.

The sentences are in transcripts/sink_check.txt, with ports and folders replaced. When one changes on purpose, write the
file anew from `said.txt` in pytest's temporary folder, and read the difference.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.peers.servers import samba as smb
from tests.peers.servers import web
from tests.peers.servers.proxy import Proxy
from tests.peers.servers.sshd import sshd
from tests.peers.test_peers_sinks import PLACES, Place, refused_port, sftp_url

FERRY = [sys.executable, "-m", "stack.station.cli.main", "sink"]
TRANSCRIPT = Path(__file__).parent / "transcripts" / "sink_check.txt"


def ferry(action: str, url: str) -> str:
    done = subprocess.run([*FERRY, action, url], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return f"{done.stdout}{done.stderr}exit status {done.returncode}\n"


class Bench:
    """Servers that run, and files with secrets."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self._places: dict[str, Place] = {}

    def place(self, kind: str) -> Place:
        if kind not in self._places:
            base = self.folder / kind
            base.mkdir()
            self._places[kind] = self._stack.enter_context(PLACES[kind](base))
        return self._places[kind]

    def secret(self, text: str) -> str:
        file = self.folder / f"secret-{len(text)}-{text[:1]}"
        file.write_text(text)
        file.chmod(0o600)
        return str(file)

    def url(self, kind: str, port: int | None = None, secret: str | None = None) -> str:
        secret = secret or (smb.PASSWORD if kind.startswith("smb") else web.PASSWORD)
        place = self.place(kind)
        text = place.text.replace(f":{place.port}/", f":{port or place.port}/")
        if kind in ("file", "sftp"):
            return text
        return f"{text}{'&' if '?' in text else '?'}secret_file={self.secret(secret)}"

    def away(self, kind: str) -> str:
        with refused_port() as port:
            return ferry("check", self.url(kind, port))

    def hanging(self, kind: str) -> str:
        with Proxy(self.place(kind).port, limit_bytes=0, stall=True) as proxy:
            url = self.url(kind, proxy.port)
            return ferry("check", f"{url}{'&' if '?' in url else '?'}time_limit_s=1")

    def wrong_host_key(self) -> str:
        with sshd(self.folder / "other-sshd") as server:
            other = server.stranger.with_suffix(".pub").read_text().rsplit(" ", 1)[0]
            return ferry("check", sftp_url(server, host_key=other)(server.port))

    def wrong_key(self) -> str:
        with sshd(self.folder / "key-sshd") as server:
            return ferry("check", sftp_url(server, key=server.stranger)(server.port))

    def wrong_certificate(self) -> str:
        (self.folder / "tls").mkdir()
        other = web.certificate(self.folder / "tls")
        url = self.url("webdavs")
        return ferry("check", re.sub(r"ca=[^&]+", f"ca={other.certificate}", url))

    def read_only(self) -> str:
        with smb.samba(self.folder / "read-only", share_options="read only = yes") as server:
            url = f"smb://{smb.USER}@127.0.0.1:{server.port}/{smb.SHARE}?secret_file={self.secret(smb.PASSWORD)}"
            return ferry("init", url)

    def open_secret(self) -> str:
        url = self.url("smb")
        Path(self.secret(smb.PASSWORD)).chmod(0o644)
        return ferry("check", url)


CASES: dict[str, Callable[[Bench], str]] = {
    **{
        f"{kind}, prepared and checked": lambda bench, kind=kind: (
            ferry("init", bench.url(kind))  # type: ignore[misc]
            + ferry("check", bench.url(kind))
        )
        for kind in PLACES
    },
    **{f"{kind}, switched off": lambda bench, kind=kind: bench.away(kind) for kind in PLACES if kind != "file"},  # type: ignore[misc]
    **{
        f"{kind}, hanging": lambda bench, kind=kind: bench.hanging(kind)  # type: ignore[misc]
        for kind in ("sftp password", "smb", "webdav", "webdavs", "s3")
    },
    **{
        f"{kind}, wrong password": lambda bench, kind=kind: ferry("check", bench.url(kind, secret="wrong"))  # type: ignore[misc]
        for kind in ("sftp password", "smb", "webdav")
    },
    "sftp, wrong key": Bench.wrong_key,
    "sftp, wrong host key": Bench.wrong_host_key,
    "webdavs, wrong certificate": Bench.wrong_certificate,
    "file, no such folder": lambda bench: ferry("check", f"{bench.folder}/none"),
    "file, not prepared": lambda bench: ferry("check", str(bench.folder)),
    "smb, share renamed": lambda bench: ferry("check", bench.url("smb").replace(f"/{smb.SHARE}", "/renamed")),
    "s3, bucket renamed": lambda bench: ferry("check", bench.url("s3").replace(f"/{web.BUCKET}", "/renamed")),
    "smb, read-only": Bench.read_only,
    "smb, a secret that everybody can read": Bench.open_secret,
    "smb, no password": lambda bench: ferry("check", bench.url("smb").partition("?")[0]),
    "what is no kind of sink": lambda bench: ferry("check", "gopher://nas/photos"),
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path_factory.mktemp("sinks"), stack)


def plain(said: str, bench: Bench) -> str:
    """What is the same each time: no ports, no folders, no figures."""
    said = said.replace(str(bench.folder), "FOLDER")
    said = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", said)
    said = re.sub(r"sftp://[^@/]+@", "sftp://USER@", said)
    said = re.sub(r"port \d+", "port PORT", said)
    said = re.sub(r"\d+\.\d+ ms", "N ms", said)
    said = re.sub(r"\d+\.\d (MB/s|MB)", r"N \1", said)
    return re.sub(r"(?s)usage: .*error: ", "usage error: ", said)


def transcript() -> dict[str, str]:
    parts = TRANSCRIPT.read_text().split("== ") if TRANSCRIPT.exists() else []
    return {title: said for title, _, said in (part.partition("\n") for part in parts[1:])}


@pytest.mark.parametrize("case", CASES)
def test_a_person_is_told_what_to_do(case: str, bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> None:
    said = plain(CASES[case](bench), bench)
    with (tmp_path_factory.getbasetemp() / "said.txt").open("a") as file:
        file.write(f"== {case}\n{said}")
    assert said == transcript().get(case)


def test_no_secret_is_in_the_transcript() -> None:
    assert web.PASSWORD not in TRANSCRIPT.read_text()
    assert smb.PASSWORD not in TRANSCRIPT.read_text()
