"""Look-ups of an attempt, and the proof that it is not at the venue.

While an outcome is unknown, the order is looked up by its client id after 0.25, 0.5, 1, 2, 4, 8, 8, .. s. "No such
order" proves nothing by itself: the request may still be on its way. After its signing plus the venue's receive window
plus 1 s, all by the venue's clock, the venue refuses it, so it cannot arrive any more. From then on a round is

    1. the venue's time is asked, and is past that moment
    2. then the order is looked up, where it is one, as a conditional order and as a plain one
    3. both say that it is not there

and two such rounds, 2 s apart by the venue's clock, are the proof. A report of any kind ends the look-ups at once. The
same look-ups serve where an order has been accepted and its state is in doubt (a cancel that found nothing, an exit
that stays open, an amend without an answer): there the proof says that the order is gone, and its fills are listed
before its end is told.
"""

from tightloop.core.domain.enums import OrderState
from tightloop.ports.execution import LookUpOrder, NoSuchOrder, OrderReport, ReadServerTime, RefusalKind, ServerTime
from tightloop.ports.transport import Lane
from tightloop.runtime.session.desk import lanes
from tightloop.runtime.session.desk.records import NEVER_NS, SECOND_NS, NoteKind, Reply, Urgency
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, LookUp, Purpose, Turn, Wire

APART_NS = 2 * SECOND_NS


def begin(turn: Turn, order: DeskOrder, attempt: Attempt, after_ns: int = lanes.WAITS_NS[0]) -> None:
    """Begin to look an attempt up, unless that goes on already."""
    if not attempt.look_up.is_on:
        attempt.look_up = LookUp(is_on=True, due_ns=turn.state.now_ns + after_ns, waits=1)
        order.due_ns = 0


def advance(turn: Turn, order: DeskOrder, attempt: Attempt) -> int:
    """Ask the next question that is due. Return when the one after it is."""
    look_up, state = attempt.look_up, turn.state
    if not look_up.is_on or look_up.ask_id or not attempt.is_live:
        return NEVER_NS
    if state.now_ns < look_up.due_ns:
        return look_up.due_ns
    if not lanes.may_ask(turn, order):
        return lanes.asked_ns(state, order)
    look_up.round_ns = 0
    if state.venue_ns >= _gone_ns(turn, attempt):
        request = ReadServerTime()
        look_up.ask_id = turn.ask(request, Purpose.TIME, Lane.EXIT, lanes.SHORT_NS, order, attempt.number)
    else:
        _ask(turn, order, attempt, is_conditional=attempt.is_conditional)
    return NEVER_NS


def _gone_ns(turn: Turn, attempt: Attempt) -> int:
    """Return when, by the venue's clock, what was signed last cannot arrive any more."""
    return attempt.signed_ns + turn.state.terms.absence_after_ns


def _ask(turn: Turn, order: DeskOrder, attempt: Attempt, *, is_conditional: bool) -> None:
    """Look the order up as a conditional or as a plain one."""
    request = LookUpOrder(attempt.client_id, turn.listed(order).symbol, is_conditional)
    look_up = attempt.look_up
    look_up.is_conditional = is_conditional
    look_up.ask_id = turn.ask(request, Purpose.LOOK_UP, Lane.EXIT, lanes.SHORT_NS, order, attempt.number)
    turn.state.counts.look_ups += 1


def on_time(turn: Turn, order: DeskOrder, attempt: Attempt, reply: Reply) -> None:
    """Take the venue's time, and look the order up in the same round."""
    look_up = attempt.look_up
    look_up.ask_id = 0
    times = [report.ts_ns for report in reply if isinstance(report, ServerTime)] if isinstance(reply, tuple) else []
    if times:
        look_up.round_ns = times[0]
    if not times and not isinstance(reply, tuple):
        _wait(turn, attempt)
        return
    _ask(turn, order, attempt, is_conditional=attempt.is_conditional)


def on_look_up(turn: Turn, order: DeskOrder, attempt: Attempt, reply: Reply) -> None:
    """Take the answer of a look-up whose reports, if any, were applied already."""
    look_up = attempt.look_up
    if not look_up.is_on:
        return  # a report ended it
    look_up.ask_id = 0
    was_conditional = look_up.is_conditional
    has_report = isinstance(reply, tuple) and any(isinstance(report, OrderReport) for report in reply)
    if was_conditional and (isinstance(reply, NoSuchOrder) or (has_report and attempt.is_triggered)):
        _ask(turn, order, attempt, is_conditional=False)
        return
    if attempt.canceling.is_wanted and attempt.canceling.ask_id == 0:
        attempt.canceling.due_ns = turn.state.now_ns
    if isinstance(reply, NoSuchOrder) and look_up.round_ns >= _gone_ns(turn, attempt):
        _found_absent(turn, order, attempt)
    else:
        _wait(turn, attempt)


def _wait(turn: Turn, attempt: Attempt) -> None:
    """Set when to look again: after the next wait, or as soon as a round may prove something."""
    look_up, state = attempt.look_up, turn.state
    due_ns = state.now_ns + lanes.wait_ns(look_up.waits)
    look_up.waits += 1
    provable_ns = _gone_ns(turn, attempt) - state.venue_offset_ns
    look_up.due_ns = provable_ns if state.now_ns < provable_ns < due_ns else due_ns


def _found_absent(turn: Turn, order: DeskOrder, attempt: Attempt) -> None:
    """Take a round that found the order absent after the time for which it may arrive."""
    look_up = attempt.look_up
    if not look_up.absent_ns:
        look_up.absent_ns = look_up.round_ns
    missing_ns = look_up.absent_ns + APART_NS - look_up.round_ns
    if missing_ns > 0:
        look_up.due_ns = turn.state.now_ns + missing_ns
        return
    prove(turn, order, attempt)


def prove(turn: Turn, order: DeskOrder, attempt: Attempt) -> None:
    """End an attempt that is proven absent; of one that had been accepted, fills are listed before that counts."""
    was_accepted = attempt.wire == Wire.ACKED or attempt.claimed_qty > 0.0
    attempt.end_look_ups()
    attempt.wire, attempt.is_absent = Wire.ENDED, True
    attempt.amending.is_unknown = False
    turn.state.counts.proven_absent += 1
    if was_accepted:
        attempt.end, attempt.end_reason = OrderState.CANCELED, RefusalKind.NONE
        attempt.is_list_owed, attempt.fills_due_ns, attempt.fills_waits = True, turn.state.now_ns, 0
        turn.note(NoteKind.VANISHED, Urgency.WARNING, "accepted, and not there any more", order, attempt.client_id)
    else:
        attempt.end, attempt.end_reason = OrderState.REJECTED, RefusalKind.NONE
        turn.note(NoteKind.PROVEN_ABSENT, Urgency.WARNING, "it never arrived", order, attempt.client_id)
    order.due_ns = 0
