"""Which station this is, to itself and in its sinks."""

import socket
from pathlib import Path

from stack.storage.forward.manifest import station_id as derived

_MACHINE_ID = Path("/etc/machine-id")  # machine-id(5): never to be shown as it is


def station_id() -> str:
    """Return eight hex digits that stay the same for this machine."""
    try:
        return derived(_MACHINE_ID.read_text())
    except OSError:
        return derived(socket.gethostname())
