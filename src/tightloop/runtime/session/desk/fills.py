"""Fills: each trade of the venue is booked once, by its id; what is missing is asked for, and last implied.

A report says how much of an attempt has been filled in all (*claimed*). What was told to the core is *booked*. Reports
overtake each other, so a gap between the two is normal for a moment: the trade that is missing arrives by itself or is
asked for after 0.25 s. When it has not been found after 1 s (3 s while that question is open), the rest is booked at
the price that the venue's average implies, with a fee by the account's rate, so that the position is right; the fee is
corrected when the trade is found.

``cum_qty`` of an answer is filled of the core's order in all, over its attempts. What goes beyond the order's quantity,
or comes after its end was told, is a FILL_FOUND.
"""

import math

from tightloop.core.domain.enums import Correction, EventKind, Origin
from tightloop.ports.execution import FillReport, ListFills
from tightloop.ports.transport import Lane
from tightloop.runtime.session.desk import ids, lanes
from tightloop.runtime.session.desk.records import NEVER_NS, SECOND_NS, NoteKind, Urgency, VenueAnswer
from tightloop.runtime.session.desk.state import Attempt, DeskOrder, Holding, Purpose, Turn

GAP_ASK_NS = SECOND_NS // 4
GAP_GUESS_NS = SECOND_NS
GAP_GUESS_UNANSWERED_NS = 3 * SECOND_NS  # while no question for trades was answered or failed yet
GUESS_TRIES_MAX = 40
"""Questions for a trade that was implied, 8 s apart after the first ones: 5 minutes."""
BEFORE_NS = 60 * SECOND_NS  # fills are asked from so long before their order left


def claim(turn: Turn, attempt: Attempt, cum_qty: float, average_price: float) -> None:
    """Take in how much of an attempt the venue says is filled; NaN or less than before says nothing new."""
    if cum_qty > attempt.claimed_qty or (cum_qty == attempt.claimed_qty and math.isnan(attempt.claimed_value)):
        attempt.claimed_qty = cum_qty
        attempt.claimed_value = cum_qty * average_price  # NaN where the average was not said
    _note_gap(turn, attempt)


def _note_gap(turn: Turn, attempt: Attempt) -> None:
    """Begin or end the time for which fills are missing."""
    now_ns = turn.state.now_ns
    if not attempt.has_gap:
        attempt.gap_ns = 0
        _end_questions(attempt)
    elif not attempt.gap_ns:
        attempt.gap_ns = now_ns
        attempt.fills_due_ns = now_ns + GAP_ASK_NS
        attempt.fills_waits = 0


def _end_questions(attempt: Attempt) -> None:
    """Ask for no more trades, unless one was only implied or the end of an order that vanished waits for the list."""
    if attempt.guessed_qty == 0.0 and not attempt.is_list_owed:
        attempt.fills_due_ns = 0


def take(turn: Turn, order: DeskOrder, attempt: Attempt, report: FillReport) -> None:
    """Book a trade of an attempt, once."""
    state = turn.state
    key = _key(turn, report.symbol, report.trade_id)
    if key == 0 or key in attempt.fill_keys:
        state.counts.repeated_fills += 1
        claim(turn, attempt, report.cum_qty, math.nan)
        return
    attempt.fill_keys.append(key)
    fee, is_known = _fee(turn, order, report)
    qty = report.qty
    covered = min(qty, attempt.guessed_qty)
    if covered > 0.0:
        fee_key = _key(turn, report.symbol, f"fee of {report.trade_id}")
        _correct_fee(turn, order, attempt, covered, fee * covered / qty, fee_key)
        qty -= covered
    if qty > attempt.qty * 1e-9:
        _book(turn, order, attempt, qty, report.price, fee * qty / report.qty, report, key)
        if not is_known:
            turn.note(
                NoteKind.FEE_GUESSED, Urgency.WARNING, f"fee in {report.fee_asset or '?'}", order, attempt.client_id
            )
    cum_qty = report.cum_qty if math.isfinite(report.cum_qty) else 0.0
    claim(turn, attempt, max(cum_qty, attempt.booked_qty), math.nan)


