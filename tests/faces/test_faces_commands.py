"""The commands as a person runs them: processes, exit statuses, Ctrl-C, kill -9."""

import json
import os
import pty
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from stack.storage.spool import Spool
from tests.faces.phone import archive, chunked, offer, phone
from tests.faces.station import eventually, visible

FERRY = [sys.executable, "-m", "stack.station.cli.main"]


def ferry(*arguments: Any, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*FERRY, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, list[str], str]:
    out, err = process.communicate(timeout=40)
    return process.returncode, out.splitlines(), err


def receiver(address: tuple[str, int], into: Path, *options: str) -> "subprocess.Popen[str]":
    return ferry("receive", "--from", f"{address[0]}:{address[1]}", "--into", into, *options)


def test_send_and_receive(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(os.urandom(100_000))
    sender = ferry("send", "--listen", "127.0.0.1:0", "--json", tmp_path / "a.jpg")
    assert sender.stdout is not None
    waiting = json.loads(sender.stdout.readline())
    status, lines, _ = finish(
        receiver((waiting["host"], waiting["port"]), tmp_path / "into", "--accept", "all", "--json")
    )
    events = [json.loads(line) for line in lines]
    assert status == 0
    assert [event["event"] for event in events] == ["offer", "kept", "done"]
    assert events[-1]["stored"] == 1
    status, lines, _ = finish(sender)
    assert (status, json.loads(lines[-1])["outcome"]) == (0, "safe")
    assert visible(tmp_path / "into") == {"a.jpg": (tmp_path / "a.jpg").read_bytes()}


def test_without_a_terminal_ask_refuses(tmp_path: Path) -> None:
    with phone() as sender:
        status, lines, _ = finish(receiver(sender.address, tmp_path))
    assert status == 3
    assert "--accept all" in "".join(lines)
    assert sender.verdict is not None
    assert sender.verdict["reason"] == "user refuse"


@pytest.mark.parametrize(("answer", "status"), [(b"y\n", 0), (b"n\n", 3), (b"\n", 3)])
def test_a_person_at_a_terminal_is_asked(tmp_path: Path, answer: bytes, status: int) -> None:
    ours, theirs = pty.openpty()
    with phone(chunked(archive({"0/a.jpg": b"photo"}))) as sender:
        command = ["receive", "--from", f"127.0.0.1:{sender.address[1]}", "--into", str(tmp_path)]
        process = subprocess.Popen([*FERRY, *command], stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, answer)
        assert process.wait(30) == status
    os.close(ours)
    assert "张三的手机 offers 1 file".encode() in shown
    assert (visible(tmp_path) == {"a.jpg": b"photo"}) == (status == 0)


def test_reader_who_leaves_does_not_stop_the_transfer(tmp_path: Path) -> None:
    contents = {f"{number}/{number}.jpg": os.urandom(1000) for number in range(100)}
    with phone(chunked(archive(contents)), offer(fileCount=100)) as sender:
        process = receiver(sender.address, tmp_path, "--accept", "all", "--json")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(30), process.stderr.read()) == (0, "")
        process.stderr.close()
    assert len(visible(tmp_path)) == 100


def test_nobody_listens(tmp_path: Path) -> None:
    status, _, err = finish(receiver(("127.0.0.1", 1), tmp_path))
    assert status == 1
    assert err.startswith("ferry: 127.0.0.1 port 1 cannot be reached")


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    status, _, err = finish(receiver(("127.0.0.1", 1), tmp_path / "file" / "into"))
    assert status == 1
    assert err.startswith("ferry: ")
    assert "Name a folder" in err
    assert len(err.splitlines()) == 1


