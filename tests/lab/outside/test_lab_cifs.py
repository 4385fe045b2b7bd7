"""Forwarding to a kernel mount of a Samba share: whole, cut in the middle, dead, healed, away, read-only, full.

The server runs on the host; the guest mounts its shares by a line that can be pulled and put back.
"""

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack.storage.sinks.directory import DirectorySink
from tests.lab.guest import Guest
from tests.lab.outside.line import Line, State
from tests.lab.outside.test_lab_bluetooth import FERRY, Command, ferry
from tests.peers.servers.disks import disk
from tests.peers.servers.samba import PASSWORD, SHARE, USER, samba
from tests.unit.storage.phone import MODIFIED

pytestmark = [
    pytest.mark.timeout(900),  # the first run builds the guest
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run smbd and to mount disks"),
]

POINT = "/mnt/nas"
PHOTOS = {f"IMG_2026110{day}_101500.jpg": random.Random(day).randbytes(1_500_000 + day) for day in range(1, 4)}
PLACES = {f"2026/2026-11-0{day}/{name}": PHOTOS[name] for day, name in enumerate(PHOTOS, 1)}
SOFT = "soft,echo_interval=2"
RECEIVE = """
import random
from pathlib import Path
from stack.storage.items import SpoolLimits
from stack.storage.spool import Spool
from tests.unit.storage.phone import deliver
with Spool(Path("/spool/received"), limits=SpoolLimits(reserve_bytes=0)) as spool:
    photos = [(f"IMG_2026110{day}_101500.jpg", random.Random(day).randbytes(1_500_000 + day)) for day in range(1, 4)]
    assert deliver(spool, photos).error is None
"""
SHARES = """
[fixed]
path = {place}/share
read only = yes
force user = root
[small]
path = {place}/small
read only = no
force user = root
"""


@dataclass(frozen=True, slots=True)
class Nas:
    """The server, as the guest reaches it by `line`, and the folder of its share."""

    guest: Guest
    line: Line
    folder: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nas]:
    place = tmp_path_factory.mktemp("nas")
    with (
        disk(place, "ext4", place / "small"),
        samba(place, share_options=SHARES.format(place=place)) as server,
        Line(server.port) as line,
        Guest(tmp_path_factory.mktemp("guest")) as guest,
    ):
        guest.read(f"modprobe cifs; mkdir {POINT}; python3 -c '{RECEIVE}'", timeout_s=120)
        yield Nas(guest, line, server.folder)


@pytest.fixture
def nas(running: Nas) -> Iterator[Nas]:
    """The server with an empty sink, and a spool of photos in the guest."""
    prepare(running.folder)
    running.guest.read("rm -rf /spool/in; cp -a /spool/received /spool/in")
    yield running
    running.line.heal()