def adopt(turn: Turn, order: DeskOrder, attempt: Attempt, report: FillReport) -> None:
    """Count a trade of an attempt that a comparison has told the core of, as of no order here: it is not told again.

    The order is smaller by it, as the position is that it was to close; so it ends without being filled.
    """
    key = _key(turn, report.symbol, report.trade_id)
    if key == 0 or key in attempt.fill_keys:
        return
    attempt.fill_keys.append(key)
    attempt.booked_qty += report.qty
    attempt.booked_value += report.qty * report.price
    attempt.total -= report.qty
    order.due_ns = 0
    claim(turn, attempt, max(attempt.claimed_qty, attempt.booked_qty), math.nan)


def _key(turn: Turn, symbol: str, trade_id: str) -> int:
    """Return the key of a trade of this account."""
    terms = turn.state.terms
    return ids.fill_key(terms.venue, terms.account, symbol, trade_id)


def _fee(turn: Turn, order: DeskOrder, report: FillReport) -> tuple[float, bool]:
    """Return the fee of a trade in the settle asset, and whether the venue said it; else by the account's rate."""
    listed = turn.listed(order)
    if math.isfinite(report.fee) and report.fee_asset in ("", listed.settle_asset):
        return report.fee, True
    rate = listed.maker_rate if report.is_maker else listed.taker_rate
    return report.qty * report.price * listed.multiplier * rate, False


def _correct_fee(turn: Turn, order: DeskOrder, attempt: Attempt, qty: float, fee: float, key: int) -> None:
    """Correct the fee that was estimated for ``qty``, whose trade is known now."""
    estimated = attempt.guessed_fee * qty / attempt.guessed_qty
    attempt.guessed_fee -= estimated
    attempt.guessed_qty -= qty
    if attempt.guessed_qty <= attempt.qty * 1e-9:
        attempt.guessed_qty = attempt.guessed_fee = 0.0
        _end_questions(attempt)
    if estimated != fee:
        answer = VenueAnswer(EventKind.BALANCE_CORRECTED, reason=Correction.FEE, amount=estimated - fee, fill_key=key)
        turn.tell(order, answer)


def _book(
    turn: Turn,
    order: DeskOrder,
    attempt: Attempt,
    qty: float,
    price: float,
    fee: float,
    report: FillReport | None,
    key: int,
) -> None:
    """Tell the core of a fill; the part that its order does not explain is a FILL_FOUND."""
    attempt.booked_qty += qty
    attempt.booked_value += qty * price
    holding = turn.state.holdings.setdefault(order.wanted.instrument, Holding())
    holding.ours += order.wanted.side * qty
    ts_ns = report.ts_ns if report is not None else turn.state.now_ns
    is_maker = report.is_maker if report is not None else False
    within = 0.0 if order.is_ended else min(qty, order.remaining)
    if within >= qty - order.slack:
        within = qty if within > 0.0 else 0.0
    if within > 0.0:
        order.told_qty += within
        order.told_value += within * price
        order.is_filled = order.remaining == 0.0
        turn.tell(
            order, _answer(order, EventKind.ORDER_FILLED, price, within, fee * within / qty, is_maker, key, ts_ns)
        )
        _cancel_siblings(turn, order)
    if qty - within > order.slack:
        beyond = qty - within
        order.told_qty += beyond
        order.told_value += beyond * price
        paid = fee * beyond / qty
        key = 0 if within > 0.0 else key  # a key is of one event; cum_qty tells this one from a repeat
        turn.tell(order, _answer(order, EventKind.FILL_FOUND, price, beyond, paid, is_maker, key, ts_ns))
        text = f"filled {beyond} beyond what was told"
        turn.note(NoteKind.FOUND_LATE, Urgency.WARNING, text, order, attempt.client_id)
    order.due_ns = 0


