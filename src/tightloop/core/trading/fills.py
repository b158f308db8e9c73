"""Fills in State: what one fill does to a position, its margin, the ledger and the statistics, and the rows it writes.

A fill that is larger than the position it reduces does two things in one: it ends a trade and begins another, and its
fee and slippage are split in proportion to the quantities.
"""

import math

from tightloop.core import limits, log
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import OrderKind, RowKind, WarningCode
from tightloop.core.domain.types import Record, Rows
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import commands, ledger, margin, positions


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


@leaf
def warn_of_hole(state: Record, rows: Rows, order: Record, event: Record) -> None:
    """Warn if an order waited through a hole in the data and filled at whatever price the next bar had.

    A plain limit is not warned of: no hole gives it a price worse than its own. A stop limit that fills was triggered.
    """
    closed_ns = state.instruments[order.instrument].bar.close_ns
    takes_any_price = order.kind != OrderKind.LIMIT
    if takes_any_price and closed_ns > 0 and order.submitted_ns <= closed_ns and event.ts_event_ns > closed_ns:
        trading_account.warn(
            state, rows, WarningCode.CROSSED_HOLE.value, order.instance, (event.ts_event_ns - closed_ns) / 1e9, order.id
        )
