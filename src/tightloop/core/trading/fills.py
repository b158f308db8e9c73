"""Fills in State: what one fill does to a position, its margin, the ledger and the statistics, and the rows it writes.

A fill that is larger than the position it reduces does two things in one: it ends a trade and begins another, and its
fee and slippage are split in proportion to the quantities.

A venue that reports says what an order has filled in all (``cum_qty``), and a key for each execution. So what a report
adds is a difference, compared in lots: nothing when it was booked before, and more than it says when a report before it
is missing. What is missing is booked at the price that the venue's average implies, with the taker fee, until it has
been looked up. The simulated venues say neither, and their fills are booked as they come.
"""

import math

import numpy as np

from tightloop.core import limits, log
from tightloop.core.compiled import float_bits, hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import EventKind, OrderKind, OrderState, Role, RowKind, WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.hashing import mix
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import commands, ledger, margin, orders, positions


@leaf
def _report_trade(state: Record, rows: Rows, instance: int, direction: int, role: int) -> None:
    """Write the TRADE row of a position that went flat: averages, times, result and costs of the round trip."""
    position = state.positions[instance]
    row = log.emit(state, rows, RowKind.TRADE.value, instance)
    row.slot = position.trade_id
    row.signal_id = position.signal_id
    row.side = direction
    row.role = role
    row.qty = position.entry_qty
    row.price = position.entry_value / position.entry_qty
    row.exit_price = position.exit_value / position.exit_qty
    row.entry_ns = position.opened_ns
    row.exit_ns = position.closed_ns
    row.pnl = position.realized - position.fees + position.funding
    row.fee = position.fees
    row.funding = position.funding
    row.slippage = position.slippage
    log.seal(state, row)


@leaf
def _end_trade(state: Record, rows: Rows, instance: int, direction: int, role: int, event: Record) -> None:
    """End a round trip: its row, its effect on loss limits, its margin."""
    position = state.positions[instance]
    position.closed_ns = event.ts_event_ns
    state.instances[instance].exit_role = role
    _report_trade(state, rows, instance, direction, role)
    strategy = state.strategies[state.instances[instance].strategy]
    if position.realized - position.fees + position.funding < 0.0:
        strategy.losses_in_row += 1
        strategy.loss_until_ns = state.ts_ns + strategy.loss_cooldown_ns
    else:
        strategy.losses_in_row = 0
    state.used_margin -= position.margin
    position.margin = 0.0
    position.leverage = 0.0
    position.liquidation_price = math.nan
    state.open_position_count -= 1
    if state.open_position_count == 0:
        # Flat: reset running sums so float residue cannot accumulate.
        state.used_margin = 0.0
        state.unrealized = 0.0
        state.statistics.exposed_ns += event.ts_event_ns - state.statistics.exposed_since_ns


@leaf
def _reduce(state: Record, rows: Rows, order: Record, qty: float, fee: float, event: Record) -> None:
    """Reduce a position: realise its result, release its margin; ``fee`` is the part of the fill's fee for ``qty``."""
    instance = order.instance
    position = state.positions[instance]
    instrument = state.instruments[order.instrument]
    direction = 1 if position.qty > 0.0 else -1
    share = min(1.0, qty / abs(position.qty))
    realized = positions.reduce(position, qty, event.price, instrument.multiplier)
    ledger.post(
        state,
        ledger.account(instrument.asset, ledger.WALLET),
        ledger.account(instrument.asset, ledger.REALIZED),
        realized,
    )
    position.fees += fee
    state.strategies[state.instances[instance].strategy].realized_today += realized - fee
    released = position.margin * share
    position.margin -= released
    state.used_margin -= released
    if position.qty == 0.0:
        _end_trade(state, rows, instance, direction, order.role, event)


@hot
def _increase(state: Record, order: Record, qty: float, fee: float, event: Record) -> None:
    """Open or increase a position: average price, margin at the order's leverage, liquidation price."""
    instance = order.instance
    position = state.positions[instance]
    instrument = state.instruments[order.instrument]
    strategy = state.strategies[state.instances[instance].strategy]
    if position.qty == 0.0:
        state.trade_count += 1
        positions.begin_trade(position, state.trade_count, order.signal_id, event.ts_event_ns)
        position.best_price = event.price
        position.leverage = order.leverage
        strategy.trades_today += 1
        if state.open_position_count == 0:
            state.statistics.exposed_since_ns = event.ts_event_ns
        state.open_position_count += 1
    positions.increase(position, order.side * qty, event.price)
    position.fees += fee
    strategy.realized_today -= fee
    added = qty * event.price * instrument.multiplier / order.leverage
    position.margin += added
    state.used_margin += added
    commands.unreserve(state, order, qty * order.reference_price * instrument.multiplier / order.leverage)
    position.liquidation_price = margin.liquidation_price(
        instrument, position.qty, position.entry_price, position.margin
    )


