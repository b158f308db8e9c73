"""Reports of the venue: which attempt each is of, and what it says of it.

A report is of an attempt by its client id, by the venue's id of the order, or by that of the order which a stop's
trigger sent. A fill that fits none, on a symbol where a stop of ours is, may be that stop's before its trigger was
reported: it waits 2 s for the mapping, and the stops are looked up. What is of no order here goes to reconciliation.

Reports come twice, late and in any order. An end is final: a report of an open order that comes after it is old. Only
an order that was refused or proven absent, and is reported open after all, comes back to life, to be canceled.
"""

import math

from tightloop.core.domain.enums import OrderKind, OrderState
from tightloop.ports.execution import FillOrigin, FillReport, OrderReport, Report
from tightloop.runtime.session.desk import endings, fills, ids
from tightloop.runtime.session.desk.records import NEVER_NS, SECOND_NS, NoteKind, Urgency
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Ending, Turn, Unmapped, Wire
from tightloop.runtime.session.desk.wire import cancels, look_ups

MAPPING_NS = 2 * SECOND_NS
OPEN = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


def take(
    turn: Turn, report: Report, asked: tuple[DeskOrder, Attempt] | None = None, *, is_listed: bool = False
) -> None:
    """Take a report. ``asked``: whose request it answers; ``is_listed``: of a list, where others' fills are normal."""
    if isinstance(report, OrderReport):
        found = find(turn, report.client_id, report.venue_order_id) or asked
        if found is None:
            stranger(turn, report)
        else:
            take_order(turn, *found, report)
    elif isinstance(report, FillReport):
        found = find(turn, report.client_id, report.venue_order_id)
        if found is not None and report.origin == FillOrigin.ORDER:
            take_fill(turn, *found, report)
        elif not is_listed:
            take_unmapped(turn, report)
    else:
        turn.strange.append(report)


def find(turn: Turn, client_id: str, venue_order_id: str) -> tuple[DeskOrder, Attempt] | None:
    """Return the attempt that a report names; None: none here."""
    state = turn.state
    place = state.attempts.get(client_id) if client_id else None
    if place is None and venue_order_id:
        place = state.venue_ids.get(venue_order_id)
    if place is None:
        return None
    order = state.orders[place[0]]
    return order, order.attempts[place[1]]


def stranger(turn: Turn, report: OrderReport) -> None:
    """Pass on a report of an order that is not known here; note one of our session."""
    if ids.is_ours(report.client_id, turn.state.session):
        text = f"{report.state.name} {report.cum_qty} of {report.qty} {report.symbol}"
        turn.note(NoteKind.STRANGER, Urgency.WARNING, text, client_id=report.client_id)
    turn.strange.append(report)


def take_order(turn: Turn, order: DeskOrder, attempt: Attempt, report: OrderReport) -> None:
    """Take what a report says of an attempt."""
    turn.reopen(order)
    _learn_ids(turn, order, attempt, report)
    fills.claim(turn, attempt, report.cum_qty, report.avg_price)
    is_open = report.state in OPEN
    if attempt.wire == Wire.ENDED:
        if is_open and attempt.end == OrderState.REJECTED:
            _revive(turn, order, attempt)
        else:
            turn.state.counts.late_reports += 1
        return
    if is_open:
        _become_acked(turn, order, attempt)
    elif not _is_of_trigger_alone(attempt, report):
        if report.state == OrderState.FILLED and attempt.claimed_qty < report.qty:
            fills.claim(turn, attempt, report.qty, report.avg_price)
        attempt.was_accepted = attempt.was_accepted or report.state != OrderState.REJECTED
        state = report.state
        if report.is_conditional and attempt.is_triggered and state == OrderState.CANCELED:
            state = OrderState.EXPIRED  # what its trigger sent has ended, without the whole
            if math.isnan(report.cum_qty):
                attempt.is_list_owed, attempt.fills_due_ns, attempt.fills_waits = True, turn.state.now_ns, 0
        endings.end_attempt(turn, order, attempt, state, report.reason)
        if attempt.was_accepted:
            endings.accepted(turn, order)


def _learn_ids(turn: Turn, order: DeskOrder, attempt: Attempt, report: OrderReport) -> None:
    """Note the venue's ids of an attempt, and that its stop was triggered."""
    place = (order.order_id, attempt.number)
    if attempt.is_conditional and not report.is_conditional:
        attempt.is_triggered, attempt.triggered_id = True, report.venue_order_id or attempt.triggered_id
    elif report.venue_order_id:
        attempt.venue_order_id = report.venue_order_id
    if report.triggered_id:
        attempt.is_triggered, attempt.triggered_id = True, report.triggered_id
    for venue_id in (attempt.venue_order_id, attempt.triggered_id):
        if venue_id and venue_id not in turn.state.venue_ids:
            turn.state.venue_ids[venue_id] = place
            map_waiting(turn, venue_id)
    _adopt_found(turn, order, attempt)


