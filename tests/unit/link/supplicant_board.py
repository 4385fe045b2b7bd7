"""The board of `fake_kernel`, with a wpa_supplicant that owns its radio."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from drivers.nl80211.capabilities import wiphys
from drivers.nl80211.known_radios import Radios
from drivers.wpa_supplicant.control import connected
from stack.link.settings import DEFAULT_SETTINGS, WifiSettings
from stack.link.supplicant_backend import SupplicantBackend, ready_backend
from tests.unit.drivers.fake_supplicant import FakeSupplicant
from tests.unit.link.fake_kernel import FakeBoard
from tests.unit.nl80211.chip import Kind


class SupplicantBoard(FakeBoard):
    """A machine whose radio is wpa_supplicant's, and a phone in its reach. `daemon` is there until `switch_off`."""

    def __init__(self) -> None:
        """Switch it on."""
        super().__init__(Kind.SOFTMAC)
        self._run = tempfile.TemporaryDirectory()
        machine = self.machine
        path = Path(self._run.name) / "global"
        self.daemon = FakeSupplicant(path, self.chip, machine.is_guarded, machine.isolated.__contains__)

    def switch_off(self) -> None:
        """End the daemon."""
        self.daemon.die()
        self._run.cleanup()

    @asynccontextmanager
    async def through_supplicant(
        self, settings: WifiSettings = DEFAULT_SETTINGS, radios: Radios = wiphys
    ) -> AsyncIterator[SupplicantBackend]:
        """Start, and end well."""
        with connected(self.daemon.path, self.daemon.watch) as control:
            await control.start()
            async with ready_backend(control, await self.kernel(radios), settings) as backend:
                yield backend
        self.kill()
