"""The state machine: apply one event to State and append rows, commands among them, to the log.

Theory of operation. ``step`` is a function of (State, event) alone: no I/O, no clock, no randomness, bounded work. A
driver feeds it events in order of ``ts_init_ns`` and carries its commands to a venue; what the venue does comes back as
events. So a run is its events, and replaying them gives the same State, rows and rolling hash bit for bit.

One call does, in this order (``advance``):

    1. timers due before the event are called, each at its own time
    2. the event is folded into the rolling hash, and if it belongs to a new UTC day, the day begins
    3. ``_apply`` switches on its kind: market data, order events, funding, operators, requests from outside, carry
    4. equity = settle wallet + unrealised results (a carry run sets it itself when a snapshot closes)
    5. if its phase says DECIDE_ON_CLOSE: account stops, then every instance of a touched instrument decides: exits and
       cancels of all first, then entries by confidence, so that what exits free is there for entries
    6. if its phase says RECORD: equity statistics
    7. every STATE_HASH_EVERY events the whole State is hashed too

Effects on orders, positions and the ledger are in this file and in ``core/trading``; effects of carry events are in
``core/carry/apply.py``. Money moves only by ``ledger.post``. An event that an order's state does not allow changes
nothing and is a WARNING row; a broken invariant is a failed assertion.

A world that repeats, delays and lies: a fill that was booked before adds nothing, one that was not told of is booked by
what the venue has filled in all (``fills.py``); a fill may come after the end of its order, or be of none of ours
(``corrections.py``); what a venue refuses of an open position is tried again, or the position is closed
(``refused.py``).

What may surprise: a fill larger than the position it reduces ends one trade and begins another (``fills.fill``); a
liquidation is a fill without an order, for which one is created here (``_draft_liquidation``); what happens inside a
bar belongs to the bar's day although it is received at its close (``_may_begin_day``). Indicators, checks, families and
carry are called through ``table``, an array of addresses, so nothing here is compiled again when one is added.
"""

from tightloop.core import limits, log, told
from tightloop.core.compiled import compiled, hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import (
    EventKind,
    Moment,
    OrderKind,
    OrderState,
    Origin,
    Phase,
    Reason,
    Role,
    RowKind,
    WarningCode,
)
from tightloop.core.domain.session_events import origin
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.hashing import mix, mix_event
from tightloop.core.market import update as market_update
from tightloop.core.signatures import STEP, call_apply, call_decide
from tightloop.core.state import full_hash
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import commands, corrections, exposure, fills, ledger, orders, refused
from tightloop.core.trading import external as trading_external


@hot
def _call_family(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, moment: int) -> int:
    """Call the family of an instance; return 1 at Moment.DECIDE if it wants to enter."""
    family = state.strategies[state.instances[instance].strategy].family
    return call_decide(table[family], state, arena, rows, table, instance, moment)


# Time ---------------------------------------------------------------------------------------------------------------


@leaf
def _fire_timers(state: Record, arena: Floats, rows: Rows, table: Table, now_ns: int) -> None:
    """Call every instance whose timer fell due before ``now_ns``, in order of time, each at its own time."""
    while state.next_timer_ns < now_ns:
        due_ns = state.next_timer_ns
        state.ts_ns = max(state.ts_ns, due_ns)
        for instance in range(state.instance_count):
            if state.instances[instance].timer_ns <= due_ns:
                state.instances[instance].timer_ns = limits.NEVER_NS
                _call_family(state, arena, rows, table, instance, Moment.TIMER.value)
        next_ns = limits.NEVER_NS
        for instance in range(state.instance_count):
            next_ns = min(next_ns, state.instances[instance].timer_ns)
        assert next_ns > due_ns, "a timer that fired is set to a later time or to never"
        state.next_timer_ns = next_ns


