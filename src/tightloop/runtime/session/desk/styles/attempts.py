"""New attempts of an order."""

import math

from tightloop.core.domain.enums import OrderKind, TimeInForce
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Turn, Wire


def place(turn: Turn, order: DeskOrder) -> Attempt:
    """Queue an attempt for what is not filled of an order, at the wanted prices."""
    wanted = order.wanted
    is_trailing = wanted.order_kind == OrderKind.TRAILING
    kind = OrderKind.STOP if is_trailing else wanted.order_kind
    return queue(turn, order, kind, wanted.tif, wanted.price)


def queue(turn: Turn, order: DeskOrder, kind: OrderKind, tif: TimeInForce, price: float) -> Attempt:
    """Queue an attempt of a kind for what is not filled of an order; ``price`` NaN: at market."""
    wanted = order.wanted
    is_stop = kind in (OrderKind.STOP, OrderKind.STOP_LIMIT)
    attempt = Attempt(
        number=len(order.attempts),
        client_id=turn.client_id(order),
        kind=kind,
        tif=tif,
        qty=wanted.qty - order.told_qty,
        total=wanted.qty,
        price=price,
        stop_price=wanted.stop_price if is_stop else math.nan,
        queued_ns=turn.state.now_ns,
        is_conditional=is_stop and turn.state.terms.has_conditional_orders,
    )
    turn.add_attempt(order, attempt)
    return attempt


def refresh(order: DeskOrder, attempt: Attempt) -> None:
    """Update an attempt that has not left to what is wanted now."""
    assert attempt.wire == Wire.QUEUED, "what has left is amended or replaced"
    wanted = order.wanted
    attempt.qty, attempt.total = wanted.qty - order.told_qty, wanted.qty
    if attempt.kind == wanted.order_kind:  # a limit of a market exit has a price of its own
        attempt.price = wanted.price
    if attempt.kind in (OrderKind.STOP, OrderKind.STOP_LIMIT):
        attempt.stop_price = wanted.stop_price


def may_double(turn: Turn, order: DeskOrder) -> bool:
    """Return whether another attempt may leave while what became of one is not known.

    Two reduce-only orders cannot pass flat. So it may where the order closes all that the account holds; not where it
    closes a part, or where the account holds more on our side: there a second one would close what is not ours to
    close, and only the proof of absence lets the next one leave.
    """
    holding = turn.state.holdings.get(order.wanted.instrument)
    if holding is None or not order.wanted.is_exit:
        return False
    to_close = -order.wanted.side * holding.ours
    is_beside = -order.wanted.side * holding.foreign > order.slack
    closes_all = to_close > order.slack and order.remaining >= to_close - order.slack
    return closes_all and not is_beside
