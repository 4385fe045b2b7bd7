"""Brings files from the spool to a sink: recognised where they are already, else written, committed and verified.

Nothing is ever written over: a file that is in the way has the same content and is the one we bring, or ours gets a
number. All of a job get the same one.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from stack.storage.forward import manifest
from stack.storage.forward.messages import Arrived, Failed, File, Finished, Job, Message, Moved, Note
from stack.storage.forward.policy import Trouble
from stack.storage.library.collisions import free_paths
from stack.storage.library.errors import CollisionError
from stack.storage.sinks.base import PIECE_BYTES, Presence, Sink, Wanted
from stack.storage.sinks.errors import DamagedError, SinkError, TakenError

_TRIES: Final = 3  # when somebody else takes a name between our look and our rename


class Courier:
    """Works jobs off. `read` opens a file of the spool, `tell` takes the news, `pace` waits for the rate's sake."""

    def __init__(
        self, sink: Sink, read: Callable[[str], int], tell: Callable[[Message], None], pace: Callable[[int], None]
    ) -> None:
        self._sink = sink
        self._read = read
        self._tell = tell
        self._pace = pace
        self._there: dict[str, bytes] = {}  # what was found to have the content of a file of the job, by path

    def bring(self, job: Job) -> None:
        """Bring the files, tell how each has ended, and that the job is over. Raises `SinkError` for the whole sink."""
        self._there.clear()
        left = [file for file in job.files if not self._recognise(file)]
        for file, path in zip(left, self._paths(left), strict=True):
            try:
                self._deliver(file, path)
            except (SinkError, CollisionError, OSError) as error:
                self._failed(file, error)
        self._tell(Finished())

    def note(self, note: Note) -> None:
        """Add lines to a manifest. Raises `SinkError`."""
        before = self._sink.load(note.path) or b""
        self._sink.replace(note.path, manifest.extended(before, note.lines))
        self._tell(Finished())

    def _recognise(self, file: File) -> bool:
        """Whether the sink confirms now that it has the content under a path that had it once.

        Read back: a photo that somebody has turned in place may have the same size.
        """
        if not file.known:
            return False
        found = self._sink.exists([(path, file.size_bytes) for path in file.known])
        likely = [path for path, presence in zip(file.known, found, strict=True) if presence is Presence.SAME_SIZE]
        there = next((path for path in likely if self._sink.verify(_wanted(file, path))), None)
        if there is not None:
            gone = [path for path in file.known if path not in likely]
            self._tell(Arrived(file.entry, there, was_there=True, gone=gone))
        return there is not None

    def _paths(self, files: Sequence[File]) -> list[str]:
        """Return a path for each, under which the sink has nothing, or the same content."""
        if not files:
            return []
        return free_paths([(file.place, _sha256(file)) for file in files], lambda path: self._occupant(files, path))

    def _occupant(self, files: Iterable[File], path: str) -> bytes | None:
        """Return the hash of what is under `path` if it is one of the files, b"" if something else is, None if free."""
        found = b""
        for file, presence in zip(files, self._sink.exists([(path, each.size_bytes) for each in files]), strict=True):
            if presence is Presence.ABSENT:
                return None
            if presence is Presence.SAME_SIZE and self._sink.verify(_wanted(file, path)):
                found = self._there[path] = _sha256(file)
        return found

    def _deliver(self, file: File, path: str) -> None:
        for _ in range(_TRIES):
            if self._there.get(path) == _sha256(file):
                self._tell(Arrived(file.entry, path, was_there=True, gone=file.known))
                return
            try:
                self._write(file, path)
            except TakenError:
                (path,) = self._paths([file])
            else:
                self._tell(Arrived(file.entry, path, was_there=False, gone=file.known))
                return
        raise TakenError(f"{file.place} is taken again and again")

    def _write(self, file: File, path: str) -> None:
        source = self._read(file.name)
        try:
            upload = self._sink.begin(_wanted(file, path))
            try:
                while piece := os.read(source, PIECE_BYTES):
                    upload.write(piece)
                    self._tell(Moved(len(piece)))
                    self._pace(len(piece))
                upload.commit()
            except BaseException:
                upload.abort()
                raise
        except DamagedError:
            self._require_whole(source, file)
            raise
        finally:
            os.close(source)

    def _require_whole(self, source: int, file: File) -> None:
        """Raise `DamagedError` that names the spool, if it is there that the content has changed."""
        digest, at = hashlib.sha256(), 0
        while piece := os.pread(source, PIECE_BYTES, at):
            digest.update(piece)
            at += len(piece)
        if digest.digest() != _sha256(file):
            raise DamagedError(f"{file.name} in the spool is not what came from the phone any more")

    def _failed(self, file: File, error: SinkError | CollisionError | OSError) -> None:
        """Tell of one file's trouble; pass on what concerns the sink."""
        if isinstance(error, SinkError) and error.trouble is not Trouble.THIS_FILE:
            raise error
        if isinstance(error, OSError):
            sentence = f"{file.name} in the spool cannot be read: {error.strerror or error}"
        else:
            sentence = error.explain()
        self._tell(Failed(file.entry, Trouble.THIS_FILE.name, sentence))


def _wanted(file: File, path: str) -> Wanted:
    return Wanted(path, file.size_bytes, _sha256(file), file.mtime_ns)


def _sha256(file: File) -> bytes:
    return bytes.fromhex(file.sha256)