@leaf
def _begin_day(state: Record, day: int) -> None:
    """Begin a UTC day: reset what limits count by the day."""
    state.day = day
    state.day_end_ns = (day + 1) * limits.DAY_NS
    state.day_start_equity = state.equity
    trading_account.set_alarm(state)
    for number in range(state.strategy_count):
        strategy = state.strategies[number]
        strategy.trades_today = 0
        strategy.losses_in_row = 0
        strategy.realized_today = 0.0
        strategy.day_start_unrealized = exposure.strategy_unrealized(state, number)


@leaf
def _may_begin_day(kind: int) -> bool:
    """Return whether an event dated at or after 00:00 opens the new day.

    The close of a bar does not, nor do order events other than fills: other bars that close at this time are still to
    come, and belong to the day that ends.
    """
    is_about_order = kind >= EventKind.ORDER_ACCEPTED and kind <= EventKind.ORDER_UNKNOWN
    is_about_order = is_about_order or kind == EventKind.CANCEL_REJECTED or kind == EventKind.AMENDED
    return kind != EventKind.BAR_CLOSED and (not is_about_order or kind == EventKind.ORDER_FILLED)


# Deciding -----------------------------------------------------------------------------------------------------------


@leaf
def _add_candidate(state: Record, instance: int) -> None:
    """Insert a candidate for entry: by falling confidence, then in the order of the files."""
    assert state.candidate_count < limits.INSTANCES_MAX, "INSTANCES_MAX: an instance is a candidate once"
    place = state.candidate_count
    confidence = state.instances[instance].confidence
    while place > 0:
        before = state.candidates[place - 1]
        if state.instances[before].confidence > confidence:
            break
        if state.instances[before].confidence == confidence and before < instance:
            break
        state.candidates[place] = before
        place -= 1
    state.candidates[place] = instance
    state.candidate_count += 1


@hot
def _decide(state: Record, arena: Floats, rows: Rows, table: Table) -> None:
    """Evaluate every instance of a touched instrument: exits and cancels of all first, then entries."""
    state.candidate_count = 0
    for k in range(state.touched_count):
        instance = state.instruments[state.touched[k]].instance_first
        while instance >= 0:
            if _call_family(state, arena, rows, table, instance, Moment.DECIDE.value) != 0:
                _add_candidate(state, instance)
            instance = state.instances[instance].next
    state.touched_count = 0
    if state.next_timer_ns <= state.ts_ns:
        # Timers due now on other instruments may exit: what that frees is there for the entries below.
        _fire_timers(state, arena, rows, table, state.ts_ns + 1)
    for k in range(state.candidate_count):
        _call_family(state, arena, rows, table, state.candidates[k], Moment.ENTER.value)


@leaf
def _move_trails(state: Record, arena: Floats, rows: Rows, table: Table, instrument: int) -> None:
    """Call every instance of an instrument that holds a position, to recompute its trailing distance at this close."""
    assert 0 <= instrument < state.instrument_count, "a bar is of an instrument of the run"
    instance = state.instruments[instrument].instance_first
    while instance >= 0:
        if state.positions[instance].qty != 0.0:
            _call_family(state, arena, rows, table, instance, Moment.TRAIL.value)
        instance = state.instances[instance].next


# Order events -------------------------------------------------------------------------------------------------------


@leaf
def _draft_liquidation(state: Record, rows: Rows, event: Record) -> int:
    """Create the order of a liquidation, as if sent, and return its slot; -1 if there is no such position."""
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


