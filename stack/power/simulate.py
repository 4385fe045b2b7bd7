"""Replays a day with the station's own scheduler and policy. Discrete events, the clock injected, nothing read ahead.

Every happening of the trace reaches the station only when its time has come. What is assumed is in `ASSUMPTIONS`.
"""

import heapq
from collections.abc import Callable
from functools import partial
from typing import Final

from stack.power import discovery
from stack.power.account import Account
from stack.power.battery import Battery
from stack.power.discovery import Uniform
from stack.power.figures import Figures
from stack.power.outcome import Outcome
from stack.power.policy import PRESS_WINDOW_MS, Governor, Policy, Readings, Visibility
from stack.power.radio import Use
from stack.power.scheduler import Scheduler
from stack.power.simulated_jobs import ADVERTISING, LOSS, UPKEEP, Job, Spool, receiving, upkeep
from stack.power.strategies import Strategy
from stack.power.trace import DAY_MS, Happening, NasChanges, PhoneComes, PowerChanges, Trace
from stack.power.work import Conditions, Work

_HOUR_MS: Final = 3_600_000
_ROOM_C: Final = 45  # a Zero 2 W in a case; no trace makes it hot

ASSUMPTIONS: Final = (
    "the board never sleeps (a Zero 2 W cannot suspend), and its idle draw is the same in all strategies on our image",
    "phones scan without a pause while the share sheet is open; 3 of 10 advertising events are lost",
    "joining a phone's group takes 5 s and the home network 3 s, at the draw of moving bytes",
    "whatever runs keeps one core busy at the clock that the power state allows",
    "a phone that finds the station busy waits; the walk to the button is not counted",
    "what is left in the spool at midnight is charged with the energy that forwarding it takes",
)


def simulate(trace: Trace, strategy: Strategy, figures: Figures, random: Uniform) -> Outcome:
    """Live through `trace` by `strategy`. The same `random` gives the same day."""
    return _Day(trace, strategy, figures, random).run()


