"""Declared work drawn by hypothesis, and a world without radios in which a scheduler runs it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from stack.power.policy import Governor, Setting, Visibility
from stack.power.radio import Use
from stack.power.scheduler import Decision, Scheduler
from stack.power.work import Conditions, Needs, Priority, Work

GOOD = Conditions(has_home_network=True, has_nas=True, has_mains=True, charge_percent=100, temperature_c=40)
POOR = Conditions(has_home_network=False, has_nas=False, has_mains=False, charge_percent=30, temperature_c=40)


def setting(slack_percent: int = 100, least_priority: Priority = Priority.UPKEEP) -> Setting:
    """Return one that leaves time and radio to the scheduler."""
    return Setting(Visibility.ALWAYS, 100, False, Governor.PERFORMANCE, slack_percent, least_priority)


def works(*uses: Use | None) -> st.SearchStrategy[list[Work]]:
    """Draw up to six items that need one of `uses`, and perhaps the NAS."""
    times = st.tuples(st.integers(0, 100), st.integers(0, 60), st.none() | st.integers(0, 200), st.integers(1, 30))
    drawn = st.tuples(times, st.sampled_from(Priority), st.sampled_from(uses), st.booleans())
    return st.lists(drawn, max_size=6).map(
        lambda items: [
            Work(f"item {number}", priority, *times, Needs(radio=use, nas=needs_nas))
            for number, (times, priority, use, needs_nas) in enumerate(items)
        ]
    )


@dataclass
class World:
    """Runs a scheduler from one event to the next; what runs ends after its duration. Nothing else moves the time."""

    scheduler: Scheduler = field(default_factory=Scheduler)
    now_ms: int = 0
    conditions: Conditions = GOOD
    setting: Setting = field(default_factory=setting)
    starts_ms: dict[str, int] = field(default_factory=dict)
    steps: list[tuple[int, tuple[Work, ...], Decision]] = field(default_factory=list)
    ends_ms: dict[str, int] = field(default_factory=dict)

    def live(self, items: Iterable[Work]) -> None:
        """Declare `items` and go on until nothing is left to happen."""
        for each in items:
            self.scheduler.declare(each)
        wake_ms: int | None = self.now_ms
        while wake_ms is not None or self.ends_ms:
            next_ms = min(each for each in (wake_ms, *self.ends_ms.values()) if each is not None)
            assert not self.steps or next_ms > self.now_ms, "a timer that does not move the time is polling"
            self.now_ms = next_ms
            for name in [name for name, at_ms in self.ends_ms.items() if at_ms <= self.now_ms]:
                del self.ends_ms[name]
                self.scheduler.withdraw(name)
            wake_ms = self.step().wake_ms

    def step(self) -> Decision:
        """Decide once, now."""
        before = self.scheduler.running
        decision = self.scheduler.step(self.now_ms, self.conditions, self.setting)
        self.steps.append((self.now_ms, before, decision))
        for work in decision.stop:
            self.ends_ms.pop(work.name, None)
        for work in decision.start:
            self.starts_ms.setdefault(work.name, self.now_ms)
            if work.duration_ms is not None:
                self.ends_ms[work.name] = self.now_ms + work.duration_ms
        return decision
