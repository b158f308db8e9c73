"""What the allocator of a carry run looks at when it decides, measured by the very functions that it decides with.

It reads State at the moment before a decision, when all is known of an instant, and changes nothing.
"""

import math
from enum import IntEnum

from tightloop.core.carry import lending
from tightloop.core.carry.books import margin_equity, margin_notional, net_asset_value, unit_value
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.carry import BalanceKind, LegKind, LegState
from tightloop.core.domain.kinds import array, void
from tightloop.core.domain.types import STATE, Floats, Record, Rows
from tightloop.core.families.carry import dust_floor, hedge_of
from tightloop.core.signatures import ARENA


class Seen(IntEnum):
    """Places of what is measured; NaN is what nothing says. Amounts are in the share class, drifts are shares."""

    NAV = 0
    HF = 1  # the lowest health factor of a leg that owes
    MARGIN = 2  # the lowest margin equity over notional of a venue where something is open
    PAYABLE = 3
    FREE = 4  # cash in the wallet
    DUST = 5  # the reward that is worth most
    DUST_FLOOR = 6
    DELTA = 7  # the hedge that is farthest from what it should be, signed
    LTV = 8  # the loan to value that is farthest from its leg's, signed
    SIGNALS = 9  # legs with a signal that was heard and not yet followed
    DEPOSITED = 10
    EQUITY = 11  # how far NAV moved since the legs were sized, signed
    TASK = 12
    STAGE = 13
    ON_THE_WAY = 14  # transfers and withdrawals from queues that have not arrived
    HAS_ENTERED = 15
    UNITS = 16


SEEN = len(Seen)


@leaf
def _farther(worst: float, value: float) -> float:
    return value if value == value and not abs(worst) >= abs(value) else worst


@leaf
def _pools(carry: Record, out: Floats) -> None:
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
    """What the allocator meets now, into the SEEN places of ``out``."""
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
        own = books.balances[at]
        if own.kind == BalanceKind.REWARD:
            worth = own.amount * unit_value(books, at)
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
