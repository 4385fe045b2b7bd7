"""Opens the sink that a URL names. Imports what its kind needs, and nothing else."""

from pathlib import Path

from stack.storage.sinks.base import Sink
from stack.storage.sinks.url import SinkUrl


def open_sink(url: SinkUrl, station: str) -> Sink:
    """The sink at `url`; `station` sets the temporary names of this machine apart. Raises `SinkError`.

    May connect. That the sink is initialised is for `probe` to see.
    """
    match url.scheme:
        case "file":
            from stack.storage.sinks.directory import DirectorySink

            return DirectorySink(Path(url.path), station)
        case "sftp":
            from stack.storage.sinks.sftp import SftpSink

            return SftpSink(url, station)
        case "smb":
            from stack.storage.sinks.smb import SmbSink

            return SmbSink(url, station)
        case "webdav" | "webdavs":
            from stack.storage.sinks.webdav import WebdavSink

            return WebdavSink(url, station)
        case _:
            from stack.storage.sinks.s3 import S3Sink

            return S3Sink(url)
