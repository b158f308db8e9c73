"""Amends at a venue that has them: asked until quantity and prices are the wanted ones, or refused.

To amend to the same values twice changes nothing, so an amend without an answer is looked up and, where it was not
done, asked again.
"""

import math

from tightloop.core.domain.enums import Reason
from tightloop.ports.execution import AmendOrder, NoSuchOrder, OrderReport, RefusalKind, RefusedByVenue
from tightloop.ports.transport import NoAnswer
from tightloop.runtime.session.desk import endings, lanes
from tightloop.runtime.session.desk.records import NEVER_NS, NoteKind, Reply, Urgency
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Purpose, Turn
from tightloop.runtime.session.desk.wire import look_ups, submits


def is_as_wanted(order: DeskOrder, attempt: Attempt) -> bool:
    """Return whether an attempt, when filled, fills its order at the wanted prices."""
    wanted = order.wanted
    if abs(attempt.total - wanted.qty) > order.slack:
        return False
    return _same(attempt.price, wanted.price) and _same(attempt.stop_price, wanted.stop_price)


def _same(one: float, other: float) -> bool:
    """Return whether two prices are the same; both unused (NaN) are."""
    return one == other or (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-12)


def advance(turn: Turn, order: DeskOrder, attempt: Attempt) -> int:
    """Ask for the amend that is due. Return when the next is."""
    amending, state, wanted = attempt.amending, turn.state, order.wanted
    if amending.ask_id or amending.is_unknown:
        return NEVER_NS
    if state.now_ns < amending.due_ns:
        return amending.due_ns
    if not wanted.is_exit and wanted.qty > attempt.total and state.denied.get(wanted.instance, 0):
        return NEVER_NS  # an entry does not grow while entries are denied
    lane = submits.lane_of(order)
    if not lanes.may_leave(turn, lane):
        return lanes.free_ns(state, lane)
    qty = attempt.qty + wanted.qty - attempt.total
    amending.total, amending.price, amending.stop_price = wanted.qty, wanted.price, wanted.stop_price
    is_conditional = attempt.is_conditional and not attempt.is_triggered
    request = AmendOrder(
        attempt.client_id, turn.listed(order).symbol, wanted.side, qty, wanted.price, wanted.stop_price, is_conditional
    )
    amending.ask_id = turn.ask(request, Purpose.AMEND, lane, lanes.timeout_ns(lane), order, attempt.number)
    return NEVER_NS


def on_reply(turn: Turn, order: DeskOrder, attempt: Attempt, reply: Reply) -> None:
    """Take the answer to an amend; reports in it were applied already."""
    amending = attempt.amending
    amending.ask_id = 0
    order.due_ns = 0
    if not attempt.is_live:
        return
    if isinstance(reply, tuple):
        attempt.qty += amending.total - attempt.total
        attempt.total, attempt.price, attempt.stop_price = amending.total, amending.price, amending.stop_price
        amending.waits = 0
    elif isinstance(reply, RefusedByVenue) and reply.reason != RefusalKind.TOO_LATE:
        refuse(turn, order, attempt, endings.reason_of(reply.reason, order) or int(Reason.TOO_LATE), reply.text)
    elif isinstance(reply, NoSuchOrder | RefusedByVenue):
        amending.is_unknown = True
        look_ups.begin(turn, order, attempt, 0)
    elif isinstance(reply, NoAnswer) or not submits.is_surely_not_executed(reply):
        amending.is_unknown = True
        look_ups.begin(turn, order, attempt)
    else:
        amending.due_ns = turn.state.now_ns + lanes.wait_ns(amending.waits)
        amending.waits += 1


def refuse(turn: Turn, order: DeskOrder, attempt: Attempt, reason: int, text: str) -> None:
    """Restore what the venue has, and tell the core that its amend was refused."""
    order.want_again(attempt)
    turn.note(NoteKind.AMEND_REFUSED, Urgency.WARNING, text, order, attempt.client_id)
    endings.amended(turn, order, reason)


def on_look_up(order: DeskOrder, attempt: Attempt, report: OrderReport) -> None:
    """Take quantity and prices from a look-up where it is not known whether an amend was done."""
    amending = attempt.amending
    if not amending.is_unknown or amending.ask_id:
        return
    amending.is_unknown = False
    attempt.total += report.qty - attempt.qty
    attempt.qty = report.qty
    if math.isfinite(attempt.price) and report.price > 0.0:
        attempt.price = report.price
    if math.isfinite(attempt.stop_price) and report.stop_price > 0.0:
        attempt.stop_price = report.stop_price
    order.due_ns = 0
