"""THE function: ``step(state, event) -> commands``. All that can happen to money is in this file.

An event comes in; the state changes; rows are written to the log, the commands among them. Deterministic, bounded, no
I/O. Indicators, checks and families are called through a table of addresses, so this file does not change, and is not
compiled again, when one is added.
"""

import math

from tightloop.core import limits, log
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain.enums import (
    EventKind,
    Moment,
    OrderKind,
    OrderState,
    Phase,
    Reason,
    Role,
    RowKind,
    WarningCode,
)
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.hashing import mix, mix_event
from tightloop.core.market import update as market_update
from tightloop.core.signatures import STEP, call_apply, call_decide
from tightloop.core.state import full_hash
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import commands, exposure, ledger, margin, orders, positions
from tightloop.core.trading import external as trading_external


@hot
def _call_family(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, moment: int) -> int:
    family = state.strategies[state.instances[instance].strategy].family
    return call_decide(table[family], state, arena, rows, table, instance, moment)


# Time ---------------------------------------------------------------------------------------------------------------


@leaf
def _fire_timers(state: Record, arena: Floats, rows: Rows, table: Table, now_ns: int) -> None:
    """Call every instance whose timer fell due before ``now_ns``, in order of time, each at its own time."""
    while state.next_timer_ns < now_ns:
        due_ns = state.next_timer_ns
        state.ts_ns = max(state.ts_ns, due_ns)
        for at in range(state.instance_count):
            if state.instances[at].timer_ns <= due_ns:
                state.instances[at].timer_ns = limits.NEVER_NS
                _call_family(state, arena, rows, table, at, Moment.TIMER.value)
        next_ns = limits.NEVER_NS
        for at in range(state.instance_count):
            next_ns = min(next_ns, state.instances[at].timer_ns)
        assert next_ns > due_ns, "a timer that fired is set to a later time or to never"
        state.next_timer_ns = next_ns


@leaf
def _begin_day(state: Record, day: int) -> None:
    """00:00 UTC: what limits count by the day begins anew."""
    state.day = day
    state.day_end_ns = (day + 1) * limits.DAY_NS
    state.day_start_equity = state.equity
    trading_account.set_alarm(state)
    for at in range(state.strategy_count):
        strategy = state.strategies[at]
        strategy.trades_today = 0
        strategy.losses_in_row = 0
        strategy.realized_today = 0.0
        strategy.day_start_unrealized = exposure.strategy_unrealized(state, at)


@leaf
def _may_begin_day(kind: int) -> bool:
    """Whether this event, dated after 00:00, is of the new day: a bar that ends, and what the venue says meanwhile of
    orders that did not fill, is not; other bars that end then are still to be heard of."""
    is_about_order = kind >= EventKind.ORDER_ACCEPTED and kind <= EventKind.ORDER_UNKNOWN
    return kind != EventKind.BAR_CLOSED and (not is_about_order or kind == EventKind.ORDER_FILLED)


# Deciding -----------------------------------------------------------------------------------------------------------


@leaf
def _add_candidate(state: Record, instance: int) -> None:
    """Keep the candidates by confidence, then by their order in the file."""
    assert state.candidate_count < limits.INSTANCES_MAX, "INSTANCES_MAX: an instance is a candidate once"
    at = state.candidate_count
    confidence = state.instances[instance].confidence
    while at > 0:
        before = state.candidates[at - 1]
        if state.instances[before].confidence > confidence:
            break
        if state.instances[before].confidence == confidence and before < instance:
            break
        state.candidates[at] = before
        at -= 1
    state.candidates[at] = instance
    state.candidate_count += 1


@hot
def _decide(state: Record, arena: Floats, rows: Rows, table: Table) -> None:
    """An evaluation: exits and cancels of all instances first, then entries."""
    state.candidate_count = 0
    for k in range(state.touched_count):
        at = state.instruments[state.touched[k]].instance_first
        while at >= 0:
            if _call_family(state, arena, rows, table, at, Moment.DECIDE.value) != 0:
                _add_candidate(state, at)
            at = state.instances[at].next
    state.touched_count = 0
    if (
        state.next_timer_ns <= state.ts_ns
    ):  # what is due now elsewhere gives back what it holds before entries ask for it
        _fire_timers(state, arena, rows, table, state.ts_ns + 1)
    for k in range(state.candidate_count):
        _call_family(state, arena, rows, table, state.candidates[k], Moment.ENTER.value)


