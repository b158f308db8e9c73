"""A market exit: attempt after attempt of one order until the position is closed.

Attempts of a round: market, IOC limit at the touch less 0.2 %, 0.5 %, 1 %, and market again; without a known touch all
are at market. The next one leaves

- when the last one has ended and something is left,
- when the last one is open 5 s (E1) or 60 s after it left, still is by a look-up, and was canceled,
- 1 s after the last one's outcome became unknown, where two cannot close more than is ours (``attempts.may_double``).

From the sixth attempt on an operator is told each 60 s. After 36 the order ends as expired and the core sends another.
A refusal with nothing to reduce ends it at once: a round of reconciliation says what is there.
"""

import math

from tightloop.core import rounding
from tightloop.core.domain.enums import OrderKind, OrderState, TimeInForce
from tightloop.ports.execution import RefusalKind
from tightloop.runtime.session.desk import endings, ids
from tightloop.runtime.session.desk.leaves import interpreted
from tightloop.runtime.session.desk.records import NEVER_NS, SECOND_NS, NoteKind, Urgency
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Turn, Wire
from tightloop.runtime.session.desk.styles import attempts
from tightloop.runtime.session.desk.styles.stops import UNKNOWN_NS
from tightloop.runtime.session.desk.wire import cancels, look_ups

BEYOND_TOUCH = (math.nan, 0.002, 0.005, 0.01, math.nan)
"""How far beyond the touch each attempt of a round takes; NaN: at market."""
LATER_PATIENCE_NS = 5 * SECOND_NS
TOUCH_KNOWN_NS = 10 * SECOND_NS
STUCK_NS = 60 * SECOND_NS
SLOW_NS = 5 * SECOND_NS

_price_passive = interpreted(rounding.price_passive)


def advance(turn: Turn, order: DeskOrder) -> int:
    """Make the next attempt when its time has come. Return when to look again."""
    if not order.attempts:
        attempts.queue(turn, order, OrderKind.MARKET, TimeInForce.GTC, math.nan)
    for attempt in order.attempts[:-1]:
        is_stop = attempt.kind not in (OrderKind.MARKET, OrderKind.LIMIT)  # of a trailing stop: it protects until flat
        if attempt.wire in (Wire.QUEUED, Wire.ACKED) and not is_stop:
            cancels.want(turn, attempt)
    last = order.attempts[-1]
    next_ns = _alert(turn, order)
    if last.wire == Wire.QUEUED:
        attempts.refresh(order, last)
        if order.is_amending:
            endings.amended(turn, order)
    elif last.wire == Wire.ACKED:
        next_ns = min(next_ns, _be_patient(turn, order, last))
    elif last.wire == Wire.UNKNOWN:
        if turn.state.now_ns < last.unknown_ns + UNKNOWN_NS:
            return min(next_ns, last.unknown_ns + UNKNOWN_NS)
        if attempts.may_double(turn, order):
            next_ns = min(next_ns, _next(turn, order))
    elif last.is_settled:
        next_ns = min(next_ns, _after_end(turn, order, last))
    return next_ns


def _alert(turn: Turn, order: DeskOrder) -> int:
    """Tell an operator of an exit that has had five attempts, each 60 s. Return when next."""
    count = len(order.attempts) - order.closing_from
    if count <= len(BEYOND_TOUCH):
        return NEVER_NS
    due_ns = order.alerted_ns + STUCK_NS if order.is_stuck else 0
    if turn.state.now_ns < due_ns:
        return due_ns
    text = f"an exit is open after {count - 1} attempts: {order.remaining} left"
    turn.note(NoteKind.EXIT_STUCK, Urgency.CRITICAL, text, order)
    order.is_stuck, order.alerted_ns = True, turn.state.now_ns
    return turn.state.now_ns + STUCK_NS


def _be_patient(turn: Turn, order: DeskOrder, last: Attempt) -> int:
    """Look up an attempt that is open for long, and cancel it when it still is. Return when to look again."""
    patience_ns = order.wanted.patience_ns if last.number == order.closing_from else LATER_PATIENCE_NS
    if turn.state.now_ns < last.sent_ns + patience_ns:
        return last.sent_ns + patience_ns
    if not last.is_checked:
        last.is_checked = True
        look_ups.begin(turn, order, last, 0)
    elif not last.look_up.is_on:
        cancels.want(turn, last)
    return NEVER_NS


def _after_end(turn: Turn, order: DeskOrder, last: Attempt) -> int:
    """Decide what follows an attempt that has ended. Return when to look again."""
    if order.is_filled or last.end_reason == RefusalKind.NOTHING_TO_REDUCE:
        endings.finish(turn, order)
        return NEVER_NS
    is_refused = last.end == OrderState.REJECTED and not last.is_absent
    if is_refused and last.number == order.closing_from:
        endings.finish(turn, order)
        return NEVER_NS
    is_sure = not any(one.wire == Wire.UNKNOWN for one in order.attempts)
    return _next(turn, order) if is_sure or attempts.may_double(turn, order) else NEVER_NS


def _next(turn: Turn, order: DeskOrder) -> int:
    """Queue the next attempt, if its time has come. Return when to look again."""
    state, count = turn.state, len(order.attempts) - order.closing_from
    if count > 1:
        apart_ns = SECOND_NS if count < len(BEYOND_TOUCH) else SLOW_NS
        due_ns = order.attempts[-1].queued_ns + apart_ns
        if state.now_ns < due_ns:
            return due_ns
    if count >= ids.ATTEMPTS_PER_NUMBER or len(order.attempts) >= ids.ATTEMPTS_MAX:
        turn.note(NoteKind.ATTEMPTS_USED, Urgency.CRITICAL, f"{count} attempts of an exit", order)
        endings.tell_end(turn, order, *endings.USED_UP)
        return NEVER_NS
    price = _price(turn, order, BEYOND_TOUCH[count % len(BEYOND_TOUCH)])
    if math.isnan(price):
        attempts.queue(turn, order, OrderKind.MARKET, TimeInForce.GTC, math.nan)
    else:
        attempts.queue(turn, order, OrderKind.LIMIT, TimeInForce.IOC, price)
    return NEVER_NS


def _price(turn: Turn, order: DeskOrder, beyond: float) -> float:
    """Return a limit ``beyond`` the touch, on the instrument's grid; NaN: at market, or the touch is not known."""
    state, wanted = turn.state, order.wanted
    prices = state.prices.get(wanted.instrument)
    if prices is None or state.now_ns - prices.touch_ns > TOUCH_KNOWN_NS:
        return math.nan
    touch = prices.ask if wanted.side > 0 else prices.bid
    price = touch * (1.0 + wanted.side * beyond)
    if not price > 0.0:
        return math.nan
    return float(_price_passive(price, turn.listed(order).price_increment, wanted.side))
