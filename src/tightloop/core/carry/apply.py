"""Effects of carry events on State: books, measures, account stops, and when the allocator is called.

Theory of operation

``apply`` is called by the step through the address table (a change here does not recompile the step) for every event
from SERIES_UPDATED on, and for the kill switch. All state is ``state.carry``: balances and holdings (``books``), legs,
the task in progress, units of the fund, P&L components (``buckets``), and the measures of the current instant.

Events of one instant arrive in this order:

1. SERIES_UPDATED for each series with a new value (indices, rates, prices, marks): revalued and attributed at once.
2. FUNDING_SETTLED, REWARD_PAID, CAPITAL_FLOW, SIGNAL_RECEIVED, as the feed has them.
3. Unprompted venue events: completed transfers and triggered stops (INSTRUCTION_EXECUTED, bundle 0), liquidations.
4. SNAPSHOT_COMPLETE: all inputs are known. Measure, check account stops, call the allocator (Moment.DECIDE), which may
   send a bundle.
5. INSTRUCTION_EXECUTED for each instruction of the bundle, then BUNDLE_ENDED. After success the allocator is called
   again at once (Moment.FILLED) and may send the next bundle; after a rollback it waits for the next instant.
6. SNAPSHOT_CLOSED: measure again, log monitor levels, record equity.

Invariants: the P&L components sum to the change of net asset value (asserted at SNAPSHOT_CLOSED); the books of each
token sum to zero; at most one bundle is pending; the venue's books equal ours whenever none is.

What may surprise: units are issued and redeemed at the current unit price, so a capital flow moves neither the unit
price nor, through ``_flow_of_account``, drawdown and daily loss. A withdrawal is first a payable, which still belongs
to net asset value until it is paid out. Measures keep the worst value within an instant, because a rebalance at 5 would
hide what 4 saw. ``is_legacy`` reproduces the figures of published runs, which measured only at the end.
"""

import math

from tightloop.core import limits, log
from tightloop.core.carry import measures, monitors
from tightloop.core.carry.books import (
    convert,
    net_asset_value,
    trade_holding,
    unit_value,
    update_series,
)
from tightloop.core.carry.bundles import change_life, find
from tightloop.core.compiled import compiled, float_bits, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.carry import (
    BUCKETS,
    BalanceKind,
    ContraAccount,
    Instruction,
    LegKind,
    LegState,
    PnlComponent,
    Rollback,
    StageOf,
)
from tightloop.core.domain.enums import EventKind, Moment, RowKind, WarningCode
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.hashing import mix
from tightloop.core.signatures import STEP, call_decide
from tightloop.core.trading import account as trading_account
from tightloop.core.trading.ledger import post_balance
from tightloop.core.trading.lifecycle import Life

RESIDUAL = 1e-8
"""Fraction of capital: tolerance between the sum of P&L components and the change of equity."""

ROUNDING = 2e-9
"""Relative: a payable or a number of units below this share of its former value is float residue, hence 0."""


# The account ----------------------------------------------------------------------------------------------------------


@leaf
def _flow_of_account(state: Record, before: float, after: float) -> None:
    """Scale peak equity and day-start equity with a capital flow, which is neither gain nor loss.

    ``before`` and ``after``: net asset value in the share class; 0 when the fund has no units.
    """
    if before > 0.0 and after > 0.0:
        state.equity_peak *= after / before
        state.day_start_equity *= after / before
    else:
        state.equity_peak = state.day_start_equity = max(0.0, after)
    trading_account.set_alarm(state)


@leaf
def _guard_account(state: Record, rows: Rows) -> None:
    """Check the account stops against the current net asset value, before anything is decided."""
    carry = state.carry
    state.equity = carry.nav
    if state.ts_ns == state.day * limits.DAY_NS:
        state.day_start_equity = carry.nav
        trading_account.set_alarm(state)
    if carry.units > 0.0 and state.equity <= state.alarm_equity:
        trading_account.guard_account(state, rows)