@leaf
def _move_trails(state: Record, arena: Floats, rows: Rows, table: Table, instrument: int) -> None:
    """A bar ended: who holds something by a trailing distance says what it is at this close."""
    assert 0 <= instrument < state.instrument_count, "a bar is of an instrument of the run"
    at = state.instruments[instrument].instance_first
    while at >= 0:
        if state.positions[at].qty != 0.0:
            _call_family(state, arena, rows, table, at, Moment.TRAIL.value)
        at = state.instances[at].next


# Fills --------------------------------------------------------------------------------------------------------------


@leaf
def _report_trade(state: Record, rows: Rows, instance: int, direction: int, role: int) -> None:
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
    """A position went flat."""
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
        # What is left of sums over no positions is rounding.
        state.used_margin = 0.0
        state.unrealized = 0.0
        state.statistics.exposed_ns += event.ts_event_ns - state.statistics.exposed_since_ns


@leaf
def _reduce(state: Record, rows: Rows, order: Record, qty: float, fee: float, event: Record) -> None:
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


@hot
def _fill(state: Record, rows: Rows, order: Record, event: Record) -> None:
    """Position, money and statistics of one fill; one larger than what it reduces ends a trade and begins another."""
    instance = order.instance
    position = state.positions[instance]
    instrument = state.instruments[order.instrument]
    assert event.price > 0.0, "a fill has a price"
    assert event.qty > 0.0, "a fill has a quantity"
    order.filled_qty += event.qty
    order.filled_value += event.qty * event.price
    order.fill_count += 1
    wallet = ledger.account(instrument.asset, ledger.WALLET)
    ledger.post(state, ledger.account(instrument.asset, ledger.FEES), wallet, event.amount)
    reducing = min(event.qty, abs(position.qty)) if position.qty * order.side < 0.0 else 0.0
    if event.qty - reducing <= event.qty * limits.QUANTITY_TOLERANCE:
        reducing = event.qty if reducing > 0.0 else 0.0
    before = position.unrealized
    trade_id = position.trade_id
    if reducing > 0.0:
        reducing = min(reducing, abs(position.qty))
        position.slippage += event.rate * reducing / event.qty
        _reduce(state, rows, order, reducing, event.amount * reducing / event.qty, event)
    increasing = event.qty - reducing
    if increasing > event.qty * limits.QUANTITY_TOLERANCE:
        _increase(state, order, increasing, event.amount * increasing / event.qty, event)
        position.slippage += event.rate * increasing / event.qty
        trade_id = position.trade_id
    now = positions.unrealized_pnl(position, instrument.mark, instrument.multiplier) if instrument.mark > 0.0 else 0.0
    position.unrealized = now
    if state.open_position_count > 0:
        # Of a flip the old part is gone from the sum already when it was the only one: the sum is what is open now.
        is_alone = state.open_position_count == 1 and position.qty != 0.0
        state.unrealized = now if is_alone else state.unrealized + (now - before)
    statistics = state.statistics
    statistics.fees += event.amount
    statistics.turnover += event.qty * event.price * instrument.multiplier
    if event.rate == event.rate:
        statistics.slippage += event.rate
    else:
        statistics.unknown_slippage_count += 1
    row = log.emit(state, rows, RowKind.FILL.value, instance)
    row.order_id = order.id
    row.signal_id = order.signal_id
    row.slot = trade_id
    row.side = order.side
    row.role = order.role
    row.is_maker = event.is_maker
    row.qty = event.qty
    row.price = event.price
    row.fee = event.amount
    row.slippage = event.rate
    row.entry_ns = event.ts_event_ns
    log.seal(state, row)


@leaf
def _warn_of_hole(state: Record, rows: Rows, order: Record, event: Record) -> None:
    """An order that waited through a hole in the data filled in the next bar there was, at whatever price that had.

    A stop limit that fills was triggered. A limit alone is not warned of: no hole gives it a price worse than its own.
    """
    closed_ns = state.instruments[order.instrument].bar.close_ns
    takes_any_price = order.kind != OrderKind.LIMIT
    if takes_any_price and closed_ns > 0 and order.submitted_ns <= closed_ns and event.ts_event_ns > closed_ns:
        trading_account.warn(
            state, rows, WarningCode.CROSSED_HOLE.value, order.instance, (event.ts_event_ns - closed_ns) / 1e9, order.id
        )


