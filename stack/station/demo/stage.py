"""The demo's stage: starts the virtual phone and plays the station's side of the introduction."""

import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from stack.alliance.advertisement import for_station
from stack.alliance.cipher import KeyPair
from stack.alliance.device_info import DeviceInfo, build_device_info
from stack.alliance.link_info import LinkInfo, parse_link_info
from stack.station.demo.air import Air

STATION_NAME = "Ferry"
_LEAVING_PATIENCE_S = 5.0


class Stage:
    """A virtual phone in a process of its own, which shares `paths`. It ends with the block at the latest."""

    def __init__(self, paths: Sequence[Path]) -> None:
        command = [sys.executable, "-m", "stack.station.demo.phone", *map(str, paths)]
        self._phone = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self._phone.stdin is not None
        assert self._phone.stdout is not None
        self._air = Air(self._phone.stdout, self._phone.stdin)

    def introduce(self) -> LinkInfo:
        """Be found by the phone and get its link info. Raises `SilenceError`, `RemoteProtocolError`."""
        keys = KeyPair.generate()
        advertisement = for_station(STATION_NAME, bytes(1 + secrets.randbelow(0x7F) for _ in range(2)))
        self._air.send("advertising", advertisement.advertising_data() + advertisement.scan_response())
        self._air.send("status", build_device_info(DeviceInfo(keys.public_key)))
        return parse_link_info(self._air.receive("p2p"), keys)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._phone.stdin, self._phone.stdout):
            assert stream is not None
            stream.close()
        try:
            self._phone.wait(_LEAVING_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._phone.kill()
            self._phone.wait()
