"""The carry family: one allocator over several legs. Legs, sizes and bands come from the strategy file.

Rules are evaluated in a fixed order and the first with something to do acts: health factor, margin, withdrawals, entry,
dust, delta, loan to value, signals, deposits, equity. An action is a task of several bundles; each is sent after the
previous one has ended and everything in transit has arrived. Risk bands (health factor, margin) only reduce. A rule
that adds asks ``carry/risk.py`` first; when denied it is skipped, and a later rule may still reduce. While the outcome
of a bundle is unknown, tasks wait but for reductions of risk.
"""

import math

from tightloop.core.carry import interest, lending
from tightloop.core.carry.books import margin_equity, margin_notional, unit_value
from tightloop.core.carry.bundles import (
    burn,
    gas_in_eth,
    gas_out_of,
    has_place,
    has_unknown_stage,
    instruct,
    is_saleable,
    leave_loop,
    long_units,
    market_rate,
    open_bundle,
    send_bundle,
    spot_price,
    trade_perp,
    units_of_spot,
)
from tightloop.core.carry.paying import can_unwind, pay, warn_once_unpayable
from tightloop.core.carry.risk import forget_denials, is_denied, may_add, say_no_place
from tightloop.core.carry.tasks import enter, go_on, note, reduce, refill, resume_entering, stop_entering
from tightloop.core.compiled import compiled, leaf
from tightloop.core.domain.carry import BalanceKind, Instruction, LegKind, LegSize, LegState, RebalanceReason, Task
from tightloop.core.domain.enums import Moment
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.log import seal
from tightloop.core.signatures import DECIDE

PARAMETERS = ()
IS_CARRY = True

DUST_GAS_UNITS = 100.0
RESIZE_MIN = 1e-6
"""Relative: an oversized leg within this of its target counts as on target."""


# Bands ----------------------------------------------------------------------------------------------------------------


@leaf
def _relever(state: Record, rows: Rows, index: int, ltv: float, band: int) -> None:
    """Bring a leveraged leg to loan-to-value ``ltv``: repay from collateral, or borrow and stake more."""
    carry = state.carry
    leg = carry.legs[index]
    if not is_saleable(carry, leg):
        warn_once_unpayable(state, rows, math.nan)
        return
    price = carry.books.assets[carry.books.balances[leg.debt].asset].price
    collateral = lending.collateral_value(carry.books, leg) / price
    debt = lending.debt_value(carry.books, leg) / price
    note(state, rows, band, debt / collateral)
    carry.rebalance_count += 1
    count = open_bundle(state)
    if debt > ltv * collateral:
        # rate: what the pool values one LST at; kept: the share of it that repays debt after swap and flash fees.
        rate = carry.books.series[carry.books.balances[leg.lst].rate_series].now
        kept = market_rate(carry, leg) * (1.0 - leg.swap_rate) / (rate * (1.0 + leg.flash_rate))
        count += leave_loop(state, rows, index, math.nan, lending.repay_for(collateral, debt, ltv, 1.0 - kept))
    else:
        # The flash loan is staked and then repaid, with its fee, from new debt: no cash is needed.
        missing = (ltv * collateral - debt) / (1.0 + leg.flash_rate - ltv)
        count += _lever_up(state, rows, index, missing)
    send_bundle(state, rows, count)


@leaf
def _lever_up(state: Record, rows: Rows, index: int, amount: float) -> int:
    """Append a flash-loaned stake of ``amount`` (ETH), financed by new debt; return the rows written."""
    carry = state.carry
    leg = carry.legs[index]
    count = burn(state, rows, index, leg.gas_enter, leg.weth)
    owed = amount * (1.0 + leg.flash_rate)
    borrowed = owed + gas_out_of(state, rows, leg.gas_enter, leg.weth)
    for op, source, target, qty, taken in (
        (Instruction.FLASH_BORROW.value, leg.flash, leg.weth, amount, math.nan),
        (Instruction.WRAP.value, leg.weth, leg.base, amount, math.nan),
        (Instruction.STAKE.value, leg.base, leg.lst, amount, math.nan),
        (Instruction.SUPPLY.value, leg.lst, leg.product, math.nan, math.nan),
        (Instruction.BORROW.value, leg.debt, leg.weth, math.nan, borrowed),
        (Instruction.FLASH_REPAY.value, leg.weth, leg.flash, owed, amount),
    ):
        row = instruct(state, rows, index, op, source, target, qty, taken)
        seal(state, row)
        count += 1
    return count