@leaf
def _liquidated(state: Record, rows: Rows, event: Record) -> int:
    """The venue closed a position by force: an order of its own, already sent; -1 when there is no such position."""
    held = abs(state.positions[event.instance].qty)
    if not 0.0 < event.qty <= held * (1.0 + limits.QUANTITY_TOLERANCE):
        return -1
    trading_account.warn(state, rows, WarningCode.LIQUIDATED.value, event.instance, event.price, 0)
    side = -1 if state.positions[event.instance].qty > 0.0 else 1
    slot = commands.draft(state, event.instance, Role.LIQUIDATION.value, side, event.qty)
    order = state.orders[slot]
    order.state = OrderState.ACCEPTED.value
    order.reason = Reason.LIQUIDATED.value
    order.signal_id = state.positions[event.instance].signal_id
    return slot


@hot
def _order_event(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """One event of one order: a legal transition and its consequences, or a warning and no change."""
    slot = orders.find(state, event.order_id, event.order_slot)
    if event.kind == EventKind.ORDER_FILLED and event.order_id == 0:
        slot = _liquidated(state, rows, event)
    if slot < 0:
        if event.reason == Reason.TOO_LATE:
            return  # its end was heard before
        trading_account.warn(state, rows, WarningCode.UNKNOWN_ORDER.value, event.instance, event.qty, event.order_id)
        return
    order = state.orders[slot]
    to = orders.next_state(order, event.kind, event.qty)
    if to < 0:
        trading_account.warn(state, rows, WarningCode.ILLEGAL_EVENT.value, order.instance, event.qty, event.order_id)
        return
    instance = order.instance
    order.state = to
    if event.reason != 0:
        order.reason = event.reason
    if order.kind == OrderKind.TRAILING and event.stop_price > 0.0:
        order.stop_price = event.stop_price
    if event.kind == EventKind.ORDER_FILLED:
        _warn_of_hole(state, rows, order, event)
        _fill(state, rows, order, event)
    if orders.is_terminal(to):
        commands.unreserve(state, order, order.reserved_margin)
    commands.report(state, rows, slot)
    if event.open > 0.0:
        trading_account.warn(state, rows, WarningCode.STOP_UNTOUCHED.value, instance, event.open, event.order_id)
    if orders.is_terminal(to):
        commands.unlink(state, slot)
    if event.kind == EventKind.ORDER_FILLED:
        _call_family(state, arena, rows, table, instance, Moment.FILLED.value)
    elif orders.is_terminal(to):
        _call_family(state, arena, rows, table, instance, Moment.ORDER_ENDED.value)


@leaf
def _funding_paid(state: Record, rows: Rows, event: Record) -> None:
    instance = state.instances[event.instance]
    asset = state.instruments[instance.instrument].asset
    ledger.post(state, ledger.account(asset, ledger.WALLET), ledger.account(asset, ledger.FUNDING), event.amount)
    position = state.positions[event.instance]
    position.funding += event.amount
    state.strategies[instance.strategy].realized_today += event.amount
    state.statistics.funding += event.amount
    row = log.emit(state, rows, RowKind.FUNDING.value, event.instance)
    row.slot = position.trade_id
    row.funding = event.amount
    row.value = event.rate
    row.price = event.price
    log.seal(state, row)


# From outside -------------------------------------------------------------------------------------------------------


@leaf
def _wanted(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """An order, a cancel or a protection that was decided outside of the step, for one instance."""
    assert 0 <= event.instance < state.instance_count, "who wants something is an instance of the run"
    trading_external.mix_wanted(state, event)
    if event.kind == EventKind.ORDER_REQUESTED:
        trading_external.order(state, rows, table, event)
    elif event.kind == EventKind.CANCEL_REQUESTED:
        trading_external.cancel(state, rows, event)
    else:
        trading_external.protection(state, event)
        _call_family(state, arena, rows, table, event.instance, Moment.PROTECT.value)


@leaf
def _kill_switch(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Engage: no entries in the scope, entries canceled, positions closed. Re-arm: entries again."""
    engaged = 1 if event.order_id != 0 else 0
    if event.instrument < 0 and event.instance < 0 and event.order_slot < 0:
        state.killed = engaged
    for at in range(state.instance_count):
        instance = state.instances[at]
        in_scope = (
            (event.instrument < 0 or event.instrument == instance.instrument)
            and (event.instance < 0 or event.instance == at)
            and (event.order_slot < 0 or event.order_slot == instance.strategy)
        )
        if in_scope:
            instance.killed = engaged
            if engaged != 0:
                _call_family(state, arena, rows, table, at, Moment.KILL.value)
    if state.carry.leg_count > 0:
        call_apply(table[state.carry.address], state, arena, event, rows, table)
    trading_account.warn(state, rows, WarningCode.KILLED.value, event.instance, float(engaged), 0)


@hot
def _take_in(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """The switch on event kind."""
    kind = event.kind
    if kind == EventKind.BAR_CLOSED:
        market_update.bar_closed(state, arena, table, event)
        if state.trails_by_variant != 0:
            _move_trails(state, arena, rows, table, event.instrument)
    elif kind == EventKind.BAR_OPENED:
        market_update.bar_opened(state, arena, table, event)
    elif EventKind.ORDER_ACCEPTED <= kind <= EventKind.ORDER_UNKNOWN:
        _order_event(state, arena, rows, table, event)
    elif kind == EventKind.FUNDING_RATE:
        state.instruments[event.instrument].funding_rate = event.rate
    elif kind == EventKind.FUNDING_PAID:
        _funding_paid(state, rows, event)
    elif kind == EventKind.KILL_SWITCH:
        _kill_switch(state, arena, rows, table, event)
    elif kind == EventKind.REARMED:
        state.drawdown_stopped = 0
        state.drawdown_warned = 0
        state.ruined = 0
        state.equity_peak = state.equity
        trading_account.set_alarm(state)
    elif kind == EventKind.TRADE:
        market_update.trade(state, arena, table, event)
    elif kind == EventKind.QUOTE:
        market_update.quote(state, arena, table, event)
    elif kind == EventKind.DATA_GAP:
        market_update.gap(state, arena, table, event.instrument, event.reason)
    elif kind == EventKind.BOOK_LEVEL:
        market_update.book_level(state, arena, table, event)
    elif EventKind.ORDER_REQUESTED <= kind <= EventKind.PROTECTION_REQUESTED:
        _wanted(state, arena, rows, table, event)
    elif kind >= EventKind.SERIES_UPDATED:
        call_apply(table[state.carry.address], state, arena, event, rows, table)
    else:
        assert kind == EventKind.TIMER, "an event has a known kind"
        if event.instrument >= 0:
            market_update.time_passed(state, arena, table, event.instrument)
        elif event.reason != 0:
            _fire_timers(state, arena, rows, table, event.ts_init_ns + 1)


@hot
def advance(state: Record, arena: Floats, event: Record, rows: Rows, table: Table) -> None:
    """``step``, to be inlined where every market event of a replay passes."""
    assert event.ts_init_ns >= state.ts_ns, "events come in order of time"
    state.seq += 1
    state.id_count = 0
    if state.next_timer_ns < event.ts_init_ns:
        _fire_timers(state, arena, rows, table, event.ts_init_ns)
    state.ts_ns = event.ts_init_ns
    mix_event(state, event)
    # What happened in a bar is of the bar's day, though it is heard at its close; a tick is of the time it is heard.
    dated_ns = event.ts_init_ns if event.kind >= EventKind.TRADE else event.ts_event_ns
    if dated_ns >= state.day_end_ns and _may_begin_day(event.kind):
        _begin_day(state, dated_ns // limits.DAY_NS)
    _take_in(state, arena, rows, table, event)
    if event.kind < EventKind.SERIES_UPDATED:
        state.equity = ledger.wallet(state, 0) + state.unrealized
    if event.phase & Phase.DECIDE_ON_CLOSE:
        if event.ts_init_ns >= state.day_end_ns:
            _begin_day(state, event.ts_init_ns // limits.DAY_NS)
        if state.equity <= state.alarm_equity:
            trading_account.guard_account(state, rows)
        _decide(state, arena, rows, table)
    if event.phase & Phase.RECORD:
        trading_account.record(state, rows)
    if state.seq % limits.STATE_HASH_EVERY == 0:
        market_update.measure_all(state, arena, table)
        mix(state, full_hash(state, arena))


@compiled(STEP)
def step(state: Record, arena: Floats, event: Record, rows: Rows, table: Table) -> None:
    """Take in one event: update the state, write rows (commands among them) to the log.

    ``table`` holds native addresses (indicators, checks with their reasons, families) where the state says. Events come
    in order of ``ts_init_ns``.
    """
    advance(state, arena, event, rows, table)
