"""What a market event changes: the last bar, quote and print, marks, indicators, windows. No money moves here.

Indicators are called through the table of addresses.
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.ticks import BookRow, Gap
from tightloop.core.domain.types import Floats, Record, Table
from tightloop.core.market import depth, tapes
from tightloop.core.signatures import call_evaluate, call_update
from tightloop.core.trading import positions

# Bars ---------------------------------------------------------------------------------------------------------------


@hot
def _mark(state: Record, index: int, price: float, high: float, low: float) -> None:
    """A new mark price: unrealised P&L of what is held, extremes of what is watched."""
    instrument = state.instruments[index]
    instrument.mark = price
    at = instrument.instance_first
    while at >= 0:
        instance = state.instances[at]
        position = state.positions[at]
        if position.qty != 0.0:
            now = positions.unrealized_pnl(position, price, instrument.multiplier)
            state.unrealized = now if state.open_position_count == 1 else state.unrealized + (now - position.unrealized)
            position.unrealized = now
        instance.high_since_signal = max(instance.high_since_signal, high)
        instance.low_since_signal = min(instance.low_since_signal, low)
        at = instance.next


@leaf
def _close_aggregates(state: Record, arena: Floats, table: Table, index: int, now_ns: int) -> None:
    """Higher-timeframe bars whose time is over become known."""
    instrument = state.instruments[index]
    for k in range(instrument.aggregate_first, instrument.aggregate_first + instrument.aggregate_count):
        aggregate = state.aggregates[k]
        if aggregate.is_open != 0 and now_ns >= aggregate.bar.close_ns:
            aggregate.is_open = 0
            for i in range(aggregate.indicator_first, aggregate.indicator_first + aggregate.indicator_count):
                indicator = state.indicators[i]
                call_update(table[indicator.address], arena, indicator.base, aggregate.bar)


@leaf
def _grow_aggregates(state: Record, index: int) -> None:
    """Add the bar that just closed to the higher-timeframe bars it lies in."""
    instrument = state.instruments[index]
    bar = instrument.bar
    for k in range(instrument.aggregate_first, instrument.aggregate_first + instrument.aggregate_count):
        aggregate = state.aggregates[k]
        own = aggregate.bar
        if aggregate.is_open == 0:
            aggregate.is_open = 1
            own.open_ns = bar.open_ns // aggregate.period_ns * aggregate.period_ns
            own.close_ns = own.open_ns + aggregate.period_ns
            own.open, own.high, own.low, own.volume = bar.open, bar.high, bar.low, 0.0
        own.high = max(own.high, bar.high)
        own.low = min(own.low, bar.low)
        own.close = bar.close
        own.volume += bar.volume


@hot
def bar_closed(state: Record, arena: Floats, table: Table, event: Record) -> None:
    index = event.instrument
    instrument = state.instruments[index]
    bar = instrument.bar
    assert event.low <= event.open, "a bar's open lies in its range"
    assert event.open <= event.high, "a bar's open lies in its range"
    assert event.low > 0.0, "a price is positive"
    assert event.high <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    bar.open, bar.high, bar.low, bar.close, bar.volume = event.open, event.high, event.low, event.price, event.qty
    bar.open_ns, bar.close_ns = event.ts_event_ns, event.ts_init_ns
    instrument.bar_count += 1
    for k in range(instrument.indicator_first, instrument.indicator_first + instrument.indicator_count):
        indicator = state.indicators[k]
        call_update(table[indicator.address], arena, indicator.base, bar)
    if instrument.aggregate_count > 0:
        _grow_aggregates(state, index)
        _close_aggregates(state, arena, table, index, event.ts_init_ns)
    _mark(state, index, event.price, event.high, event.low)
    assert state.touched_count < limits.INSTRUMENTS_MAX, "INSTRUMENTS_MAX: one bar an instrument and instant"
    state.touched[state.touched_count] = index
    state.touched_count += 1


@hot
def bar_opened(state: Record, arena: Floats, table: Table, event: Record) -> None:
    instrument = state.instruments[event.instrument]
    if instrument.aggregate_count > 0:
        _close_aggregates(state, arena, table, event.instrument, event.ts_init_ns)
    instrument.open_ns = event.ts_init_ns
    _mark(state, event.instrument, event.price, event.price, event.price)


# Ticks --------------------------------------------------------------------------------------------------------------


@hot
def _touch(state: Record, index: int) -> None:
    """Its instances are to be evaluated at the end of this event."""
    assert state.touched_count < limits.INSTRUMENTS_MAX, "INSTRUMENTS_MAX: an instrument is touched once an event"
    state.touched[state.touched_count] = index
    state.touched_count += 1


@hot
def _refresh(state: Record, arena: Floats, table: Table, index: int, is_tick: bool) -> None:
    """Windows move on to now; what is computed over them is computed anew, and bars of ticks that are over close.

    After a tick (not a gap, not a point of the grid) some of it may be put off until it is read.
    """
    instrument = state.instruments[index]
    if instrument.aggregate_count > 0:
        _close_aggregates(state, arena, table, index, state.ts_ns)
    if instrument.trade_tape >= 0:
        tapes.advance(state, arena, instrument.trade_tape, state.ts_ns)
    if instrument.quote_tape >= 0:
        tapes.advance(state, arena, instrument.quote_tape, state.ts_ns)
    if instrument.book_tape >= 0:
        tapes.advance(state, arena, instrument.book_tape, state.ts_ns)
    mark_lazy = 0
    if state.is_on_demand != 0:
        own = state.on_demand[index]
        own.since_ns = 0
        if is_tick and own.put_off != 0:
            own.since_ns = state.ts_ns
            mark_lazy = own.put_off
    _measure(state, arena, table, index, ~mark_lazy)


@leaf
def _measure(state: Record, arena: Floats, table: Table, index: int, chosen: int) -> None:
    """Compute those windowed indicators of an instrument whose bits are set."""
    instrument = state.instruments[index]
    for k in range(instrument.tick_first, instrument.tick_first + instrument.tick_count):
        if chosen & 1:
            indicator = state.indicators[k]
            call_evaluate(table[indicator.address], state, arena, index, indicator.base)
        chosen >>= 1


@hot
def measure_rest(state: Record, arena: Floats, table: Table, index: int) -> None:
    """Somebody is about to read all that is known of an instrument: compute what was put off."""
    if state.on_demand[index].since_ns != 0:
        _measure_as_of(state, arena, table, index)


@leaf
def _measure_as_of(state: Record, arena: Floats, table: Table, index: int) -> None:
    own, now_ns = state.on_demand[index], state.ts_ns
    state.ts_ns = own.since_ns
    own.since_ns = 0
    _measure(state, arena, table, index, own.put_off)
    state.ts_ns = now_ns


@leaf
def measure_all(state: Record, arena: Floats, table: Table) -> None:
    """The same of every instrument."""
    for index in range(state.instrument_count):
        measure_rest(state, arena, table, index)


@hot
def trade(state: Record, arena: Floats, table: Table, event: Record) -> None:
    """A public print. Without quotes it is the mark; it is the extreme since a signal either way."""
    index, price = event.instrument, event.price
    assert 0.0 < price <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    instrument = state.instruments[index]
    instrument.last = price
    instrument.touched_ns, instrument.gap_ns = state.ts_ns, 0
    bar = instrument.bar
    bar.open, bar.high, bar.low, bar.close, bar.volume = price, price, price, price, event.qty
    if instrument.aggregate_count > 0:
        _close_aggregates(state, arena, table, index, state.ts_ns)
        bar.open_ns, bar.close_ns = state.ts_ns, 0
        _grow_aggregates(state, index)
    if instrument.trade_tape >= 0:
        sign = -1.0 if event.is_maker != 0 else 1.0
        tapes.take_trade(state, arena, instrument.trade_tape, state.ts_ns, price, event.qty, sign)
    _mark(state, index, instrument.mark if instrument.bid > 0.0 else price, price, price)
    _refresh(state, arena, table, index, True)
    _touch(state, index)


@hot
def quote(state: Record, arena: Floats, table: Table, event: Record) -> None:
    """The best bid and ask: their middle is the mark, and without prints the extreme since a signal."""
    index, bid, ask = event.instrument, event.price, event.rate
    assert 0.0 < bid <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    assert 0.0 < ask <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    instrument = state.instruments[index]
    instrument.touched_ns, instrument.gap_ns = state.ts_ns, 0
    instrument.bid, instrument.bid_qty, instrument.ask, instrument.ask_qty = bid, event.qty, ask, event.amount
    if instrument.quote_tape >= 0:
        tapes.take_quote(state, arena, instrument.quote_tape, state.ts_ns, bid, event.qty, ask, event.amount)
    mid = 0.5 * (bid + ask)
    if instrument.last > 0.0:
        _mark(state, index, mid, -math.inf, math.inf)
    else:
        _mark(state, index, mid, mid, mid)
    _refresh(state, arena, table, index, True)
    _touch(state, index)


@leaf
def _keep_top(state: Record, arena: Floats, index: int, book: Record, is_known: bool) -> None:
    """The best bid and ask are those of the book, its middle the mark; one that is lost has none."""
    instrument = state.instruments[index]
    tape = instrument.quote_tape
    if not is_known or book.bid_count == 0 or book.ask_count == 0:
        instrument.bid = instrument.bid_qty = instrument.ask = instrument.ask_qty = math.nan
        if tape >= 0:
            tapes.forget(state, tape)
        return
    bid, ask = depth.best(book, depth.BUY), depth.best(book, depth.SELL)
    instrument.bid, instrument.bid_qty = bid, depth.best_qty(book, depth.BUY)
    instrument.ask, instrument.ask_qty = ask, depth.best_qty(book, depth.SELL)
    if tape >= 0 and not tapes.is_repeated(state, arena, tape, bid, instrument.bid_qty, ask, instrument.ask_qty):
        tapes.take_quote(state, arena, tape, state.ts_ns, bid, instrument.bid_qty, ask, instrument.ask_qty)
    mid = 0.5 * (bid + ask)
    if instrument.last > 0.0:
        _mark(state, index, mid, -math.inf, math.inf)
    else:
        _mark(state, index, mid, mid, mid)


@leaf
def _keep_depth(state: Record, arena: Floats, number: int, book: Record, is_known: bool) -> None:
    """A row of the tape of a book: what its best levels hold together."""
    if not is_known or book.bid_count == 0 or book.ask_count == 0:
        tapes.forget(state, number)
        return
    bid, ask = depth.best(book, depth.BUY), depth.best(book, depth.SELL)
    bids = depth.qty_of_best(book, depth.BUY, tapes.DEEP_LEVELS)
    asks = depth.qty_of_best(book, depth.SELL, tapes.DEEP_LEVELS)
    if not tapes.is_repeated(state, arena, number, bid, bids, ask, asks):
        tapes.take_quote(state, arena, number, state.ts_ns, bid, bids, ask, asks)


@leaf
def book_level(state: Record, arena: Floats, table: Table, event: Record) -> None:
    """A level of an order book; with the last one of its update the book is whole, and is looked at."""
    index, flags = event.instrument, event.reason
    instrument = state.instruments[index]
    assert instrument.book >= 0, "a book is told to who keeps one"
    assert 0.0 < event.price <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    assert 0.0 <= event.qty <= limits.QUANTITY_MAX, "QUANTITY_MAX: a quantity is bounded and not negative"
    book = state.books[instrument.book]
    instrument.touched_ns, instrument.gap_ns = state.ts_ns, 0
    if depth.is_taken(book, event.order_id, flags):
        side = depth.BUY if flags & BookRow.IS_BID else depth.SELL
        depth.set_level(book, side, event.price, event.qty)
    if not flags & BookRow.IS_LAST:
        return
    is_known = depth.end_update(book)
    if book.is_top != 0:
        _keep_top(state, arena, index, book, is_known)
    if instrument.book_tape >= 0:
        _keep_depth(state, arena, instrument.book_tape, book, is_known)
    _refresh(state, arena, table, index, True)
    _touch(state, index)


@leaf
def _lose_book(state: Record, arena: Floats, index: int) -> None:
    instrument = state.instruments[index]
    book = state.books[instrument.book]
    depth.lose(book)
    if book.is_top != 0:
        _keep_top(state, arena, index, book, False)
    if instrument.book_tape >= 0:
        tapes.forget(state, instrument.book_tape)


@leaf
def gap(state: Record, arena: Floats, table: Table, index: int, what: int) -> None:
    """Something was missed: no window over it is known, and no book until its next snapshot."""
    instrument = state.instruments[index]
    instrument.gap_ns = state.ts_ns - instrument.touched_ns
    if what == Gap.BOOK:
        _lose_book(state, arena, index)
    else:
        if instrument.trade_tape >= 0:
            tapes.forget(state, instrument.trade_tape)
        if instrument.quote_tape >= 0 and not (instrument.book >= 0 and state.books[instrument.book].is_top != 0):
            tapes.forget(state, instrument.quote_tape)
    _refresh(state, arena, table, index, False)
    _touch(state, index)


@leaf
def time_passed(state: Record, arena: Floats, table: Table, index: int) -> None:
    """A point of an instrument's grid."""
    state.is_grid = 1
    _refresh(state, arena, table, index, False)
    state.is_grid = 0
    _touch(state, index)
