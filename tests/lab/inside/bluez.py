"""BlueZ's daemon and the D-Bus it needs: `python3 -m tests.lab.inside.bluez`, until SIGTERM.

Prints `{"event": "ready", "bluetoothd": PID}` when the daemon is on the bus. Whoever kills that PID leaves a bus
without the daemon. The daemon switches on what adapters there are, in its own time.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.inside.world import run, wait_until

_BUS_FOLDER = Path("/run/dbus")
_MACHINE_ID = Path("/etc/machine-id")
_BUS = ("dbus-daemon", "--system", "--nofork", "--nopidfile", "--nosyslog")
_DAEMON = ("/usr/libexec/bluetooth/bluetoothd", "--nodetach")
_HAS_OWNER = ("dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/")
_STOP_LIMIT_S = 10


@contextmanager
def running(*command: str) -> Iterator[int]:
    """Run a program within the block; yield its pid."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as child:
        try:
            yield child.pid
        finally:
            child.terminate()
            child.wait(_STOP_LIMIT_S)


@contextmanager
def bus() -> Iterator[None]:
    """Run the system bus within the block."""
    _BUS_FOLDER.mkdir(exist_ok=True)
    if not _MACHINE_ID.exists():
        run("dbus-uuidgen", f"--ensure={_MACHINE_ID}")
    socket = _BUS_FOLDER / "system_bus_socket"
    socket.unlink(missing_ok=True)  # the bus leaves it behind
    with running(*_BUS):
        wait_until(socket.exists, "the system bus")
        yield


def _on_the_bus(name: str) -> bool:
    return "boolean true" in run(*_HAS_OWNER, "org.freedesktop.DBus.NameHasOwner", f"string:{name}")


def main() -> None:
    """Start both, wait for the signal, end them."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with bus(), running(*_DAEMON) as daemon:
        wait_until(lambda: _on_the_bus("org.bluez"), "bluetoothd on the bus")
        print(json.dumps({"event": "ready", "bluetoothd": daemon}), flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
