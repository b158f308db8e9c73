"""Stages of a reduction: unwind, coins to venues, close and sell, cash to the wallet, repay; run by ``tasks.py``."""

import math

from tightloop.core.carry import lending
from tightloop.core.carry.books import series_now, unit_value
from tightloop.core.carry.bundles import (
    burn,
    left_of,
    open_bundle,
    release,
    send_bundle,
    trade_perp,
    trade_spot,
    turn,
)
from tightloop.core.carry.transfers import bring_to, level_margins, move
from tightloop.core.compiled import leaf
from tightloop.core.domain.carry import Instruction, LegKind, RebalanceReason, Task
from tightloop.core.domain.types import Record, Rows

UNWIND, COINS_TO_VENUE, CLOSE_AND_SELL, CASH_TO_WALLET, REPAY = 0, 1, 2, 3, 4


@leaf
def _is_first(carry: Record, index: int) -> bool:
    """Return whether no earlier leg shares this leg's balance; a shared balance is unwound once."""
    is_shared = False
    for k in range(index):
        is_shared = is_shared or carry.legs[k].product == carry.legs[index].product
    return not is_shared


@leaf
def _unwind(state: Record, rows: Rows) -> bool:
    """Send stage 0: exit the share of all on-chain legs, last leg first, except loans that finance others."""
    carry = state.carry
    count = open_bundle(state)
    for back in range(carry.leg_count):
        i = carry.leg_count - 1 - back
        leg = carry.legs[i]
        is_lending = leg.kind == LegKind.LEND and leg.debt < 0
        if (is_lending or leg.kind == LegKind.STAKE or leg.kind == LegKind.LOOP) and _is_first(carry, i):
            count += release(state, rows, i, carry.share)
    return send_bundle(state, rows, count)


@leaf
def _move_coins_to_venue(state: Record, rows: Rows) -> bool:
    """Send stage 1: coins from the wallet back to the exchange where they are sold."""
    carry = state.carry
    count = open_bundle(state)
    for i in range(carry.leg_count):
        leg = carry.legs[i]
        if leg.source >= 0 and leg.base >= 0 and carry.legs[leg.source].kind == LegKind.SPOT:
            count += move(state, rows, i, leg.base, carry.legs[leg.source].coin, carry.books.balances[leg.base].amount)
    return send_bundle(state, rows, count)


@leaf
def _is_fed_on(carry: Record, index: int) -> bool:
    """Return whether the coins of a spot leg go on to an on-chain leg."""
    found = False
    for k in range(carry.leg_count):
        found = found or (carry.legs[k].source == index and carry.legs[k].kind != LegKind.PERP)
    return found


@leaf
def _close_hedges_and_sell(state: Record, rows: Rows) -> bool:
    """Send stage 2: close perpetuals first, then sell coins, in one bundle."""
    carry = state.carry
    count = open_bundle(state)
    for k in range(carry.books.holding_count):
        held = carry.books.holdings[k].qty
        count += trade_perp(state, rows, k, -held if carry.share >= 1.0 else -held * carry.share)
    for i in range(carry.leg_count):
        leg = carry.legs[i]
        if leg.kind == LegKind.SPOT:
            held = carry.books.balances[leg.coin].amount
            qty = held if carry.share >= 1.0 or _is_fed_on(carry, i) else held * carry.share
            if qty > 0.0:
                count += trade_spot(state, rows, i, Instruction.SPOT_SELL.value, qty, math.nan)
    return send_bundle(state, rows, count)


@leaf
def _owed_share(carry: Record, leg: Record) -> float:
    """Return the amount of a leg's debt that this reduction repays, in units of the borrowed asset."""
    index = series_now(carry.books, carry.books.balances[leg.debt].index_series)
    return min(1.0, carry.share) * carry.books.balances[leg.debt].amount * index


