"""Bars of the past, which a session on bars is warmed up with: no decision is made on them."""

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from tightloop.core import indicators
from tightloop.core.domain.enums import Phase
from tightloop.core.domain.types import EVENT, Rows
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.signal.plan import Plan
from tightloop.ports.market_data import ListBars, Market, PublicRequest, VenueBar
from tightloop.runtime.session.market.bars import MadeBars, closed_event

PAGE = 1_000
BARS_MAX = 5_000
Ask = Callable[[PublicRequest], Awaitable[list[Market]]]


def begin_bars(bars: MadeBars, plan: Plan) -> None:
    """Set the last closes that State knows, so that bars without prints are flat at them."""
    instruments = plan.states[0]["instruments"]
    for at in range(len(plan.instruments)):
        close = float(instruments[at]["bar"]["close"])
        if close > 0.0:
            bars.begin(at, close)


def bars_needed(plan: Plan) -> int:
    """Return how many bars of the plan's timeframe make every variant known, at most BARS_MAX."""
    assert plan.timeframe is not None, "strategies on bars have a timeframe"
    period_ns, needed = TIMEFRAMES[plan.timeframe], 1
    for strategy in plan.strategies:
        for variant in strategy.variants.values():
            indicator = indicators.load(variant.type)
            if indicator.is_windowed or not hasattr(indicator.module, "warmup"):
                continue
            longer = 1 if variant.timeframe is None else TIMEFRAMES[variant.timeframe] // period_ns
            needed = max(needed, (int(indicator.warmup(variant.values)) + 1) * longer)
    return min(needed, BARS_MAX)


async def warm_up_facts(plan: Plan, ask: Ask, now_ns: int) -> tuple[Rows, dict[int, float]]:
    """Ask for the bars that have closed by ``now_ns``; return BAR_CLOSED facts in order of time, and last closes.

    They carry no DECIDE phase. Bars of an instrument end at its first hole backwards from now.
    """
    assert plan.timeframe is not None, "strategies on bars have a timeframe"
    period_ns = TIMEFRAMES[plan.timeframe]
    end_ns = now_ns // period_ns * period_ns
    start_ns = end_ns - bars_needed(plan) * period_ns
    pieces, closes = [], dict[int, float]()
    for at, instrument in enumerate(plan.instruments):
        bars = await _bars(ask, instrument.symbol, plan.timeframe, start_ns, end_ns)
        for bar in bars:
            event = closed_event(at, (bar.open, bar.high, bar.low, bar.close, bar.volume), bar.open_ns)
            event["ts_init_ns"], event["phase"] = bar.open_ns + period_ns, int(Phase.RECORD)
            pieces.append(event)
            closes[at] = bar.close
    facts: Any = np.concatenate(pieces) if pieces else np.zeros(0, EVENT)
    return facts[np.argsort(facts["ts_init_ns"], kind="stable")], closes


async def _bars(ask: Ask, symbol: str, timeframe: str, start_ns: int, end_ns: int) -> list[VenueBar]:
    """Ask for bars page by page, in order of time, only those that have closed."""
    period_ns, found, since_ns = TIMEFRAMES[timeframe], list[VenueBar](), start_ns
    while since_ns < end_ns:
        page = [
            bar
            for bar in await ask(ListBars(symbol, timeframe, since_ns, end_ns, PAGE))
            if isinstance(bar, VenueBar) and since_ns <= bar.open_ns and bar.open_ns + period_ns <= end_ns
        ]
        if not page:
            break
        found += page
        since_ns = page[-1].open_ns + period_ns
    return found
