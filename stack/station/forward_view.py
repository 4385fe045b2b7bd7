"""Forwarding as a person or a script sees it."""

from collections.abc import Sequence

from stack.station.console import Console, files, megabytes
from stack.storage.forward.ledger import Delivery, Spooled


class ForwardView:
    """See `stack.storage.forward.forwarder.View`. Counts what it shows."""

    def __init__(self, console: Console, waiting_bytes: int) -> None:
        """Show the progress of `waiting_bytes`."""
        self._console = console
        self._progress = console.progress(waiting_bytes, "forwarding")
        self._moved_bytes = 0
        self._stored = self._was_there = self._released = 0

    def moved(self, size_bytes: int) -> None:
        """Move the progress display."""
        self._moved_bytes += size_bytes
        self._progress.reach(self._moved_bytes)

    def arrived(self, delivery: Delivery, path: str, was_there: bool) -> None:
        """Tell of a file that a sink has, verified."""
        self._was_there += was_there
        self._stored += not was_there
        spooled = delivery.spooled
        self._console.say(
            f"{spooled.name} {'was in' if was_there else 'is in'} {delivery.sink}: {path}",
            "arrived",
            name=spooled.name,
            sink=delivery.sink,
            path=path,
            was_there=was_there,
            bytes=spooled.size_bytes,
            sha256=spooled.sha256.hex(),
            captured=delivery.captured,
            captured_from=delivery.captured_from,
        )

    def failed(self, sink: str, name: str, error: str, wait_s: float) -> None:
        """Tell of trouble, and when it is tried again."""
        what = f"{name}, {sink}" if name else sink
        self._console.say(
            f"{what}: {error} Again in {_span(wait_s)}.",
            "trouble",
            sink=sink,
            name=name,
            error=error,
            again_in_s=wait_s,
        )

    def released(self, entries: Sequence[Spooled]) -> None:
        """Count what has left the spool."""
        self._released += len(entries)
        for each in entries:
            self._console.say("", "released", name=each.name)

    def close(self, *, is_all_safe: bool) -> None:
        """Leave the progress display, and sum up."""
        self._progress.close()
        verdict = "Everything is safe" if is_all_safe else "Not everything is safe yet"
        self._console.say(
            f"{verdict}: {files(self._stored)} brought, {self._was_there} were there, {self._released} left the spool, "
            f"{megabytes(self._moved_bytes)} sent",
            "forwarded",
            safe=is_all_safe,
            stored=self._stored,
            was_there=self._was_there,
            released=self._released,
            bytes=self._moved_bytes,
        )


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
