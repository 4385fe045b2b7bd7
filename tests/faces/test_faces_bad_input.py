"""Hostile and broken phones against the whole receiving side: a clear end, nothing half-visible, nothing lost."""

import contextlib
import json
import os
import socket
import ssl
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from stack.alliance.effects import OutcomeKind
from stack.transfer.receive import Reception
from stack.transfer.zip_read import ZipLimits
from tests.faces.phone import TASK, Talk, archive, chunked, offer, phone
from tests.faces.station import Host, receive, visible

GOOD = archive({"0/a.jpg": b"photo"})
TWO = archive({"0/a.jpg": b"photo", "1/b.jpg": os.urandom(3000)})


def named(*names: bytes) -> bytes:
    """An archive whose entries have these raw names and their number as content."""
    local, central = b"", b""
    for number, name in enumerate(names):
        content = b"%d" % number
        fields = (0, 0, 0, 0x21, zlib.crc32(content), len(content), len(content))
        offset = len(local)
        local += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, *fields, len(name), 0) + name + content
        central += (
            struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 20, 20, *fields, len(name), 0, 0, 0, 0, 0, offset) + name
        )
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(names), len(names), len(central), len(local), 0)
    return local + central + end


HOSTILE_NAMES = [
    b"0/../../../etc/passwd",
    b"/abs/olute.jpg",
    b"C:\\Users\\x\\drive.jpg",
    b"C:naked.jpg",
    b"..\\..\\back.jpg",
    b"//host/share/unc.jpg",
    b"nul\0byte.jpg",
    b"new\nline\x1b[31m.jpg",
    "rtl\u202egpj.exe".encode(),
    b"..",
    b".",
    b".ferry",
    b"-rf",
    b"CON",
    b"trailing. . ",
    b"n" * 60_000 + b".jpg",
    "照".encode() * 10_000 + b".jpg",
    b"\xff\xfe\xfd.jpg",
    b"a.jpg",
    b"a.jpg",
    b"A.JPG",
]


def test_no_name_escapes_and_none_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "into"
    with phone(chunked(named(*HOSTILE_NAMES)), offer(fileCount=len(HOSTILE_NAMES))) as sender:
        receipt = receive(folder, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE
    files = visible(folder)
    assert sorted(files.values()) == sorted(b"%d" % number for number in range(len(HOSTILE_NAMES)))
    assert {path.name for path in tmp_path.iterdir()} == {"into"}
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {".ferry"}
    for name in files:
        assert name.isprintable()
        assert not set(name) & set('\\/:*?"<>|')
        assert len(name.encode()) <= 255
        assert name[0] not in "-."
    assert "a (2).jpg" in files


BROKEN_BODIES: dict[str, tuple[bytes, list[str]]] = {
    "wrong CRC": (chunked(TWO.replace(struct.pack("<I", zlib.crc32(b"photo")), b"abcd", 1)), []),
    "cut inside the second entry": (chunked(TWO[:1500]), ["a.jpg"]),
    "cut inside the first": (chunked(GOOD[:38]), []),
    "cut before the central directory": (chunked(TWO[: TWO.index(b"PK\1\2")]), ["a.jpg", "b.jpg"]),
    "cut inside the central directory": (chunked(TWO[:-30]), ["a.jpg", "b.jpg"]),
    "garbage after the archive": (chunked(TWO + b"garbage"), ["a.jpg", "b.jpg"]),
    "garbage in front": (chunked(b"garbage" + TWO), []),
    "no archive at all": (chunked(b"<html>"), []),
    "empty body": (chunked(b""), []),
    "an archive without files": (chunked(archive({})), []),
    "an archive of directories": (chunked(archive({"d/": b""})), []),
    "no last chunk and a cut": (chunked(TWO[:1500], last=False), ["a.jpg"]),
    "status 404": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", []),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", []),
    "compressed twice": (chunked(GOOD).replace(b"Content-Type", b"Content-Encoding: gzip\r\nContent-Type"), []),
    "no HTTP": (b"220 ftp ready\r\n\r\n", []),
    "a broken chunk": (chunked(TWO, 64).replace(b"40\r\n", b"zz\r\n"), []),
    "a head without end": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4000, []),
}


@pytest.mark.parametrize("title", BROKEN_BODIES)
def test_broken_body_ends_clearly_and_keeps_what_was_whole(tmp_path: Path, title: str) -> None:
    body, kept = BROKEN_BODIES[title]
    with phone(lambda connection: connection.sendall(body), offer(fileCount=2)) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.BROKEN
    assert str(receipt.error)
    assert sender.verdict is not None
    assert sender.verdict["type"] == 2
    assert sorted(visible(tmp_path)) == kept
    with phone(chunked(TWO), offer(fileCount=2)) as sender:  # and back to idle: the next one works
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE
    assert (receipt.already_safe, receipt.stored) == (len(kept), 2 - len(kept))


