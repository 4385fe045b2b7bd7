"""What a verb says: sentences and a progress bar for people, one JSON object a line for scripts."""

import contextlib
import json
import sys
import time
from typing import Any, Protocol

_PLAIN_INTERVAL_S = 2.0


class Progress(Protocol):
    """A running count of bytes."""

    def reach(self, done_bytes: int) -> None:
        """So many bytes are done in all."""

    def close(self) -> None:
        """Leave the line."""


class Console:
    """Standard output, for people or for scripts."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json

    def say(self, sentence: str, event: str, **fields: Any) -> None:
        """Report an event: `sentence` to people, `event` and `fields` to scripts."""
        line = json.dumps({"event": event, **fields}, ensure_ascii=False) if self.as_json else sentence
        if line:
            _print(line)

    def note(self, sentence: str) -> None:
        """Tell people, beside the output: a script that reads it is not disturbed."""
        if sys.stderr is not None:
            with contextlib.suppress(OSError):
                print(sentence, file=sys.stderr, flush=True)

    def progress(self, total_bytes: int, doing: str) -> Progress:
        """Start a progress display that suits where the output goes."""
        if self.as_json:
            return _JsonProgress(total_bytes, doing)
        return (
            _bar(total_bytes, doing)
            if sys.stderr is not None and sys.stderr.isatty()
            else _PlainProgress(total_bytes, doing)
        )


def _print(line: str) -> None:
    """Print a line, or not: a reader who has left (`| head`) or a full log disk must not stop a transfer."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


class _PlainProgress:
    """A line every two seconds: for logs, where a bar would be noise."""

    def __init__(self, total_bytes: int, doing: str) -> None:
        self._total_bytes = total_bytes
        self._doing = doing
        self._next_s = time.monotonic() + _PLAIN_INTERVAL_S
        self._last = (time.monotonic(), 0)

    def reach(self, done_bytes: int) -> None:
        now = time.monotonic()
        if now < self._next_s:
            return
        since_s, had_bytes = self._last
        self._report(done_bytes, (done_bytes - had_bytes) / (now - since_s))
        self._next_s, self._last = now + _PLAIN_INTERVAL_S, (now, done_bytes)

    def close(self) -> None:
        pass

    def _report(self, done_bytes: int, bytes_per_s: float) -> None:
        done, total = megabytes(done_bytes), megabytes(self._total_bytes)
        _print(f"{self._doing}  {done} of {total}, {bytes_per_s / 1e6:.0f} MB/s")


class _JsonProgress(_PlainProgress):
    """The same as an object."""

    def _report(self, done_bytes: int, bytes_per_s: float) -> None:
        fields = {"event": "progress", "bytes": done_bytes, "total_bytes": self._total_bytes}
        _print(json.dumps({**fields, "bytes_per_s": round(bytes_per_s)}))


class _Bar:
    """A bar with MB/s on a terminal."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def reach(self, done_bytes: int) -> None:
        self._bar.update(done_bytes - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def _bar(total_bytes: int, doing: str) -> _Bar:
    from tqdm import tqdm  # 80 ms of CPU, spent only where somebody watches

    return _Bar(tqdm(total=total_bytes or None, unit="B", unit_scale=True, desc=doing, leave=False))


def megabytes(count: int) -> str:
    """Show a size as people read it."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count} bytes"


def files(count: int) -> str:
    """Show a number of files."""
    return f"{count} file" if count == 1 else f"{count} files"
