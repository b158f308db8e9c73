"""Answers as events of the core: the one place that writes an EVENT from what a venue told.

``core/domain/events.py`` and ``session_events.py`` say what each field means by kind. Their writers are leaves, for
compiled code; here the same fields are set from Python.
"""

import math

import numpy as np

from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.events import NONE
from tightloop.core.domain.types import Rows
from tightloop.runtime.session.desk.records import VenueAnswer

_OF_ORDERS = (
    EventKind.ORDER_ACCEPTED,
    EventKind.ORDER_REJECTED,
    EventKind.ORDER_CANCELED,
    EventKind.ORDER_EXPIRED,
    EventKind.ORDER_UNKNOWN,
    EventKind.CANCEL_REJECTED,
)


def write(event: Rows, answer: VenueAnswer, now_ns: int) -> None:
    """Write an answer, received at ``now_ns``, into one row of EVENT; every other field becomes 0."""
    event.view(np.uint8)[:] = 0
    row = event[0]
    row["kind"], row["instrument"], row["instance"] = answer.kind, answer.instrument, answer.instance
    row["ts_event_ns"], row["ts_init_ns"] = answer.ts_event_ns or now_ns, now_ns
    if answer.kind in (EventKind.ORDER_FILLED, EventKind.FILL_FOUND):
        _write_fill(event, answer)
    elif answer.kind == EventKind.BALANCE_CORRECTED:
        row["instrument"], row["reason"] = NONE, answer.reason
        row["amount"], row["fill_key"] = answer.amount, answer.fill_key
    elif answer.kind == EventKind.POSITION_CORRECTED:
        row["qty"], row["price"], row["fill_key"] = answer.qty, answer.price, answer.fill_key
    elif answer.kind == EventKind.FUNDING_PAID:
        row["amount"], row["price"], row["fill_key"] = answer.amount, answer.price, answer.fill_key
    elif answer.kind == EventKind.MARK_REPORTED:
        row["instance"], row["price"], row["stop_price"] = NONE, answer.price, answer.stop_price
    else:
        assert answer.kind in _OF_ORDERS or answer.kind == EventKind.AMENDED, "a kind of answer"
        row["order_id"], row["order_slot"], row["reason"] = answer.order_id, answer.order_slot, answer.reason
        row["stop_price"] = answer.stop_price
        if answer.kind == EventKind.AMENDED:
            row["qty"], row["price"] = answer.qty, answer.price
        row["cum_qty"] = answer.cum_qty


def _write_fill(event: Rows, answer: VenueAnswer) -> None:
    """Write the fields of an execution; the venue says nothing of slippage."""
    row = event[0]
    row["order_id"], row["order_slot"] = answer.order_id, answer.order_slot
    row["price"], row["qty"], row["amount"], row["rate"] = answer.price, answer.qty, answer.fee, math.nan
    row["is_maker"], row["cum_qty"], row["fill_key"] = int(answer.is_maker), answer.cum_qty, answer.fill_key
    row["high"] = answer.average_price if math.isfinite(answer.average_price) else 0.0
    if answer.kind == EventKind.FILL_FOUND:
        row["instance"], row["order_slot"] = NONE, NONE
        row["side"], row["order_kind"] = answer.side, answer.origin
    else:
        row["stop_price"] = answer.stop_price
