"""The restart of a radio that dies: pauses that grow, and begin small again after a healthy life."""

from itertools import pairwise

import pytest

from board import aio
from drivers.errors import RadioError
from drivers.hci.errors import ControllerError
from stack.ble import restart
from stack.ble.restart import FIRST_PAUSE_MS, LONGEST_PAUSE_MS, keep_running
from tests.unit.drivers.controller import now_ms, run


@pytest.fixture(autouse=True)
def _virtual_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "boottime_ms", now_ms)


class Radios:
    """Radios that live for `lives_ms` each, and one at the end that works."""

    def __init__(self, *lives_ms: int) -> None:
        self.lives_ms = list(lives_ms)
        self.began_ms: list[int] = []
        self.told: list[tuple[str, int]] = []

    async def session(self) -> str:
        self.began_ms.append(now_ms())
        if not self.lives_ms:
            return "done"
        await aio.sleep_ms(self.lives_ms.pop(0))
        raise ControllerError(f"death {len(self.began_ms)}")

    def trouble(self, error: RadioError, pause_ms: int) -> None:
        self.told.append((str(error), pause_ms))

    @property
    def pauses_ms(self) -> list[int]:
        return [pause_ms for _, pause_ms in self.told]


def outcome(radios: Radios, first_pause_ms: int = FIRST_PAUSE_MS) -> str:
    return run(keep_running(radios.session, radios.trouble, first_pause_ms))


def test_a_session_that_returns_is_the_end() -> None:
    radios = Radios()
    assert outcome(radios) == "done"
    assert radios.told == []


def test_pauses_grow_up_to_the_longest() -> None:
    radios = Radios(*[0] * 8)
    assert outcome(radios) == "done"
    assert radios.pauses_ms == [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]
    assert max(radios.pauses_ms) == LONGEST_PAUSE_MS
    assert radios.told[0][0] == "death 1"


def test_the_pauses_are_kept() -> None:
    radios = Radios(0, 0, 0)
    outcome(radios, first_pause_ms=100)
    gaps_ms = [later - earlier for earlier, later in pairwise(radios.began_ms)]
    assert gaps_ms == [100, 200, 400]


def test_a_healthy_life_makes_the_pause_small_again() -> None:
    radios = Radios(0, 0, 59_999, 60_000, 0, 3_600_000)
    outcome(radios)
    assert radios.pauses_ms == [1000, 2000, 4000, 1000, 2000, 1000]


def test_other_errors_are_not_the_radios() -> None:
    async def session() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        run(keep_running(session, lambda error, pause_ms: None))


def test_it_can_be_cancelled_in_the_pause() -> None:
    async def test() -> None:
        radios = Radios(0, 0)
        task = aio.create_task(keep_running(radios.session, radios.trouble))
        await aio.sleep_ms(500)
        task.cancel()
        with pytest.raises(aio.CancelledError):
            await task
        assert len(radios.began_ms) == 1

    run(test())
