"""Measures of an instant: net asset value, the worst margin ratio, health factor and loan to value, and their extremes.

The current values (``nav``, ``margin_ratio``, ``hf``, ``ltv``) are overwritten by each measurement; ``margin_worst``,
``hf_low``, ``ltv_high`` and ``used_high`` keep the worst of the instant, ``margin_min`` and ``hf_min`` that of the run.
"""

import math

from tightloop.core.carry import lending
from tightloop.core.carry.books import margin_equity, margin_notional, net_asset_value
from tightloop.core.compiled import leaf
from tightloop.core.domain.enums import WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.trading import account as trading_account


@leaf
def begin_measuring(carry: Record, now_ns: int) -> None:
    """Reset the extremes of the instant."""
    carry.measured_ns = now_ns
    carry.hf_low, carry.ltv_high, carry.used_high, carry.margin_worst = math.inf, 0.0, math.nan, math.nan


@leaf
def _measure_margins(state: Record, rows: Rows) -> None:
    """Measure the lowest margin ratio (margin equity / notional) of any venue; NaN without a position."""
    carry = state.carry
    worst = math.nan
    for h in range(carry.books.holding_count):
        holding = carry.books.holdings[h]
        if holding.qty == 0.0:
            continue
        ratio = margin_equity(carry.books, holding.venue) / margin_notional(carry.books, holding.venue)
        if not worst <= ratio:
            worst = ratio
    carry.margin_ratio = worst
    if not carry.margin_worst <= worst and worst == worst:
        carry.margin_worst = worst
    if worst == worst and not carry.margin_min <= worst:
        carry.margin_min = worst
        carry.margin_min_ns = state.ts_ns
    if worst < carry.margin_low and carry.low_ns == 0:
        carry.low_ns = state.ts_ns
    if worst < carry.margin_warn:
        if carry.warn_ns == 0:
            carry.warn_ns = state.ts_ns
        if carry.is_warned == 0:
            trading_account.warn(state, rows, WarningCode.MARGIN_LOW.value, -1, worst, 0)
        carry.is_warned = 1
    else:
        carry.is_warned = 0


@leaf
def measure_pools(carry: Record, now_ns: int) -> None:
    """Measure the lowest health factor and highest loan to value of legs with debt; inf and 0 without any."""
    carry.hf, carry.ltv = math.inf, 0.0
    for k in range(carry.leg_count):
        leg = carry.legs[k]
        if leg.debt < 0:
            continue
        collateral, debt = lending.collateral_value(carry.books, leg), lending.debt_value(carry.books, leg)
        carry.hf = min(carry.hf, lending.health_factor(collateral, debt, leg.threshold))
        ltv = lending.loan_to_value(collateral, debt)
        carry.ltv = max(carry.ltv, ltv)
        if debt > 0.0 and not carry.used_high >= ltv / leg.threshold:
            carry.used_high = ltv / leg.threshold
    carry.hf_low, carry.ltv_high = min(carry.hf_low, carry.hf), max(carry.ltv_high, carry.ltv)
    if carry.hf < math.inf:
        if math.isnan(carry.hf_start):
            carry.hf_start = carry.hf
        if not carry.hf_min <= carry.hf:
            carry.hf_min = carry.hf
            carry.hf_min_ns = now_ns


@leaf
def measure(state: Record, rows: Rows) -> None:
    """Measure net asset value, margins and pools, with all prices of the instant known."""
    carry = state.carry
    if carry.measured_ns != state.ts_ns:
        begin_measuring(carry, state.ts_ns)
    carry.nav = net_asset_value(carry.books)
    _measure_margins(state, rows)
    measure_pools(carry, state.ts_ns)


@leaf
def measure_before_liquidation(state: Record, rows: Rows) -> None:
    """Measure the state that led to the first liquidation of an instant, before it changes anything.

    Skipped in legacy mode: published runs had no such figure.
    """
    if state.carry.is_legacy == 0 and state.carry.measured_ns != state.ts_ns:
        measure(state, rows)
