"""WebDAV and SFTP by rclone, S3 by rclone and by moto, on loopback; with a certificate of their own for TLS."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.servers.running import free_port, running

USER = "ferry"
PASSWORD = "correct: horse battery"
BUCKET = "photos"
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Web:
    """A running server; `folder` holds what it serves, if it is one of files."""

    port: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for 127.0.0.1, which signs itself."""

    certificate: Path
    key: Path


def certificate(place: Path) -> Certificate:
    """Make a certificate."""
    made = Certificate(place / "certificate.pem", place / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "30", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(made.key), "-out", str(made.certificate)),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return made


@contextmanager
def webdav(place: Path, tls: Certificate | None = None) -> Iterator[Web]:
    """Run `rclone serve webdav`."""
    with _rclone(place, "webdav", ["--user", USER, "--pass", PASSWORD], tls) as server:
        yield server


@contextmanager
def rclone_sftp(place: Path, host_key: Path) -> Iterator[Web]:
    """Run `rclone serve sftp`, which takes a password, and has other extensions than OpenSSH."""
    with _rclone(place, "sftp", ["--user", USER, "--pass", PASSWORD, "--key", str(host_key)], None) as server:
        yield server


@contextmanager
def rclone_s3(place: Path, tls: Certificate | None = None) -> Iterator[Web]:
    """Run `rclone serve s3`, which checks signatures, and knows no conditions."""
    (place / "served" / BUCKET).mkdir(parents=True)
    with _rclone(place, "s3", ["--auth-key", f"{USER},{PASSWORD}"], tls) as server:
        yield server


@contextmanager
def moto_s3(place: Path) -> Iterator[Web]:
    """Run moto's S3, which keeps to conditions and keeps checksums, and does not look at signatures."""
    place.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [_program("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with running(command, port, place / "moto.log"):
        yield Web(port, place)


@contextmanager
def _rclone(place: Path, kind: str, options: list[str], tls: Certificate | None) -> Iterator[Web]:
    port, folder = free_port(), place / "served"
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        _program("rclone"),
        "serve",
        kind,
        str(folder),
        "--addr",
        f"127.0.0.1:{port}",
        *options,
    ]
    if tls is not None:
        command += ["--cert", str(tls.certificate), "--key", str(tls.key)]
    with running(command, port, place / "rclone.log", os.environ | {"RCLONE_CONFIG": "/dev/null"}):
        yield Web(port, folder)


def _program(name: str) -> str:
    if not (_BIN / name).exists():
        pytest.skip(f"needs {name}: pip install 'ferry[dev]'")
    return str(_BIN / name)
