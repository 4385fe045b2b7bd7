"""The station's side of a face-to-face test: a spool in a folder and one reception after the other."""

import time
from collections.abc import Callable
from pathlib import Path

from stack.alliance.messages import SendRequest
from stack.alliance.receiver import Timeouts
from stack.storage.spool import Spool
from stack.transfer.entry_store import KeptEntry
from stack.transfer.receive import Receipt, Reception
from stack.transfer.tls import Address
from stack.transfer.zip_read import ZipLimits

QUICK = Timeouts(connect_s=2, offer_s=0.5, decision_s=0.5, silence_s=0.5, ack_s=0.5)


class Host:
    """Accepts every offer unless told otherwise, and writes down what it sees."""

    def __init__(self, decide: Callable[[Reception], None] = Reception.accept) -> None:
        self.kept_entries: list[KeptEntry] = []
        self.offers: list[SendRequest] = []
        self.on_progress: Callable[[int], None] = lambda unpacked_bytes: None
        self.reception: Reception | None = None
        self._decide = decide

    def offered(self, reception: Reception, offer: SendRequest) -> None:
        self.reception = reception
        self.offers.append(offer)
        self._decide(reception)

    def progressed(self, unpacked_bytes: int) -> None:
        self.on_progress(unpacked_bytes)

    def kept(self, entry: KeptEntry) -> None:
        self.kept_entries.append(entry)


def receive(
    folder: Path,
    address: Address,
    host: Host | None = None,
    *,
    timeouts: Timeouts = QUICK,
    limits: ZipLimits | None = None,
) -> Receipt:
    """Receive one task into `folder`; afterwards nothing half-written may be there."""
    with Spool(folder) as spool:
        receipt = Reception(address, spool, host or Host(), timeouts=timeouts, limits=limits).run()
    assert list((folder / ".ferry" / "incoming").iterdir()) == []
    return receipt


def visible(folder: Path) -> dict[str, bytes]:
    """The files that a person sees in `folder`."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def eventually(condition: Callable[[], bool], patience_s: float = 10.0) -> None:
    """Wait until `condition` holds; fail when it never does."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
