"""Carry in the step: events of capital over venues become books, measures, and calls of the allocator.

``apply`` is called by the step through the table of addresses, so a change here compiles nothing else. Units of the
fund are issued and redeemed at the value of the instant, so a flow never moves the price of a unit.
"""

import math

from tightloop.core import limits, log
from tightloop.core.carry import lending, monitors
from tightloop.core.carry.books import (
    change,
    convert,
    margin_equity,
    margin_notional,
    net_asset_value,
    trade_holding,
    unit_value,
    value_known,
)
from tightloop.core.compiled import compiled, float_bits, leaf
from tightloop.core.domain.carry import (
    BUCKETS,
    STAGE,
    BalanceKind,
    ContraAccount,
    Instruction,
    LegKind,
    LegState,
    PnlComponent,
    Rollback,
)
from tightloop.core.domain.enums import EventKind, Moment, RowKind, WarningCode
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.hashing import mix
from tightloop.core.signatures import STEP, call_decide
from tightloop.core.trading import account as trading_account

RESIDUAL = 1e-8
"""Of the capital: as far as the sum of all buckets may be from the change of equity."""

ROUNDING = 2e-9
"""Relative: less than this of what was owed, or of all units, is nothing; a withdrawal may be short by rounding."""


# Measures -------------------------------------------------------------------------------------------------------------


@leaf
def _begin_measuring(carry: Record, now_ns: int) -> None:
    """The lowest and the highest of an instant begin anew with it."""
    carry.measured_ns = now_ns
    carry.hf_low, carry.ltv_high, carry.used_high, carry.margin_worst = math.inf, 0.0, math.nan, math.nan


@leaf
def _measure_margins(state: Record, rows: Rows) -> None:
    """The worst margin ratio of any venue."""
    carry = state.carry
    worst = math.nan
    for at in range(carry.books.holding_count):
        holding = carry.books.holdings[at]
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
def _measure_pools(carry: Record, now_ns: int) -> None:
    """The worst health factor and loan to value of any leg that owes; infinite and 0 without debt."""
    carry.hf, carry.ltv = math.inf, 0.0
    for at in range(carry.leg_count):
        leg = carry.legs[at]
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
def _measure(state: Record, rows: Rows) -> None:
    """Everything there is to measure, with all prices of the instant known."""
    carry = state.carry
    if carry.measured_ns != state.ts_ns:
        _begin_measuring(carry, state.ts_ns)
    carry.nav = net_asset_value(carry.books)
    _measure_margins(state, rows)
    _measure_pools(carry, state.ts_ns)


@leaf
def _measure_before_force(state: Record, rows: Rows) -> None:
    """What the venues saw before they liquidated: at the first liquidation of an instant. Published runs had no such
    figure."""
    if state.carry.is_legacy == 0 and state.carry.measured_ns != state.ts_ns:
        _measure(state, rows)


# The account ----------------------------------------------------------------------------------------------------------


@leaf
def _flow_of_account(state: Record, before: float, after: float) -> None:
    """A flow is neither a gain nor a loss: what equity is compared with moves as the flow moves it."""
    if before > 0.0 and after > 0.0:
        state.equity_peak *= after / before
        state.day_start_equity *= after / before
    else:
        state.equity_peak = state.day_start_equity = max(0.0, after)
    trading_account.set_alarm(state)


@leaf
def _guard_account(state: Record, rows: Rows) -> None:
    """The account's stops before anything is decided, by what the fund is worth now."""
    carry = state.carry
    state.equity = carry.nav
    if state.ts_ns == state.day * limits.DAY_NS:
        state.day_start_equity = carry.nav
        trading_account.set_alarm(state)
    if carry.units > 0.0 and state.equity <= state.alarm_equity:
        trading_account.guard_account(state, rows)


@leaf
def _killed(carry: Record, event: Record) -> None:
    """The kill switch on the one allocator of a run. Its bundles are whole or not at all, so a scope that names it, or
    something that it trades, stops all that adds. Nothing is unwound."""
    bit = 1
    if event.instrument >= 0:
        bit = 2 << (event.instrument & 31)
    if event.instance > 0 or event.order_slot > 0:
        return  # of another one
    if event.order_id != 0:
        carry.killed |= bit
    elif event.instrument < 0:
        carry.killed = 0
    else:
        carry.killed &= ~bit


# Amounts --------------------------------------------------------------------------------------------------------------


@leaf
def _report(state: Record, rows: Rows, event: Record, value: float) -> None:
    row = log.emit(state, rows, RowKind.INSTRUCTION_EXECUTED.value, -1)
    row.code = event.reason
    row.order_id = event.order_id
    row.slot = event.instrument
    row.oco = event.instance
    row.side = event.side
    row.qty = event.qty
    row.threshold = event.amount
    row.price = event.price
    row.fee = event.rate
    row.role = event.is_maker
    row.value = value
    log.seal(state, row)