@leaf
def _lower(state: Record, rows: Rows, index: int, ltv: float, band: int) -> None:
    """Reduce a leg's debt to loan-to-value ``ltv``: from its collateral, or by a reduction of what it financed."""
    carry = state.carry
    leg = carry.legs[index]
    if leg.kind == LegKind.LOOP:
        _relever(state, rows, index, ltv, band)
        return
    collateral, debt = lending.collateral_value(carry.books, leg), lending.debt_value(carry.books, leg)
    carry.rebalance_count += 1
    reduce(state, rows, (debt - ltv * collateral) / debt, band)


@leaf
def _guard_pools(state: Record, rows: Rows) -> bool:
    """Deleverage the first leg whose health factor is below the floor; return whether a bundle was sent."""
    carry = state.carry
    if not carry.hf < carry.hf_floor:
        return False
    for k in range(carry.leg_count):
        leg = carry.legs[k]
        is_free = carry.task == Task.NONE or leg.kind == LegKind.LOOP
        if leg.debt >= 0 and is_free:
            collateral, debt = lending.collateral_value(carry.books, leg), lending.debt_value(carry.books, leg)
            if lending.health_factor(collateral, debt, leg.threshold) < carry.hf_floor:
                _lower(
                    state, rows, k, min(leg.ltv, leg.threshold / carry.hf_floor), RebalanceReason.HEALTH_FACTOR.value
                )
                return carry.pending_count > 0
    return False


@leaf
def _retarget(state: Record, rows: Rows, band: int) -> bool:
    """Bring the first weighted spot leg, and the legs that follow it, to its share of net asset value.

    Return whether the rule has acted or was denied. For the margin rule it may end in a refill of margins instead.
    """
    carry = state.carry
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.kind != LegKind.SPOT or leg.size_kind != LegSize.WEIGHT:
            continue
        held = units_of_spot(carry, at)
        price = spot_price(carry, leg) * unit_value(carry.books, leg.venue_cash)
        target = leg.size * carry.nav / price
        if held > target and not (can_unwind(carry) and interest.can_give(carry.books, 1.0 - target / held)):
            warn_once_unpayable(state, rows, math.nan)
            return band == RebalanceReason.MARGIN and refill(state, rows)
        if held < target and band != RebalanceReason.MARGIN and is_denied(state, rows, band, target - held):
            return True
        if band == RebalanceReason.MARGIN:
            if not 1.0 - target / held > RESIZE_MIN:
                return refill(state, rows)  # risk bands only reduce
            carry.resize_count += 1
        else:
            carry.rebalance_count += 1
        if held > target:
            reduce(state, rows, min(1.0, 1.0 - target / held), band)
        else:
            enter(state, rows, (target - held) * price / leg.size, band)
        return True
    return band == RebalanceReason.MARGIN and refill(state, rows)


@leaf
def _delta_target(carry: Record, asset: int) -> float:
    """Return the target exposure to an asset in its units: the fund's value if it is the share class, else 0."""
    return carry.nav / carry.books.assets[asset].price if asset == carry.books.share else 0.0


