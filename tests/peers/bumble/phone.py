"""Phones made of Bumble's host, each in a process of its own: they share no code with ours, nor an event loop.

This is the tests' side: it imports no Bumble. A phone takes a controller of its own (`tcp:HOST:PORT` or `uart:PATH`).
All times are `at_ms` of CLOCK_MONOTONIC, as `time.monotonic()` gives it.
"""

import json
import os
import select
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

Line = dict[str, Any]

_START_LIMIT_MS = 20_000
_GRACE_MS = 2_000
_STOP_LIMIT_S = 5.0


class PhoneError(AssertionError):
    """A step failed on the phone's side, or the phone said nothing."""


class _Process:
    """A phone's process for the time of a `with` block."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = [sys.executable, "-m", f"tests.peers.bumble.{module}", *arguments]
        self._buffer = b""

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child.stdin
        assert self._child.stdout
        self._child.stdin.close()
        try:
            self._child.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._child.pid

    def kill(self) -> None:
        """Let the battery fall out."""
        self._child.kill()
        self._child.wait()

    def line(self, limit_ms: float) -> Line:
        """Return the next line that the phone reports."""
        assert self._child.stdout
        output = self._child.stdout.fileno()
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([output], [], [], limit_ms / 1000)
            more = os.read(output, 65536) if ready else b""
            if not more:
                raise PhoneError(f"the phone said nothing: {' '.join(self._command)}")
            self._buffer += more
        line, self._buffer = self._buffer.split(b"\n", 1)
        said: Line = json.loads(line)
        return said


class SendingPhone(_Process):
    """A phone that shares: each method is one step, done when it returns, and returns what the phone reports of it."""

    def __init__(self, hci: str, address: str = "F1:00:00:00:00:01") -> None:
        super().__init__("sending", hci, address)

    def __enter__(self) -> Self:
        super().__enter__()
        self.line(_START_LIMIT_MS)
        return self

    def scan(self, *, active: bool = True, limit_ms: int = 10_000) -> Line:
        """Find a device of the alliance: `address`, `advertising_data`, `scan_response` (hex), `event_types`."""
        return self._do("scan", limit_ms, active=active)

    def connect(self, limit_ms: int = 5_000) -> Line:
        """Connect to what `scan` found."""
        return self._do("connect", limit_ms)

    def mtu(self, size: int = 517) -> int:
        """Exchange the MTU; without it, it is 23."""
        return int(self._do("mtu", 5_000, size=size)["mtu"])

    def discover(self) -> Line:
        """Find service 9955: `handle` and `properties` by characteristic, `9953` and `9954`."""
        return self._do("discover", 5_000)

    def read(self) -> bytes:
        """Read the status, however long it is."""
        return bytes.fromhex(self._do("read", 5_000)["value"])

    def seal(self, fields: dict[str, Any], key: str) -> bytes:
        """Build an offer of clear `fields`, encrypted for the owner of `key` with the phone's own crypto."""
        return bytes.fromhex(self._do("seal", 5_000, fields=fields, key=key)["value"])

    def write(self, value: bytes, how: str = "request", piece_bytes: int = 18) -> Line:
        """Write to 9953: `request` (long if it must be), `long`, `command`, or `pieces` of `piece_bytes`."""
        return self._do("write", 10_000, value=value.hex(), how=how, piece_bytes=piece_bytes)

    def raw(self, *pdus: bytes, answers: int = 1, within_ms: int = 2_000, cid: int = 4) -> list[bytes]:
        """Send PDUs at once, as they are, and return at most `answers` ATT PDUs that come `within_ms`."""
        said = self._do(
            "raw", within_ms + 1_000, pdus=[pdu.hex() for pdu in pdus], answers=answers, within_ms=within_ms, cid=cid
        )
        return [bytes.fromhex(answer) for answer in said["answers"]]

    def idle(self, duration_ms: int) -> bool:
        """Do nothing for a while; return whether the connection is still there."""
        return bool(self._do("idle", duration_ms + 1_000, duration_ms=duration_ms)["connected"])

    def disconnect(self, reason: int = 0x13) -> int:
        """Hang up; return the reason that the phone's own controller gives."""
        return int(self._do("disconnect", 5_000, reason=reason)["reason"])

    def wait_for_disconnection(self, limit_ms: int = 5_000) -> int:
        """Wait for the other side to hang up; return the reason."""
        return int(self._do("wait_for_disconnection", limit_ms)["reason"])

    def _do(self, step: str, limit_ms: int, **parameters: Any) -> Line:
        assert self._child.stdin
        self._child.stdin.write(json.dumps({"do": step, "limit_ms": limit_ms, **parameters}).encode() + b"\n")
        self._child.stdin.flush()
        said = self.line(limit_ms + _GRACE_MS)
        if "error" in said:
            raise PhoneError(f"{step}: {said['error']}")
        return said


class ReceivingPhone(_Process):
    """A phone that receives, and the reference station of the bench. `expect` follows what happens to it.

    Options of `receiving`: `interval_ms`, `mtu`, `state`, `status_bytes`, `without_response=True`, `public=True`.
    """

    def __init__(
        self,
        hci: str,
        advertising_data: bytes,
        scan_response: bytes,
        address: str = "F2:00:00:00:00:02",
        **options: int,
    ) -> None:
        flags = []
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            flags += [flag] if value is True else [flag, str(value)]
        super().__init__("receiving", hci, address, advertising_data.hex(), scan_response.hex(), *flags)

    def __enter__(self) -> Self:
        super().__enter__()
        self.address = str(self.expect("advertising", _START_LIMIT_MS)["address"])
        return self

    def expect(self, event: str, limit_ms: int = 5_000) -> Line:
        """Return the report of `event`, skipping others before it."""
        while True:
            said = self.line(limit_ms)
            if said["event"] == event:
                return said