@leaf
def _pay_fee(carry: Record, at: int, fee: float) -> float:
    """Take a fee from a balance; its worth in the share class."""
    if fee == 0.0 or at < 0:
        return 0.0
    change(carry.books, at, -fee, ContraAccount.COSTS.value)
    return fee * unit_value(carry.books, at)


@leaf
def _perp_traded(state: Record, rows: Rows, event: Record) -> None:
    carry = state.carry
    books = carry.books
    holding = books.holdings[event.instance]
    price = books.assets[holding.quote].price
    before = holding.unrealized
    was_flat = holding.qty == 0.0
    realized = trade_holding(books, event.instance, event.qty, event.price)
    if was_flat:
        holding.opened_ns = state.ts_ns
    holding.stop, holding.target = event.stop_loss, event.take_profit
    holding.fees += event.rate
    fee = _pay_fee(carry, event.is_maker, event.rate)
    carry.fees += fee
    moved = (holding.unrealized - before + realized) * price
    carry.buckets[PnlComponent.DELTA_PNL.value] += moved  # a stop or a target inside the bar trades beside the mark
    carry.buckets[PnlComponent.TRANSACTION_COSTS.value] -= fee
    _report(state, rows, event, abs(event.qty) * event.price * price)


@leaf
def _rest(whole: float, part: float) -> float:
    """What is left of ``whole``; none when only rounding is."""
    rest = whole - part
    return rest if rest > ROUNDING * whole else 0.0


@leaf
def _paid_out(state: Record, event: Record) -> None:
    """Capital goes at the price of a unit in force, which it does not move."""
    carry = state.carry
    paid = event.qty * unit_value(carry.books, event.instrument)
    nav = net_asset_value(carry.books)
    price = nav / carry.units
    change(carry.books, event.instrument, -event.qty, ContraAccount.CAPITAL.value)
    carry.units = _rest(carry.units, paid / price)
    _flow_of_account(state, nav, nav - paid if carry.units > 0.0 else 0.0)
    carry.flows -= paid
    carry.payable = _rest(carry.payable, paid)


@leaf
def _converted(state: Record, rows: Rows, event: Record) -> None:
    carry = state.carry
    books = carry.books
    op, source, target = event.reason, event.instrument, event.instance
    given = event.qty * unit_value(books, source) if source >= 0 else 0.0
    if op == Instruction.PAY_OUT:
        _paid_out(state, event)
        _report(state, rows, event, given)
        return
    convert(books, op, source, target, event.qty, event.amount)
    taken = event.amount * unit_value(books, target) if target >= 0 else 0.0
    fee = _pay_fee(carry, event.is_maker, event.rate)
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
    """Funding on what was held before; positive when received."""
    assert event.price > 0.0, "funding is settled at a mark"
    books = carry.books
    holding = books.holdings[event.instance]
    if holding.settled_ns >= event.ts_event_ns:
        return  # said twice, paid once
    holding.settled_ns = event.ts_event_ns
    carry.settlement_count += 1
    carry.rate_sum += event.rate
    carry.funding_rate = -event.rate if holding.qty > 0.0 else event.rate
    if event.amount != 0.0:
        holding.funding += event.amount
        change(books, holding.cash, event.stop_price, ContraAccount.FUNDING.value)
        carry.buckets[PnlComponent.FUNDING_PNL.value] += event.stop_price * unit_value(books, holding.cash)


@leaf
def _rewarded(carry: Record, event: Record) -> None:
    """A reward that was paid, at what the market gives for it then."""
    change(carry.books, event.instance, event.amount, ContraAccount.REWARDS.value)
    carry.buckets[PnlComponent.STAKING_YIELD_REWARDS.value] += event.amount * unit_value(carry.books, event.instance)


@leaf
def _flowed(state: Record, event: Record) -> None:
    """Capital comes at the price of a unit in force; capital that is to go is owed until it is paid out."""
    carry = state.carry
    if event.amount < 0.0:
        carry.is_fast = event.reason if carry.payable == 0.0 else min(carry.is_fast, event.reason)
        carry.payable -= event.amount
        return
    before = 0.0
    if carry.initial > 0.0:
        # Where everybody has left, or nothing is left, units go on at the price they had.
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
    change(carry.books, carry.cash, event.amount, ContraAccount.CAPITAL.value)
    _flow_of_account(state, before, before + event.amount)


# Force ----------------------------------------------------------------------------------------------------------------


@leaf
def _perp_liquidated(state: Record, rows: Rows, event: Record) -> None:
    """The venue closed a holding at its liquidation price and kept what was left of its margin."""
    carry = state.carry
    books = carry.books
    holding = books.holdings[event.instance]
    lost = holding.qty
    price = books.assets[holding.quote].price
    before = holding.unrealized
    realized = trade_holding(books, event.instance, -holding.qty, event.price)
    change(books, holding.cash, -event.amount, ContraAccount.SEIZED.value)
    kept = event.amount * unit_value(books, holding.cash)
    carry.buckets[PnlComponent.LIQUIDATION_PNL.value] += (holding.unrealized - before + realized) * price - kept
    holding.is_liquidated = 1
    carry.legs[holding.leg].state = LegState.LIQUIDATED.value
    carry.liquidation_count += 1
    trading_account.warn(state, rows, WarningCode.LIQUIDATED.value, -1, event.price, 0)
    trading_account.warn(state, rows, WarningCode.DELTA_LEFT.value, -1, -lost, 0)