@leaf
def hedge_of(carry: Record, leg: Record) -> tuple[float, float]:
    """Compute the target quantity of a perpetual leg over all its holdings, and its drift from it.

    Drift is a fraction: of the hedge where there is one and the asset is not the share class, otherwise of the amount
    held long; NaN when nothing is held.
    """
    assert leg.kind == LegKind.PERP, "a perpetual hedges"
    asset = carry.books.holdings[leg.holding_first].base
    held = long_units(carry, asset)
    hedged = 0.0
    for k in range(leg.holding_first, leg.holding_first + leg.holding_count):
        hedged += carry.books.holdings[k].qty
    wanted = _delta_target(carry, asset) - held
    wanted = min(0.0, wanted) if leg.side < 0 else max(0.0, wanted)  # a hedge never changes sides
    base = abs(hedged) if hedged != 0.0 and asset != carry.books.share else abs(held)
    return wanted, (hedged - wanted) / base if base > 0.0 else math.nan


@leaf
def _hedge(state: Record, rows: Rows) -> bool:
    """Rebalance the first perpetual leg whose drift is outside the delta band; return whether a bundle was sent."""
    carry = state.carry
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.kind != LegKind.PERP or leg.is_signal != 0 or leg.state != LegState.HELD:
            continue
        wanted, drift = hedge_of(carry, leg)
        if not abs(drift) > carry.delta_band:
            continue
        if _only_adds(carry, leg, wanted) and is_denied(state, rows, RebalanceReason.DELTA.value, drift):
            continue
        note(state, rows, RebalanceReason.DELTA.value, drift)
        carry.rebalance_count += 1
        count = open_bundle(state)
        for k in range(leg.holding_first, leg.holding_first + leg.holding_count):
            holding = carry.books.holdings[k]
            qty = wanted * holding.weight - holding.qty
            if qty * holding.qty < 0.0 or may_add(state):
                count += trade_perp(state, rows, k, qty)
        return send_bundle(state, rows, count)
    return False


@leaf
def _only_adds(carry: Record, leg: Record, wanted: float) -> bool:
    """Return whether reaching the target makes no holding of the leg smaller."""
    only = True
    for k in range(leg.holding_first, leg.holding_first + leg.holding_count):
        holding = carry.books.holdings[k]
        only = only and not (wanted * holding.weight - holding.qty) * holding.qty < 0.0
    return only


@leaf
def _follow_ltv(state: Record, rows: Rows) -> bool:
    """Rebalance the first leg whose loan to value has left its band; return whether a bundle was sent.

    A lending leg that finances others is only reduced: borrowing more is an entry.
    """
    carry = state.carry
    if not carry.ltv_band > 0.0:
        return False
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.debt < 0 or leg.state != LegState.HELD:
            continue
        collateral, debt = lending.collateral_value(carry.books, leg), lending.debt_value(carry.books, leg)
        drift = debt / collateral - leg.ltv if collateral > 0.0 else 0.0
        if drift > carry.ltv_band:
            _lower(state, rows, at, leg.ltv, RebalanceReason.LTV.value)
            return carry.pending_count > 0
        if drift < -carry.ltv_band and leg.kind == LegKind.LOOP:
            if is_denied(state, rows, RebalanceReason.LTV.value, drift):
                continue
            _relever(state, rows, at, leg.ltv, RebalanceReason.LTV.value)
            return carry.pending_count > 0
    return False


@leaf
def dust_floor(carry: Record) -> float:
    """Return the value above which a reward balance is sold, in the share class."""
    assert carry.dust >= 0.0, "rewards are sold in this run"
    floor = max(DUST_GAS_UNITS * gas_in_eth(carry, carry.gas_transfer), 0.0)
    if carry.gas_series >= 0:
        floor *= carry.books.assets[carry.gas_asset].price
    return max(floor, carry.dust * carry.nav)


@leaf
def _sell_dust(state: Record, rows: Rows) -> bool:
    """Sell reward balances above the dust floor (100 x gas of the sale, and a share of the fund)."""
    carry = state.carry
    if not carry.dust >= 0.0:
        return False
    count = open_bundle(state)
    floor = dust_floor(carry)
    for k in range(carry.books.balance_count):
        balance = carry.books.balances[k]
        if balance.kind == BalanceKind.REWARD and balance.amount * unit_value(carry.books, k) > floor:
            row = instruct(state, rows, -1, Instruction.SELL_DUST.value, k, carry.cash, balance.amount, math.nan)
            row.role = carry.cash
            row.fee = carry.legs[0].swap_rate
            seal(state, row)
            count += 1
    return send_bundle(state, rows, count)