def test_cut_inside_a_descriptor(tmp_path: Path) -> None:
    class Stream:
        """What zipfile cannot seek in, so that it writes data descriptors."""

        def __init__(self) -> None:
            self.data = b""

        def write(self, data: bytes) -> int:
            self.data += data
            return len(data)

        def flush(self) -> None:
            pass

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as writer:  # type: ignore[call-overload]
        writer.writestr("0/a.jpg", b"photo")
        writer.writestr("1/b.jpg", b"other")
    second = stream.data.rindex(b"PK\7\10")
    with phone(lambda connection: connection.sendall(chunked(stream.data[: second + 9])), offer()) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.BROKEN
    assert visible(tmp_path) == {"a.jpg": b"photo"}


@pytest.mark.parametrize(
    "limits",
    [ZipLimits(ratio=50, ratio_from_bytes=1 << 20), ZipLimits(entry_bytes=1 << 20), ZipLimits(total_bytes=1 << 20)],
)
def test_deflate_bomb_is_defused(tmp_path: Path, limits: ZipLimits) -> None:
    bomb = archive({"0/good.jpg": b"photo", "1/bomb": bytes(64 << 20)})
    host = Host()
    seen: list[int] = []
    host.on_progress = seen.append
    with phone(chunked(bomb), offer(fileCount=2)) as sender:
        receipt = receive(tmp_path, sender.address, host, limits=limits)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.BROKEN
    assert max(seen, default=0) < 4 << 20
    assert visible(tmp_path) == {"good.jpg": b"photo"}


def test_too_many_entries(tmp_path: Path) -> None:
    body = archive({f"{number}/e{number}": b"" for number in range(20)})
    with phone(chunked(body), offer()) as sender:
        receipt = receive(tmp_path, sender.address, limits=ZipLimits(entries=10))
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.BROKEN
    assert len(visible(tmp_path)) == 10


@pytest.mark.parametrize(
    "lies",
    [
        {"totalSize": 0, "fileCount": 0},
        {"totalSize": 1, "fileCount": 1},
        {"totalSize": 10**7, "fileCount": 10**9},
        {"totalSize": -5, "fileCount": -1},
        {"totalSize": -(2**31), "fileCount": None},
        {"totalSize": "12", "fileCount": "many"},
        {"totalSize": None, "fileCount": [1]},
        {"senderName": None, "senderId": 7, "fileName": {"a": 1}, "mimeType": None},
        {"fileName": "n" * 70_000, "senderName": "s" * 70_000},
        {"senderName": "\u202e\x1b[2J\n", "thumbnail": "https://elsewhere/../x\r\n"},
        {"taskId": None, "id": int(TASK)},
    ],
)
def test_counts_and_sizes_are_only_hints(tmp_path: Path, lies: dict[str, object]) -> None:
    with phone(chunked(TWO), offer(**lies)) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE
    assert receipt.stored == 2
    assert receipt.offer is not None
    assert receipt.offer.sender_name.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "action:1:sendRequest",
        "action:1:sendRequest?[1]",
        "action:1:sendRequest?{}",
        'action:1:sendRequest?{"taskId":"a b\\r\\nX: y"}',
        'action:1:sendRequest?{"taskId":"' + "9" * 70_000 + '"}',
        'action:1:sendRequest?{"taskId":[]}',
        "action:1:sendRequest?" + '{"a":' * 2000 + "1" + "}" * 2000,
        "action:1:sendRequest?" + "[" * 200_000,
        "files",
        "action:0:status?{",
        "ack:7:sendRequest",
    ],
)
def test_useless_messages_lead_home(tmp_path: Path, text: str) -> None:
    def converse(talk: Talk) -> None:
        talk.send(text)
        while talk.receive() is not None:
            pass

    with phone(converse=converse) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind in (OutcomeKind.TIMED_OUT, OutcomeKind.BROKEN, OutcomeKind.CANCELLED)
    assert visible(tmp_path) == {}


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (b"\x81\x7f" + (10_000_000).to_bytes(8, "big") + b"x" * 10_000_000, "longer"),
        (b"\x01\x7e\xff\xff" + b"x" * 65535 + (b"\x00\x7e\xff\xff" + b"x" * 65535) * 100, "longer"),
        (b"\x82\x01x", "binary"),
        (b"\x81\x02\xff\xfe", "broken"),
        (b"\x89\x00" * 500, "floods"),
        (b"\x81\x00" * 500_000, "floods"),
        (b"\xff" * 100, "broken"),
    ],
)
def test_hostile_frames_end_the_session(tmp_path: Path, frames: bytes, words: str) -> None:
    def converse(talk: Talk) -> None:
        with contextlib.suppress(OSError):
            talk.raw(frames)
        while talk.receive() is not None:
            pass

    with phone(converse=converse) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.BROKEN
    assert words in str(receipt.error)