@leaf
def _killed(carry: Record, event: Record) -> None:
    """Set or clear kill-switch bits: one each for everything, the strategy, the instance, and every instrument.

    A bundle cannot be executed in part, so a scope that names the run's allocator or anything it trades stops all new
    risk. To re-arm one scope leaves the others engaged; to re-arm everything lifts all. Nothing is unwound.
    """
    if event.instance > 0 or fields.scope_strategy(event) > 0:
        return  # another instance or strategy
    bit = 1
    if event.instrument >= 0:
        bit = 8 << (event.instrument & 31)
    elif event.instance == 0:
        bit = 4
    elif fields.scope_strategy(event) == 0:
        bit = 2
    if fields.is_engaged(event):
        carry.killed |= bit
    elif bit == 1:
        carry.killed = 0
    else:
        carry.killed &= ~bit


# Executed instructions and flows --------------------------------------------------------------------------------------


@leaf
def _report(state: Record, rows: Rows, event: Record, value: float) -> None:
    """Append an INSTRUCTION_EXECUTED row; ``value`` is the notional in the share class."""
    row = log.emit(state, rows, RowKind.INSTRUCTION_EXECUTED.value, -1)
    row.code = fields.op(event)
    row.order_id = fields.bundle(event)
    row.slot = fields.source(event)
    row.oco = fields.target(event)
    row.side = fields.leg(event)
    row.qty = fields.given(event)
    row.threshold = fields.taken(event)
    row.price = event.price
    row.fee = fields.executed_fee(event)
    row.role = fields.fee_balance(event)
    row.value = value
    log.seal(state, row)


@leaf
def _pay_fee(carry: Record, balance: int, fee: float) -> float:
    """Take a fee from a balance (-1: none); return its value in the share class."""
    if fee == 0.0 or balance < 0:
        return 0.0
    post_balance(carry.books, balance, ContraAccount.COSTS.value, -fee)
    return fee * unit_value(carry.books, balance)


@leaf
def _perp_traded(state: Record, rows: Rows, event: Record) -> None:
    """Apply an executed perpetual trade."""
    carry = state.carry
    books = carry.books
    qty, fee_paid = fields.given(event), fields.executed_fee(event)
    holding = books.holdings[fields.target(event)]
    price = books.assets[holding.quote].price
    before = holding.unrealized
    was_flat = holding.qty == 0.0
    realized = trade_holding(books, fields.target(event), qty, event.price)
    if was_flat:
        holding.opened_ns = state.ts_ns
    holding.stop, holding.target = event.stop_loss, event.take_profit
    holding.fees += fee_paid
    fee = _pay_fee(carry, fields.fee_balance(event), fee_paid)
    carry.fees += fee
    moved = (holding.unrealized - before + realized) * price
    carry.buckets[PnlComponent.DELTA_PNL.value] += moved  # a stop or target within the bar fills away from the mark
    carry.buckets[PnlComponent.TRANSACTION_COSTS.value] -= fee
    _report(state, rows, event, abs(qty) * event.price * price)


@leaf
def _rest(whole: float, part: float) -> float:
    """Return ``whole - part``; 0 when only float residue is left."""
    rest = whole - part
    return rest if rest > ROUNDING * whole else 0.0


@leaf
def _paid_out(state: Record, event: Record) -> None:
    """Redeem units for a paid withdrawal at the current unit price, which therefore does not move."""
    carry = state.carry
    source, given = fields.source(event), fields.given(event)
    paid = given * unit_value(carry.books, source)
    nav = net_asset_value(carry.books)
    price = nav / carry.units
    post_balance(carry.books, source, ContraAccount.CAPITAL.value, -given)
    carry.units = _rest(carry.units, paid / price)
    _flow_of_account(state, nav, nav - paid if carry.units > 0.0 else 0.0)
    carry.flows -= paid
    carry.payable = _rest(carry.payable, paid)


@leaf
def _converted(state: Record, rows: Rows, event: Record) -> None:
    """Apply any other executed instruction: amounts, fee, costs, and the count of transfers in transit."""
    carry = state.carry
    books = carry.books
    op, source, target = fields.op(event), fields.source(event), fields.target(event)
    given = fields.given(event) * unit_value(books, source) if source >= 0 else 0.0
    if op == Instruction.PAY_OUT:
        _paid_out(state, event)
        _report(state, rows, event, given)
        return
    convert(books, op, source, target, fields.given(event), fields.taken(event))
    taken = fields.taken(event) * unit_value(books, target) if target >= 0 else 0.0
    fee = _pay_fee(carry, fields.fee_balance(event), fields.executed_fee(event))
    carry.buckets[PnlComponent.TRANSACTION_COSTS.value] += taken - given - fee
    if op == Instruction.GAS:
        carry.gas_cost += given
    elif op == Instruction.SPOT_BUY or op == Instruction.SPOT_SELL or op == Instruction.SELL_DUST:
        carry.fees += fee if carry.fee_in_amount == 0 else given - taken
    if target >= 0 and (books.balances[target].kind == BalanceKind.TRANSIT or op == Instruction.REDEEM):
        carry.transit_count += 1
    if op == Instruction.ARRIVED:
        carry.transit_count -= 1
    _report(state, rows, event, given)