@leaf
def _signal_units(carry: Record, leg: Record, price: float) -> float:
    """Return the size of a directional leg in units. Each signal is an entry of its own."""
    if leg.size_kind == LegSize.UNITS:
        return leg.size
    if leg.size_kind == LegSize.NOTIONAL:
        return leg.size / price
    return (carry.nav if leg.size_kind == LegSize.ALL else leg.size * carry.nav) / price


@leaf
def _follow_signals(state: Record, rows: Rows) -> bool:
    """Move directional legs to the latest signalled side, with stop and target in standard deviations."""
    carry = state.carry
    count = open_bundle(state)
    for at in range(carry.leg_count):
        leg = carry.legs[at]
        if leg.kind != LegKind.PERP or leg.is_signal == 0 or leg.wanted_side != leg.wanted_side:
            continue
        side = leg.wanted_side
        leg.wanted_side = math.nan
        sd = min(max(leg.wanted_sd, leg.sd_floor), leg.sd_cap)
        for k in range(leg.holding_first, leg.holding_first + leg.holding_count):
            holding = carry.books.holdings[k]
            has_side = 1.0 if holding.qty > 0.0 else -1.0 if holding.qty < 0.0 else 0.0
            if holding.is_liquidated != 0 or has_side == side or (side == 0.0 and holding.qty == 0.0):
                continue  # a liquidated holding is not reopened
            price = holding.mark * carry.books.assets[holding.quote].price
            qty = side * _signal_units(carry, leg, price) * holding.weight
            is_entry = side != 0.0
            if is_entry and is_denied(state, rows, RebalanceReason.SIGNAL.value, side):
                if holding.qty == 0.0:
                    continue
                qty, is_entry = 0.0, False  # denied: the old side is closed all the same
            row = instruct(state, rows, at, Instruction.PERP_TRADE.value, -1, -1, qty - holding.qty, 0.0)
            row.instance = k
            row.role = holding.margin_account
            row.fee = holding.fee_rate
            if is_entry and sd == sd:
                row.stop_price = holding.mark * (1.0 - side * leg.stop_sd * sd)
                row.arm_price = holding.mark * (1.0 + side * leg.target_sd * sd)
            seal(state, row)
            count += 1
    return send_bundle(state, rows, count)


@leaf
def _margin_is_low(carry: Record) -> bool:
    """Return whether any venue's margin is below the resize level."""
    if not carry.margin_resize > 0.0:
        return False
    for at in range(carry.books.holding_count):
        holding = carry.books.holdings[at]
        if holding.qty != 0.0:
            notional = margin_notional(carry.books, holding.venue)
            if margin_equity(carry.books, holding.venue) < carry.margin_resize * notional:
                return True
    return False


@leaf
def _begin_something(state: Record, rows: Rows) -> None:
    """Evaluate the rules in order; the first that acts ends the evaluation."""
    carry = state.carry
    if _margin_is_low(carry) and _retarget(state, rows, RebalanceReason.MARGIN.value):
        return
    if carry.unknown_count > 0:
        return  # amounts may be about to change: paying or trading on them now could do it twice
    if carry.payable > 0.0:
        pay(state, rows)
        if carry.pending_count > 0:
            return
    if not carry.units > 0.0:
        return  # all units are redeemed
    if carry.has_entered == 0:
        if is_denied(state, rows, RebalanceReason.ENTRY.value, carry.nav):
            _follow_signals(state, rows)  # consume signals: a stale one must not be followed later
            return
        carry.deposited = 0.0  # the entry is sized by net asset value, which includes it
        enter(state, rows, carry.nav * (1.0 - carry.reserve) - carry.payable, RebalanceReason.ENTRY.value)
        return
    if carry.paused_stage > 0 and not is_denied(state, rows, carry.paused_band, carry.paused_base):
        resume_entering(state, rows)
        return
    if _sell_dust(state, rows) or _hedge(state, rows) or _follow_ltv(state, rows) or _follow_signals(state, rows):
        return
    if carry.deposited > 0.0 and not is_denied(state, rows, RebalanceReason.DEPOSIT.value, carry.deposited):
        there = carry.books.balances[carry.cash].amount  # part of a deposit that had to wait may have been withdrawn
        base = min(carry.deposited, max(0.0, there)) * (1.0 - carry.reserve)
        carry.deposited = 0.0
        enter(state, rows, base, RebalanceReason.DEPOSIT.value)
        return
    if abs(carry.nav / carry.last_nav - 1.0) > carry.equity_band:
        if not _retarget(state, rows, RebalanceReason.EQUITY.value):
            carry.last_nav = carry.nav


