"""The capture: its bytes, its bound, and that nothing about it reaches the radio."""

import errno
import logging
import os
import resource
import struct
from pathlib import Path

import pytest

from board.errors import LocalProtocolError
from drivers.hci.snoop import MIN_LIMIT_BYTES, Snoop

RESET = bytes.fromhex("01030c00")
RESET_DONE = bytes.fromhex("040e0401030c00")
ACL = bytes.fromhex("0240000600020004000203")
HEADER = bytes.fromhex("6274736e6f6f7000 00000001 000003ea")

# 2000-01-01T00:00:00Z in both reckonings (btsnoop format of the FTE documentation).
Y2K_US, Y2K_SNOOP = 946_684_800_000_000, 0x00E0_3AB4_4A67_6000


def snoop(path: Path, limit_bytes: int = 1 << 20) -> Snoop:
    return Snoop(path, limit_bytes, lambda: Y2K_US)


def packets(path: Path) -> list[bytes]:
    """Read the packets of a whole capture; anything left over fails."""
    data = path.read_bytes()
    assert data[:16] == HEADER
    found, at = [], 16
    while at < len(data):
        original, included, _, drops, _ = struct.unpack_from(">IIIIq", data, at)
        assert (original, drops) == (included, 0)
        assert at + 24 + included <= len(data)
        found.append(data[at + 24 : at + 24 + included])
        at += 24 + included
    return found


def test_the_bytes_of_a_capture(tmp_path: Path) -> None:
    capture = snoop(tmp_path / "a.btsnoop")
    capture.sent(RESET)
    capture.received(RESET_DONE)
    capture.sent(ACL)
    capture.received(ACL)
    capture.close()
    expected = HEADER
    for flags, packet in ((2, RESET), (3, RESET_DONE), (0, ACL), (1, ACL)):
        expected += struct.pack(">IIIIq", len(packet), len(packet), flags, 0, Y2K_SNOOP) + packet
    assert (tmp_path / "a.btsnoop").read_bytes() == expected


def test_what_was_noted_is_there_before_the_end(tmp_path: Path) -> None:
    capture = snoop(tmp_path / "a")
    capture.sent(RESET)
    assert packets(tmp_path / "a") == [RESET]
    capture.close()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    snoop(tmp_path / "a").close()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_the_last_packets_are_kept_within_the_limit(tmp_path: Path) -> None:
    path, noted = tmp_path / "a", []
    capture = snoop(path, MIN_LIMIT_BYTES)
    for number in range(3000):
        noted.append(ACL + number.to_bytes(4, "big"))
        capture.received(noted[-1])
        assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= MIN_LIMIT_BYTES
    capture.close()
    kept = packets(tmp_path / "a.1") + packets(path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a", "a.1"]
    assert len(packets(tmp_path / "a.1")) == (MIN_LIMIT_BYTES // 2 - 16) // (24 + len(ACL) + 4)
    assert kept == noted[-len(kept) :]


def test_the_capture_before_a_restart_is_kept(tmp_path: Path) -> None:
    for packet in (RESET, RESET_DONE, ACL):
        capture = snoop(tmp_path / "a")
        capture.sent(packet)
        capture.close()
    assert (packets(tmp_path / "a.1"), packets(tmp_path / "a")) == ([RESET_DONE], [ACL])


def test_after_the_end_nothing_is_noted(tmp_path: Path) -> None:
    capture = snoop(tmp_path / "a")
    capture.close()
    capture.close()
    capture.sent(RESET)
    assert packets(tmp_path / "a") == []


def test_a_limit_that_holds_nothing_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(LocalProtocolError):
        snoop(tmp_path / "a", MIN_LIMIT_BYTES - 1)


def test_without_its_folder_a_capture_warns_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    capture = snoop(tmp_path / "absent" / "a")
    capture.sent(RESET)
    capture.received(RESET_DONE)
    assert [each.getMessage() for each in caplog.records] == [
        f"the Bluetooth capture {tmp_path}/absent/a ends here: {os.strerror(errno.ENOENT)}"
    ]


def test_what_is_not_a_file_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "a")
    snoop(tmp_path / "a").sent(RESET)
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert "something else than a file" in caplog.text


def test_a_full_disk_ends_the_capture_at_a_whole_packet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    capture, before = snoop(tmp_path / "a"), resource.getrlimit(resource.RLIMIT_FSIZE)
    # Where a file may grow no further a write is cut short, as on a disk that runs full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        for _ in range(1000):
            capture.sent(ACL)
            if caplog.records:
                break
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    capture.sent(ACL)
    assert packets(tmp_path / "a") == [ACL] * ((4096 - 16) // (24 + len(ACL)))
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