@leaf
def _funded(carry: Record, event: Record) -> None:
    """Apply a funding settlement to a holding; the venue has computed the amount (positive: received)."""
    assert fields.settlement_mark(event) > 0.0, "funding is settled at a mark"
    books = carry.books
    holding = books.holdings[event.instance]
    if holding.settled_ns >= event.ts_event_ns:
        return  # duplicate settlement; already applied
    holding.settled_ns = event.ts_event_ns
    carry.settlement_count += 1
    carry.rate_sum += event.rate
    carry.funding_rate = -event.rate if holding.qty > 0.0 else event.rate
    if event.amount != 0.0:
        holding.funding += event.amount
        post_balance(books, holding.margin_account, ContraAccount.FUNDING.value, fields.settled_cash(event))
        carry.buckets[PnlComponent.FUNDING_PNL.value] += fields.settled_cash(event) * unit_value(
            books, holding.margin_account
        )


@leaf
def _rewarded(carry: Record, event: Record) -> None:
    """Apply a reward payment, attributed at its current market value."""
    post_balance(carry.books, event.instance, ContraAccount.REWARDS.value, event.amount)
    carry.buckets[PnlComponent.STAKING_YIELD_REWARDS.value] += event.amount * unit_value(carry.books, event.instance)


@leaf
def _flowed(state: Record, event: Record) -> None:
    """Apply a capital flow: deposits mint units at the current unit price; withdrawals become a payable until paid."""
    carry = state.carry
    if event.amount < 0.0:
        carry.is_fast = fields.is_fast(event) if carry.payable == 0.0 else min(carry.is_fast, fields.is_fast(event))
        carry.payable -= event.amount
        return
    before = 0.0
    if carry.initial > 0.0:
        # Without units or value there is no current price: continue at the last one, so that returns stay comparable.
        nav = net_asset_value(carry.books)
        price = nav / carry.units if carry.units > 0.0 and nav > 0.0 else carry.unit_price
        if not price > 0.0:
            price = 1.0
        before = nav if carry.units > 0.0 else 0.0
        carry.units += event.amount / price
        carry.flows += event.amount
        carry.deposited += event.amount
    else:
        carry.units = event.amount
        carry.initial = event.amount
    post_balance(carry.books, carry.cash, ContraAccount.CAPITAL.value, event.amount)
    _flow_of_account(state, before, before + event.amount)


# Liquidations ---------------------------------------------------------------------------------------------------------


@leaf
def _perp_liquidated(state: Record, rows: Rows, event: Record) -> None:
    """Apply the liquidation of a holding; the venue kept ``event.amount`` of the margin asset."""
    carry = state.carry
    books = carry.books
    holding = books.holdings[event.instance]
    if holding.is_liquidated != 0 and holding.qty == 0.0:
        trading_account.warn(state, rows, WarningCode.ILLEGAL_EVENT.value, -1, fields.kept_margin(event), 0)
        return  # told twice: what is liquidated is not opened again
    lost = holding.qty
    price = books.assets[holding.quote].price
    before = holding.unrealized
    realized = trade_holding(books, event.instance, -holding.qty, event.price)
    post_balance(books, holding.margin_account, ContraAccount.SEIZED.value, -fields.kept_margin(event))
    kept = fields.kept_margin(event) * unit_value(books, holding.margin_account)
    carry.buckets[PnlComponent.LIQUIDATION_PNL.value] += (holding.unrealized - before + realized) * price - kept
    holding.is_liquidated = 1
    carry.legs[holding.leg].state = LegState.LIQUIDATED.value
    carry.liquidation_count += 1
    trading_account.warn(state, rows, WarningCode.LIQUIDATED.value, -1, event.price, 0)
    trading_account.warn(state, rows, WarningCode.DELTA_LEFT.value, -1, -lost, 0)