@leaf
def _say_what_waits(state: Record, rows: Rows) -> None:
    """Log, once each, what waits because the outcome of a bundle is not known: additions, and reductions for a place.

    Additions wait for every outcome, so they never take more than the first place, and the others stay for reductions.
    """
    carry = state.carry
    assert carry.unknown_count > 0, "an outcome is not known"
    if carry.deposited > 0.0:
        is_denied(state, rows, RebalanceReason.DEPOSIT.value, carry.deposited)
    if carry.task == Task.NONE and carry.has_entered == 0 and carry.units > 0.0:
        is_denied(state, rows, RebalanceReason.ENTRY.value, carry.nav)
    if carry.paused_stage > 0:
        is_denied(state, rows, carry.paused_band, carry.paused_base)
    if has_place(carry):
        return
    if carry.hf < carry.hf_floor:
        say_no_place(state, rows, RebalanceReason.HEALTH_FACTOR.value, carry.hf)
    if _margin_is_low(carry):
        say_no_place(state, rows, RebalanceReason.MARGIN.value, carry.margin_ratio)


@leaf
def _waits_for_outcome(carry: Record) -> bool:
    """Return whether the task in progress waits for an unknown outcome.

    Any does, for the next stage relies on the one before; a reduction of risk only for a stage of its own.
    """
    if carry.unknown_count == 0 or carry.task == Task.NONE:
        return False
    is_risk = carry.band == RebalanceReason.HEALTH_FACTOR or carry.band == RebalanceReason.MARGIN
    return not (carry.task == Task.REDUCE and is_risk) or has_unknown_stage(carry)


@compiled(DECIDE)
def decide(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, moment: int) -> int:
    """Send the next bundle of the task in progress, or the first bundle of a new task."""
    carry = state.carry
    assert carry.leg_count > 0, "an allocator has legs"
    if carry.pending_count > 0 or carry.blocked_ns == state.ts_ns:
        return 0
    is_new = moment == Moment.DECIDE
    if is_new:
        forget_denials(state)
        if carry.unknown_count > 0:
            _say_what_waits(state, rows)
            if carry.task == Task.ENTER and (carry.hf < carry.hf_floor or _margin_is_low(carry)):
                is_denied(state, rows, carry.band, carry.base)
                stop_entering(state)  # the risk is reduced now, whatever becomes of the stage that is not answered
    if not has_place(carry):
        return 0
    if is_new and carry.has_entered != 0 and _guard_pools(state, rows):
        return 0
    if carry.transit_count > 0 or _waits_for_outcome(carry):
        return 0  # a task goes on when all before it has arrived, and its outcome is known
    if carry.task == Task.ENTER and is_denied(state, rows, carry.band, carry.base):
        stop_entering(state)
    elif carry.task == Task.ENTER or carry.task == Task.REDUCE:
        go_on(state, rows)
    if carry.task == Task.PAY and carry.pending_count == 0:
        pay(state, rows)
    elif carry.task == Task.NONE and carry.pending_count == 0 and is_new:
        _begin_something(state, rows)
    return 0
