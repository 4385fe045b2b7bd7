"""The process that reads metadata: what it finds, what it survives, what it may not do, and that we are fine."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from stack.storage.library import metadata_reader
from stack.storage.library.dates import DateSource, first_plausible, parse_offset
from stack.storage.library.errors import ReaderUnavailableError
from stack.storage.library.metadata import FileMetadata
from stack.storage.library.metadata_reader import MetadataReader
from tests.unit.storage.media import BOMBS, HANDMADE, SLOW, exiftool_date, movie, tiff

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests" / "vectors" / "library"
SAID = {said["SourceFile"]: said for said in json.loads((SAMPLES / "dates.json").read_text())}
GOOD = tiff()
GOOD_DATE = "2026:11:23 10:15:00"


@pytest.fixture(scope="module")
def reader() -> Iterator[MetadataReader]:
    with MetadataReader() as opened:
        yield opened


def read(reader: MetadataReader, content: bytes) -> FileMetadata:
    file = os.memfd_create("sample")
    try:
        os.write(file, content)
        return reader.read(file)
    finally:
        os.close(file)


def found(metadata: FileMetadata) -> tuple[str, timedelta | None] | None:
    date = first_plausible(metadata.claims(UTC), None)
    return (f"{date.local:%Y:%m:%d %H:%M:%S}", date.utc_offset) if date else None


@pytest.mark.parametrize("name", sorted(SAID))
def test_samples_of_other_tools(reader: MetadataReader, name: str) -> None:
    """Their dates are what ExifTool said when they were made."""
    taken, offset = exiftool_date(SAID[name])
    metadata = read(reader, (SAMPLES / name).read_bytes())
    assert found(metadata) == ((taken, parse_offset(offset)) if taken else None)
    assert metadata.problem == ""


@pytest.mark.parametrize("name", sorted(HANDMADE))
def test_samples_made_by_hand(reader: MetadataReader, name: str) -> None:
    """All are of the same moment; those that know it in UTC only are shown by a clock in Shanghai."""
    date = first_plausible(read(reader, HANDMADE[name]).claims(timezone(timedelta(hours=8))), None)
    assert date is not None
    assert date.local == datetime(2026, 11, 23, 10, 15)
    assert date.utc_offset in (None, timedelta(hours=8))
    assert date.source is (DateSource.CONTAINER if name.endswith((".mov", ".mp4", ".m4v")) else DateSource.EXIF)


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_bombs_are_answered(reader: MetadataReader, name: str) -> None:
    metadata = read(reader, BOMBS[name])
    assert metadata.problem != "the time is over"
    assert found(metadata) in (None, (GOOD_DATE, None), ("2026:11:23 02:15:00", timedelta()))
    assert found(read(reader, GOOD)) == (GOOD_DATE, None)


@pytest.mark.parametrize("filling", [b"\0\0\0\x08free", b"\0"])
def test_a_moov_of_100_megabytes_is_answered(reader: MetadataReader, tmp_path: Path, filling: bytes) -> None:
    size = 100_000_000
    path = tmp_path / "bomb.mov"
    with path.open("wb") as bomb:
        bomb.write(movie()[:12] + (size + 8).to_bytes(4) + b"moov")
        for _ in range(100):
            bomb.write(filling * (size // 100 // len(filling)))
    with path.open("rb") as bomb:
        assert reader.read(bomb.fileno()) == FileMetadata()


def test_what_takes_too_long_is_killed_and_the_next_file_is_read() -> None:
    with MetadataReader(file_limit_s=0.3) as impatient:
        assert found(read(impatient, GOOD)) == (GOOD_DATE, None)
        started = time.monotonic()
        assert read(impatient, SLOW).problem == "the time is over"
        assert time.monotonic() - started < 5
        assert found(read(impatient, GOOD)) == (GOOD_DATE, None)


def test_the_position_of_the_file_stays(reader: MetadataReader) -> None:
    with (SAMPLES / "zoned.jpg").open("rb", buffering=0) as sample:
        sample.seek(7)
        assert found(reader.read(sample.fileno())) == (GOOD_DATE, timedelta(hours=8))
        assert sample.tell() == 7


PLAYED = "import os, socket, sys; parent = socket.socket(fileno=int(sys.argv[1])); parent.send(b'confined'); "
ANSWER = b'{"taken": "%s", "taken_offset": "", "digitized": "", "digitized_offset": "", "movie_date": "",'
ANSWER += b' "movie_seconds": 0, "problem": ""}'


def play(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let another program be the process: one that went mad, or that tells about itself."""
    monkeypatch.setattr(metadata_reader, "_PROGRAM", PLAYED + program)


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"{}", b"x" * 60_000])
def test_a_process_that_went_mad_is_not_believed(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    play(monkeypatch, f"parent.recv(99); parent.send({answer!r})")
    with MetadataReader() as mad:
        assert read(mad, GOOD) == FileMetadata(problem="the reader ended")
        monkeypatch.undo()
        assert found(read(mad, GOOD)) == (GOOD_DATE, None)


def test_a_process_that_is_worn_out_is_replaced_and_the_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, f"parent.recv(99); parent.send({ANSWER % b'first'!r})")
    with MetadataReader() as worn:
        assert read(worn, GOOD).taken == "first"
        assert read(worn, GOOD).taken == "first"