def in_any_order(talk: Talk) -> None:
    talk.send("ack:99:status")
    talk.send(offer())
    assert talk.receive() == "ack:1:sendRequest"
    talk.send('action:7:versionNegotiation?{"versions":"[1]"}')
    assert (talk.receive() or "").startswith("ack:7:versionNegotiation")
    talk.send(offer(taskId="2", id="2"))
    assert talk.receive() == "ack:1:sendRequest"


def test_messages_in_another_order_do_no_harm(tmp_path: Path) -> None:
    downloaded = threading.Event()

    def answer(connection: ssl.SSLSocket) -> None:
        assert downloaded.wait(10)
        connection.sendall(chunked(GOOD))

    def converse(talk: Talk) -> None:
        in_any_order(talk)
        downloaded.set()
        verdict = talk.verdict()
        assert verdict is not None
        assert (verdict["type"], verdict["taskId"]) == (1, TASK)

    with phone(answer, converse=converse) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE
    assert sender.requests.count(b"GET /download?taskId=" + TASK.encode() + b" HTTP/1.1") == 1


def hang(talk: Talk) -> None:
    while talk.receive() is not None:
        pass


def silent_after(*texts: str) -> Callable[[Talk], None]:
    def converse(talk: Talk) -> None:
        for text in texts:
            talk.send(text)
        hang(talk)

    return converse


def closing_after(*texts: str) -> Callable[[Talk], None]:
    def converse(talk: Talk) -> None:
        for text in texts:
            talk.send(text)
        talk.connection.close()

    return converse


NEGOTIATION = 'action:0:versionNegotiation?{"version":1}'


@pytest.mark.parametrize(
    "converse", [silent_after(), silent_after(NEGOTIATION), closing_after(), closing_after(NEGOTIATION)]
)
def test_silence_or_close_before_the_offer(tmp_path: Path, converse: Callable[[Talk], None]) -> None:
    with phone(converse=converse) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind in (OutcomeKind.TIMED_OUT, OutcomeKind.BROKEN)


@pytest.mark.parametrize("converse", [silent_after(offer()), closing_after(offer())])
def test_silence_or_close_while_the_person_thinks(tmp_path: Path, converse: Callable[[Talk], None]) -> None:
    with phone(converse=converse) as sender:
        receipt = receive(tmp_path, sender.address, Host(decide=lambda reception: None))
    assert receipt.outcome is not None
    assert receipt.outcome.kind in (OutcomeKind.REFUSED, OutcomeKind.TIMED_OUT, OutcomeKind.BROKEN)


@pytest.mark.parametrize(
    "wire", [b"", b"HTTP/1.1 200 OK\r\n", chunked(TWO[:1500], last=False), chunked(TWO, last=False)[:-40]]
)
def test_silence_inside_the_body(tmp_path: Path, wire: bytes) -> None:
    released = threading.Event()

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(wire)
        assert released.wait(20)

    with phone(answer, offer(fileCount=2)) as sender:
        receipt = receive(tmp_path, sender.address)
        released.set()
    assert receipt.outcome is not None
    assert receipt.outcome.kind in (OutcomeKind.TIMED_OUT, OutcomeKind.BROKEN)
    assert set(visible(tmp_path)) <= {"a.jpg", "b.jpg"}


def test_archive_that_is_whole_needs_no_last_chunk(tmp_path: Path) -> None:
    released = threading.Event()

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(chunked(TWO, last=False))
        assert released.wait(20)

    with phone(answer, offer(fileCount=2)) as sender:
        receipt = receive(tmp_path, sender.address)
        released.set()
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE


def trickle(start: bytes, drop: bytes, released: threading.Event) -> Callable[[ssl.SSLSocket], None]:
    """Send `start` at once and then `drop` for ever, far from silence and far from a full buffer."""

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(start)
        while not released.wait(0.01):
            connection.sendall(drop)

    return answer


def test_trickle_does_not_keep_a_cancel_from_being_heard(tmp_path: Path) -> None:
    released = threading.Event()
    host = Host()
    host.on_progress = lambda unpacked_bytes: (host.reception or pytest.fail("no offer")).cancel()
    with phone(trickle(chunked(TWO[:1500], last=False), b"1\r\nx\r\n", released), offer(fileCount=2)) as sender:
        receipt = receive(tmp_path, sender.address, host)
        released.set()
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.CANCELLED


def test_trickle_after_the_archive_does_not_keep_ok_back(tmp_path: Path) -> None:
    released = threading.Event()
    with phone(trickle(chunked(TWO, last=False), b"1\r\n\0\r\n", released), offer(fileCount=2)) as sender:
        receipt = receive(tmp_path, sender.address)
        released.set()
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE


@pytest.mark.parametrize("pause_s", [0.0, 0.15])
def test_whole_archive_is_whole_however_the_connection_ends(tmp_path: Path, pause_s: float) -> None:
    pause = threading.Event()

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(chunked(TWO, last=False))
        pause.wait(pause_s)

    with phone(answer, offer(fileCount=2)) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE


def test_text_beside_files_leads_to_the_files(tmp_path: Path) -> None:
    with phone(chunked(TWO), offer(fileCount=2, catShareText="")) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE
    assert set(visible(tmp_path)) == {"a.jpg", "b.jpg"}


def test_websocket_lost_inside_the_body_keeps_the_files(tmp_path: Path) -> None:
    dropped = threading.Event()

    def converse(talk: Talk) -> None:
        talk.offer(offer(fileCount=2))
        talk.connection.close()
        dropped.set()

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(chunked(TWO, last=False)[:200])
        assert dropped.wait(10)
        connection.sendall(chunked(TWO)[200:])

    with phone(answer, converse=converse) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.UNCONFIRMED
    assert receipt.stored == 2


def test_status_that_is_never_acknowledged(tmp_path: Path) -> None:
    def converse(talk: Talk) -> None:
        talk.offer(offer())
        assert '"type":1' in (talk.receive() or "")
        hang(talk)

    with phone(chunked(GOOD), converse=converse) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind in (OutcomeKind.SAFE, OutcomeKind.UNCONFIRMED)
    assert visible(tmp_path) == {"a.jpg": b"photo"}


@pytest.mark.parametrize("name", ["status", "stat"])
def test_cancel_by_the_sender_inside_the_body(tmp_path: Path, name: str) -> None:
    started, released = threading.Event(), threading.Event()

    def converse(talk: Talk) -> None:
        talk.offer(offer(fileCount=2))
        assert started.wait(10)
        talk.send(f'action:2:{name}?{{"type":3,"reason":"user interrupt","id":"{TASK}"}}')
        assert talk.receive() == f"ack:2:{name}"
        hang(talk)

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(chunked(TWO[:1500], last=False))
        started.set()
        assert released.wait(20)

    with phone(answer, converse=converse) as sender:
        receipt = receive(tmp_path, sender.address)
        released.set()
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.CANCELLED
    assert set(visible(tmp_path)) <= {"a.jpg"}


def test_cancel_by_our_person_inside_the_body(tmp_path: Path) -> None:
    released = threading.Event()
    host = Host()
    host.on_progress = lambda unpacked_bytes: (host.reception or pytest.fail("no offer")).cancel()

    def answer(connection: ssl.SSLSocket) -> None:
        connection.sendall(chunked(TWO[:1500], last=False))
        assert released.wait(20)

    with phone(answer, offer(fileCount=2)) as sender:
        receipt = receive(tmp_path, sender.address, host)
        released.set()
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.CANCELLED
    assert sender.verdict is not None
    assert sender.verdict["type"] == 3
    assert set(visible(tmp_path)) <= {"a.jpg"}


def test_refusal_is_told(tmp_path: Path) -> None:
    with phone() as sender:
        receipt = receive(tmp_path, sender.address, Host(decide=Reception.refuse))
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.REFUSED
    assert sender.verdict is not None
    assert (sender.verdict["type"], sender.verdict["reason"]) == (3, "user refuse")
    assert sender.verdict["id"] == sender.verdict["taskId"] == TASK


def test_shared_text_becomes_a_file(tmp_path: Path) -> None:
    with phone(text=offer(catShareText="你好\nworld", totalSize=0)) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE
    ((name, content),) = visible(tmp_path).items()
    assert (content.decode(), name[:5], name[-4:], len(name)) == ("你好\nworld", "text-", ".txt", 24)
    assert not any(request.startswith(b"GET /download") for request in sender.requests)


def test_text_of_two_megabytes_passes(tmp_path: Path) -> None:
    with phone(text=offer(catShareText="x" * (2 << 20))) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE


def test_peer_that_speaks_no_tls(tmp_path: Path) -> None:
    from stack.transfer.tls import ConnectError

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 ftp ready\r\n")
                connection.recv(1000)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        with pytest.raises(ConnectError, match="handshake"):
            receive(tmp_path, listener.getsockname())
        thread.join(5)


def test_nobody_listens(tmp_path: Path) -> None:
    from stack.transfer.tls import ConnectError

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(ConnectError, match="cannot be reached"):
        receive(tmp_path, address)


def test_offer_larger_than_the_disk(tmp_path: Path) -> None:
    with phone(text=offer(totalSize=1 << 60)) as sender:
        receipt = receive(tmp_path, sender.address)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.NO_SPACE
    assert sender.verdict is not None
    assert (sender.verdict["type"], sender.verdict["reason"]) == (2, "no enough space")
    assert json.dumps(sender.verdict)