@leaf
def _debt_liquidated(state: Record, rows: Rows, event: Record) -> None:
    """A liquidator repaid part of a debt and took collateral with a bonus."""
    assert event.qty >= 0.0, "a liquidator repays"
    carry = state.carry
    books = carry.books
    given = event.amount * unit_value(books, event.instance)
    repaid = event.qty * unit_value(books, event.instrument)
    change(books, event.instance, -event.amount, ContraAccount.SEIZED.value)
    change(books, event.instrument, event.qty, ContraAccount.SEIZED.value)
    carry.buckets[PnlComponent.LIQUIDATION_PNL.value] += repaid - given
    carry.liquidation_count += 1
    trading_account.warn(state, rows, WarningCode.LIQUIDATED.value, -1, given - repaid, 0)


@leaf
def _bundle_ended(state: Record, rows: Rows, event: Record) -> bool:
    """All of it took place, or none of it; True when the allocator may go on at once."""
    carry = state.carry
    assert carry.is_pending != 0, "a bundle that ended was sent"
    is_stage = carry.is_pending == STAGE
    carry.is_pending = 0
    carry.bundle_count += 1
    row = log.emit(state, rows, RowKind.BUNDLE.value, -1)
    row.order_id = event.order_id
    row.reason = event.reason
    log.seal(state, row)
    if event.reason == Rollback.NONE:
        return True
    carry.rollback_count += 1
    carry.blocked_ns = state.ts_ns
    if is_stage:
        carry.stage = max(0, carry.stage - 1)  # the same again at the next instant
    trading_account.warn(state, rows, WarningCode.ROLLED_BACK.value, -1, float(event.reason), event.order_id)
    return False


@leaf
def _predicted(carry: Record, event: Record) -> None:
    leg = carry.legs[event.instance]
    assert leg.kind == LegKind.PERP, "a prediction is for a directional leg"
    if event.amount > leg.confidence_min or event.qty == 0.0:
        leg.wanted_side = event.qty
        leg.wanted_sd = event.rate
        leg.confidence = event.amount
        leg.predicted_ns = event.ts_event_ns


# The end of an instant ------------------------------------------------------------------------------------------------


@leaf
def residual(carry: Record) -> float:
    """What equity changed by and no bucket explains; rounding alone."""
    total = carry.initial + carry.flows
    for bucket in range(BUCKETS):
        total += carry.buckets[bucket]
    return carry.nav - total


@leaf
def _end(state: Record, rows: Rows) -> None:
    carry = state.carry
    if carry.is_legacy != 0:
        worst = carry.margin_worst
        _begin_measuring(carry, state.ts_ns)
        carry.margin_worst = worst
        carry.nav = net_asset_value(carry.books)
        _measure_pools(carry, state.ts_ns)
    else:
        _measure(state, rows)
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
        trading_account.record(state, rows)  # where nobody has anything, nothing is lost


@leaf
def _take_value_or_flow(state: Record, rows: Rows, event: Record) -> None:
    carry = state.carry
    kind = event.kind
    if kind == EventKind.SERIES_UPDATED:
        value_known(carry, event.instrument, event.price)
    elif kind == EventKind.FUNDING_SETTLED:
        _funded(carry, event)
    elif kind == EventKind.REWARD_PAID:
        if carry.books.assets[carry.books.balances[event.instance].asset].price > 0.0:
            _rewarded(carry, event)
        elif event.amount > 0.0:
            trading_account.warn(state, rows, WarningCode.REWARD_UNPRICED.value, -1, event.amount, 0)
    elif kind == EventKind.CAPITAL_FLOW:
        _flowed(state, event)
    else:
        assert kind == EventKind.SIGNAL_RECEIVED, "an event of carry has a known kind"
        _predicted(carry, event)


@compiled(STEP)
def apply(state: Record, arena: Floats, event: Record, rows: Rows, table: Table) -> None:
    """One event of carry: books, measures, and the allocator when it is its turn."""
    kind = event.kind
    carry = state.carry
    assert carry.leg_count > 0, "an event of carry comes to a run that has legs"
    goes_on = False
    if kind == EventKind.INSTRUCTION_EXECUTED:
        if event.reason == Instruction.PERP_TRADE:
            _perp_traded(state, rows, event)
        else:
            _converted(state, rows, event)
    elif kind == EventKind.BUNDLE_ENDED:
        goes_on = _bundle_ended(state, rows, event)
    elif kind == EventKind.PERP_LIQUIDATED:
        _measure_before_force(state, rows)
        _perp_liquidated(state, rows, event)
    elif kind == EventKind.DEBT_LIQUIDATED:
        _measure_before_force(state, rows)
        _debt_liquidated(state, rows, event)
    elif kind == EventKind.SNAPSHOT_COMPLETE:
        _measure(state, rows)
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
