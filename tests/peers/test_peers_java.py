"""A phone made of Android's parts: Java's TLS server and `java.util.zip.ZipOutputStream`, against `ferry receive`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faces.station import visible

pytestmark = pytest.mark.skipif(
    shutil.which("javac") is None, reason="needs javac: apt-get install default-jdk-headless"
)

SOURCE = Path(__file__).parent / "java" / "Phone.java"


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("classes")
    subprocess.run(["javac", "-d", out, SOURCE], check=True, timeout=60)
    return out


@pytest.fixture(scope="module", params=[("EC", "secp256r1", "SHA256withECDSA"), ("RSA", "1024", "SHA1withRSA")])
def keystore(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key store with a certificate as we make them, and one as Ktor makes them on CatShare phones."""
    algorithm, size, signature = request.param
    path = tmp_path_factory.mktemp("keys") / "keys.p12"
    size_option = "-groupname" if algorithm == "EC" else "-keysize"
    subprocess.run(
        ["keytool", "-genkeypair", "-keystore", path, "-storetype", "PKCS12", "-storepass", "changeit", "-alias", "k",
         "-dname", "CN=localhost,OU=Kotlin,O=JetBrains,C=RU", "-validity", "3", "-keyalg", algorithm, size_option, size,
         "-sigalg", signature],
        check=True, timeout=60, capture_output=True,
    )  # fmt: skip
    return path


@contextmanager
def java_phone(classes: Path, *arguments: str | Path) -> Iterator[tuple[int, "subprocess.Popen[str]"]]:
    command: list[str | Path] = ["java", "-Xshare:auto", "-cp", classes, "Phone", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().removeprefix("port ")), process
    finally:
        process.kill()
        process.communicate()


def ferry_receive(port: int, into: Path) -> "subprocess.CompletedProcess[str]":
    command: list[str | Path] = [sys.executable, "-m", "stack.station.cli.main", "receive"]
    options: list[str | Path] = ["--from", f"127.0.0.1:{port}", "--into", into, "--accept", "all", "--json"]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=50)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    files = [tmp_path / "照片.jpg", tmp_path / "empty.txt", tmp_path / "IMG_0001.jpg"]
    for file, content in zip(files, (os.urandom(300_000), b"", b"text " * 50_000), strict=True):
        file.write_bytes(content)
    return files


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
def test_photos_arrive_from_java(
    classes: Path, keystore: Path, photos: list[Path], tmp_path: Path, protocol: str
) -> None:
    into = tmp_path / "into"
    with java_phone(classes, keystore, protocol, "plain", *photos) as (port, process):
        done = ferry_receive(port, into)
        heard = process.communicate(timeout=20)[0]
    assert done.returncode == 0, done.stdout + done.stderr
    assert visible(into) == {photo.name: photo.read_bytes() for photo in photos}
    assert "message ack:1:sendRequest\n" in heard
    assert '"type":1' in heard
    assert heard.endswith("end 1\n")


def test_download_cut_by_java_keeps_the_whole_entry(
    classes: Path, keystore: Path, photos: list[Path], tmp_path: Path
) -> None:
    into = tmp_path / "into"
    photos = [photos[0], photos[2]]
    with java_phone(classes, keystore, "TLSv1.3", "reset", *photos) as (port, process):
        done = ferry_receive(port, into)
        heard = process.communicate(timeout=20)[0]
    assert done.returncode == 7, done.stdout + done.stderr
    assert visible(into) == {photos[0].name: photos[0].read_bytes()}
    assert heard.endswith("end 2\n")


def test_late_ack_is_waited_for(classes: Path, keystore: Path, photos: list[Path], tmp_path: Path) -> None:
    with java_phone(classes, keystore, "TLSv1.3", "slow-ack", *photos) as (port, process):
        done = ferry_receive(port, tmp_path / "into")
        heard = process.communicate(timeout=20)[0]
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"outcome": "safe"' in done.stdout
    assert heard.endswith("end 1\n")
