"""Scans: a directed probe on given frequencies, and what answered it.

The law: results are only those that were heard while this scan ran; the kernel's table remembers others for half a
minute. Another program's scan on the same chip is waited for. A scan that is given up is aborted.
"""

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from board import aio
from drivers.errors import RadioError
from drivers.netlink.message import NetlinkError, OverrunError
from drivers.nl80211.constants import BAND_2GHZ, OFDM_RATES, Command
from drivers.nl80211.declarations import Attrs, BssAttrs, Event
from drivers.nl80211.errors import InterfaceGoneError, ScanError
from drivers.nl80211.radio import Nl80211

SCAN_TIMEOUT_MS: Final = 10_000
BUSY_PAUSE_MS: Final = 250  # some drivers are busy without a scan whose end would be told
_BUSY: Final = (errno.EBUSY, errno.EAGAIN)  # of cfg80211, and of drivers like brcmfmac
_AGE_ROUNDING_MS: Final = 10  # the kernel counts ages in ticks


@dataclass(frozen=True, slots=True)
class Bss:
    """Who was heard. `elements` are those of its probe response, or of its beacon.

    A group owner that is probed without a P2P element speaks of Wi-Fi Direct in its beacon only.
    """

    bssid: bytes
    frequency_mhz: int
    signal_mbm: int
    age_ms: int
    capability: int
    elements: bytes
    beacon_elements: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRequest:
    """What to look for. No frequencies are all of them, which takes seconds; `elements` go into the probes."""

    ssids: Sequence[bytes]
    frequencies_mhz: Sequence[int] = ()
    elements: bytes = b""


async def scan(
    radio: Nl80211, ifindex: int, request: ScanRequest, now_ms: Callable[[], int], timeout_ms: int = SCAN_TIMEOUT_MS
) -> list[Bss]:
    """Scan from an interface, which must be up, and return what answered, the strongest first.

    `now_ms` is a clock for durations. Raises `ScanError`, `InterfaceGoneError`, `NetlinkError`, `RadioError`.
    """
    running = _Scan(radio, ifindex)
    listener = radio.listen(0, running.happened, running.lost)
    with listener:
        try:
            started_ms = await aio.wait_for_ms(running.run(_attrs(ifindex, request), now_ms), timeout_ms)
        except aio.TimeoutError:
            raise ScanError("The scan did not end in time.") from None
    elapsed_ms = now_ms() - started_ms + _AGE_ROUNDING_MS
    heard = [_bss(each.bss) for each in await radio.dump(Command.GET_SCAN, Attrs(ifindex=ifindex)) if each.bss]
    return sorted((each for each in heard if each.age_ms <= elapsed_ms), key=lambda bss: -bss.signal_mbm)


class _Scan:
    """One scan from its trigger to its end, begun anew where its end may have been missed."""

    def __init__(self, radio: Nl80211, ifindex: int) -> None:
        self._radio = radio
        self._ifindex = ifindex
        self._some_ended = aio.Event()
        self._ended = aio.Event()
        self._failure: RadioError | None = None

    def happened(self, event: Event) -> None:
        if event.command in (Command.NEW_SCAN_RESULTS, Command.SCAN_ABORTED):
            self._some_ended.set()
        if event.attrs.ifindex == self._ifindex:
            self._happened_to_us(event.command)

    def _happened_to_us(self, command: int) -> None:
        match command:
            case Command.NEW_SCAN_RESULTS:
                self._end(None)
            case Command.SCAN_ABORTED:
                self._end(ScanError("The scan was aborted."))
            case Command.DEL_INTERFACE:
                self._end(InterfaceGoneError("The interface was taken away during a scan."))

    def lost(self) -> None:
        self._end(OverrunError("The end of the scan may have been missed."))

    async def run(self, attrs: Attrs, now_ms: Callable[[], int]) -> int:
        """Scan until it worked once, and return when that scan began."""
        while True:
            with suppress(OverrunError):  # if the scan still runs, the trigger says busy
                started_ms = await self._trigger(attrs, now_ms)
                await self._until_end()
                return started_ms

    async def _trigger(self, attrs: Attrs, now_ms: Callable[[], int]) -> int:
        while True:
            self._some_ended.clear()
            self._ended.clear()
            started_ms = now_ms()
            try:
                await self._radio.ask(Command.TRIGGER_SCAN, attrs)
                return started_ms
            except NetlinkError as error:
                if error.code not in _BUSY:
                    raise
            with suppress(aio.TimeoutError):
                await aio.wait_for_ms(self._some_ended.wait(), BUSY_PAUSE_MS)

    async def _until_end(self) -> None:
        try:
            await self._ended.wait()
        except aio.CancelledError:
            with suppress(RadioError):
                await self._radio.ask(Command.ABORT_SCAN, Attrs(ifindex=self._ifindex))
            raise
        if self._failure:
            raise self._failure

    def _end(self, failure: RadioError | None) -> None:
        if not self._ended.is_set():
            self._failure = failure
            self._ended.set()


def _attrs(ifindex: int, request: ScanRequest) -> Attrs:
    return Attrs(
        ifindex=ifindex,
        scan_ssids=tuple(request.ssids),
        scan_frequencies=tuple(request.frequencies_mhz) or None,
        # A P2P group owner ignores who lists nothing but rates of 802.11b (Wi-Fi Direct specification, 2.4.1).
        scan_supp_rates={BAND_2GHZ: OFDM_RATES},
        tx_no_cck_rate=True,
        ie=request.elements or None,
    )


def _bss(attrs: BssAttrs) -> Bss:
    return Bss(
        attrs.bssid or b"",
        attrs.frequency or 0,
        attrs.signal_mbm or 0,
        attrs.seen_ms_ago or 0,
        attrs.capability or 0,
        attrs.information_elements or b"",
        attrs.beacon_ies or b"",
    )