def test_two_receivers_into_one_folder(tmp_path: Path) -> None:
    with Spool(tmp_path):
        status, _, err = finish(receiver(("127.0.0.1", 1), tmp_path))
    assert status == 1
    assert "another Ferry" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupt_tells_the_peer_and_leaves_nothing_half_written(tmp_path: Path, number: signal.Signals) -> None:
    body = chunked(archive({"0/a.jpg": b"photo", "1/b.jpg": os.urandom(300_000)}))
    flowing, released = threading.Event(), threading.Event()

    def answer(connection: Any) -> None:
        connection.sendall(body[:200_000])
        flowing.set()
        assert released.wait(30)

    with phone(answer, offer(fileCount=2)) as sender:
        process = receiver(sender.address, tmp_path, "--accept", "all")
        assert flowing.wait(30)
        eventually(lambda: (tmp_path / "a.jpg").exists())
        process.send_signal(number)
        status, _, _ = finish(process)
        released.set()
    assert status == 130
    assert sender.verdict is not None
    assert sender.verdict["type"] == 3
    assert visible(tmp_path) == {"a.jpg": b"photo"}
    assert list((tmp_path / ".ferry" / "incoming").iterdir()) == []


def test_interrupted_sender_tells_the_peer(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"photo")
    sender = ferry("send", "--listen", "127.0.0.1:0", "--json", tmp_path / "a.jpg")
    assert sender.stdout is not None
    sender.stdout.readline()
    sender.send_signal(signal.SIGINT)
    assert finish(sender)[0] == 130


def test_disk_that_fills_up_is_told(tmp_path: Path) -> None:
    """A limit on file sizes stands in for a disk that takes no more: the write fails in the middle."""
    import resource

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    contents = {"0/a.jpg": os.urandom(1000), "1/b.jpg": os.urandom(900_000)}
    with phone(lambda connection: connection.sendall(chunked(archive(contents))), offer(fileCount=2)) as sender:
        process = ferry(
            *("receive", "--from", f"127.0.0.1:{sender.address[1]}", "--into", tmp_path, "--accept", "all"),
            preexec_fn=limit,
        )
        status, lines, _ = finish(process)
    assert status == 7, lines
    assert sender.verdict is not None
    assert sender.verdict["type"] == 2
    assert visible(tmp_path) == {"a.jpg": contents["0/a.jpg"]}


def test_kill_at_any_moment_leaves_whole_files_and_the_next_try_works(tmp_path: Path) -> None:
    dice = random.Random(4)
    contents = {f"{number}/IMG_{number:04}.jpg": dice.randbytes(60_000) for number in range(60)}
    body = chunked(archive(contents))
    names = {name.split("/")[1]: content for name, content in contents.items()}

    def answer(connection: Any) -> None:
        for at in range(0, len(body), 20_000):
            connection.sendall(body[at : at + 20_000])

    for _ in range(6):
        seen = dice.randrange(60)
        with phone(answer, offer(fileCount=60)) as sender:
            process = receiver(sender.address, tmp_path, "--accept", "all")
            eventually(lambda: process.poll() is not None or len(visible(tmp_path)) > seen)  # noqa: B023
            process.kill()
            finish(process)
        assert visible(tmp_path).items() <= names.items()
    with phone(answer, offer(fileCount=60)) as sender:
        status, lines, _ = finish(receiver(sender.address, tmp_path, "--accept", "all", "--json"))
    assert status == 0, lines
    assert visible(tmp_path) == names
    assert list((tmp_path / ".ferry" / "incoming").iterdir()) == []


def test_demo_twice_and_again_after_a_deletion(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(os.urandom(50_000))
    command = ["demo", *sorted(tmp_path.glob("*.jpg")), "--into", tmp_path / "into"]
    for deleted, expected in (
        (False, "3 files stored, 0 already safe"),
        (False, "0 files stored, 3 already safe"),
        (True, "1 file stored, 2 already safe"),
    ):
        if deleted:
            (tmp_path / "into" / "1.jpg").unlink()
        status, lines, err = finish(ferry(*command))
        assert status == 0, err
        assert expected in " ".join(lines)
    assert visible(tmp_path / "into") == {path.name: path.read_bytes() for path in tmp_path.glob("*.jpg")}
