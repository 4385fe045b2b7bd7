"""The scheduler keeps its law, whatever is declared: deadlines, few wake-ups, one holder of the radio, no polling."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.errors import LocalProtocolError
from stack.power.policy import SETTINGS, PowerState
from stack.power.radio import TABLE, Use, Verdict, verdict
from stack.power.scheduler import Scheduler, decide
from stack.power.work import Conditions, Needs, Priority, Work
from tests.unit.power.items import GOOD, POOR, World, setting, works

HOME = Needs(radio=Use.HOME_STATION)
LINK = Needs(radio=Use.P2P_LINK)
FORWARD = Work("forward", Priority.FORWARDING, 100, slack_ms=1000, duration_ms=50, needs=HOME)


@given(works(Use.HOME_STATION, None))
def test_no_deadline_is_missed_while_needs_hold(items: list[Work]) -> None:
    world = World()
    world.live(items)
    for each in items:
        started_ms = world.starts_ms[each.name]
        assert each.earliest_ms <= started_ms <= each.earliest_ms + each.slack_ms
        if each.deadline_ms is not None and each.duration_ms is not None:
            assert started_ms <= max(each.deadline_ms - each.duration_ms, each.earliest_ms)


@given(works(Use.HOME_STATION, None))
def test_wake_ups_are_never_more_than_without_slack(items: list[Work]) -> None:
    coalesced, uncoalesced = World(), World(setting=setting(slack_percent=0))
    coalesced.live(items)
    uncoalesced.live(items)
    for use in (Use.HOME_STATION, None):
        of_use = [each.name for each in items if each.needs.radio is use]
        starts_ms = {coalesced.starts_ms[name] for name in of_use}
        assert len(starts_ms) <= len({uncoalesced.starts_ms[name] for name in of_use})


@given(works(None))
def test_the_timer_fires_as_seldom_as_any_cover_of_the_windows_needs(items: list[Work]) -> None:
    """Windows that do not overlap need a wake-up each: as many disjoint ones as can be chosen."""
    world = World()
    world.live([replace(each, duration_ms=1, deadline_ms=None) for each in items])
    disjoint, free_from_ms = 0, -1
    for each in sorted(items, key=lambda each: each.earliest_ms + each.slack_ms):
        if each.earliest_ms > free_from_ms:
            disjoint, free_from_ms = disjoint + 1, each.earliest_ms + each.slack_ms
    assert len({at_ms for at_ms, _, decision in world.steps if decision.start}) <= disjoint


@given(works(*Use, None), st.lists(st.sampled_from([GOOD, POOR]), max_size=4))
def test_the_radio_obeys_its_table_and_nothing_due_is_forgotten(items: list[Work], changes: list[Conditions]) -> None:
    world = World()
    for conditions in (GOOD, *changes):
        world.conditions = conditions
        for each in items:
            if each not in world.scheduler.running:
                world.scheduler.declare(each)
        decision = world.step()
        running = world.scheduler.running
        uses = [each.needs.radio for each in running if each.needs.radio is not None]
        for index, use in enumerate(uses):
            assert all(TABLE[use, other] is Verdict.SHARE for other in uses[:index] + uses[index + 1 :])
        for stopped in decision.stop:
            assert not stopped.needs.hold(world.conditions) or _was_taken(stopped, decision.start)
        for each in items:
            if each not in running and each.latest_start_ms(100) <= world.now_ms and each.needs.hold(world.conditions):
                assert each.needs.radio is not None
                assert verdict(each.needs.radio, uses) is Verdict.WAIT
        world.now_ms += 40


def _was_taken(stopped: Work, started: tuple[Work, ...]) -> bool:
    held = stopped.needs.radio
    takers = [each.needs.radio for each in started if each.needs.radio is not None]
    return held is not None and any(TABLE[taker, held] is Verdict.TAKE for taker in takers)


@given(works(*Use, None))
def test_everything_runs_in_the_end_and_the_timer_never_fires_for_nothing(items: list[Work]) -> None:
    world = World()
    world.live(items)
    assert set(world.starts_ms) == {each.name for each in items}
    for (_, _, before), (at_ms, _, decision) in zip(world.steps, world.steps[1:], strict=False):
        if before.wake_ms == at_ms:
            due = [each for each in items if each.latest_start_ms(100) == at_ms]
            assert due, "woken at a time that is nobody's latest start"
            assert decision.start or any(each.needs.radio for each in due)


def test_work_waits_for_its_slack_and_then_starts() -> None:
    assert decide([FORWARD], [], 100, GOOD, setting()).wake_ms == 1100
    assert decide([FORWARD], [], 1099, GOOD, setting()).start == ()
    assert decide([FORWARD], [], 1100, GOOD, setting()).start == (FORWARD,)


def test_on_mains_it_starts_at_once_and_on_battery_it_is_batched() -> None:
    assert decide([FORWARD], [], 100, GOOD, SETTINGS[PowerState.MAINS]).start == (FORWARD,)
    assert decide([FORWARD], [], 100, GOOD, SETTINGS[PowerState.BATTERY]).start == ()


def test_it_rides_along_with_what_holds_the_same_network() -> None:
    clock = Work("clock", Priority.UPKEEP, 0, slack_ms=100, duration_ms=5, needs=HOME)
    assert decide([FORWARD, clock], [], 100, GOOD, setting()).start == (clock, FORWARD)


def test_advertising_is_nothing_to_ride_along_with() -> None:
    advertising = Work("advertise", Priority.PERSON, 0, needs=Needs(radio=Use.ADVERTISING))
    check = Work("check", Priority.UPKEEP, 0, slack_ms=100, duration_ms=5)
    assert decide([check], [advertising], 50, GOOD, setting()).start == ()


def test_a_phone_takes_the_radio_and_forwarding_goes_on_after_it() -> None:
    world = World(now_ms=1100)
    world.scheduler.declare(FORWARD)
    world.step()
    phone = Work("receive", Priority.PERSON, 1120, duration_ms=30, needs=LINK)
    world.scheduler.declare(phone)
    world.now_ms = 1120
    assert world.step().stop == (FORWARD,)
    assert world.scheduler.running == (phone,)
    world.scheduler.withdraw("receive")
    assert world.step().start == (FORWARD,)


def test_a_second_phone_waits_without_a_timer() -> None:
    first = Work("receive 1", Priority.PERSON, 0, duration_ms=30, needs=LINK)
    second = replace(first, name="receive 2")
    decision = decide([second], [first], 10, GOOD, setting())
    assert decision == decide([], [first], 10, GOOD, setting())
    assert decision.wake_ms is None


def test_what_a_link_frees_by_taking_is_handed_on_at_once() -> None:
    """A scan that made advertising wait is taken by a link, beside which advertising may go on."""
    scan = Work("scan", Priority.PERSON, 0, needs=Needs(radio=Use.SCANNING))
    advertising = Work("advertise", Priority.PERSON, 0, needs=Needs(radio=Use.ADVERTISING))
    link = Work("receive", Priority.PERSON, 0, duration_ms=30, needs=LINK)
    decision = decide([advertising, link], [scan], 0, GOOD, setting())
    assert decision.stop == (scan,)
    assert set(decision.start) == {advertising, link}


def test_lost_needs_stop_it_and_set_no_timer() -> None:
    forward = replace(FORWARD, needs=Needs(radio=Use.HOME_STATION, nas=True))
    decision = decide([], [forward], 1100, POOR, setting())
    assert decision.stop == (forward,)
    assert decide([forward], [], 200, POOR, setting()).wake_ms is None


def test_policies_leave_out_what_nobody_waits_for() -> None:
    assert decide([FORWARD], [], 5000, GOOD, setting(least_priority=Priority.PERSON)).start == ()
    assert decide([], [FORWARD], 5000, GOOD, setting(least_priority=Priority.PERSON)).stop == (FORWARD,)


def test_of_two_that_cannot_both_run_the_cheaper_goes_first() -> None:
    dear = Work("a", Priority.PERSON, 0, duration_ms=9, needs=LINK, expected_mj=500)
    cheap = replace(dear, name="b", expected_mj=5)
    assert decide([dear, cheap], [], 0, GOOD, setting()).start == (cheap,)


def test_running_work_cannot_be_declared_anew() -> None:
    scheduler = Scheduler()
    scheduler.declare(replace(FORWARD, slack_ms=0))
    scheduler.step(100, GOOD, setting())
    with pytest.raises(LocalProtocolError):
        scheduler.declare(FORWARD)
