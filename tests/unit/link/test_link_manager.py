"""The manager over a backend made of paper: each step's ends, the retries, and home from everywhere."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from board import aio
from drivers.errors import RadioError
from drivers.netlink.message import OverrunError
from stack.link.backend import Addresses, Loss, Network, Offer
from stack.link.machine import Limits, State
from stack.link.manager import Link, LinkManager
from stack.link.plan import Memory
from stack.link.reasons import LinkError, Reason
from tests.unit.drivers.controller import now_ms, run

OFFER = Offer("DIRECT-ab", "12345678", 4711, 2437)
NETWORK = Network(b"DIRECT-ab", b"\2\0\0\0\0\1", 2437, -50, b"rsn")
WEAKER = replace(NETWORK, bssid=b"\2\0\0\0\0\2", signal_dbm=-60)
ELSEWHERE = replace(NETWORK, bssid=b"\2\0\0\0\0\3", frequency_mhz=5180)
ADDRESSES = Addresses(IPv4Address("192.168.49.61"), 24, IPv4Address("192.168.49.1"))
WAY = ["prepare", "scan", "associate", "handshake", "address", "admit", "close"]


class PaperBackend:
    """Notes what is done. `troubles` are raised one after the other by the step that they name.

    0 hangs for ever, 1 too, and the connection ends.
    """

    def __init__(self, *networks: Network, **troubles: list[Any]) -> None:
        self.lost = Loss()
        self.associated: list[Network] = []
        self._networks = networks or (NETWORK,)
        self.done: list[str] = []
        self.scanned: list[tuple[int, ...]] = []
        self._troubles = troubles

    @property
    def interface(self) -> str:
        return "paper0"

    async def _do(self, step: str) -> None:
        self.done.append(step)
        trouble = self._troubles[step].pop(0) if self._troubles.get(step) else None
        if trouble in (0, 1):
            if trouble:
                self.lost.set()
            await aio.Event().wait()
        elif trouble is not None:
            raise trouble

    async def prepare(self, offer: Offer) -> None:
        await self._do("prepare")

    def frequencies_mhz(self) -> tuple[Sequence[int], Sequence[int]]:
        return (2412, 2437, 5180), (5260,)

    async def scan(self, ssid: bytes, frequencies_mhz: Sequence[int]) -> list[Network]:
        self.scanned.append(tuple(frequencies_mhz))
        await aio.sleep_ms(50)
        await self._do("scan")
        return [each for each in self._networks if each.frequency_mhz in frequencies_mhz]

    async def associate(self, network: Network) -> None:
        self.lost.clear()
        self.associated.append(network)
        await self._do("associate")

    async def handshake(self) -> None:
        await self._do("handshake")

    async def address(self, until_ms: int) -> Addresses:
        assert until_ms > now_ms()
        await self._do("address")
        return ADDRESSES

    async def admit(self, addresses: Addresses, port: int) -> None:
        assert (addresses, port) == (ADDRESSES, 4711)
        await self._do("admit")

    async def close(self) -> None:
        await self._do("close")


def join(backend: PaperBackend, offer: Offer = OFFER, limits: Limits | None = None) -> tuple[Link, list[State]]:
    """Join and leave at once; return the link and the states on the way."""
    states: list[State] = []

    async def there_and_back() -> Link:
        manager = LinkManager(backend, Memory(), states.append, limits or Limits(), now_ms)
        async with manager.joined(offer) as link:
            assert states[-1] is State.UP
        return link

    return run(there_and_back()), states


def test_there_and_back() -> None:
    backend = PaperBackend()
    link, states = join(backend)
    assert link.addresses == ADDRESSES
    assert (link.interface, link.frequency_mhz) == ("paper0", 2437)
    assert backend.done == WAY
    assert [state.name for state in states] == [
        "PREPARING",
        "SCANNING",
        "JOINING",
        "HANDSHAKING",
        "ADDRESSING",
        "UP",
        "CLOSING",
        "IDLE",
    ]


def test_the_offered_frequency_is_asked_first_and_the_hit_ends_the_scan() -> None:
    backend = PaperBackend()
    join(backend)
    assert backend.scanned == [(2437,)]


@pytest.mark.parametrize("step", ["associate", "handshake", "address"])
@pytest.mark.parametrize("reason", [Reason.REFUSED, Reason.LOST, Reason.TIMED_OUT])
def test_what_may_pass_is_tried_again(step: str, reason: Reason) -> None:
    backend = PaperBackend(**{step: [LinkError(reason), LinkError(reason)]})
    join(backend)
    assert backend.done.count(step) == 3
    assert backend.done.count("scan") == 3
    assert backend.done[-1] == "close"


FINAL = [
    ("prepare", Reason.RADIO_BUSY),
    ("scan", Reason.RADIO_OFF),
    ("associate", Reason.TOO_WEAK),
    ("address", Reason.BAD_ADDRESS),
    ("admit", Reason.RADIO_TROUBLE),
]


@pytest.mark.parametrize(("step", "reason"), FINAL)
def test_what_stays_is_told_at_once(step: str, reason: Reason) -> None:
    backend = PaperBackend(**{step: [LinkError(reason, "because")]})
    with pytest.raises(LinkError, match="because") as told:
        join(backend)
    assert told.value.reason is reason
    assert backend.done == [*WAY[: WAY.index(step) + 1], "close"]


ROUND = [(2437,), (2412,), (5180,), (5260,)]


def test_a_wrong_passphrase_is_told_when_a_round_has_found_no_other_network() -> None:
    backend = PaperBackend(handshake=[LinkError(Reason.WRONG_PASSPHRASE, "because")])
    with pytest.raises(LinkError, match="because") as told:
        join(backend)
    assert told.value.reason is Reason.WRONG_PASSPHRASE
    assert backend.associated == [NETWORK]
    assert backend.scanned == [(2437,), *ROUND]


@pytest.mark.parametrize("right", [WEAKER, ELSEWHERE])
def test_another_network_of_that_name_may_take_the_passphrase(right: Network) -> None:
    backend = PaperBackend(NETWORK, right, handshake=[LinkError(Reason.WRONG_PASSPHRASE)])
    link, _ = join(backend)
    assert link.frequency_mhz == right.frequency_mhz
    assert backend.associated == [NETWORK, right]


def test_a_network_that_cannot_be_joined_does_not_hide_another() -> None:
    backend = PaperBackend(ELSEWHERE, scan=[LinkError(Reason.NOT_WPA2)])
    join(backend)
    assert backend.associated == [ELSEWHERE]


def test_a_round_that_found_nothing_else_says_what_is_wrong() -> None:
    backend = PaperBackend(replace(NETWORK, frequency_mhz=2484), scan=[LinkError(Reason.NOT_WPA2, "it is open")])
    with pytest.raises(LinkError, match="it is open") as told:
        join(backend)
    assert told.value.reason is Reason.NOT_WPA2
    assert backend.scanned == ROUND


def test_an_obstacle_is_told_when_the_time_ends_the_round() -> None:
    backend = PaperBackend(scan=[LinkError(Reason.NOT_WPA2, "it is open"), 0])
    with pytest.raises(LinkError, match="it is open") as told:
        join(backend, limits=Limits(scan_ms=200))
    assert told.value.reason is Reason.NOT_WPA2


def test_an_obstacle_on_the_way_is_not_to_blame_for_what_comes_later() -> None:
    backend = PaperBackend(ELSEWHERE, scan=[LinkError(Reason.NOT_WPA2, "it is open")], address=[0])
    with pytest.raises(LinkError) as told:
        join(backend)
    assert (told.value.reason, told.value.detail) == (Reason.NO_ADDRESS, "")


def test_who_turned_us_away_is_tried_after_the_other() -> None:
    backend = PaperBackend(NETWORK, WEAKER, associate=[LinkError(Reason.REFUSED)] * 2)
    join(backend)
    assert backend.associated == [NETWORK, WEAKER, NETWORK]


def test_a_connection_that_ends_before_there_is_an_address_is_made_again() -> None:
    backend = PaperBackend(address=[1])
    join(backend)
    assert backend.done.count("associate") == 2


@pytest.mark.parametrize("step", ["scan", "associate", "handshake", "address"])
def test_events_that_were_lost_are_no_dead_radio(step: str) -> None:
    backend = PaperBackend(**{step: [OverrunError("The kernel was faster")]})
    join(backend)
    assert backend.done.count(step) == 2


@pytest.mark.parametrize("step", WAY[:-1])
def test_a_dead_radio_leads_home(step: str) -> None:
    backend = PaperBackend(**{step: [RadioError("The radio is gone")]})
    with pytest.raises(LinkError, match="The radio is gone") as told:
        join(backend)
    assert told.value.reason is Reason.RADIO_TROUBLE
    assert backend.done[-1] == "close"


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("prepare", Reason.RADIO_TROUBLE),
        ("scan", Reason.NOT_FOUND),
        ("associate", Reason.TIMED_OUT),
        ("handshake", Reason.TIMED_OUT),
        ("address", Reason.NO_ADDRESS),
    ],
)
def test_a_step_that_hangs_runs_into_its_limit(step: str, reason: Reason) -> None:
    backend = PaperBackend(**{step: [0]})
    with pytest.raises(LinkError) as told:
        join(backend)
    assert told.value.reason is reason
    assert backend.done[-1] == "close"


def test_a_network_that_is_not_there() -> None:
    backend = PaperBackend()
    with pytest.raises(LinkError) as told:
        join(backend, Offer("DIRECT-ab", "12345678", 4711), Limits(scan_ms=1))
    assert told.value.reason is Reason.NOT_FOUND


def test_refused_for_ever_ends_with_the_time() -> None:
    backend = PaperBackend(associate=[LinkError(Reason.REFUSED, "status 17") for _ in range(1000)])
    with pytest.raises(LinkError, match="status 17") as told:
        join(backend)
    assert told.value.reason is Reason.REFUSED
    assert 10 < backend.done.count("associate") < 1000


@pytest.mark.parametrize("step", WAY[:-1])
def test_a_cancelled_join_goes_home_first(step: str) -> None:
    backend = PaperBackend(**{step: [0]})

    async def cancelled() -> None:
        manager = LinkManager(backend, Memory(), limits=Limits(), now_ms=now_ms)

        async def joining() -> None:
            async with manager.joined(OFFER):
                raise AssertionError("it cannot be up")

        task = aio.create_task(joining())
        while step not in backend.done:
            await aio.sleep_ms(1)
        task.cancel()
        with pytest.raises(aio.CancelledError):
            await task

    run(cancelled())
    assert backend.done[-1] == "close"


def test_a_close_that_hangs_is_left_behind() -> None:
    backend = PaperBackend(close=[0])
    _, states = join(backend)
    assert states[-1] is State.IDLE


def test_an_error_of_the_user_of_the_link_goes_through() -> None:
    backend = PaperBackend()

    async def use() -> None:
        async with LinkManager(backend, Memory(), now_ms=now_ms).joined(OFFER):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run(use())
    assert backend.done[-1] == "close"
