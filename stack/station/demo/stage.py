"""The demo's stage: two virtual controllers in one air, the virtual phone at one, the station at the other."""

import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from board import aio
from board.errors import FerryError
from stack.alliance.advertisement import for_station
from stack.alliance.cipher import KeyPair
from stack.alliance.credentials import Credentials
from stack.alliance.link_info import LinkInfo
from stack.ble.radio import Radio
from stack.station.bluetooth import draw_short_id, open_radio, random_address
from stack.station.demo.controllers import VirtualAir
from stack.station.demo.neighbours import virtual_phone
from stack.station.visibility import NoVisitors, make_visible

STATION_NAME = "Ferry"
_PATIENCE_MS, _LOOK_MS = 30_000, 500


class NobodyCameError(FerryError):
    """The virtual phone never wrote its link info."""

    remedy = "Try again; if it stays like this, the machine is too busy for the demo."


class Stage:
    """A virtual phone that shares `paths`, and a radio for the station. All of it ends with the block."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [str(path) for path in paths]
        self._cleanup = ExitStack()
        self._hci = ""
        self._phone: subprocess.Popen[bytes] | None = None

    def introduce(self) -> LinkInfo:
        """Be found by the phone and get its link info. Raises `NobodyCameError`, `RadioError`."""
        return aio.run(self._introduce())

    async def _introduce(self) -> LinkInfo:
        credentials, guest = Credentials(KeyPair.generate), _Guest()
        advertisement = for_station(STATION_NAME, draw_short_id())
        async with open_radio(self._hci, random_address()) as radio:
            await make_visible(radio, advertisement, credentials, guest).start()
            await self._wait_for(guest, radio)
        assert guest.link is not None
        return guest.link

    async def _wait_for(self, guest: "_Guest", radio: Radio) -> None:
        for _ in range(_PATIENCE_MS // _LOOK_MS):
            with suppress(aio.TimeoutError):
                await radio.wait_for(guest.gone, _LOOK_MS)
                return
            if self._phone is None or self._phone.poll() is not None:
                break
        raise NobodyCameError("The virtual phone never came")

    def __enter__(self) -> Self:
        air = self._cleanup.enter_context(VirtualAir(2))
        self._hci, its = air.hci
        self._phone = self._cleanup.enter_context(virtual_phone("share", its, *self._paths))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()


class _Guest(NoVisitors):
    """Waits until a phone has written its link info and left."""

    def __init__(self) -> None:
        self.link: LinkInfo | None = None
        self.gone = aio.Event()

    def wrote(self, phone: str, link: LinkInfo) -> None:
        self.link = link

    def disconnected(self, phone: str) -> None:
        if self.link:
            self.gone.set()