class _Day:
    """The station and its surroundings."""

    def __init__(self, trace: Trace, strategy: Strategy, figures: Figures, random: Uniform) -> None:
        self._trace, self._strategy, self._figures, self._random = trace, strategy, figures, random
        self._policy = Policy(strategy.settings)
        self._scheduler = Scheduler()
        self._account = Account(0)
        self._battery = Battery(trace.battery_mwh, trace.start_charge_percent)
        self._spool = Spool(figures)
        self._outcome = Outcome(strategy.name)
        self._jobs: dict[str, Job] = {}
        self._begun_ms: dict[str, int] = {}
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._counter = 0
        self._now_ms = 0
        self._wake_ms: int | None = None
        self._mark_ms: int | None = None
        self._has_mains = self._has_nas = self._is_wifi_up = False
        self._pressed_until_ms = 0

    def run(self) -> Outcome:
        """Live the day."""
        for happening in self._trace.happenings:
            self._at(happening.at_ms, partial(self._happen, happening))
        for hour in range(1, 25):
            self._at(hour * _HOUR_MS, self._note_hour)
        for work in UPKEEP:
            self._offer(upkeep(work, self._upkeep_done))
        self._settle()
        while self._next_ms() <= DAY_MS:
            self._advance(self._next_ms())
        self._close()
        return self._outcome

    def _next_ms(self) -> int:
        times = (self._queue[0][0] if self._queue else None, self._wake_ms, self._mark_ms)
        return min((each for each in times if each is not None), default=DAY_MS + 1)

    def _advance(self, to_ms: int) -> None:
        """Let time pass, do what its end brings, decide."""
        self._battery.live(to_ms - self._now_ms, self._account.now_mw, has_mains=self._has_mains)
        self._now_ms = to_ms
        self._outcome.timer_wakes += self._wake_ms == to_ms
        while self._queue and self._queue[0][0] <= to_ms:
            heapq.heappop(self._queue)[2]()
        self._settle()

    def _at(self, at_ms: int, do: Callable[[], None]) -> None:
        self._counter += 1
        heapq.heappush(self._queue, (at_ms, self._counter, do))

    # What happens

    def _happen(self, happening: Happening) -> None:
        match happening:
            case PhoneComes():
                self._phone_comes(happening)
            case NasChanges():
                self._has_nas = happening.is_there
            case PowerChanges():
                self._has_mains = happening.has_mains

    def _phone_comes(self, phone: PhoneComes) -> None:
        """Somebody opens the share sheet, after a press of the button where the station hides without."""
        setting = self._policy.setting
        if setting.visibility is Visibility.NEVER:
            self._outcome.missed += 1
            return
        if setting.visibility is Visibility.AFTER_PRESS:
            self._press()
        interval_ms = setting.advertising_interval_ms
        latency_ms = discovery.latency_ms(self._random, interval_ms, loss=LOSS)
        share = discovery.advertiser_share(interval_ms)
        self._outcome.latencies_ms.append(latency_ms)
        self._outcome.bounds_ms.append(discovery.bound_ms(share, discovery.CONTINUOUS.share))
        self._at(self._now_ms + round(latency_ms), partial(self._found, phone.size_bytes))

    def _press(self) -> None:
        self._outcome.presses += self._now_ms >= self._pressed_until_ms
        self._pressed_until_ms = self._now_ms + PRESS_WINDOW_MS
        self._at(self._pressed_until_ms, lambda: None)

    def _found(self, size_bytes: int) -> None:
        self._counter += 1
        self._offer(receiving(self._counter, size_bytes, self._now_ms, self._figures, self._received))

    def _received(self, size_bytes: int) -> None:
        self._outcome.received_bytes += size_bytes
        self._spool.put(size_bytes, self._now_ms)
        if not self._spool.is_declared:
            self._offer(self._spool.forwarding(self._now_ms, self._forwarded))

    def _forwarded(self) -> None:
        if self._spool.bytes:
            self._offer(self._spool.forwarding(self._now_ms, self._forwarded))

    def _upkeep_done(self, work: Work) -> None:
        self._offer(upkeep(work, self._upkeep_done))

    # What runs

    def _offer(self, job: Job) -> None:
        self._jobs[job.work.name] = job
        self._scheduler.declare(job.work)

    def _settle(self) -> None:
        """Follow what has changed: the power state, what is visible, what runs, what is drawn."""
        charge = self._battery.charge_percent
        self._policy.read(Readings(self._has_mains, charge, _ROOM_C))
        self._show_or_hide()
        conditions = Conditions(self._has_nas, self._has_nas, self._has_mains, charge, _ROOM_C)
        decision = self._scheduler.step(self._now_ms, conditions, self._policy.setting)
        for work in decision.stop:
            self._interrupt(work)
        for work in decision.start:
            self._begin(work)
        self._account.draw(self._draws_mw(), self._now_ms)
        self._wake_ms = decision.wake_ms
        away_ms = self._battery.next_mark_ms(self._account.now_mw, has_mains=self._has_mains)
        self._mark_ms = None if away_ms is None else self._now_ms + away_ms

    def _show_or_hide(self) -> None:
        visibility = self._policy.setting.visibility
        is_open = visibility is Visibility.AFTER_PRESS and self._now_ms < self._pressed_until_ms
        if visibility is not Visibility.ALWAYS and not is_open:
            self._scheduler.withdraw(ADVERTISING.name)
        elif ADVERTISING not in self._scheduler.running:
            self._scheduler.declare(ADVERTISING)

    def _begin(self, work: Work) -> None:
        job = self._jobs.get(work.name)
        if job is None:
            return
        begun_ms = self._begun_ms[work.name] = self._now_ms
        ends_ms = begun_ms + job.duration_ms(self._policy.setting)
        self._at(ends_ms, partial(self._end, work, begun_ms))

    def _end(self, work: Work, begun_ms: int) -> None:
        """End what began then, unless it has been interrupted since."""
        if self._begun_ms.get(work.name) == begun_ms:
            del self._begun_ms[work.name]
            self._scheduler.withdraw(work.name)
            self._jobs.pop(work.name).ended(self._now_ms)

    def _interrupt(self, work: Work) -> None:
        if work.name in self._begun_ms:
            elapsed_ms = self._now_ms - self._begun_ms.pop(work.name)
            self._jobs[work.name].interrupted(elapsed_ms, self._now_ms)

    # What is drawn

    def _draws_mw(self) -> dict[str, int]:
        setting, figures, running = self._policy.setting, self._figures, self._scheduler.running
        if setting.powers_off and not running:
            self._is_wifi_up = False
            return {"board": figures.halted_mw}
        uses = {each.needs.radio for each in running}
        clock = figures.slow_clock_percent if setting.busy_governor is Governor.POWERSAVE else 100
        busy_cores = sum(each.duration_ms is not None for each in running)
        surplus_mw = figures.stock_surplus_mw if self._strategy.is_stock_image else 0
        event_uw = figures.advertising_event_uj * 1000 // setting.advertising_interval_ms
        return {
            "board": figures.base_mw + surplus_mw,
            "advertising": round(event_uw / 1000) if Use.ADVERTISING in uses else 0,
            "wifi": self._wifi_mw(is_moving=bool({Use.P2P_LINK, Use.HOME_STATION} & uses)),
            "cpu": busy_cores * figures.core_busy_mw * clock // 100,
        }

    def _wifi_mw(self, *, is_moving: bool) -> int:
        is_up = is_moving or self._policy.setting.keeps_wifi_up
        self._outcome.wifi_raised += is_up and not self._is_wifi_up
        self._is_wifi_up = is_up
        if is_moving:
            return self._figures.wifi_busy_mw
        return self._figures.wifi_associated_mw if is_up else 0

    def _note_hour(self) -> None:
        spent_uj = sum(self._account.spent_uj(self._now_ms).values())
        before_uj = sum(each * _HOUR_MS for each in self._outcome.hourly_mw)
        self._outcome.hourly_mw.append((spent_uj - before_uj) / _HOUR_MS)

    def _close(self) -> None:
        spent_uj = self._account.spent_uj(self._now_ms)
        self._outcome.spent_mj_by_part = {part: each // 1000 for part, each in spent_uj.items()}
        self._outcome.left_bytes = self._spool.bytes
        self._outcome.owed_mj = self._spool.owed_mj()
        self._outcome.forwarding_delays_ms = self._spool.delays_ms
