"""The manifest: what the station has brought to a sink, a JSON line a file, one file a day. Pure.

    .ferry/manifest/2026-11-24-4f1c9a02.jsonl

The end of the name is the station's, so that many stations can share a sink. Anyone can check the archive with
`jq -r '"\\(.sha256)  \\(.path)"' .ferry/manifest/*.jsonl | sha256sum -c`.
"""

import json
from datetime import datetime

from stack.storage.forward.ledger import Delivery

MAX_BYTES = 64 << 20  # of one day


def path_of(day: str, station: str) -> str:
    """Return where the manifest of a day lies in a sink."""
    return f".ferry/manifest/{day}-{station}.jsonl"


def line(delivery: Delivery, path: str, now: datetime) -> str:
    """Return the line of an entry that has arrived under `path` at `now`."""
    spooled = delivery.spooled
    return json.dumps(
        {
            "path": path,
            "size": spooled.size_bytes,
            "sha256": spooled.sha256.hex(),
            "captured": delivery.captured,
            "captured_from": delivery.captured_from,
            "sender": spooled.sender_name,
            "sender_id": spooled.sender_id,
            "task": spooled.task_id,
            "received": _time(spooled.stored, now),
            "forwarded": now.isoformat(timespec="seconds"),
        },
        ensure_ascii=False,
    )


def extended(before: bytes, lines: list[str]) -> bytes:
    """Return a manifest with the lines that it lacks. One that was torn gets a new line first."""
    known = set(before.decode(errors="replace").splitlines())
    new = [each for each in lines if each not in known]
    if before and not before.endswith(b"\n"):
        before += b"\n"
    return before + "".join(f"{each}\n" for each in new).encode()


def _time(seconds: float, like: datetime) -> str:
    return datetime.fromtimestamp(seconds, like.tzinfo).isoformat(timespec="seconds")