@leaf
def _after_end(state: Record, arena: Floats, rows: Rows, table: Table, event: Record, is_fill: bool) -> None:
    """Apply an event of an order that is not open: a fill that comes after the end is booked, if it was not before."""
    place = orders.find_ended(state, event.order_id)
    if event.reason == Reason.TOO_LATE or (place >= 0 and event.kind == EventKind.ORDER_ACCEPTED):
        return  # late reply to an amend or to a submit; the order's final event was already applied
    if not is_fill or place < 0:
        trading_account.warn(state, rows, WarningCode.UNKNOWN_ORDER.value, event.instance, event.qty, event.order_id)
        return
    ended = state.ended[place]
    instance = ended.instance
    added = fills.added_qty(state, ended.instrument, ended.filled_qty, event)
    if added == 0.0 and fills.is_reported(event):
        trading_account.warn(state, rows, WarningCode.REPEATED_FILL.value, instance, event.qty, event.order_id)
        return
    is_sound = not fills.is_reported(event) or fills.is_sound(event)
    if not (added > 0.0 and is_sound and exposure.within(ended.filled_qty + added, ended.qty)):
        trading_account.warn(state, rows, WarningCode.UNKNOWN_ORDER.value, instance, event.qty, event.order_id)
        return
    was_flat = state.positions[instance].qty == 0.0
    slot = fills.reopen(state, place, event.price if event.price > 0.0 else fields.average_price(event))
    fills.book(state, rows, state.orders[slot], event, added)
    fills.end_again(state, rows, place, slot)
    is_found = was_flat and state.positions[instance].qty != 0.0
    moment = Moment.FOUND.value if is_found else Moment.FILLED.value
    corrections.tell(state, arena, rows, table, instance, moment)


@leaf
def _is_told_again(state: Record, event: Record) -> bool:
    """Return whether an execution of this key was booked before."""
    return event.fill_key != 0 and orders.is_booked(state, event.fill_key)


@leaf
def _added_by_report(state: Record, rows: Rows, order: Record, event: Record) -> float:
    """Return what a reported fill adds to an open order; 0, with a warning, when it was booked before."""
    added = fills.added_qty(state, order.instrument, order.filled_qty, event)
    if added == 0.0:
        orders.note_knowledge(order, EventKind.ORDER_FILLED.value)
        trading_account.warn(state, rows, WarningCode.REPEATED_FILL.value, order.instance, event.qty, order.id)
    elif order.filled_qty + added > order.qty and exposure.within(order.filled_qty + added, order.venue_qty):
        order.qty = order.venue_qty  # an amend that made it smaller had not arrived
    return added


