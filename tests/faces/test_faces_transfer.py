"""Our two ends face to face: what is sent is what lies in the folder, and both say so."""

import os
import threading
from pathlib import Path

import pytest

from stack.alliance.effects import Outcome, OutcomeKind
from stack.alliance.sender import Timeouts as SenderTimeouts
from stack.transfer.pack import pick
from stack.transfer.receive import Receipt, Reception
from stack.transfer.serve import Serving, listen, offer_of
from tests.faces.station import QUICK, Host, receive, visible

PATIENT = SenderTimeouts(connect_s=10, status_s=2)


class Quiet:
    def progressed(self, packed_bytes: int) -> None:
        pass


class Sender:
    """A `Serving` in a thread."""

    def __init__(self, paths: list[Path], timeouts: SenderTimeouts = PATIENT) -> None:
        files = pick(paths)
        listener = listen(("127.0.0.1", 0))
        self.address: tuple[str, int] = listener.getsockname()
        self.serving = Serving(listener, files, offer_of(files, "7", "1c5e", "Phone"), Quiet(), timeouts=timeouts)
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def outcome(self) -> Outcome:
        self._thread.join(20)
        assert self._outcome is not None
        return self._outcome

    def _run(self) -> None:
        self._outcome = self.serving.run()


def transfer(folder: Path, paths: list[Path], host: Host | None = None) -> tuple[Receipt, Outcome]:
    sender = Sender(paths)
    receipt = receive(folder, sender.address, host)
    return receipt, sender.outcome()


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, bytes]:
    contents = {
        "照片.jpg": os.urandom(3_000_000),
        "empty.txt": b"",
        "text.txt": b"text " * 100_000,
        "one.byte": b"x",
        "piece.bin": os.urandom(1 << 18),
    }
    folder = tmp_path / "phone"
    folder.mkdir()
    for number, (name, content) in enumerate(contents.items()):
        (folder / name).write_bytes(content)
        os.utime(folder / name, (1_700_000_000 + 2 * number, 1_700_000_000 + 2 * number))
    return contents


def test_what_is_sent_is_what_lies_there(tmp_path: Path, photos: dict[str, bytes]) -> None:
    host = Host()
    receipt, sent = transfer(tmp_path / "into", [tmp_path / "phone"], host)
    assert receipt.outcome is not None
    assert (receipt.outcome.kind, sent.kind) == (OutcomeKind.SAFE, OutcomeKind.SAFE)
    assert visible(tmp_path / "into") == photos
    for number, name in enumerate(sorted(photos)):
        before, after = ((tmp_path / folder / name).stat().st_mtime for folder in ("phone", "into"))
        assert before == after, number
    assert {entry.name for entry in host.kept_entries} == set(photos)
    assert receipt.stored_bytes == sum(map(len, photos.values()))
    assert receipt.offer is not None
    assert (receipt.offer.file_count, receipt.offer.total_bytes) == (5, receipt.stored_bytes)


def test_sent_again_it_is_already_safe_and_deleted_it_is_stored(tmp_path: Path, photos: dict[str, bytes]) -> None:
    into = tmp_path / "into"
    transfer(into, [tmp_path / "phone"])
    receipt, sent = transfer(into, [tmp_path / "phone"])
    assert (receipt.stored, receipt.already_safe, sent.kind) == (0, 5, OutcomeKind.SAFE)
    (into / "照片.jpg").unlink()
    receipt, _ = transfer(into, [tmp_path / "phone" / "照片.jpg"])
    assert (receipt.stored, receipt.already_safe) == (1, 0)
    assert visible(into)["照片.jpg"] == photos["照片.jpg"]


def test_refusal_reaches_the_sender(tmp_path: Path, photos: dict[str, bytes]) -> None:
    receipt, sent = transfer(tmp_path / "into", [tmp_path / "phone"], Host(decide=Reception.refuse))
    assert receipt.outcome is not None
    assert (receipt.outcome.kind, sent.kind) == (OutcomeKind.REFUSED, OutcomeKind.REFUSED)


def test_receiver_cancels(tmp_path: Path, photos: dict[str, bytes]) -> None:
    host = Host()
    host.on_progress = lambda unpacked_bytes: (host.reception or pytest.fail("no offer")).cancel()
    receipt, sent = transfer(tmp_path / "into", [tmp_path / "phone"], host)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.CANCELLED
    assert sent.kind in (OutcomeKind.CANCELLED, OutcomeKind.BROKEN)


def test_sender_cancels(tmp_path: Path, photos: dict[str, bytes]) -> None:
    sender = Sender([tmp_path / "phone"])
    host = Host(decide=lambda reception: sender.serving.cancel())
    receipt = receive(tmp_path / "into", sender.address, host)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.CANCELLED
    assert sender.outcome().kind is OutcomeKind.CANCELLED


def test_file_that_vanishes_fails_both_sides(tmp_path: Path, photos: dict[str, bytes]) -> None:
    sender = Sender([tmp_path / "phone"])

    def decide(reception: Reception) -> None:
        (tmp_path / "phone" / "text.txt").write_bytes(b"changed")
        reception.accept()

    receipt = receive(tmp_path / "into", sender.address, Host(decide))
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.BROKEN
    assert sender.outcome().kind is OutcomeKind.BROKEN
    assert "changed" in str(sender.serving.error)
    assert set(visible(tmp_path / "into")) <= set(photos) - {"text.txt"}


def test_nobody_comes(tmp_path: Path, photos: dict[str, bytes]) -> None:
    sender = Sender([tmp_path / "phone"], SenderTimeouts(connect_s=0.1))
    assert sender.outcome().kind is OutcomeKind.TIMED_OUT


def test_strangers_do_not_disturb(tmp_path: Path, photos: dict[str, bytes]) -> None:
    import socket

    sender = Sender([tmp_path / "phone"])
    with socket.create_connection(sender.address), socket.create_connection(sender.address) as rude:
        rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
        receipt = receive(tmp_path / "into", sender.address, timeouts=QUICK)
    assert receipt.outcome is not None
    assert receipt.outcome.kind is OutcomeKind.SAFE
    assert sender.outcome().kind is OutcomeKind.SAFE