@leaf
def _count_fill(state: Record, instrument: Record, event: Record) -> None:
    """Add a fill to the run's statistics."""
    fee, slippage = fields.fee(event), fields.slippage(event)
    statistics = state.statistics
    statistics.fees += fee
    statistics.turnover += event.qty * event.price * instrument.multiplier
    if slippage == slippage:
        statistics.slippage += slippage
    else:
        statistics.unknown_slippage_count += 1


@leaf
def _report_fill(state: Record, rows: Rows, order: Record, event: Record, trade_id: int) -> None:
    """Write the FILL row."""
    row = log.emit(state, rows, RowKind.FILL.value, order.instance)
    row.order_id = order.id
    row.signal_id = order.signal_id
    row.slot = trade_id
    row.side = order.side
    row.role = order.role
    row.is_maker = event.is_maker
    row.qty = event.qty
    row.price = event.price
    row.fee = fields.fee(event)
    row.slippage = fields.slippage(event)
    row.entry_ns = event.ts_event_ns
    log.seal(state, row)


@hot
def fill(state: Record, rows: Rows, order: Record, event: Record) -> None:
    """Apply one fill to position, ledger and statistics; one beyond flat ends a trade and begins another."""
    instance = order.instance
    position = state.positions[instance]
    instrument = state.instruments[order.instrument]
    assert event.price > 0.0, "a fill has a price"
    assert event.qty > 0.0, "a fill has a quantity"
    fee, slippage = fields.fee(event), fields.slippage(event)
    order.filled_qty += event.qty
    order.filled_value += event.qty * event.price
    order.fill_count += 1
    wallet = ledger.account(instrument.asset, ledger.WALLET)
    ledger.post(state, ledger.account(instrument.asset, ledger.FEES), wallet, fee)
    reducing = min(event.qty, abs(position.qty)) if position.qty * order.side < 0.0 else 0.0
    if event.qty - reducing <= event.qty * limits.QUANTITY_TOLERANCE:
        reducing = event.qty if reducing > 0.0 else 0.0
    before = position.unrealized
    trade_id = position.trade_id
    if reducing > 0.0:
        reducing = min(reducing, abs(position.qty))
        position.slippage += slippage * reducing / event.qty
        _reduce(state, rows, order, reducing, fee * reducing / event.qty, event)
    increasing = event.qty - reducing
    if increasing > event.qty * limits.QUANTITY_TOLERANCE:
        _increase(state, order, increasing, fee * increasing / event.qty, event)
        position.slippage += slippage * increasing / event.qty
        trade_id = position.trade_id
    now = positions.unrealized_pnl(position, instrument.mark, instrument.multiplier) if instrument.mark > 0.0 else 0.0
    position.unrealized = now
    if state.open_position_count > 0:
        # After a flip of the only position the sum was reset already: it is exactly what is open now.
        is_alone = state.open_position_count == 1 and position.qty != 0.0
        state.unrealized = now if is_alone else state.unrealized + (now - before)
    _count_fill(state, instrument, event)
    _report_fill(state, rows, order, event, trade_id)


@hot
def is_reported(event: Record) -> bool:
    """Return whether a fill says what its order has filled in all, or has a key."""
    return event.cum_qty > 0.0 or event.fill_key != 0


@leaf
def has_execution(event: Record) -> bool:
    """Return whether a fill tells of an execution, not only of what its order has filled in all."""
    return event.qty > 0.0 and event.price > 0.0


@leaf
def is_sound(event: Record) -> bool:
    """Return whether a reported fill can be booked: it tells of an execution, or of a sum with its average price."""
    return has_execution(event) or (event.cum_qty > 0.0 and fields.average_price(event) > 0.0)


@leaf
def mix_reported(state: Record, event: Record) -> None:
    """Fold what only reports of a venue have into the rolling hash."""
    mix(state, float_bits(event.cum_qty))
    mix(state, float_bits(fields.average_price(event)))
    mix(state, np.uint64(event.fill_key))


@leaf
def _slack(state: Record, instrument: int, qty: float) -> float:
    """Return the difference within which two quantities are equal: half a lot, or rounding where there is none."""
    lot = state.instruments[instrument].lot_size
    return 0.5 * lot if lot > 0.0 else qty * limits.QUANTITY_TOLERANCE


@leaf
def added_qty(state: Record, instrument: int, filled_qty: float, event: Record) -> float:
    """Return what a fill adds to an order that has filled ``filled_qty``; 0 when it was booked before."""
    if orders.is_booked(state, event.fill_key):
        return 0.0
    if not event.cum_qty > 0.0 or event.order_id == 0:
        return event.qty
    slack = _slack(state, instrument, event.cum_qty)
    added = event.cum_qty - filled_qty
    if added <= slack:
        return 0.0
    return event.qty if abs(added - event.qty) <= slack else added


