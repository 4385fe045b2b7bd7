"""The manifest's lines and files, and what passes between forwarder and worker."""

import json
import subprocess
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from board.errors import LocalProtocolError
from stack.storage.forward import manifest
from stack.storage.forward.ledger import Delivery, Spooled
from stack.storage.forward.messages import Arrived, Failed, File, Finished, Job, Message, Moved, decode, encode

CONTENT = b"a photo"
SPOOLED = Spooled(
    entry=7,
    name="IMG_1.jpg",
    offered="IMG_1.jpg",
    size_bytes=len(CONTENT),
    sha256=sha256(CONTENT).digest(),
    modified=None,
    mtime_ns=0,
    stored=1_790_000_000.0,
    clock_was_good=True,
    task=1,
    task_id="task 1",
    sender_id="0a1b",
    sender_name="Zoë's phone",
)
DELIVERY = Delivery(SPOOLED, "2026/IMG_1.jpg", "2026-09-21T10:15:00+02:00", "exif", "nas", 0)
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_a_line_says_what_came_from_whom_and_where_it_is() -> None:
    assert json.loads(manifest.line(DELIVERY, "2026/IMG_1 (2).jpg", NOW)) == {
        "path": "2026/IMG_1 (2).jpg",
        "size": 7,
        "sha256": sha256(CONTENT).hexdigest(),
        "captured": "2026-09-21T10:15:00+02:00",
        "captured_from": "exif",
        "sender": "Zoë's phone",
        "sender_id": "0a1b",
        "task": "task 1",
        "received": "2026-09-21T14:13:20+00:00",
        "forwarded": "2026-11-24T12:00:00+00:00",
    }


def test_sha256sum_checks_the_archive_with_it(tmp_path: Path) -> None:
    (tmp_path / "2026").mkdir()
    (tmp_path / "2026/IMG_1.jpg").write_bytes(CONTENT)
    said = json.loads(manifest.line(DELIVERY, "2026/IMG_1.jpg", NOW))
    listing = f"{said['sha256']}  {said['path']}\n"
    subprocess.run(["sha256sum", "-c"], input=listing, text=True, cwd=tmp_path, check=True, capture_output=True)


def test_a_manifest_grows_by_what_it_lacks() -> None:
    once = manifest.extended(b"", ["1", "2"])
    assert once == b"1\n2\n"
    assert manifest.extended(once, ["2", "3"]) == b"1\n2\n3\n"
    assert manifest.extended(b"1\ntorn", ["2"]) == b"1\ntorn\n2\n"


def test_each_station_has_its_own_manifest_for_a_day() -> None:
    assert manifest.path_of("2026-11-24", "0a1b2c3d") == ".ferry/manifest/2026-11-24-0a1b2c3d.jsonl"


@pytest.mark.parametrize(
    "message",
    [
        Job([File(7, "IMG_1.jpg", "2026/IMG_1.jpg", 7, "ab" * 32, 5, ["old/IMG_1.jpg"])]),
        Moved(4096),
        Arrived(7, "2026/IMG_1.jpg", was_there=False, gone=[]),
        Failed(0, "PASSING", "The NAS does not answer."),
        Finished(),
    ],
)
def test_messages_survive_their_way(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert decode(line[:-1]) == message


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b'["Moved", {}]', b'["Nothing", {}]', b'["Job", {}]', b"Traceback"]
)
def test_what_is_no_message_is_our_bug(line: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        decode(line)
