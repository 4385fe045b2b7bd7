"""Receiving over the air: be visible, take a phone's link info, join its group, receive, leave, be visible again."""

from pathlib import Path

from board import aio
from board.errors import FerryError
from stack.alliance.advertisement import Advertisement
from stack.alliance.cipher import KeyPair
from stack.alliance.credentials import Credentials
from stack.alliance.link_info import LinkInfo
from stack.ble.radio import Radio
from stack.link.backend import Backend, Offer
from stack.link.machine import Limits, State
from stack.link.manager import Link, LinkManager
from stack.link.plan import Memory
from stack.station.console import Console
from stack.station.exit_status import ExitStatus
from stack.station.in_thread import in_thread
from stack.station.reception_view import ReceptionView, report
from stack.station.visibility import NoVisitors, make_visible
from stack.storage.spool import Spool
from stack.transfer.receive import Reception

_FOR_EVER_MS = 1 << 31
_LIMITS = Limits(in_all_ms=10_000)  # after that the phone has given up


class AirReception(NoVisitors):
    """Receives into a spool from whoever comes over the air, one after the other. `status` is that of the last task."""

    def __init__(self, console: Console, spool: Spool, into: Path, *, accept_all: bool, once: bool) -> None:
        """Prepare. `once` ends after the first task."""
        self._console = console
        self._spool = spool
        self._into = into
        self._accept_all = accept_all
        self._once = once
        self._credentials = Credentials(KeyPair.generate)
        self._memory = Memory()
        self._offered: LinkInfo | None = None
        self._came = aio.Event()
        self.status = ExitStatus.ERROR

    def wrote(self, phone: str, link: LinkInfo) -> None:
        """A phone has written its link info: until it is served, others read that we are busy."""
        self._credentials.busy = True
        self._offered = link
        self._came.set()

    async def run(self, radio: Radio, backend: Backend, advertisement: Advertisement) -> None:
        """Be visible and serve. Raises `RadioError` when the Bluetooth radio dies."""
        await make_visible(radio, advertisement, self._credentials, self).start()
        self._console.say(f"visible as {advertisement.name!r}", "visible", name=advertisement.name)
        while True:
            await radio.wait_for(self._came, _FOR_EVER_MS)
            self._came.clear()
            assert self._offered is not None
            try:
                await self._serve(self._offered, backend)
            except FerryError as error:  # a phone that left, a group that is not there: the next one is welcome
                self._console.say(error.explain(), "failed", error=str(error), remedy=error.remedy)
            self._credentials.busy = False
            if self._once:
                return

    async def _serve(self, info: LinkInfo, backend: Backend) -> None:
        self._console.say(f"a phone offers the way to {info.ssid}", "offered", ssid=info.ssid, port=info.port)
        offer = Offer(info.ssid, info.psk, info.port, info.freq_mhz)
        view = ReceptionView(self._console, self._accept_all)
        async with LinkManager(backend, self._memory, self._told, _LIMITS).joined(offer) as link:
            self._console.say(f"joined on {link.frequency_mhz} MHz", "joined", frequency_mhz=link.frequency_mhz)
            address = str(link.addresses.peer), info.port
            reception = Reception(address, self._spool, view, interface=link.interface)
            lost = aio.create_task(_cancel_when_lost(link, reception))
            try:
                receipt = await in_thread(reception.run, reception.cancel)
            finally:
                lost.cancel()
                view.close()
        self.status = report(self._console, receipt, self._into)

    def _told(self, state: State) -> None:
        self._console.say("", "link", state=state.name.lower())


async def _cancel_when_lost(link: Link, reception: Reception) -> None:
    """Do not wait for the silence of a link that is known to be gone."""
    await link.lost.wait()
    reception.cancel()