@leaf
def _debt_liquidated(state: Record, rows: Rows, event: Record) -> None:
    """Apply a pool liquidation: part of the debt repaid, collateral seized with a bonus."""
    assert event.qty >= 0.0, "a liquidator repays"
    carry = state.carry
    books = carry.books
    given = event.amount * unit_value(books, event.instance)
    repaid = event.qty * unit_value(books, event.instrument)
    post_balance(books, event.instance, ContraAccount.SEIZED.value, -event.amount)
    post_balance(books, event.instrument, ContraAccount.SEIZED.value, event.qty)
    carry.buckets[PnlComponent.LIQUIDATION_PNL.value] += repaid - given
    carry.liquidation_count += 1
    trading_account.warn(state, rows, WarningCode.LIQUIDATED.value, -1, given - repaid, 0)


@leaf
def _bundle_ended(state: Record, rows: Rows, event: Record) -> bool:
    """Apply the end of a bundle, executed or rolled back; return whether the allocator may continue at once."""
    carry = state.carry
    slot = find(carry, fields.bundle(event))
    if slot < 0 or fields.bundle(event) == 0:
        trading_account.warn(
            state, rows, WarningCode.ILLEGAL_EVENT.value, -1, float(fields.rollback(event)), fields.bundle(event)
        )
        return False
    stage = carry.bundles[slot].is_stage
    is_legal = change_life(
        carry, slot, Life.DONE.value if fields.rollback(event) == Rollback.NONE else Life.REFUSED.value
    )
    assert is_legal, "a bundle without a final outcome may end"
    carry.bundle_count += 1
    row = log.emit(state, rows, RowKind.BUNDLE.value, -1)
    row.order_id = fields.bundle(event)
    row.reason = fields.rollback(event)
    log.seal(state, row)
    if fields.rollback(event) == Rollback.NONE:
        return True
    carry.rollback_count += 1
    carry.blocked_ns = state.ts_ns
    if stage == StageOf.TASK:
        carry.stage = max(0, carry.stage - 1)  # retry the same stage at the next instant
    elif stage == StageOf.PAUSED and carry.paused_stage > 1:
        carry.paused_stage -= 1  # or when the entry resumes
    reason = float(fields.rollback(event))
    trading_account.warn(state, rows, WarningCode.ROLLED_BACK.value, -1, reason, fields.bundle(event))
    return False


@leaf
def _bundle_unknown(state: Record, rows: Rows, event: Record) -> None:
    """Apply the news that a bundle was not answered: its outcome is unknown until BUNDLE_ENDED tells it."""
    carry = state.carry
    slot = find(carry, fields.bundle(event))
    if slot < 0 or fields.bundle(event) == 0:
        trading_account.warn(state, rows, WarningCode.ILLEGAL_EVENT.value, -1, 0.0, fields.bundle(event))
        return
    change_life(carry, slot, Life.UNKNOWN.value)
    trading_account.warn(state, rows, WarningCode.OUTCOME_UNKNOWN.value, -1, 0.0, fields.bundle(event))


@leaf
def _instruction_executed(state: Record, rows: Rows, event: Record) -> None:
    """Apply an executed instruction: of a bundle without a final outcome, or (bundle 0) of a venue by itself."""
    if fields.bundle(event) != 0:
        slot = find(state.carry, fields.bundle(event))
        if slot < 0:
            code = WarningCode.ILLEGAL_EVENT.value
            trading_account.warn(state, rows, code, -1, fields.given(event), fields.bundle(event))
            return
        change_life(state.carry, slot, Life.IN_FLIGHT.value)
    if fields.op(event) == Instruction.PERP_TRADE:
        _perp_traded(state, rows, event)
    else:
        _converted(state, rows, event)


@leaf
def _predicted(carry: Record, event: Record) -> None:
    """Store a signal for a directional leg: wanted side (1, 0, -1), volatility, confidence."""
    leg = carry.legs[event.instance]
    assert leg.kind == LegKind.PERP, "a prediction is for a directional leg"
    if fields.confidence(event) > leg.confidence_min or fields.signal_side(event) == 0.0:
        leg.wanted_side = fields.signal_side(event)
        leg.wanted_sd = fields.signal_sd(event)
        leg.confidence = fields.confidence(event)
        leg.predicted_ns = event.ts_event_ns


