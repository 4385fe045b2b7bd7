"""Prepare a sink, or see whether it can be forwarded to.

    ferry sink init /mnt/nas/photos
    ferry sink check 'sftp://anna@nas/photos?key=/etc/ferry/id_ed25519&host_key=ssh-ed25519%20AAAA...'

A sink is a folder, also one that the kernel has mounted (CIFS, NFS, a USB disk), or a server:

    smb://USER@HOST[:PORT]/SHARE[/FOLDER]
    sftp://USER@HOST[:PORT]/FOLDER             key=FILE, host_key=TYPE%20BASE64
    webdavs://USER@HOST[:PORT]/FOLDER          ca=FILE; webdav:// without TLS
    s3://KEY_ID@HOST[:PORT]/BUCKET[/PREFIX]    ca=FILE, region=NAME; s3+http:// without TLS

The password comes from a file that only its user can read (?secret_file=FILE) or from systemd (?credential=NAME).

`init` leaves a marker, .ferry/sink.json. A place without it takes no files: a mount point with nothing mounted must
never fill the card. `check` writes a probe of 16 MB, reads it back, renames and removes it, and says how fast that was.
"""

import argparse
from typing import TYPE_CHECKING

from stack.station.cli.arguments import sink_url
from stack.station.exit_status import ExitStatus

if TYPE_CHECKING:
    from stack.station.console import Console
    from stack.storage.sinks.base import Sink

NAME = "sink"
HELP = "prepare a NAS, a disk or a store for forwarding, or check it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("action", choices=("init", "check"), help="what to do")
    parser.add_argument("url", metavar="URL", type=sink_url, help="a folder, or smb://, sftp://, webdav(s)://, s3://")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace) -> int:
    """Do it."""
    from contextlib import closing

    from stack.station.console import Console
    from stack.station.forwarding import passing_station
    from stack.storage.forward.child import keep_memory_private
    from stack.storage.sinks.opening import open_sink
    from stack.storage.sinks.url import parse

    keep_memory_private()
    console = Console(options.json)
    url = parse(options.url)
    with closing(open_sink(url, passing_station())) as sink:
        if options.action == "init":
            info = sink.initialise()
            console.say(f"{url} is ready to be forwarded to", "initialised", url=str(url), id=info.marker_id)
        else:
            _check(console, sink, str(url))
    return ExitStatus.SAFE


def _check(console: "Console", sink: "Sink", url: str) -> None:
    from stack.station.console import megabytes
    from stack.storage.sinks.check import PROBE_BYTES, check

    progress = console.progress(PROBE_BYTES, "checking")
    moved_bytes = 0

    def moved(size_bytes: int) -> None:
        nonlocal moved_bytes
        moved_bytes += size_bytes
        progress.reach(moved_bytes)

    try:
        found = check(sink, moved)
    finally:
        progress.close()
    free = "unknown" if found.info.free_bytes is None else megabytes(found.info.free_bytes)
    names = {None: "unknown", True: "tells A from a", False: "takes A and a for the same"}
    rows = {
        "latency": f"{found.latency_ms:.1f} ms",
        "store": f"{found.store_bytes_per_s / 1e6:.1f} MB/s, read back and renamed",
        "read": f"{found.read_bytes_per_s / 1e6:.1f} MB/s",
        "free": free,
        "names": names[found.info.is_case_sensitive],
    }
    console.say(
        "\n".join((f"{url} works", *(f"  {name:9}{value}" for name, value in rows.items()))),
        "checked",
        url=url,
        id=found.info.marker_id,
        latency_ms=round(found.latency_ms, 2),
        store_bytes_per_s=round(found.store_bytes_per_s),
        read_bytes_per_s=round(found.read_bytes_per_s),
        free_bytes=found.info.free_bytes,
        is_case_sensitive=found.info.is_case_sensitive,
    )
