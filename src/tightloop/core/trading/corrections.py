"""Corrections: what a venue has and our books do not, booked as events of their own. Nothing is edited.

An execution that no order of ours explains (FILL_FOUND) goes first to what the account holds by others, then to our
positions on the side that it reduces, because it is their quantity that is gone at the venue; the rest is a *foreign*
holding: a signed quantity and its average entry, of no strategy and without money in our books, counted by
``exposure.py`` in what a symbol and the account may hold. Its results, as deposits and transfers, move the account
EXTERNAL: the part of the venue's wallet that is not ours. Every correction of the wallet goes through it, so its
balance stays what the venue has beyond our books.

A position that differs without an execution (POSITION_CORRECTED) is filled up or down to what the venue has: down at
its own entry price, so without a result, because what it brought arrives as a correction of the balance.
"""

import math

from tightloop.core import limits, log
from tightloop.core.compiled import leaf
from tightloop.core.domain import events as fields
from tightloop.core.domain.enums import (
    Correction,
    EventKind,
    Moment,
    OrderState,
    Origin,
    Reason,
    Role,
    RowKind,
    WarningCode,
)
from tightloop.core.domain.session_events import origin
from tightloop.core.domain.types import Floats, Record, Rows, Table
from tightloop.core.signatures import call_decide
from tightloop.core.trading import account as trading_account
from tightloop.core.trading import commands, fills, ledger, margin, orders, positions, refused


@leaf
def tell(state: Record, arena: Floats, rows: Rows, table: Table, instance: int, moment: int) -> None:
    """Call the family of an instance whose position changed without an open order, or that is to look at it."""
    assert 0 <= instance < state.instance_count, "an instance is one of the run's"
    if state.positions[instance].qty == 0.0:
        refused.forget(state, instance)
    family = state.strategies[state.instances[instance].strategy].family
    call_decide(table[family], state, arena, rows, table, instance, moment)


@leaf
def _fill_without_order(state: Record, rows: Rows, instance: int, role: int, side: int, part: Record) -> None:
    """Book a fill on an instance by an order that is made for it, and has ended with it."""
    slot = commands.draft(state, instance, role, side, part.qty)
    order, position = state.orders[slot], state.positions[instance]
    order.reference_price = part.price
    order.leverage = max(position.leverage, state.strategies[state.instances[instance].strategy].leverage, 1.0)
    if position.qty != 0.0:
        order.signal_id = position.signal_id
        order.leverage = position.leverage
    order.reduce_only = 0 if role == Role.ENTRY else 1
    order.reason = Reason.LIQUIDATED.value if role == Role.LIQUIDATION else Reason.OPERATOR.value
    fills.fill_part(state, rows, order, part)
    order.state = OrderState.FILLED.value
    commands.report(state, rows, slot)
    commands.unlink(state, slot)


# Executions -----------------------------------------------------------------------------------------------------------


@leaf
def _take_foreign(instrument: Record, signed_qty: float, price: float) -> None:
    """Add an execution to the foreign holding of an instrument: average entry while it grows, a new one beyond flat."""
    assert price > 0.0, "a fill has a price"
    before = instrument.foreign_qty
    after = before + signed_qty
    if before * signed_qty >= 0.0:
        value = abs(before) * (instrument.foreign_price if before != 0.0 else 0.0) + abs(signed_qty) * price
        instrument.foreign_price = value / abs(after)
    elif before * after < 0.0:
        instrument.foreign_price = price
    is_flat = abs(after) <= max(abs(before), abs(signed_qty)) * limits.QUANTITY_TOLERANCE
    instrument.foreign_qty = 0.0 if is_flat else after
    if is_flat:
        instrument.foreign_price = 0.0


@leaf
def _role_of(who: int) -> int:
    """Return the role of an exit that others made; ``who``: an Origin."""
    assert who >= Origin.MANUAL, "an exit of ours has a role already"
    forced = who == Origin.LIQUIDATION or who == Origin.ADL or who == Origin.DELISTING
    return Role.LIQUIDATION.value if forced else Role.MANUAL.value


