"""Metadata of media files, read in another process: killed after five seconds, started again for the next file.

The process gets nothing of ours but one end of a channel and, file by file, an open descriptor: no environment, no
inherited files, no network.
"""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from stack.storage.library.errors import ReaderUnavailableError
from stack.storage.library.metadata import MAX_ANSWER_BYTES, FileMetadata, parse_answer

FILE_LIMIT_S = 5.0

# A slow board with a cold cache.
_START_LIMIT_S = 30.0

_ROOT = Path(__file__).parents[3]
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from stack.storage.library.metadata_child import main; main(int(sys.argv[1]))"
)

_log = logging.getLogger(__name__)


class MetadataReader:
    """Starts its process with the first file and ends it with `close`. For one thread."""

    def __init__(self, file_limit_s: float = FILE_LIMIT_S) -> None:
        self._file_limit_s = file_limit_s
        self._child: _Child | None = None

    def read(self, file: int) -> FileMetadata:
        """What the open file says of its date; its position stays as it is.

        What cannot be read is a `problem`, never an error. Raises `ReaderUnavailableError`, `OSError` for the
        descriptor.
        """
        fresh = self._child is None
        answer = self._ask(file)
        if answer is None and not fresh:  # the process may have been worn out by files before
            answer = self._ask(file)
        return FileMetadata(problem="the reader ended") if answer is None else answer

    def close(self) -> None:
        """End the process."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def __enter__(self) -> "MetadataReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, file: int) -> FileMetadata | None:
        """None if the process ended instead of answering."""
        if self._child is None:
            self._child = _Child()
        try:
            answer = self._child.ask(file, self._file_limit_s)
        except TimeoutError:
            self.close()
            return FileMetadata(problem="the time is over")
        metadata = parse_answer(answer)
        if metadata is None:
            self.close()
        return metadata


class _Child:
    """The running process. Its end of the channel closes with it, so silence is either work or a time-out."""

    def __init__(self) -> None:
        """Raises `ReaderUnavailableError`."""
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = _start(theirs.fileno())
        try:
            ready = self._receive(_START_LIMIT_S)
        except TimeoutError:
            ready = b""
        if not ready:
            self.end()
            raise ReaderUnavailableError("the process that reads metadata does not start")
        if ready != b"confined":
            _log.warning("this machine's system calls cannot be filtered: metadata is read with limits only")

    def ask(self, file: int, limit_s: float) -> bytes:
        """The answer, empty if the process has ended. Raises `TimeoutError`."""
        size = os.fstat(file).st_size
        try:
            socket.send_fds(self._channel, [str(size).encode()], [file])
        except (BrokenPipeError, ConnectionResetError):
            return b""
        return self._receive(limit_s)

    def end(self) -> None:
        """Kill it, and wait for it."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _receive(self, limit_s: float) -> bytes:
        self._channel.settimeout(limit_s)
        try:
            return self._channel.recv(MAX_ANSWER_BYTES)
        except ConnectionResetError:
            return b""


def _start(channel: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _PROGRAM, str(channel), str(_ROOT), *filter(None, sys.path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[channel],
        env={},
        cwd="/",
    )
