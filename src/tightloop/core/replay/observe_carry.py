"""What the allocator of a carry run compares when it decides, measured by the same functions that it decides with.

State is read before a decision, when every value of the instant is known, and is not changed.
"""

import math
from enum import IntEnum

from tightloop.core.carry import lending
from tightloop.core.carry.books import margin_equity, margin_notional, net_asset_value, unit_value
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.carry import BalanceKind, LegKind, LegState
from tightloop.core.domain.types import STATE, Floats, Record, Rows
from tightloop.core.families.carry import dust_floor, hedge_of
from tightloop.core.kinds import array, void
from tightloop.core.signatures import ARENA


class Seen(IntEnum):
    """Places of the measures; NaN: not measured. Amounts are in the share class, drifts are fractions."""

    NAV = 0
    HF = 1  # lowest health factor of any leg with a debt
    MARGIN = 2  # lowest margin equity over notional of any venue with an open position
    PAYABLE = 3
    FREE = 4  # cash in the wallet
    DUST = 5  # worth of the largest unsold reward
    DUST_FLOOR = 6
    DELTA = 7  # largest deviation of a hedge from its target, signed
    LTV = 8  # largest deviation of a loan to value from its leg's target, signed
    SIGNALS = 9  # legs with a signal received and not yet followed
    DEPOSITED = 10
    EQUITY = 11  # relative change of NAV since the legs were sized, signed
    TASK = 12
    STAGE = 13
    ON_THE_WAY = 14  # transfers and queue withdrawals that have not arrived
    HAS_ENTERED = 15
    UNITS = 16


SEEN = len(Seen)


@leaf
def _farther(worst: float, value: float) -> float:
    """Return the value farther from 0; an unknown one (NaN) never replaces a known one."""
    return value if value == value and not abs(worst) >= abs(value) else worst


@leaf
def _pools(carry: Record, out: Floats) -> None:
    """Measure the worst health factor and deviation of loan to value."""
    assert carry.leg_count > 0, "an allocator has legs"
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.debt < 0:
            continue
        collateral, debt = lending.collateral_value(carry.books, leg), lending.debt_value(carry.books, leg)
        if not debt > 0.0:
            continue
        health = lending.health_factor(collateral, debt, leg.threshold)
        if not out[Seen.HF.value] <= health:
            out[Seen.HF.value] = health
        if leg.state == LegState.HELD and collateral > 0.0:
            out[Seen.LTV.value] = _farther(out[Seen.LTV.value], debt / collateral - leg.ltv)


@leaf
def _perps(carry: Record, out: Floats) -> None:
    """Measure the worst margin, the largest deviation of a hedge, and signals waiting."""
    assert len(out) >= SEEN, "there is a place for everything that is measured"
    for at in range(carry.books.holding_count):
        holding = carry.books.holdings[at]
        if holding.qty != 0.0:
            ratio = margin_equity(carry.books, holding.venue) / margin_notional(carry.books, holding.venue)
            if not out[Seen.MARGIN.value] <= ratio:
                out[Seen.MARGIN.value] = ratio
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.kind != LegKind.PERP:
            continue
        if leg.is_signal != 0:
            out[Seen.SIGNALS.value] += 1.0 if leg.wanted_side == leg.wanted_side else 0.0
        elif leg.state == LegState.HELD:
            _, drift = hedge_of(carry, leg)
            out[Seen.DELTA.value] = _farther(out[Seen.DELTA.value], drift)


@compiled(void(array(STATE), ARENA))
def measure(states: Rows, out: Floats) -> None:
    """Write what the allocator compares now into ``out``, one place for each member of Seen."""
    assert len(out) >= SEEN, "there is a place for everything that is measured"
    carry = states[0].carry
    books = carry.books
    for at in range(SEEN):
        out[at] = math.nan
    out[Seen.SIGNALS.value] = 0.0
    nav = net_asset_value(books)
    out[Seen.NAV.value] = nav
    out[Seen.PAYABLE.value], out[Seen.DEPOSITED.value] = carry.payable, carry.deposited
    out[Seen.FREE.value] = books.balances[carry.cash].amount * unit_value(books, carry.cash)
    for at in range(books.balance_count):
        balance = books.balances[at]
        if balance.kind == BalanceKind.REWARD:
            worth = balance.amount * unit_value(books, at)
            if not out[Seen.DUST.value] >= worth:
                out[Seen.DUST.value] = worth
    out[Seen.DUST_FLOOR.value] = dust_floor(carry) if carry.dust >= 0.0 else math.nan
    if carry.has_entered != 0:
        out[Seen.EQUITY.value] = nav / carry.last_nav - 1.0 if carry.last_nav != 0.0 else math.nan
    _pools(carry, out)
    _perps(carry, out)
    out[Seen.TASK.value], out[Seen.STAGE.value] = carry.task, carry.stage
    out[Seen.ON_THE_WAY.value] = carry.transit_count
    out[Seen.HAS_ENTERED.value], out[Seen.UNITS.value] = carry.has_entered, carry.units
