"""Effects of market events on State: last bar, quote and print, mark price, order book, indicators. No money moves.

Order within one event: the tick or bar is stored and aggregates grow; then higher-timeframe bars that are complete
close; window edges advance to now; indicators are computed; the instrument is marked as touched, so that the step
evaluates its strategies at the end of the event. Unrealised P&L is updated with every new mark price.

Lazy indicators: after a tick, windowed indicators whose bit is set in ``on_demand[instrument].put_off`` are not
computed; ``since_ns`` remembers the tick's time. ``measure_rest`` computes them as of that time before anything reads
them, so a value does not depend on when it is read.

Indicators are called through the table of addresses (``core.compiled``).
"""

import math

from tightloop.core import limits
from tightloop.core.compiled import hot, leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.ticks import BookRow, Gap
from tightloop.core.domain.types import Floats, Record, Table
from tightloop.core.market import depth, tapes
from tightloop.core.signatures import call_evaluate, call_update
from tightloop.core.trading import positions

# Bars ---------------------------------------------------------------------------------------------------------------


@hot
def _mark(state: Record, index: int, price: float, high: float, low: float) -> None:
    """Apply a new mark price: unrealised P&L of open positions, and each instance's price extremes since its signal.

    ``high`` and ``low`` update these extremes; -inf and inf leave them unchanged. Where the venue reports its mark,
    that mark stays.
    """
    instrument = state.instruments[index]
    if instrument.has_venue_mark != 0:
        price = instrument.mark
    instrument.mark = price
    number = instrument.instance_first
    while number >= 0:
        instance = state.instances[number]
        position = state.positions[number]
        if position.qty != 0.0:
            now = positions.unrealized_pnl(position, price, instrument.multiplier)
            # A single position is assigned, not added to the sum: no float residue can accumulate.
            state.unrealized = now if state.open_position_count == 1 else state.unrealized + (now - position.unrealized)
            position.unrealized = now
        instance.high_since_signal = max(instance.high_since_signal, high)
        instance.low_since_signal = min(instance.low_since_signal, low)
        number = instance.next


@leaf
def _close_aggregates(state: Record, arena: Floats, table: Table, index: int, now_ns: int) -> None:
    """Close the higher-timeframe bars whose period is over, and update their indicators."""
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
    """Merge the bar that just closed (or the print, as a bar) into the higher-timeframe bars it belongs to."""
    instrument = state.instruments[index]
    bar = instrument.bar
    for k in range(instrument.aggregate_first, instrument.aggregate_first + instrument.aggregate_count):
        aggregate = state.aggregates[k]
        merged = aggregate.bar
        if aggregate.is_open == 0:
            aggregate.is_open = 1
            merged.open_ns = bar.open_ns // aggregate.period_ns * aggregate.period_ns
            merged.close_ns = merged.open_ns + aggregate.period_ns
            merged.open, merged.high, merged.low, merged.volume = bar.open, bar.high, bar.low, 0.0
        merged.high = max(merged.high, bar.high)
        merged.low = min(merged.low, bar.low)
        merged.close = bar.close
        merged.volume += bar.volume


@hot
def bar_closed(state: Record, arena: Floats, table: Table, event: Record) -> None:
    """Apply a closed bar: indicators, higher timeframes, mark price at the close."""
    index = event.instrument
    instrument = state.instruments[index]
    bar = instrument.bar
    assert event.low <= event.open, "a bar's open lies in its range"
    assert event.open <= event.high, "a bar's open lies in its range"
    assert event.low > 0.0, "a price is positive"
    assert event.high <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    bar.open, bar.high, bar.low, bar.close, bar.volume = event.open, event.high, event.low, event.price, event.qty
    bar.open_ns, bar.close_ns = event.ts_event_ns, event.ts_init_ns
    instrument.gap_ns = 0
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
    """Apply the open of a new bar: complete higher-timeframe bars close, mark price at the open."""
    instrument = state.instruments[event.instrument]
    if instrument.aggregate_count > 0:
        _close_aggregates(state, arena, table, event.instrument, event.ts_init_ns)
    instrument.open_ns = event.ts_init_ns
    _mark(state, event.instrument, event.price, event.price, event.price)


# Ticks --------------------------------------------------------------------------------------------------------------


@hot
def _touch(state: Record, index: int) -> None:
    """Schedule the instrument's instances for evaluation at the end of this event."""
    assert state.touched_count < limits.INSTRUMENTS_MAX, "INSTRUMENTS_MAX: an instrument is touched once an event"
    state.touched[state.touched_count] = index
    state.touched_count += 1


