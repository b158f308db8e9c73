"""Events that only a venue and a session tell: executions found, corrections, rules, control, feeds and marks.

No simulated venue writes one: a driver does, from what a venue reports, what an operator asks, and what a clock finds.
What all kinds have is in ``events.py``; the rest depends on the kind:

    CANCEL_REJECTED       instrument, instance, order_id, order_slot, reason
    AMENDED               these, and reason 0: done, with qty, price and stop_price as the venue has them now (0: as
                          asked); another: refused, the venue has what it had
    FILL_FOUND            instrument, side, price, qty, amount: fee paid, rate: slippage (NaN: unknown), is_maker,
                          order_kind: Origin, order_id (0: of no order of ours), cum_qty, high, fill_key
    POSITION_CORRECTED    instrument, instance (-1: what is not ours), qty: signed, as the venue has it, price: average
                          entry, fill_key
    BALANCE_CORRECTED     instance (-1: none), amount (positive: received), reason: Correction, fill_key
    INSTRUMENT_CHANGED    instrument, price: increment, qty: lot, amount: smallest notional, rate: multiplier, high:
                          largest order, low: largest market order (0: none known), reason: TradingStatus
    SESSION_CONTROL       reason: SessionControl
    FEED_STATE            instrument, reason: FeedState; ts_event_ns: when the last fact of it was received
    MARK_REPORTED         instrument, price: mark, stop_price: liquidation price of our position (0: not said)
"""

from tightloop.core.compiled import hot, leaf
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.events import NONE, clear
from tightloop.core.domain.types import Record


@hot
def set_amended(event: Record, qty: float, price: float, stop_price: float) -> None:
    """Set what an amended order asks for at the venue; 0: as it was asked to."""
    event.qty, event.price, event.stop_price = qty, price, stop_price


@leaf
def write_fill_found(event: Record, instrument: int, now_ns: int, side: int, origin: int, order_id: int) -> None:
    """Write that an execution was found, without its price and costs (``set_fill``, ``set_cumulative``)."""
    clear(event, EventKind.FILL_FOUND.value, instrument, NONE, now_ns, now_ns)
    event.side, event.order_kind, event.order_id, event.order_slot = side, origin, order_id, NONE


@leaf
def write_position_corrected(
    event: Record, instrument: int, instance: int, now_ns: int, qty: float, price: float
) -> None:
    """Write which position the venue has; ``instance`` -1: of the part that is not ours."""
    clear(event, EventKind.POSITION_CORRECTED.value, instrument, instance, now_ns, now_ns)
    event.qty, event.price = qty, price


@leaf
def write_balance_corrected(event: Record, instance: int, now_ns: int, amount: float, why: int) -> None:
    """Write a change of the wallet that no fill and no funding explains; ``why``: a Correction."""
    clear(event, EventKind.BALANCE_CORRECTED.value, NONE, instance, now_ns, now_ns)
    event.amount, event.reason = amount, why


@leaf
def write_instrument_changed(event: Record, instrument: int, now_ns: int, rules: Record, status: int) -> None:
    """Write the rules of an instrument, from a record that has the fields of INSTRUMENT."""
    clear(event, EventKind.INSTRUMENT_CHANGED.value, instrument, NONE, now_ns, now_ns)
    event.price, event.qty = rules.price_increment, rules.lot_size
    event.amount, event.rate = rules.min_notional, rules.multiplier
    event.high, event.low = rules.qty_max, rules.market_qty_max
    event.reason = status


@leaf
def write_session_control(event: Record, now_ns: int, what: int) -> None:
    """Write what a session may do from now on; ``what``: a SessionControl."""
    clear(event, EventKind.SESSION_CONTROL.value, NONE, NONE, now_ns, now_ns)
    event.reason = what


@leaf
def write_feed_state(event: Record, instrument: int, last_ns: int, now_ns: int, what: int) -> None:
    """Write the state of an instrument's feed, a FeedState, whose last fact was received at ``last_ns``."""
    clear(event, EventKind.FEED_STATE.value, instrument, NONE, last_ns, now_ns)
    event.reason = what


@leaf
def write_mark_reported(event: Record, instrument: int, now_ns: int, mark: float, liquidation_price: float) -> None:
    """Write the venue's mark, and its liquidation price of our position (0: not said)."""
    clear(event, EventKind.MARK_REPORTED.value, instrument, NONE, now_ns, now_ns)
    event.price, event.stop_price = mark, liquidation_price


@hot
def origin(event: Record) -> int:
    """Return who asked for the execution of a FILL_FOUND: an Origin."""
    return event.order_kind


@hot
def liquidation_price(event: Record) -> float:
    """Return the liquidation price that a MARK_REPORTED has of our position; 0: not said."""
    return event.stop_price