def _adopt_found(turn: Turn, order: DeskOrder, attempt: Attempt) -> None:
    """Count trades that the core was told of as of no order here, and that are this attempt's after all."""
    state = turn.state
    names = {venue_id for venue_id in (attempt.venue_order_id, attempt.triggered_id) if venue_id}
    symbol = turn.listed(order).symbol
    mine = [one for one in state.found if one.symbol == symbol and one.venue_order_id in names]
    if not mine:
        return
    state.found = [one for one in state.found if one not in mine]
    for report in mine:
        fills.adopt(turn, order, attempt, report)
    if attempt.is_live and attempt.booked_qty >= attempt.qty * (1.0 - 1e-9):
        endings.end_attempt(turn, order, attempt, OrderState.FILLED, attempt.end_reason)


def _is_of_trigger_alone(attempt: Attempt, report: OrderReport) -> bool:
    """Return whether a report says that a stop was triggered, and nothing of the order which that sent."""
    is_done = report.state == OrderState.FILLED
    return report.is_conditional and attempt.is_triggered and is_done and not report.cum_qty >= report.qty


def _become_acked(turn: Turn, order: DeskOrder, attempt: Attempt) -> None:
    """Note that an attempt is at the venue; a cancel that waited for this is due."""
    if attempt.wire != Wire.ACKED and attempt.canceling.is_wanted:
        attempt.canceling.due_ns = turn.state.now_ns
    attempt.wire, attempt.was_accepted = Wire.ACKED, True
    if not attempt.amending.is_unknown:
        attempt.end_look_ups()
    endings.accepted(turn, order)


def _revive(turn: Turn, order: DeskOrder, attempt: Attempt) -> None:
    """Take back the end of an attempt that is there after all, and cancel it."""
    attempt.wire, attempt.is_absent, attempt.end = Wire.ACKED, False, OrderState.INITIALIZED
    attempt.canceling.is_wanted = False
    cancels.want(turn, attempt)
    if order.ending == Ending.NONE and not order.is_ended:
        order.ending = Ending.CANCEL
    text = "reported open after it was refused or proven absent: canceled"
    turn.note(NoteKind.REPORTED_AFTER_ABSENCE, Urgency.CRITICAL, text, order, attempt.client_id)


def take_fill(turn: Turn, order: DeskOrder, attempt: Attempt, report: FillReport) -> None:
    """Book a fill of an attempt; it shows that the attempt is at the venue, and ends its look-ups."""
    turn.reopen(order)
    if attempt.is_conditional and report.venue_order_id and report.venue_order_id != attempt.venue_order_id:
        attempt.is_triggered, attempt.triggered_id = True, report.venue_order_id
        turn.state.venue_ids[report.venue_order_id] = (order.order_id, attempt.number)
    if attempt.wire in (Wire.SENT, Wire.UNKNOWN):
        _become_acked(turn, order, attempt)
    _adopt_found(turn, order, attempt)
    fills.take(turn, order, attempt, report)
    if attempt.is_live and attempt.booked_qty >= attempt.qty * (1.0 - 1e-9):
        endings.end_attempt(turn, order, attempt, OrderState.FILLED, attempt.end_reason)


def take_unmapped(turn: Turn, report: FillReport) -> None:
    """Hold a fill of no order here until it is mapped, where it may be a stop's; else pass it on."""
    state = turn.state
    stops = [pair for pair in _stops(turn) if turn.listed(pair[0]).symbol == report.symbol]
    if not stops or report.origin != FillOrigin.ORDER:
        turn.strange.append(report)
        return
    named = (report.symbol, report.trade_id)
    if any((waiting.report.symbol, waiting.report.trade_id) == named for waiting in state.unmapped):
        return
    state.unmapped.append(Unmapped(report, state.now_ns + MAPPING_NS))
    for order, attempt in stops:
        look_ups.begin(turn, order, attempt, 0)


def _stops(turn: Turn) -> list[tuple[DeskOrder, Attempt]]:
    """Return the conditional attempts that are at the venue."""
    return [
        (order, attempt)
        for order in turn.opened()
        for attempt in order.live
        if attempt.is_conditional and attempt.is_at_venue and attempt.kind != OrderKind.MARKET
    ]


def map_waiting(turn: Turn, venue_id: str) -> None:
    """Book the fills that waited for the order with this id of the venue."""
    state = turn.state
    matching = [waiting for waiting in state.unmapped if waiting.report.venue_order_id == venue_id]
    if not matching:
        return
    state.unmapped = [waiting for waiting in state.unmapped if waiting.report.venue_order_id != venue_id]
    for waiting in matching:
        take(turn, waiting.report)


def advance(turn: Turn) -> int:
    """Pass on the fills whose mapping did not come in time. Return when the next one's time is over."""
    state = turn.state
    over = [waiting for waiting in state.unmapped if waiting.until_ns <= state.now_ns]
    if over:
        state.unmapped = [waiting for waiting in state.unmapped if waiting.until_ns > state.now_ns]
        turn.strange.extend(waiting.report for waiting in over)
    return min((waiting.until_ns for waiting in state.unmapped), default=NEVER_NS)