@hot
def _refresh(state: Record, arena: Floats, table: Table, index: int, is_tick: bool) -> None:
    """Advance the window edges of an instrument to now and recompute its windowed indicators.

    ``is_tick``: lazy indicators may be deferred; after a data gap or at a grid point all are computed.
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
    deferred = 0
    if state.is_on_demand != 0:
        lazy = state.on_demand[index]
        lazy.since_ns = 0
        if is_tick and lazy.put_off != 0:
            lazy.since_ns = state.ts_ns
            deferred = lazy.put_off
    _measure(state, arena, table, index, ~deferred)


@leaf
def _measure(state: Record, arena: Floats, table: Table, index: int, chosen: int) -> None:
    """Compute the windowed indicators of an instrument whose bits are set in ``chosen``, lowest bit first."""
    instrument = state.instruments[index]
    for k in range(instrument.tick_first, instrument.tick_first + instrument.tick_count):
        if chosen & 1:
            indicator = state.indicators[k]
            call_evaluate(table[indicator.address], state, arena, index, indicator.base)
        chosen >>= 1


@hot
def measure_rest(state: Record, arena: Floats, table: Table, index: int) -> None:
    """Compute the deferred indicators of an instrument, if any: call before reading its values."""
    if state.on_demand[index].since_ns != 0:
        _measure_as_of(state, arena, table, index)


@leaf
def _measure_as_of(state: Record, arena: Floats, table: Table, index: int) -> None:
    """Compute the deferred indicators at the time of the tick that deferred them."""
    lazy, now_ns = state.on_demand[index], state.ts_ns
    state.ts_ns = lazy.since_ns
    lazy.since_ns = 0
    _measure(state, arena, table, index, lazy.put_off)
    state.ts_ns = now_ns


@leaf
def measure_all(state: Record, arena: Floats, table: Table) -> None:
    """Compute the deferred indicators of all instruments."""
    for index in range(state.instrument_count):
        measure_rest(state, arena, table, index)


@hot
def trade(state: Record, arena: Floats, table: Table, event: Record) -> None:
    """Apply a public trade print.

    It sets the mark price unless quotes are known, and updates the price extremes since a signal in any case.
    """
    index, price = event.instrument, event.price
    assert 0.0 < price <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    instrument = state.instruments[index]
    instrument.last = price
    instrument.touched_ns, instrument.gap_ns = state.ts_ns, 0
    bar = instrument.bar
    # Rules read the print as a bar of one price; aggregates build bars of ticks from it.
    bar.open, bar.high, bar.low, bar.close, bar.volume = price, price, price, price, event.qty
    if instrument.aggregate_count > 0:
        _close_aggregates(state, arena, table, index, state.ts_ns)
        bar.open_ns, bar.close_ns = state.ts_ns, 0
        _grow_aggregates(state, index)
    if instrument.trade_tape >= 0:
        sign = -1.0 if fields.is_buyer_maker(event) else 1.0
        tapes.take_trade(state, arena, instrument.trade_tape, state.ts_ns, price, event.qty, sign)
    _mark(state, index, instrument.mark if instrument.bid > 0.0 else price, price, price)
    _refresh(state, arena, table, index, True)
    _touch(state, index)


@hot
def quote(state: Record, arena: Floats, table: Table, event: Record) -> None:
    """Apply a quote of best bid and ask; the mark price is the mid.

    The mid updates the price extremes since a signal only if there are no trade prints.
    """
    index, bid, ask, ask_qty = event.instrument, event.price, fields.ask(event), fields.ask_qty(event)
    assert 0.0 < bid <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    assert 0.0 < ask <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    instrument = state.instruments[index]
    instrument.touched_ns, instrument.gap_ns = state.ts_ns, 0
    instrument.bid, instrument.bid_qty, instrument.ask, instrument.ask_qty = bid, event.qty, ask, ask_qty
    if instrument.quote_tape >= 0:
        tapes.take_quote(state, arena, instrument.quote_tape, state.ts_ns, bid, event.qty, ask, ask_qty)
    mid = 0.5 * (bid + ask)
    # Where trades are known, only traded prices count as extremes since a signal.
    if instrument.last > 0.0:
        _mark(state, index, mid, -math.inf, math.inf)
    else:
        _mark(state, index, mid, mid, mid)
    _refresh(state, arena, table, index, True)
    _touch(state, index)


@leaf
def _keep_top(state: Record, arena: Floats, index: int, book: Record, is_known: bool) -> None:
    """Set best bid and ask from the order book and mark at the mid; NaN if the book is unknown or one-sided."""
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
    """Append the total quantity of the best levels to the book tape; a gap if the book is unknown or one-sided."""
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
    """Apply one level of an order book update.

    Event fields: price, qty, order_id (sequence number), reason (``BookRow`` flags). The book is consistent, and
    evaluated, only after the update's last level (``IS_LAST``).
    """
    index, flags = event.instrument, fields.book_flags(event)
    instrument = state.instruments[index]
    assert instrument.book >= 0, "a book row belongs to an instrument with a book"
    assert 0.0 < event.price <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
    assert 0.0 <= event.qty <= limits.QUANTITY_MAX, "QUANTITY_MAX: a quantity is bounded and not negative"
    book = state.books[instrument.book]
    instrument.touched_ns, instrument.gap_ns = state.ts_ns, 0
    if depth.is_taken(book, fields.book_seq(event), flags):
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
    """Mark the order book unknown until its next snapshot, with its tapes."""
    instrument = state.instruments[index]
    book = state.books[instrument.book]
    depth.lose(book)
    if book.is_top != 0:
        _keep_top(state, arena, index, book, False)
    if instrument.book_tape >= 0:
        tapes.forget(state, instrument.book_tape)


@leaf
def gap(state: Record, arena: Floats, table: Table, index: int, what: int) -> None:
    """Apply a data gap: windows over it become unknown; a gap of the book, until its next snapshot."""
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
def mark_reported(state: Record, index: int, price: float) -> None:
    """Apply the venue's mark, which positions are valued at from now on; NaN: at what market data say again."""
    instrument = state.instruments[index]
    instrument.has_venue_mark = 0
    if price == price:
        assert 0.0 < price <= limits.PRICE_MAX, "PRICE_MAX: a price is bounded"
        _mark(state, index, price, -math.inf, math.inf)
        instrument.has_venue_mark = 1


@leaf
def remark(state: Record, index: int) -> None:
    """Value the positions of an instrument anew, at the mark it has."""
    if state.instruments[index].mark > 0.0:
        _mark(state, index, state.instruments[index].mark, -math.inf, math.inf)


@leaf
def time_passed(state: Record, arena: Floats, table: Table, index: int) -> None:
    """Apply a grid point of an instrument: recompute its windowed indicators although no tick arrived."""
    state.is_grid = 1
    _refresh(state, arena, table, index, False)
    state.is_grid = 0
    _touch(state, index)