@hot
def _order_event(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Apply one event of one order: a legal transition and its consequences, or a warning and no change."""
    kind = EventKind.ORDER_FILLED.value if event.kind == EventKind.FILL_FOUND else event.kind
    is_fill, added = kind == EventKind.ORDER_FILLED, event.qty
    is_reported = is_fill and fills.is_reported(event)
    slot = orders.find(state, event.order_id, event.order_slot)
    if is_fill and event.order_id == 0 and event.reason == Reason.LIQUIDATED and not _is_told_again(state, event):
        slot = _draft_liquidation(state, rows, event)
    if slot < 0:
        _after_end(state, arena, rows, table, event, is_fill)
        return
    order = state.orders[slot]
    instance, before = order.instance, order.state
    if is_reported:
        added = _added_by_report(state, rows, order, event)
        if added == 0.0:
            return
    to = orders.next_state(order, kind, added)
    if to < 0 or (is_reported and not fills.is_sound(event)):
        trading_account.warn(state, rows, WarningCode.ILLEGAL_EVENT.value, instance, event.qty, event.order_id)
        return
    was_known = order.venue_state == 0
    orders.note_knowledge(order, kind)
    if to == before and before != OrderState.PENDING_CANCEL and not is_fill and was_known == (order.venue_state == 0):
        return  # an acceptance that a report overtook, or what was known to be unknown
    order.state = to
    if event.reason != 0:
        order.reason = event.reason
    if order.kind == OrderKind.TRAILING and fields.trailing_stop(event) > 0.0:
        order.stop_price = fields.trailing_stop(event)
    if is_fill:
        fills.warn_of_hole(state, rows, order, event)
        if is_reported:
            fills.book(state, rows, order, event, added)
        else:
            fills.fill(state, rows, order, event)
        if state.positions[instance].qty == 0.0:
            refused.forget(state, instance)
    if orders.is_terminal(to):
        commands.unreserve(state, order, order.reserved_margin)
    commands.report(state, rows, slot)
    opened = fields.untouched_open(event)
    if opened > 0.0:
        trading_account.warn(state, rows, WarningCode.STOP_UNTOUCHED.value, instance, opened, event.order_id)
    if orders.is_terminal(to):
        refused.note_end(state, rows, order, before, kind, event.reason)
        orders.keep_ended(state, order)
        commands.unlink(state, slot)
    if is_fill:
        _call_family(state, arena, rows, table, instance, Moment.FILLED.value)
    elif orders.is_terminal(to):
        _call_family(state, arena, rows, table, instance, Moment.ORDER_ENDED.value)


@leaf
def _funding_paid(state: Record, rows: Rows, event: Record) -> None:
    """Post funding of one instance: positive amounts are received. One that has a key is posted once."""
    if orders.is_booked(state, event.fill_key):
        trading_account.warn(state, rows, WarningCode.REPEATED_FILL.value, event.instance, event.amount, 0)
        return
    orders.keep_key(state, event.fill_key)
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
    row.price = fields.settlement_mark(event)
    log.seal(state, row)


# From outside -------------------------------------------------------------------------------------------------------


@leaf
def _requested(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Apply a request from outside the step for one instance: an order, a cancel or a protection."""
    assert 0 <= event.instance < state.instance_count, "a request comes from an instance of the run"
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
    """Engage: no entries in the scope, entry orders canceled, positions closed. Re-arm: entries are allowed again.

    A bit for each kind of scope (everything, instrument, instance, strategy and their combinations) says what covers an
    instance, so that to re-arm one scope leaves another engaged; to re-arm everything lifts all.
    """
    engaged = 1 if fields.is_engaged(event) else 0
    strategy = fields.scope_strategy(event)
    bit = 1 << (int(event.instrument >= 0) + 2 * int(event.instance >= 0) + 4 * int(strategy >= 0))
    if bit == 1:
        state.killed = engaged
    for number in range(state.instance_count):
        instance = state.instances[number]
        in_scope = (
            (event.instrument < 0 or event.instrument == instance.instrument)
            and (event.instance < 0 or event.instance == number)
            and (strategy < 0 or strategy == instance.strategy)
        )
        if in_scope and engaged == 0:
            instance.killed = 0 if bit == 1 else instance.killed & ~bit
        elif in_scope:
            instance.killed |= bit
            _call_family(state, arena, rows, table, number, Moment.KILL.value)
    if state.carry.leg_count > 0:
        call_apply(table[state.carry.address], state, arena, event, rows, table)
    trading_account.warn(state, rows, WarningCode.KILLED.value, event.instance, float(engaged), 0)


@leaf
def _rearm(state: Record) -> None:
    """Reset the drawdown stop: drawdown is measured from the current equity on."""
    state.drawdown_stopped = 0
    state.drawdown_warned = 0
    state.ruined = 0
    state.equity_peak = state.equity
    trading_account.set_alarm(state)


@leaf
def _is_of_order(state: Record, event: Record) -> bool:
    """Return whether an execution that was found belongs to an order that State knows, open or ended."""
    if origin(event) == Origin.LOST:
        return False
    return orders.find(state, event.order_id, event.order_slot) >= 0 or orders.find_ended(state, event.order_id) >= 0


@hot
def _has_place(state: Record, event: Record) -> bool:
    """Return whether an event names an instrument and an instance of the run; -1 where it may be about none.

    Compiled code does not check indices: what passes here is written where it says.
    """
    kind = event.kind
    if kind >= EventKind.SERIES_UPDATED or state.carry.leg_count > 0:
        return True  # of carry, which has numbers of its own
    needs_instrument = (
        (kind >= EventKind.TRADE and kind <= EventKind.DATA_GAP)
        or kind <= EventKind.FUNDING_RATE
        or kind == EventKind.BOOK_LEVEL
        or kind == EventKind.FILL_FOUND
        or kind == EventKind.POSITION_CORRECTED
        or kind == EventKind.INSTRUMENT_CHANGED
        or kind >= EventKind.FEED_STATE
    )
    if event.instrument >= state.instrument_count or event.instrument < (0 if needs_instrument else -1):
        return False
    least = 0 if kind == EventKind.FUNDING_PAID else -1
    return least <= event.instance < max(1, state.instance_count)


@hot
def _apply(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Switch on the event's kind."""
    kind = event.kind
    if event.cum_qty > 0.0 or event.fill_key != 0:
        fills.mix_reported(state, event)
    if kind == EventKind.BAR_CLOSED:
        market_update.bar_closed(state, arena, table, event)
        if state.trails_by_variant != 0:
            _move_trails(state, arena, rows, table, event.instrument)
    elif kind == EventKind.BAR_OPENED:
        market_update.bar_opened(state, arena, table, event)
    elif EventKind.ORDER_ACCEPTED <= kind <= EventKind.ORDER_UNKNOWN or (
        kind == EventKind.FILL_FOUND and _is_of_order(state, event)
    ):
        _order_event(state, arena, rows, table, event)
    elif kind == EventKind.FUNDING_RATE:
        state.instruments[event.instrument].funding_rate = event.rate
    elif kind == EventKind.FUNDING_PAID:
        _funding_paid(state, rows, event)
    elif kind == EventKind.KILL_SWITCH:
        _kill_switch(state, arena, rows, table, event)
    elif kind == EventKind.REARMED:
        _rearm(state)
    elif kind == EventKind.TRADE:
        market_update.trade(state, arena, table, event)
    elif kind == EventKind.QUOTE:
        market_update.quote(state, arena, table, event)
    elif kind == EventKind.DATA_GAP:
        market_update.gap(state, arena, table, event.instrument, fields.missing(event))
    elif kind == EventKind.BOOK_LEVEL:
        market_update.book_level(state, arena, table, event)
    elif EventKind.ORDER_REQUESTED <= kind <= EventKind.PROTECTION_REQUESTED:
        _requested(state, arena, rows, table, event)
    elif EventKind.CANCEL_REJECTED <= kind <= EventKind.MARK_REPORTED:
        told.apply(state, arena, rows, table, event)
    elif kind >= EventKind.SERIES_UPDATED:
        call_apply(table[state.carry.address], state, arena, event, rows, table)
    else:
        assert kind == EventKind.TIMER, "an event has a known kind"
        if event.instrument >= 0:
            market_update.time_passed(state, arena, table, event.instrument)
        elif fields.is_before_bar(event):
            _fire_timers(state, arena, rows, table, event.ts_init_ns + 1)


@hot
def advance(state: Record, arena: Floats, event: Record, rows: Rows, table: Table) -> None:
    """Apply one event as ``step`` does; inlined where every market event of a replay passes."""
    assert event.ts_init_ns >= state.ts_ns, "events come in order of time"
    assert _has_place(state, event), "an event is about an instrument and an instance of the run"
    state.seq += 1
    state.id_count = 0
    if state.next_timer_ns < event.ts_init_ns:
        _fire_timers(state, arena, rows, table, event.ts_init_ns)
    state.ts_ns = event.ts_init_ns
    mix_event(state, event)
    # What happened in a bar belongs to the bar's day, though received at its close; a tick to the day it is received.
    dated_ns = event.ts_init_ns if event.kind >= EventKind.TRADE else event.ts_event_ns
    if dated_ns >= state.day_end_ns and _may_begin_day(event.kind):
        _begin_day(state, dated_ns // limits.DAY_NS)
    _apply(state, arena, rows, table, event)
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
    """Apply one event: update State, append rows (commands among them) to the log.

    ``arena``: float64, outputs and memory of indicators. ``table``: int64, native addresses of indicators, checks (with
    their reasons), families and carry, at the places that State names. Events come in order of ``ts_init_ns``.
    """
    advance(state, arena, event, rows, table)