@leaf
def _book_lost(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Book a fill of an order whose plan is lost on the first instance of its instrument, which then closes it."""
    instance = state.instruments[event.instrument].instance_first
    assert instance >= 0, "an instrument of the run has an instance"
    is_exit = state.positions[instance].qty * event.side < 0.0
    role = Role.MANUAL.value if is_exit else Role.ENTRY.value
    _fill_without_order(state, rows, instance, role, event.side, fills.part_of(state, event, event.qty, instance))
    tell(state, arena, rows, table, instance, Moment.FOUND.value)


@leaf
def found(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Book an execution that no order which State knows explains."""
    assert event.side == 1 or event.side == -1, "an execution buys or sells"
    assert event.price > 0.0, "a fill has a price"
    assert event.qty > 0.0, "a fill has a quantity"
    orders.keep_key(state, event.fill_key)
    if origin(event) == Origin.LOST or origin(event) == Origin.ORDER:
        _book_lost(state, arena, rows, table, event)
        return
    instrument = state.instruments[event.instrument]
    left = event.qty
    if instrument.foreign_qty * event.side < 0.0:
        taken = min(left, abs(instrument.foreign_qty))
        _take_foreign(instrument, event.side * taken, event.price)
        left -= taken
    instance = instrument.instance_first
    while instance >= 0:
        following = state.instances[instance].next
        held = state.positions[instance].qty
        if held * event.side < 0.0 and left > event.qty * limits.QUANTITY_TOLERANCE:
            taken = min(left, abs(held))
            role = _role_of(origin(event))
            if role == Role.LIQUIDATION:
                trading_account.warn(state, rows, WarningCode.LIQUIDATED.value, instance, event.price, 0)
            _fill_without_order(state, rows, instance, role, event.side, fills.part_of(state, event, taken, instance))
            tell(state, arena, rows, table, instance, Moment.FILLED.value)
            left -= taken
        instance = following
    if left > event.qty * limits.QUANTITY_TOLERANCE:
        _take_foreign(instrument, event.side * left, event.price)
    if left != event.qty or instrument.foreign_qty != 0.0:
        trading_account.warn(state, rows, WarningCode.FOREIGN.value, -1, instrument.foreign_qty, 0)


# Positions and balances -----------------------------------------------------------------------------------------------


@leaf
def _warn_corrected(state: Record, rows: Rows, instance: int, value: float, why: int) -> None:
    """Append the WARNING row of a correction; ``why``: a Correction."""
    row = log.emit(state, rows, RowKind.WARNING.value, instance)
    row.code = WarningCode.CORRECTED.value
    row.reason = why
    row.value = value
    log.seal(state, row)


@leaf
def _set_entry(state: Record, instance: int, price: float) -> None:
    """Set the average entry price of a position, and what follows from it."""
    assert price > 0.0, "an open position has an entry price"
    position = state.positions[instance]
    instrument = state.instruments[state.instances[instance].instrument]
    position.entry_price = price
    position.entry_value = position.entry_qty * price
    position.liquidation_price = margin.liquidation_price(instrument, position.qty, price, position.margin)
    if instrument.mark > 0.0:
        now = positions.unrealized_pnl(position, instrument.mark, instrument.multiplier)
        state.unrealized += now - position.unrealized
        position.unrealized = now


@leaf
def _book_difference(state: Record, rows: Rows, event: Record, signed_qty: float, price: float) -> None:
    """Fill a position up or down by ``signed_qty`` at ``price``, without a fee."""
    assert signed_qty != 0.0, "a difference is one"
    part = state.part
    fields.clear(part, EventKind.ORDER_FILLED.value, event.instrument, -1, event.ts_event_ns, event.ts_init_ns)
    fields.set_fill(part, price, abs(signed_qty), 0.0, math.nan, False)
    is_exit = state.positions[event.instance].qty * signed_qty < 0.0
    role = Role.MANUAL.value if is_exit else Role.ENTRY.value
    _fill_without_order(state, rows, event.instance, role, 1 if signed_qty > 0.0 else -1, part)


@leaf
def position(state: Record, arena: Floats, rows: Rows, table: Table, event: Record) -> None:
    """Bring a position, or a foreign holding (``instance`` -1), to what the venue has."""
    instrument = state.instruments[event.instrument]
    orders.keep_key(state, event.fill_key)
    if event.instance < 0:
        _warn_corrected(state, rows, -1, event.qty - instrument.foreign_qty, Correction.POSITION.value)
        instrument.foreign_qty = event.qty
        instrument.foreign_price = event.price if event.qty != 0.0 else 0.0
        return
    assert event.qty == 0.0 or event.price > 0.0, "an open position has an entry price"
    row = state.positions[event.instance]
    before = row.qty
    _warn_corrected(state, rows, event.instance, event.qty - before, Correction.POSITION.value)
    if before != 0.0 and before * event.qty <= 0.0:
        _book_difference(state, rows, event, -before, row.entry_price)
    elif abs(event.qty) < abs(before):
        _book_difference(state, rows, event, event.qty - before, row.entry_price)
    if event.qty != row.qty:
        _book_difference(state, rows, event, event.qty - row.qty, event.price)
    if row.qty != 0.0:
        _set_entry(state, event.instance, event.price)
    moment = Moment.FOUND.value if row.qty != 0.0 and before * row.qty <= 0.0 else Moment.FILLED.value
    tell(state, arena, rows, table, event.instance, moment)


@leaf
def balance(state: Record, rows: Rows, event: Record) -> None:
    """Book a change of the venue's wallet: outside of our books, or, of a fee and what nothing explains, inside."""
    why, amount = event.reason, event.amount
    external, wallet = ledger.account(0, ledger.EXTERNAL), ledger.account(0, ledger.WALLET)
    orders.keep_key(state, event.fill_key)
    if why == Correction.FEE:
        ledger.post(state, wallet, ledger.account(0, ledger.FEES), amount)
        state.statistics.fees -= amount
        if event.instance >= 0:
            state.positions[event.instance].fees -= amount
            state.strategies[state.instances[event.instance].strategy].realized_today += amount
    else:
        ledger.post(state, external, ledger.account(0, ledger.CAPITAL), amount)
    if why == Correction.UNEXPLAINED:
        ledger.post(state, wallet, external, amount)
    _warn_corrected(state, rows, event.instance, amount, why)