def prepare(folder: Path) -> None:
    """Make the share an empty sink."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    DirectorySink(folder, "host").initialise()


@contextmanager
def mounted(nas: Nas, options: str, share: str = SHARE) -> Iterator[None]:
    account = f'username={USER},password="{PASSWORD}"'
    where = f"ip=10.0.2.2,port={nas.line.port},vers=3.1.1"
    nas.guest.read(f"mount -i -t cifs //10.0.2.2/{share} {POINT} -o '{where},{account},{options}'")
    try:
        yield
    finally:
        nas.guest.read(f"umount -l {POINT}")


def forward(nas: Nas, *options: str) -> tuple[int | None, list[dict[str, Any]]]:
    with ferry(nas.guest, " ".join(["forward", "--from", "/spool/in", "--to", POINT, *options])) as command:
        status, _ = command.result()
    assert "Traceback" not in command.complaints.getvalue().decode()
    return status, [json.loads(line) for line in command.output.getvalue().splitlines()]


def trouble(events: list[dict[str, Any]]) -> str:
    """What the first trouble is, in words."""
    return next(str(event["error"]) for event in events if event["event"] == "trouble")


def stored(nas: Nas) -> dict[str, bytes]:
    """What the server has under final names."""
    paths = [path for path in nas.folder.rglob("*") if path.is_file() and ".ferry" not in path.parts]
    return {str(path.relative_to(nas.folder)): path.read_bytes() for path in paths}


def waiting(nas: Nas) -> set[str]:
    return set(nas.guest.read("ls /spool/in").split())


def assert_all_is_there_once(nas: Nas) -> None:
    assert stored(nas) == PLACES
    assert {(nas.folder / path).stat().st_mtime for path in PLACES} == {MODIFIED}
    assert not [path for path in (nas.folder / ".ferry/incoming").iterdir() if not path.name.startswith("own-")]
    parts = (nas.folder / ".ferry/manifest").iterdir()
    lines = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    assert sorted(line["path"] for line in lines) == sorted(PLACES)
    assert waiting(nas) == set()


def assert_nothing_is_lost(nas: Nas) -> None:
    """What is not in the spool any more is whole on the server, and nothing there is not."""
    assert stored(nas).items() <= PLACES.items()
    assert waiting(nas) | {Path(path).name for path in stored(nas)} == PHOTOS.keys()


def test_photos_arrive_under_their_dates_with_their_times(nas: Nas) -> None:
    (nas.folder / ".ferry/sink.json").unlink()
    with mounted(nas, "hard"):
        nas.guest.read(f"{FERRY} sink init {POINT}")
        found = json.loads(nas.guest.read(f"{FERRY} sink check {POINT} --json").splitlines()[-1])
        before_bytes = nas.line.answered_bytes
        status, events = forward(nas)
    assert (status, events[-1]["stored"], events[-1]["released"]) == (0, len(PHOTOS), len(PHOTOS))
    assert nas.line.answered_bytes - before_bytes > sum(map(len, PHOTOS.values()))  # read back from the server itself
    assert found["is_case_sensitive"] is False
    assert_all_is_there_once(nas)


@pytest.mark.parametrize(("state", "signal"), [(State.DEAD, "KILL"), (State.PULLED, "TERM")])
def test_a_line_that_breaks_holds_up_nobody_and_costs_nothing(nas: Nas, state: State, signal: str) -> None:
    with mounted(nas, SOFT):
        with broken(nas, state) as forwarder:
            assert_ends(forwarder, signal)
        assert_all_comes_when_it_is_whole(nas)


def test_a_worker_that_hangs_in_the_kernel_is_told_of_and_left_behind(nas: Nas) -> None:
    with mounted(nas, "hard"):
        with broken(nas, State.DEAD) as forwarder:
            until_a_worker_hangs(nas.guest)
            assert "It does not answer" in forwarder.wait_for("trouble", limit_s=180)["error"]
            assert_ends(forwarder, "TERM")
        assert_all_comes_when_it_is_whole(nas)


@contextmanager
def broken(nas: Nas, state: State) -> Iterator[Command]:
    """A forwarder whose line breaks in the middle of the first file."""
    nas.line.break_after(1_000_000, state)
    with ferry(nas.guest, f"forward --from /spool/in --to {POINT} --stay") as forwarder:
        assert nas.line.broke.wait(120)
        yield forwarder


def assert_ends(forwarder: Command, signal: str) -> None:
    begun_s = time.monotonic()
    status = forwarder.end(signal)
    assert time.monotonic() - begun_s < 20
    assert status == {"TERM": 130, "KILL": 137}[signal]


def assert_all_comes_when_it_is_whole(nas: Nas) -> None:
    assert_nothing_is_lost(nas)
    nas.line.heal()
    assert forward(nas)[0] == 0
    assert_all_is_there_once(nas)


def until_a_worker_hangs(guest: Guest) -> None:
    """Wait until it is in the kernel, where no signal reaches it."""
    is_there = "ps -eo stat=,args= | grep -q '^D.*[f]orward.worker'"
    guest.read(f"for i in $(seq 300); do {is_there} && exit 0; sleep 0.1; done; ps -eo stat,args; exit 1")


def test_a_server_that_is_away_from_the_start_is_told_of(nas: Nas) -> None:
    with mounted(nas, SOFT):
        nas.line.break_after(0, State.PULLED)
        status, events = forward(nas, "--once")
    assert status == 1
    assert "Ferry tries again by itself" in trouble(events)
    assert waiting(nas) == PHOTOS.keys()


def test_a_mount_point_without_its_share_takes_nothing(nas: Nas) -> None:
    with mounted(nas, SOFT):
        pass
    assert "Mount the disk or share" in trouble(forward(nas, "--once")[1])
    assert nas.guest.read(f"ls -A {POINT}") == ""
    assert waiting(nas) == PHOTOS.keys()


@pytest.mark.parametrize(("share", "sentence"), [("fixed", "the right to write"), ("small", "Make room")])
def test_a_share_that_takes_nothing_says_why(nas: Nas, share: str, sentence: str) -> None:
    small = nas.folder.with_name("small")
    prepare(small)
    fill(small)
    with mounted(nas, SOFT, share):
        status, events = forward(nas, "--once")
    assert status == 1
    assert waiting(nas) == PHOTOS.keys()
    assert sentence in trouble(events)
    assert stored(nas) == {}


def fill(folder: Path) -> None:
    """Leave a megabyte of a disk."""
    room = os.statvfs(folder)
    (folder / "other").write_bytes(bytes(room.f_bavail * room.f_frsize - 1_000_000))