# The end of an instant ------------------------------------------------------------------------------------------------


@leaf
def residual(carry: Record) -> float:
    """Return the change of net asset value that no P&L component explains; float residue only."""
    total = carry.initial + carry.flows
    for bucket in range(BUCKETS):
        total += carry.buckets[bucket]
    return carry.nav - total


@leaf
def _end(state: Record, rows: Rows) -> None:
    """Close the instant: measure, assert the attribution, update unit price and monitors, record equity."""
    carry = state.carry
    if carry.is_legacy != 0:
        worst = carry.margin_worst
        measures.begin_measuring(carry, state.ts_ns)
        carry.margin_worst = worst
        carry.nav = net_asset_value(carry.books)
        measures.measure_pools(carry, state.ts_ns)
    else:
        measures.measure(state, rows)
    assert math.isfinite(carry.nav), "what the fund holds has a price"
    scale = max(carry.initial, abs(carry.nav))
    assert abs(residual(carry)) <= RESIDUAL * scale, "the buckets add up to the change of equity"
    if carry.units > 0.0:
        carry.unit_price = carry.nav / carry.units
        carry.peak_unit = max(carry.peak_unit, carry.unit_price)
        carry.drawdown_pct = max(carry.drawdown_pct, 100.0 * (1.0 - carry.unit_price / carry.peak_unit))
    monitors.watch(state, rows)
    state.equity = carry.nav
    mix(state, float_bits(carry.nav))
    if carry.units > 0.0:
        trading_account.record(state, rows)  # without units there is no equity to lose


@leaf
def _take_value_or_flow(state: Record, rows: Rows, event: Record) -> None:
    """Apply market data, what the venues paid by themselves, capital flows and signals."""
    carry = state.carry
    kind = event.kind
    if kind == EventKind.SERIES_UPDATED:
        update_series(carry, event.instrument, event.price)
    elif kind == EventKind.FUNDING_SETTLED:
        _funded(carry, event)
    elif kind == EventKind.REWARD_PAID:
        if carry.books.assets[carry.books.balances[event.instance].asset].price > 0.0:
            _rewarded(carry, event)
        elif event.amount > 0.0:
            trading_account.warn(state, rows, WarningCode.REWARD_UNPRICED.value, -1, event.amount, 0)
    elif kind == EventKind.CAPITAL_FLOW:
        _flowed(state, event)
    elif kind == EventKind.SETTLEMENT_PUBLISHED or kind == EventKind.REWARD_PUBLISHED:
        return  # what it pays is the venue's answer, an event of its own
    else:
        assert kind == EventKind.SIGNAL_RECEIVED, "an event of carry has a known kind"
        _predicted(carry, event)


@compiled(STEP)
def apply(state: Record, arena: Floats, event: Record, rows: Rows, table: Table) -> None:
    """Apply one carry event, then call the allocator if it may act now."""
    kind = event.kind
    carry = state.carry
    assert carry.leg_count > 0, "an event of carry comes to a run that has legs"
    goes_on = False
    if kind == EventKind.INSTRUCTION_EXECUTED:
        _instruction_executed(state, rows, event)
    elif kind == EventKind.BUNDLE_UNKNOWN:
        _bundle_unknown(state, rows, event)
    elif kind == EventKind.BUNDLE_ENDED:
        goes_on = _bundle_ended(state, rows, event)
    elif kind == EventKind.PERP_LIQUIDATED:
        measures.measure_before_liquidation(state, rows)
        _perp_liquidated(state, rows, event)
    elif kind == EventKind.DEBT_LIQUIDATED:
        measures.measure_before_liquidation(state, rows)
        _debt_liquidated(state, rows, event)
    elif kind == EventKind.SNAPSHOT_COMPLETE:
        measures.measure(state, rows)
        _guard_account(state, rows)
        goes_on = True
    elif kind == EventKind.SNAPSHOT_CLOSED:
        _end(state, rows)
    elif kind == EventKind.KILL_SWITCH:
        _killed(carry, event)
    else:
        _take_value_or_flow(state, rows, event)
    if goes_on:
        moment = Moment.DECIDE.value if kind == EventKind.SNAPSHOT_COMPLETE else Moment.FILLED.value
        call_decide(table[carry.family], state, arena, rows, table, 0, moment)
