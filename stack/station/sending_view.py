"""A task that we serve, as a person or a script sees it."""

from stack.alliance.effects import Outcome, OutcomeKind
from stack.alliance.messages import SendRequest
from stack.station.console import Console, Progress, files, megabytes
from stack.station.exit_status import ExitStatus

_EXIT_STATUS = {
    OutcomeKind.SAFE: ExitStatus.SAFE,
    OutcomeKind.UNCONFIRMED: ExitStatus.UNCONFIRMED,
    OutcomeKind.REFUSED: ExitStatus.REFUSED,
    OutcomeKind.CANCELLED: ExitStatus.CANCELLED,
    OutcomeKind.NO_SPACE: ExitStatus.NO_SPACE,
    OutcomeKind.BROKEN: ExitStatus.BROKEN,
    OutcomeKind.TIMED_OUT: ExitStatus.NOT_FOUND,
}


class SendingView:
    """Observes one serving."""

    def __init__(self, console: Console, total_bytes: int) -> None:
        self._console = console
        self._total_bytes = total_bytes
        self._progress: Progress | None = None

    def progressed(self, packed_bytes: int) -> None:
        """Move the progress display, which appears with the first byte."""
        if self._progress is None:
            self._progress = self._console.progress(self._total_bytes, "sending")
        self._progress.reach(packed_bytes)

    def close(self) -> None:
        """Leave the progress display."""
        if self._progress is not None:
            self._progress.close()


def report(console: Console, offer: SendRequest, outcome: Outcome, error: Exception | None) -> ExitStatus:
    """Say how the serving ended; return the exit status that says the same."""
    is_safe = outcome.kind is OutcomeKind.SAFE
    reason = "" if is_safe else str(error or outcome.reason).rstrip(".")
    sentence = (
        f"Safe: the receiver confirmed {files(offer.file_count)}, {megabytes(offer.total_bytes)}"
        if is_safe
        else f"{outcome.kind.value.capitalize()}: {reason}."
    )
    console.say(sentence, "done", outcome=outcome.kind.value, reason=reason, files=offer.file_count)
    return status_of(outcome)


def status_of(outcome: Outcome) -> ExitStatus:
    """The exit status that says what `outcome` says."""
    return _EXIT_STATUS[outcome.kind]
