"""Monitors of a carry run: health factor, loan to value, margin, delta, funding, LST pegs, pool utilisation.

Each value maps to one of four levels; a change of level is a row of the log. Bounds follow common practice: health
factor 1.5 and 1.1; margin 50, 20 and 10 percent; delta 0.5, 2 and 5 percent; LTV at 90 and 95 percent of its threshold.
A peg is critical at the discount that would bring the usual target LTV to the most a pool lends.
"""

import math

from tightloop.core import log
from tightloop.core.carry import interest
from tightloop.core.carry.books import net_units, series_now
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import MONITORS, LegKind, Level, Monitor
from tightloop.core.domain.enums import RowKind
from tightloop.core.domain.types import Record, Rows


@leaf
def _level_above(value: float, caution: float, warning: float, critical: float) -> int:
    """Classify a value for which higher is worse; UNKNOWN when it is NaN."""
    if value != value:
        return Level.UNKNOWN.value
    if value > critical:
        return Level.CRITICAL.value
    if value > warning:
        return Level.WARNING.value
    return Level.CAUTION.value if value > caution else Level.SAFE.value


@leaf
def _level_below(value: float, caution: float, warning: float, critical: float) -> int:
    """Classify a value for which lower is worse; UNKNOWN when it is NaN."""
    return _level_above(-value, -caution, -warning, -critical)


@leaf
def net_delta(carry: Record) -> float:
    """Return the largest net exposure to any holding's base, as a fraction of the amount held long; NaN if none."""
    books = carry.books
    worst = math.nan
    for h in range(books.holding_count):
        asset = books.holdings[h].base
        net = net_units(books, asset)
        hedged = 0.0
        for k in range(books.holding_count):
            if books.holdings[k].base == asset:
                hedged += books.holdings[k].qty
        held = net - hedged
        if asset == books.share:
            net -= carry.nav / books.assets[asset].price
        if held > 0.0 and not abs(worst) >= abs(net / held):
            worst = net / held
    return worst


@leaf
def _peg_discount(carry: Record) -> float:
    """Return the largest market discount of any leg's LST to its exchange rate, as a fraction; NaN if unknown."""
    worst = math.nan
    for k in range(carry.leg_count):
        leg = carry.legs[k]
        if leg.market_series < 0 or not (leg.kind == LegKind.STAKE or leg.kind == LegKind.LOOP):
            continue
        rate = series_now(carry.books, carry.books.balances[leg.lst].rate_series)
        discount = 1.0 - carry.books.series[leg.market_series].now / rate
        if discount == discount and not worst >= discount:
            worst = discount
    return worst


@leaf
def _utilisation(carry: Record) -> float:
    """Return the highest utilisation of any pool a leg uses; NaN if unknown."""
    worst = math.nan
    for k in range(carry.leg_count):
        leg = carry.legs[k]
        if leg.supplied_series < 0 or leg.borrowed_series < 0:
            continue
        share = carry.books.series[leg.borrowed_series].now / carry.books.series[leg.supplied_series].now
        if carry.books.has_impact != 0:
            for r in range(carry.books.reserve_count):
                if carry.books.reserves[r].supplied == leg.supplied_series:
                    share = interest.utilisation_with_us(carry.books, carry.books.reserves[r])
        if share == share and not worst >= share:
            worst = share
    return worst


@leaf
def _set(state: Record, rows: Rows, monitor: int, value: float, level: int) -> None:
    """Store a monitor's value; log a change of its level, unless both levels are harmless."""
    carry = state.carry
    carry.monitors[monitor] = value
    if level == carry.levels[monitor]:
        return
    if level > Level.SAFE or carry.levels[monitor] > Level.SAFE:
        row = log.emit(state, rows, RowKind.MONITOR.value, -1)
        row.code = monitor
        row.reason = level
        row.value = value
        log.seal(state, row)
    carry.levels[monitor] = level


@leaf
def watch(state: Record, rows: Rows) -> None:
    """Evaluate all monitors. Those with an extreme within the instant are judged by the extreme."""
    carry = state.carry
    health = carry.hf_low if carry.hf_low < math.inf else math.nan
    _set(state, rows, Monitor.HEALTH_FACTOR.value, health, _level_below(health, 1.5, 1.1, 1.0))
    share = carry.used_high
    _set(state, rows, Monitor.LTV.value, share, _level_above(share, 0.90, 0.95, 1.0))
    ratio = carry.margin_worst
    _set(state, rows, Monitor.MARGIN.value, ratio, _level_below(ratio, 0.50, 0.20, 0.10))
    delta = net_delta(carry)
    carry.delta = delta
    _set(state, rows, Monitor.DELTA.value, delta, _level_above(abs(delta), 0.005, 0.02, 0.05))
    rate = carry.funding_rate
    _set(state, rows, Monitor.FUNDING.value, rate, _level_below(rate, 0.0, -0.0001, -0.001))
    peg = _peg_discount(carry)
    _set(state, rows, Monitor.PEG.value, peg, _level_above(peg, 0.0025, 0.005, 0.02215))
    used = _utilisation(carry)
    _set(state, rows, Monitor.UTILISATION.value, used, _level_above(used, 0.90, 0.95, 0.99))
    assert len(carry.levels) == MONITORS, "every monitor has a level"