@leaf
def _move_cash_to_wallet(state: Record, rows: Rows) -> bool:
    """Send stage 3: cash missing for repayment or payout to the wallet, or a levelling of margins."""
    carry = state.carry
    count = open_bundle(state)
    for i in range(carry.leg_count):
        leg = carry.legs[i]
        # Never drain a margin that this reduction is meant to strengthen.
        if leg.kind == LegKind.LEND and leg.debt >= 0 and carry.band != RebalanceReason.MARGIN:
            available = carry.books.balances[leg.borrowed].amount
            count += bring_to(state, rows, leg.borrowed, _owed_share(carry, leg) - available)
    if carry.band == RebalanceReason.WITHDRAWAL:
        count += bring_to(state, rows, carry.cash, carry.payable - carry.books.balances[carry.cash].amount)
    if carry.band == RebalanceReason.MARGIN:
        count += level_margins(state, rows)
    return send_bundle(state, rows, count)


@leaf
def _repay_debt(state: Record, rows: Rows) -> bool:
    """Send stage 4: repay the debt of legs that lend in order to borrow.

    Their collateral is withdrawn only for a payout; otherwise it stays and lowers the loan to value.
    """
    carry = state.carry
    count = open_bundle(state)
    for i in range(carry.leg_count):
        leg = carry.legs[i]
        if leg.kind != LegKind.LEND or leg.debt < 0 or carry.band == RebalanceReason.MARGIN:
            continue
        available = left_of(state, rows, leg.borrowed)
        coins = left_of(state, rows, leg.unwrapped) if leg.unwrapped >= 0 else 0.0
        qty = min(_owed_share(carry, leg), available + coins)
        if qty > 0.0:
            purse = leg.unwrapped if coins > 0.0 else leg.borrowed
            count += burn(state, rows, i, leg.gas_borrow, purse)
            available = left_of(state, rows, leg.borrowed)
            if coins > 0.0:
                wrapped = min(max(0.0, qty - available), left_of(state, rows, leg.unwrapped))
                if wrapped > 0.0:
                    count += turn(state, rows, i, Instruction.WRAP.value, leg.unwrapped, leg.borrowed, wrapped)
                    available += wrapped
            qty = min(qty, available)
            count += turn(state, rows, i, Instruction.REPAY.value, leg.borrowed, leg.debt, qty)
        if carry.band == RebalanceReason.WITHDRAWAL:
            count += release(state, rows, i, _releasable(carry, leg, qty))
    return send_bundle(state, rows, count)


@leaf
def _releasable(carry: Record, leg: Record, repaid: float) -> float:
    """Return the share of collateral that may be withdrawn once ``repaid`` is paid, keeping the leg's target LTV."""
    debt = lending.debt_value(carry.books, leg) - max(0.0, repaid) * unit_value(carry.books, leg.borrowed)
    collateral = lending.collateral_value(carry.books, leg)
    if not debt > 1e-9 * collateral:
        return carry.share
    return min(carry.share, max(0.0, 1.0 - debt / leg.ltv / collateral))


@leaf
def send_stage(state: Record, rows: Rows, stage: int) -> bool:
    """Send the bundle of one stage of a reduction; return whether there was one."""
    assert UNWIND <= stage <= REPAY, "a reduction has five stages"
    if stage == UNWIND:
        return _unwind(state, rows)
    if stage == COINS_TO_VENUE:
        return _move_coins_to_venue(state, rows)
    if stage == CLOSE_AND_SELL:
        return _close_hedges_and_sell(state, rows)
    if stage == CASH_TO_WALLET:
        return _move_cash_to_wallet(state, rows)
    return _repay_debt(state, rows)


@leaf
def finish(carry: Record) -> None:
    """End a reduction; a paused entry shrinks by the same share."""
    if carry.paused_stage > 0:
        carry.paused_base *= 1.0 - carry.share
        for at in range(carry.leg_count):
            carry.legs[at].fresh *= 1.0 - carry.share
    carry.last_nav = carry.nav
    carry.task = Task.PAY.value if carry.band == RebalanceReason.WITHDRAWAL else Task.NONE.value
