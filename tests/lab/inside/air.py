"""Records the simulated air: the frames, by tcpdump on `hwsim0`, and the kernel's scans, by `iw event`. One clock: UTC.

`hwsim0` shows every frame of every radio once, when it is sent; what the radios encrypt it shows encrypted. A recording
carries the capture itself, for whoever has the passphrase.

    python3 -m tests.lab.inside.air     record one `ferry join` to GROUP, its channel told, and its one flow; print JSON
"""

import base64
import json
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.lab.inside.world import PHONE_ADDRESS, PHONE_NAMESPACE, RUN, Group, run, wait_until

PORT = 4711
GROUP = Group(frequency_mhz=2462)  # where nobody looks first who was not told
INTERRUPTED = 130
_CAPTURE, _EVENTS = RUN / "air.pcap", RUN / "air.events"
_SCAN = re.compile(r"(\d+\.\d+): ferry\d+ \(phy #\d+\): scan (started|finished|aborted)")
_GENERIC = "16"
_PID_BITS = (1 << 22) - 1
_MULTICAST_DNS = ("224.0.0.251", 5353)
_ALL_NODES = "ff02::1"
_SERVE = f"""
import socket
with socket.create_server(("{PHONE_ADDRESS}", {PORT})) as server:
    print("ready", flush=True)
    server.accept()[0].close()
"""


@dataclass(slots=True)
class Recording:
    """What was recorded, once it is over: our scans as (request, end) in seconds UTC, the capture in Base64."""

    scans: list[tuple[float, float]] = field(default_factory=list)
    capture: str = ""


@contextmanager
def recorded() -> Iterator[Recording]:
    """Record the air, without beacons, for the time of the block."""
    recording = Recording()
    run("ip", "link", "set", "hwsim0", "up")
    with _tcpdump(), _iw_event():
        yield recording
    recording.scans = scans_in(_EVENTS.read_text())
    recording.capture = base64.b64encode(_CAPTURE.read_bytes()).decode()


def scans_in(events: str) -> list[tuple[float, float]]:
    """Return when our scans were requested and when they ended, from what `iw event -t` printed."""
    scans, began = [], 0.0
    for at_s, what in _SCAN.findall(events):
        if what == "started":
            began = float(at_s)
        else:
            scans.append((began, float(at_s)))
    return scans


@contextmanager
def _tcpdump() -> Iterator[None]:
    command: list[str | Path] = ["tcpdump", "-i", "hwsim0", "--immediate-mode", "-U", "-w", _CAPTURE]
    with subprocess.Popen([*command, "not subtype beacon"], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert "listening on hwsim0" in process.stderr.readline()
            yield
        finally:
            process.terminate()


@contextmanager
def _iw_event() -> Iterator[None]:
    with _EVENTS.open("w") as log, subprocess.Popen(["iw", "event", "-t"], stdout=log) as process:
        try:
            wait_until(lambda: _hears_events(process.pid), "iw's subscription to events")
            yield
        finally:
            process.terminate()


def _hears_events(pid: int) -> bool:
    """Whether a netlink socket of that process is in a group. libnl's ports end with the number of the process."""
    sockets = [line.split() for line in Path("/proc/net/netlink").read_text().splitlines()[1:]]
    ours = (groups for _, kind, port, groups, *_ in sockets if kind == _GENERIC and int(port) & _PID_BITS == pid)
    return any(int(groups, 16) for groups in ours)


def address_of(interface: str) -> str:
    """Return the MAC of an interface."""
    return Path(f"/sys/class/net/{interface}/address").read_text().strip()


def _be_chatty_on(interface: str) -> None:
    """Send what a computer sends by itself on a new network: multicast DNS, group reports, IPv6."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        membership = struct.pack(
            "=4s4si", socket.inet_aton(_MULTICAST_DNS[0]), bytes(4), socket.if_nametoindex(interface)
        )
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        with suppress(OSError):
            sock.sendto(b"who is there", _MULTICAST_DNS)
        with suppress(OSError):
            sock.sendto(b"more than the flow", (PHONE_ADDRESS, PORT))
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock, suppress(OSError):
        sock.sendto(b"who is there", (_ALL_NODES, _MULTICAST_DNS[1], 0, socket.if_nametoindex(interface)))


def _use(interface: str) -> None:
    """Have the one flow, and be chatty beside it."""
    with subprocess.Popen(
        ["ip", "netns", "exec", PHONE_NAMESPACE, sys.executable, "-c", _SERVE], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout
            assert server.stdout.readline() == "ready\n"
            with socket.socket() as flow:
                flow.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
                flow.connect((PHONE_ADDRESS, PORT))
                _be_chatty_on(interface)
                assert flow.recv(1) == b""
        finally:
            server.terminate()


def main() -> None:
    """Join, use, leave; print what was recorded, and with which MAC."""
    command = [sys.executable, "-m", "stack.station.cli.main", "join", "--json", "--ssid", GROUP.ssid]
    command += ["--psk", GROUP.psk, "--freq", str(GROUP.frequency_mhz), "--port", str(PORT)]
    with recorded() as recording, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as join:
        try:
            assert join.stdout
            assert "joined" in (json.loads(line)["event"] for line in join.stdout)
            name = re.search(r"Interface (ferry\d+)", run("iw", "dev"))
            assert name
            station = address_of(name[1])
            _use(name[1])
        finally:
            join.send_signal(signal.SIGINT)
            join.communicate()
    assert join.returncode == INTERRUPTED
    print(json.dumps({"station": station, **asdict(recording)}))


if __name__ == "__main__":
    main()