def test_a_file_that_ends_every_process_has_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, "parent.recv(99); os.abort()")
    with MetadataReader() as doomed:
        assert read(doomed, GOOD) == FileMetadata(problem="the reader ended")


def test_a_process_that_does_not_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata_reader, "_PROGRAM", "import nothing_of_that_name")
    with MetadataReader() as missing, pytest.raises(ReaderUnavailableError, match="does not start") as caught:
        read(missing, GOOD)
    assert "ferry[forward]" in caught.value.remedy


def test_the_process_inherits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_PASSWORD", "secret")
    about = "' '.join([*os.listdir('/proc/self/fd'), os.getcwd(), *os.environ])"
    play(monkeypatch, f"said = {about}; parent.recv(99); parent.send({ANSWER!r} % said.encode())")
    secret = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        with MetadataReader() as plain:
            *files, folder = read(plain, GOOD).taken.removesuffix(" LC_CTYPE").split()  # which Python sets itself
    finally:
        os.close(secret)
    assert len(files) == 5  # input, output, errors, the channel, and the list of them
    assert folder == "/"


PROBE = """
import ctypes, fcntl, json, os, signal, socket, sys, threading
sys.path.insert(0, sys.argv[2])
from stack.storage.library.confinement import confine
channel = socket.socket(fileno=int(sys.argv[1]))
libc = ctypes.CDLL(None, use_errno=True)
done = {"confined": confine()}
def ptrace():
    if libc.ptrace(16, os.getppid(), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
tries = {
    "open": lambda: open("/etc/passwd"),
    "write": lambda: os.write(1, b"x"),
    "unlink": lambda: os.unlink("/tmp/nothing"),
    "socket": lambda: socket.socket(socket.AF_INET),
    "unix": lambda: socket.socketpair(),
    "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "owner": lambda: fcntl.fcntl(channel, fcntl.F_SETOWN, os.getpid()),
    "signal": lambda: fcntl.fcntl(channel, fcntl.F_SETSIG, signal.SIGKILL),
    "signals": lambda: fcntl.fcntl(channel, fcntl.F_SETFL, os.O_ASYNC),
    "memfd": lambda: os.memfd_create("x"),
    "ptrace": ptrace,
    "memory": lambda: bytearray(200 << 20),
}
for name, action in tries.items():
    try:
        action()
        done[name] = "done"
    except OSError as error:
        done[name] = error.errno
    except MemoryError:
        done[name] = "no memory"
channel.send(json.dumps(done).encode())
"""


def test_a_confined_process_can_only_compute_and_answer() -> None:
    """Each refusal is EPERM. It must be the system call filter's: as root, nothing else would refuse most of it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.settimeout(20)
        argv = [sys.executable, "-I", "-c", PROBE, str(theirs.fileno()), str(ROOT)]
        with subprocess.Popen(argv, pass_fds=[theirs.fileno()]) as process:
            theirs.close()
            done = json.loads(ours.recv(4096))
            process.wait()
    assert done.pop("confined") is True
    assert done.pop("memory") == "no memory"
    assert set(done.values()) == {1}, done


def test_the_process_ends_with_its_reader() -> None:
    program = (
        "import os, sys; sys.path[:] = sys.argv[1:];"
        "from stack.storage.library.metadata_reader import MetadataReader; reader = MetadataReader();"
        "reader.read(os.memfd_create('x')); print(reader._child._process.pid, flush=True);"
        f"os.kill(os.getpid(), {signal.SIGKILL:d})"
    )
    argv = [sys.executable, "-c", program, str(ROOT), *sys.path]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    try:
        process = os.pidfd_open(int(done.stdout))
    except ProcessLookupError:
        return
    assert select.select([process], [], [], 10)[0]
    os.close(process)


def test_the_parent_side_never_loads_the_library_of_the_process() -> None:
    program = (
        "import sys; import stack.storage.library.metadata_reader, stack.storage.library.library;"
        "sys.exit('exifread' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