def _answer(
    order: DeskOrder, kind: EventKind, price: float, qty: float, fee: float, is_maker: bool, key: int, ts_ns: int
) -> VenueAnswer:
    """Build the answer for a fill that is counted in what was told already."""
    return VenueAnswer(
        kind,
        price=price,
        qty=qty,
        cum_qty=order.told_qty,
        fee=fee,
        is_maker=is_maker,
        fill_key=key,
        stop_price=order.resting_stop,
        ts_event_ns=ts_ns,
        side=order.wanted.side,
        origin=Origin.ORDER,
        average_price=order.told_value / order.told_qty,
    )


def _cancel_siblings(turn: Turn, order: DeskOrder) -> None:
    """End the other orders of a one-cancels-other group."""
    if order.wanted.oco == 0:
        return
    for other in turn.opened():
        if other is not order and other.wanted.oco == order.wanted.oco and not other.is_ended:
            if other.wanted.instrument == order.wanted.instrument:
                other.end_as_sibling()


def advance(turn: Turn, order: DeskOrder, attempt: Attempt) -> int:
    """Ask for trades that are missing, and book them by the average when they are not found. Return when next."""
    state = turn.state
    now_ns = state.now_ns
    guess_ns = attempt.gap_ns + (GAP_GUESS_NS if attempt.fills_waits else GAP_GUESS_UNANSWERED_NS)
    if attempt.has_gap and now_ns >= guess_ns and not math.isnan(attempt.claimed_value):
        _guess(turn, order, attempt)
    next_ns = guess_ns if attempt.has_gap and now_ns < guess_ns else NEVER_NS
    if not attempt.fills_due_ns or attempt.fills_ask_id:
        return next_ns
    if now_ns < attempt.fills_due_ns:
        return min(next_ns, attempt.fills_due_ns)
    if not lanes.may_ask(turn, order):
        return min(next_ns, lanes.asked_ns(state, order))
    since_ns = attempt.signed_ns - BEFORE_NS
    request = ListFills(turn.listed(order).symbol, since_ns)
    attempt.fills_ask_id = turn.ask(request, Purpose.FILLS, Lane.EXIT, lanes.SHORT_NS, order, attempt.number)
    return next_ns


def _guess(turn: Turn, order: DeskOrder, attempt: Attempt) -> None:
    """Book what is missing at the price that the venue's average of the whole implies."""
    qty = attempt.claimed_qty - attempt.booked_qty
    price = (attempt.claimed_value - attempt.booked_value) / qty
    if not price > 0.0:
        price = attempt.claimed_value / attempt.claimed_qty
    listed = turn.listed(order)
    fee = qty * price * listed.multiplier * listed.taker_rate
    attempt.guessed_qty += qty
    attempt.guessed_fee += fee
    turn.note(NoteKind.FILL_GUESSED, Urgency.WARNING, f"{qty} at {price}", order, attempt.client_id)
    _book(turn, order, attempt, qty, price, fee, None, 0)
    _note_gap(turn, attempt)


def on_listed(turn: Turn, order: DeskOrder, attempt: Attempt, *, is_answered: bool) -> None:
    """End a question for fills; ask again while some are missing or only implied."""
    attempt.fills_ask_id = 0
    attempt.is_list_owed = attempt.is_list_owed and not is_answered
    order.due_ns = 0
    is_missing = attempt.has_gap or attempt.guessed_qty > 0.0 or attempt.is_list_owed
    if not is_missing:
        attempt.fills_due_ns = 0
    elif attempt.guessed_qty > 0.0 and attempt.fills_waits >= GUESS_TRIES_MAX and not attempt.has_gap:
        attempt.fills_due_ns = 0  # its fee stays as estimated; the wallet's reconciliation sees the difference
    else:
        attempt.fills_due_ns = turn.state.now_ns + lanes.wait_ns(attempt.fills_waits)
        attempt.fills_waits += 1
