"""A reception as a person or a script sees it: the offer, the progress, the verdict."""

import sys
from pathlib import Path

from board.errors import FerryError
from stack.alliance.effects import OutcomeKind
from stack.alliance.messages import SendRequest
from stack.station.console import Console, Progress, files, megabytes
from stack.station.exit_status import ExitStatus
from stack.transfer.entry_store import KeptEntry
from stack.transfer.receive import Receipt, Reception

_EXIT_STATUS = {
    OutcomeKind.SAFE: ExitStatus.SAFE,
    OutcomeKind.UNCONFIRMED: ExitStatus.SAFE,  # every file is safe; only the phone may not know
    OutcomeKind.REFUSED: ExitStatus.REFUSED,
    OutcomeKind.CANCELLED: ExitStatus.CANCELLED,
    OutcomeKind.NO_SPACE: ExitStatus.NO_SPACE,
    OutcomeKind.BROKEN: ExitStatus.BROKEN,
    OutcomeKind.TIMED_OUT: ExitStatus.BROKEN,
}


class ReceptionView:
    """Observes one reception. `accept_all` decides, or else the person at the terminal; without one it refuses."""

    def __init__(self, console: Console, accept_all: bool) -> None:
        self._console = console
        self._accept_all = accept_all
        self._progress: Progress | None = None

    def offered(self, reception: Reception, offer: SendRequest) -> None:
        """Show the offer and decide."""
        what = "a text" if offer.text is not None else f"{files(offer.file_count)}, {megabytes(offer.total_bytes)}"
        self._console.say(
            f"{offer.sender_name or 'Somebody'} offers {what}",
            "offer",
            sender=offer.sender_name,
            files=offer.file_count,
            bytes=offer.total_bytes,
            text=offer.text is not None,
        )
        if self._accept_all:
            self._accept(reception, offer)
        elif sys.stdin is not None and sys.stdin.isatty() and not self._console.as_json:
            print("Take it? [y/N] ", end="", flush=True)
            reception.watch(sys.stdin, lambda: self._answered(reception, offer))
        else:
            self._console.say("Refused: there is no terminal to ask at. Use --accept all.", "refused")
            reception.refuse()

    def progressed(self, unpacked_bytes: int) -> None:
        """Move the progress display."""
        if self._progress is not None:
            self._progress.reach(unpacked_bytes)

    def kept(self, entry: KeptEntry) -> None:
        """Tell scripts about each durable file; people get the sum."""
        self._console.say(
            "", "kept", name=entry.name, bytes=entry.size_bytes, sha256=entry.sha256.hex(), fate=entry.fate.value
        )

    def close(self) -> None:
        """Leave the progress display."""
        if self._progress is not None:
            self._progress.close()
            self._progress = None

    def _accept(self, reception: Reception, offer: SendRequest) -> None:
        self._progress = self._console.progress(offer.total_bytes, "receiving")
        reception.accept()

    def _answered(self, reception: Reception, offer: SendRequest) -> None:
        reception.unwatch(sys.stdin)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            self._accept(reception, offer)
        else:
            reception.refuse()


def report(console: Console, receipt: Receipt, into: Path) -> ExitStatus:
    """Say how the reception ended; return the exit status that says the same."""
    outcome = receipt.outcome
    assert outcome is not None
    seconds = max(receipt.last_byte_s - receipt.started_s, 0.0)
    kept_bytes = receipt.stored_bytes + receipt.already_safe_bytes
    console.say(
        _verdict(receipt, kept_bytes, seconds, into),
        "done",
        outcome=outcome.kind.value,
        reason=_reason(receipt),
        stored=receipt.stored,
        already_safe=receipt.already_safe,
        bytes=kept_bytes,
        seconds=round(seconds, 3),
        last_byte_to_ok_s=round(max(receipt.safe_s - receipt.last_byte_s, 0.0), 4),
        into=str(into),
    )
    return _EXIT_STATUS[outcome.kind]


def table(receipt: Receipt, into: Path) -> str:
    """Sum the reception up in a small table."""
    seconds = receipt.last_byte_s - receipt.started_s
    kept_bytes = receipt.stored_bytes + receipt.already_safe_bytes
    offered = receipt.offer.file_count if receipt.offer else 0
    rows = {
        "files": f"{receipt.stored + receipt.already_safe} of {offered}",
        "size": megabytes(kept_bytes),
        "speed": f"{kept_bytes / seconds / 1e6:.0f} MB/s" if seconds > 0 else "-",
        "stored": str(receipt.stored),
        "already safe": str(receipt.already_safe),
        "refused": str(offered if receipt.outcome and receipt.outcome.kind is OutcomeKind.REFUSED else 0),
        "folder": str(into),
    }
    return "\n".join(f"  {name:14}{value}" for name, value in rows.items())


def _verdict(receipt: Receipt, kept_bytes: int, seconds: float, into: Path) -> str:
    assert receipt.outcome is not None
    kept = f"{files(receipt.stored)} stored, {receipt.already_safe} already safe"
    if receipt.outcome.kind is OutcomeKind.SAFE:
        speed = f" in {seconds:.1f} s ({kept_bytes / seconds / 1e6:.0f} MB/s)" if seconds else ""
        return f"Safe: {kept}, {megabytes(kept_bytes)}{speed}, in {into}{_miscount(receipt)}"
    if receipt.outcome.kind is OutcomeKind.UNCONFIRMED:
        return f"Safe: {kept}, in {into}. The sender is gone and may show a failure."
    return f"{receipt.outcome.kind.value.capitalize()}: {_reason(receipt).rstrip('.')}. {kept} before that."


def _miscount(receipt: Receipt) -> str:
    """Counts are hints, and the archive has proved that it is whole; but a person may want to know."""
    came, announced = receipt.stored + receipt.already_safe, receipt.offer.file_count if receipt.offer else 0
    return "" if came == announced else f". The sender had announced {files(announced)}"


def _reason(receipt: Receipt) -> str:
    assert receipt.outcome is not None
    if isinstance(receipt.error, FerryError):
        return receipt.error.explain()
    return str(receipt.error or receipt.outcome.reason)