@leaf
def part_of(state: Record, event: Record, qty: float, instance: int) -> Record:
    """Return the part of a fill that is ``qty`` of it, with its share of the fee and slippage; a scratch record.

    A fee that is not said (NaN) is estimated by the costs of the instance, until it is corrected.
    """
    part = state.part
    assert event.qty > 0.0, "a fill has a quantity"
    share = qty / event.qty
    fields.clear(part, EventKind.ORDER_FILLED.value, event.instrument, -1, event.ts_event_ns, event.ts_init_ns)
    costs, fee = state.instances[instance].costs, event.amount * share
    if not math.isfinite(fee):
        rate = costs.maker_rate if event.is_maker != 0 else costs.taker_rate
        fee = qty * event.price * state.instruments[state.instances[instance].instrument].multiplier * rate
    fields.set_fill(part, event.price, qty, fee, event.rate * share, event.is_maker != 0)
    return part


@leaf
def _book_missing(state: Record, rows: Rows, order: Record, event: Record, qty: float) -> None:
    """Book ``qty`` that no report told of, at the price which the average of all that was filled implies."""
    instrument = state.instruments[order.instrument]
    average = fields.average_price(event)
    told = event.qty * event.price if has_execution(event) else 0.0
    near = event.price if has_execution(event) else average
    price = (event.cum_qty * average - order.filled_value - told) / qty
    if not (average > 0.0 and 0.5 * near < price < 2.0 * near):
        price = near  # no average was said, or one that cannot be right
    fee = qty * price * instrument.multiplier * state.instances[order.instance].costs.taker_rate
    part = state.part
    fields.clear(part, EventKind.ORDER_FILLED.value, event.instrument, -1, event.ts_event_ns, event.ts_init_ns)
    fields.set_fill(part, price, qty, fee, math.nan, False)
    fill_part(state, rows, order, part)
    trading_account.warn(state, rows, WarningCode.MISSING_FILL.value, order.instance, qty, order.id)


@leaf
def fill_part(state: Record, rows: Rows, order: Record, event: Record) -> None:
    """Apply a fill as ``fill`` does; not inlined."""
    fill(state, rows, order, event)


@leaf
def book(state: Record, rows: Rows, order: Record, event: Record, added: float) -> None:
    """Apply a fill that a venue reports, of which ``added`` (above 0) was not booked before, and keep its key."""
    assert added > 0.0, "what was booked before adds nothing"
    orders.keep_key(state, event.fill_key)
    told = event.qty if has_execution(event) else 0.0
    if added > told:
        _book_missing(state, rows, order, event, added - told)
    if told > 0.0:
        fill_part(state, rows, order, part_of(state, event, min(added, told), order.instance))


@leaf
def reopen(state: Record, place: int, price: float) -> int:
    """Take an order that ended out of the ring to book a fill that came after its end; return its slot."""
    assert price > 0.0, "a fill has a price"
    ended = state.ended[place]
    slot = commands.draft(state, ended.instance, ended.role, ended.side, ended.qty)
    order = state.orders[slot]
    order.id = ended.order_id
    order.state = ended.state
    order.reference_price = price
    order.filled_qty, order.filled_value = ended.filled_qty, ended.filled_value
    order.fill_count = ended.fill_count
    order.leverage = ended.leverage
    order.signal_id = ended.signal_id
    order.reduce_only = 0 if ended.role == Role.ENTRY else 1
    return slot


@leaf
def end_again(state: Record, rows: Rows, place: int, slot: int) -> None:
    """Put a reopened order back into the ring with what it has filled now, and report it."""
    ended, order = state.ended[place], state.orders[slot]
    assert ended.order_id == order.id, "an order goes back to its place"
    if orders.remaining(order) == 0.0:
        order.state = OrderState.FILLED.value
    ended.state, ended.fill_count = order.state, order.fill_count
    ended.filled_qty, ended.filled_value = order.filled_qty, order.filled_value
    commands.report(state, rows, slot)
    commands.unlink(state, slot)


@leaf
def warn_of_hole(state: Record, rows: Rows, order: Record, event: Record) -> None:
    """Warn if an order waited through a hole in the data and filled at whatever price the next bar had.

    A plain limit is not warned of: no hole gives it a price worse than its own. A stop limit that fills was triggered.
    A venue that reports fills between two bars, and no hole is meant by it.
    """
    closed_ns = state.instruments[order.instrument].bar.close_ns
    takes_any_price = order.kind != OrderKind.LIMIT and not is_reported(event)
    if takes_any_price and closed_ns > 0 and order.submitted_ns <= closed_ns and event.ts_event_ns > closed_ns:
        trading_account.warn(
            state, rows, WarningCode.CROSSED_HOLE.value, order.instance, (event.ts_event_ns - closed_ns) / 1e9, order.id
        )
