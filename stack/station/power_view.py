"""Simulated days as a person or a script sees them: a table, a plot by hours, and what it says about the target."""

from collections.abc import Callable, Sequence
from typing import Final

from stack.power.comparison import TARGET_LATENCY_MS, TARGET_SHARE, Comparison, floor_share
from stack.power.outcome import Outcome
from stack.power.simulate import ASSUMPTIONS
from stack.station.console import Console

_STEPS: Final = "▁▂▃▄▅▆▇█"
_LABEL_WIDTH: Final = 30
_COLUMN_WIDTH: Final = 23


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Show one day: for people a table and a plot, for scripts one object a strategy and one for the target."""
    console.say("\n".join(_lines(comparison)), "compared", **_target(comparison))
    if console.as_json:
        for outcome in comparison.outcomes:
            console.say("", "simulated", trace=comparison.trace.name, **_fields(outcome))


def show_assumptions(console: Console) -> None:
    """Say what the model takes for granted."""
    lines = ("assumed, beside the board's figures (stack/power/figures.py names their sources):", *ASSUMPTIONS)
    console.say("\n  - ".join(lines), "assumed", assumptions=ASSUMPTIONS)


def _lines(comparison: Comparison) -> list[str]:
    received = f"{comparison.ferry.received_bytes / 1e9:.2f} GB from {len(comparison.ferry.latencies_ms)} phones"
    return [
        f"{comparison.trace.name}: {received}",
        _row("", [each.strategy for each in comparison.outcomes]),
        *_table(comparison),
        *_plot(comparison.outcomes),
        *_verdict(comparison),
        "",
    ]


def _table(comparison: Comparison) -> list[str]:
    days = comparison.outcomes
    return [
        _row("mean power", [f"{each.mean_mw:.0f} mW" for each in days]),
        _row("part of stock's energy", [f"{comparison.share(each):.1%}" for each in days]),
        _row("energy per GB received", [_or_dash(each.joules_per_gb, _kilojoules) for each in days]),
        _row("discovery, median", [_or_dash(each.median_latency_ms, _span) for each in days]),
        _row("  bound for a guarantee", [_or_dash(each.median_bound_ms, _span) for each in days]),
        _row("forwarding delay, median", [_or_dash(each.median_forwarding_delay_ms, _span) for each in days]),
        _row("in the spool at midnight", [f"{each.left_bytes / 1e6:.0f} MB" for each in days]),
        _row("phones not served", [str(each.missed) for each in days]),
        _row("button presses needed", [str(each.presses) for each in days]),
        _row("Wi-Fi raised", [str(each.wifi_raised) for each in days]),
        _row("wake-ups by the timer", [str(each.timer_wakes) for each in days]),
    ]


def _row(label: str, cells: Sequence[str]) -> str:
    return f"  {label:{_LABEL_WIDTH}}{''.join(f'{cell:>{_COLUMN_WIDTH}}' for cell in cells)}"


def _plot(outcomes: Sequence[Outcome]) -> list[str]:
    """Draw mean power by the hour; zero is below the lowest step."""
    highest = max(max(each.hourly_mw) for each in outcomes)
    rows = [
        f"  {each.strategy:{_LABEL_WIDTH}}{''.join(_step(hour, highest) for hour in each.hourly_mw)}"
        for each in outcomes
    ]
    return [f"  {'power by hour':{_LABEL_WIDTH}}0     6     12    18     (█ is {highest:.0f} mW)", *rows]


def _step(value: float, highest: float) -> str:
    return _STEPS[min(int(value / highest * len(_STEPS)), len(_STEPS) - 1)]


def _verdict(comparison: Comparison) -> list[str]:
    share, latency_ms = comparison.share(comparison.ferry), comparison.ferry.median_latency_ms
    energy = f"  energy: {share:.1%} of stock, target {TARGET_SHARE:.0%}: {_reached(comparison.is_frugal)}"
    if not comparison.is_frugal:
        energy += f" An idle board that is on takes {floor_share():.1%} by itself."
    found = _or_dash(latency_ms, _span)
    return [
        energy,
        *(f"          {each:.1%} {name}" for name, each in comparison.other_shares.items()),
        f"  discovery: {found} in the median, target {_span(TARGET_LATENCY_MS)}: {_reached(comparison.is_prompt)}",
    ]


def _reached(is_reached: bool) -> str:
    return "reached." if is_reached else "not reached."


def _or_dash(value: float | None, show: Callable[[float], str]) -> str:
    return "-" if value is None else show(value)


def _kilojoules(joules: float) -> str:
    return f"{joules / 1000:.1f} kJ"


def _span(span_ms: float) -> str:
    if span_ms < 1000:
        return f"{span_ms:.0f} ms"
    if span_ms < 120_000:
        return f"{span_ms / 1000:.1f} s"
    minutes = round(span_ms / 60_000)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def _target(comparison: Comparison) -> dict[str, object]:
    return {
        "trace": comparison.trace.name,
        "share": round(comparison.share(comparison.ferry), 4),
        "target_share": TARGET_SHARE,
        "floor_share": round(floor_share(), 4),
        "other_shares": {name: round(each, 4) for name, each in comparison.other_shares.items()},
        "is_frugal": comparison.is_frugal,
        "is_prompt": comparison.is_prompt,
    }


def _fields(outcome: Outcome) -> dict[str, object]:
    return {
        "strategy": outcome.strategy,
        "mean_mw": round(outcome.mean_mw, 1),
        "energy_mj": outcome.energy_mj,
        "owed_mj": outcome.owed_mj,
        "spent_mj_by_part": outcome.spent_mj_by_part,
        "joules_per_gb": outcome.joules_per_gb,
        "received_bytes": outcome.received_bytes,
        "left_bytes": outcome.left_bytes,
        "median_latency_ms": outcome.median_latency_ms,
        "median_bound_ms": outcome.median_bound_ms,
        "median_forwarding_delay_ms": outcome.median_forwarding_delay_ms,
        "missed": outcome.missed,
        "presses": outcome.presses,
        "wifi_raised": outcome.wifi_raised,
        "timer_wakes": outcome.timer_wakes,
        "hourly_mw": [round(each, 1) for each in outcome.hourly_mw],
    }
