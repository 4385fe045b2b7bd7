"""Decides what runs. Pure: given the declared work, the time and the conditions, what starts, what stops, when to wake.

The law:

* Due work (its latest start has come, its needs hold) starts at once, unless the radio's table makes it wait. So a
  deadline wins over slack; over a need, over what the policy leaves out and over the radio's table it does not.
* Other work starts early only where it costs no wake-up of its own: beside work that holds the same use of the radio,
  or, if it needs no radio, beside anything that runs for a while. So several items share one wake-up within slack.
* The one timer stands at the first latest start among work whose needs hold. What waits for a condition or for the
  radio has no timer: who changes a condition or ends some work calls again. Nobody polls.

Waking at the first latest start, and then doing all that may share it, needs the fewest wake-ups possible (it is the
greedy cover of intervals by points). Of two equals that cannot both run, the one that is expected to cost less begins.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from board.errors import LocalProtocolError
from stack.power.policy import Setting
from stack.power.radio import TABLE, Use, Verdict, verdict
from stack.power.work import Conditions, Work


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now: first stop, then start. Decide again at `wake_ms`, or for `None` when something changes."""

    stop: tuple[Work, ...]
    start: tuple[Work, ...]
    wake_ms: int | None


def decide(
    waiting: Iterable[Work], running: Iterable[Work], now_ms: int, conditions: Conditions, setting: Setting
) -> Decision:
    """Decide at `now_ms`. `setting` is what the policy says for the power state."""
    before = tuple(running)
    kept = [each for each in before if _may_run(each, conditions, setting)]
    able = [each for each in waiting if _may_run(each, conditions, setting)]
    able.sort(key=lambda each: _order(each, setting))
    started: list[Work] = []
    for work in able:
        if _is_due(work, now_ms, setting):
            kept = _admit(work, kept, started)
    for work in able:
        if work not in started and work.earliest_ms <= now_ms and _rides_along(work, kept):
            kept = _admit(work, kept, started)
    left = [each for each in able if each not in kept and not _is_due(each, now_ms, setting)]
    return Decision(
        tuple(each for each in before if each not in kept),
        tuple(started),
        min((each.latest_start_ms(setting.slack_percent) for each in left), default=None),
    )


def _may_run(work: Work, conditions: Conditions, setting: Setting) -> bool:
    return work.priority >= setting.least_priority and work.needs.hold(conditions)


def _is_due(work: Work, now_ms: int, setting: Setting) -> bool:
    return work.latest_start_ms(setting.slack_percent) <= now_ms


def _order(work: Work, setting: Setting) -> tuple[int, int, int, int, str]:
    """Strong uses first: what comes later can then neither lose the radio again nor find it freed."""
    strength = work.needs.radio.value if work.needs.radio is not None else 0
    return (strength, -work.priority, work.latest_start_ms(setting.slack_percent), work.expected_mj, work.name)


def _admit(work: Work, kept: list[Work], started: list[Work]) -> list[Work]:
    """Return who runs then: with `work` and without whom the table makes yield, or as before where it has to wait."""
    wanted = work.needs.radio
    if wanted is not None:
        if verdict(wanted, _uses(kept)) is Verdict.WAIT:
            return kept
        kept = [each for each in kept if not _yields(each, wanted)]
    started.append(work)
    return [*kept, work]


def _yields(holder: Work, wanted: Use) -> bool:
    return holder.needs.radio is not None and TABLE[wanted, holder.needs.radio] is Verdict.TAKE


def _rides_along(work: Work, kept: Iterable[Work]) -> bool:
    """Whether what runs has already paid for what `work` needs. What goes on for ever is no wake-up."""
    if work.needs.radio is not None:
        return any(work.needs.radio is use for use in _uses(kept))
    return any(each.duration_ms is not None for each in kept)


def _uses(works: Iterable[Work]) -> list[Use]:
    return [each.needs.radio for each in works if each.needs.radio is not None]


class Scheduler:
    """Remembers what is declared and what runs, and applies decisions. What is preempted waits again."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._waiting: dict[str, Work] = {}
        self._running: dict[str, Work] = {}

    @property
    def running(self) -> tuple[Work, ...]:
        """What runs, in the order of its start."""
        return tuple(self._running.values())

    def declare(self, work: Work) -> None:
        """Take `work`, in place of what waits under its name. Raises `LocalProtocolError` while that runs."""
        if work.name in self._running:
            raise LocalProtocolError(f"{work.name} is running and cannot be declared anew.")
        self._waiting[work.name] = work

    def withdraw(self, name: str) -> None:
        """Forget `name` if it is declared: it is done, or nobody wants it any more."""
        self._waiting.pop(name, None)
        self._running.pop(name, None)

    def step(self, now_ms: int, conditions: Conditions, setting: Setting) -> Decision:
        """Decide, and take the decision for done."""
        decision = decide(self._waiting.values(), self._running.values(), now_ms, conditions, setting)
        for work in decision.stop:
            self._waiting[work.name] = self._running.pop(work.name)
        for work in decision.start:
            self._running[work.name] = self._waiting.pop(work.name)
        return decision
