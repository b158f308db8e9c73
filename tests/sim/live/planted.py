"""Promises of the product, each broken once: what a simulation is worth is what it finds of these.

A mutation replaces functions of the product while a seed is played. ``MUTATIONS``: by name, what to replace: (object,
attribute, replacement). Replacements get the function they replace as their first argument.
"""

import contextlib
import math
from dataclasses import replace
from functools import partial, wraps
from unittest.mock import patch

from tightloop.adapters.venues.binance_usdm import BinanceUsdm
from tightloop.app.runs.live import snapshots as writing
from tightloop.app.runs.live.watching import kills
from tightloop.core.domain.enums import EventKind, OrderState, Origin, SessionControl
from tightloop.ports.execution import NoSuchOrder, RefusalKind
from tightloop.runtime.session.account import driver, recovery
from tightloop.runtime.session.desk import fills, ids, lanes, machine, reports
from tightloop.runtime.session.desk.state import Wire
from tightloop.runtime.session.desk.styles import stops
from tightloop.runtime.session.desk.wire import cancels, look_ups, submits
from tightloop.runtime.session.driver.operator import Operator
from tightloop.runtime.session.driver.session import Repetition
from tightloop.runtime.session.journal import snapshots
from tightloop.runtime.session.journal.layout import RecordKind
from tightloop.runtime.session.reconcile import orders as reconcile_orders
from tightloop.runtime.session.reconcile import wallet


def nothing(*arguments, **named):
    """Do nothing."""


def no_epoch(inner, self):
    return ids.PREFIX + self.session + "001" + inner.fget(self)[ids.CLIENT_ID_CHARS - 14 :]


def resend(inner, turn, order, attempt):
    """An order without an answer is sent again under another name, as if it had not arrived."""
    attempt.wire, attempt.retry_ns = Wire.QUEUED, 0
    del turn.state.attempts[attempt.client_id]
    attempt.client_id = ids.ClientId(turn.state.session, turn.state.epoch, order.order_id, 30 + attempt.waits % 6).text
    attempt.waits += 1
    turn.state.attempts[attempt.client_id] = (order.order_id, attempt.number)
    order.due_ns = 0


def repeated_fill(inner, turn, order, attempt, report):
    """A trade that is told again is booked again, as an execution that no order explains.

    Under its key, or as one of its order, the core would leave it out: it has keys, and fills no order beyond its
    quantity.
    """
    if fills._key(turn, report.symbol, report.trade_id) not in attempt.fill_keys:
        inner(turn, order, attempt, report)
        return
    told = len(turn.answers)
    inner(
        turn, order, attempt, replace(report, trade_id=f"{report.trade_id} {len(attempt.fill_keys)}", cum_qty=math.nan)
    )
    strange = {"kind": EventKind.FILL_FOUND, "order_id": 0, "cum_qty": 0.0, "origin": Origin.MANUAL}
    turn.answers[told:] = [replace(one, **strange) for one in turn.answers[told:]]


def implied_again(inner, turn, order, attempt, report):
    """A trade that was booked by the venue's average is booked once more when the venue tells of it."""
    attempt.guessed_qty = attempt.guessed_fee = 0.0
    inner(turn, order, attempt, report)


def skip_tail(inner, self, records):
    """After a snapshot, the last records are not read."""
    found = list(records)
    if found and found[0][0].seq > 0 and len(found) > 10:
        found = found[:-5]
    inner(self, found)


def release_unknown(inner, turn, order, attempt):
    """What is not known counts as refused."""
    attempt.wire, attempt.is_absent = Wire.ENDED, True
    attempt.end, attempt.end_reason = OrderState.REJECTED, RefusalKind.NONE
    order.due_ns = 0


def no_ask(inner, self, kind, payload, *arguments, **named):
    """No ASK record is written before a request leaves."""
    return 0 if kind == RecordKind.ASK else inner(self, kind, payload, *arguments, **named)


def absent_at_once(inner, turn, order, attempt, reply):
    if isinstance(reply, NoSuchOrder) and attempt.look_up.is_on and not attempt.look_up.is_conditional:
        look_ups.prove(turn, order, attempt)
    else:
        inner(turn, order, attempt, reply)


def frees_unknown(inner, turn, order, attempt, reply):
    """A cancel that finds no order frees it, whatever became of its request."""
    if isinstance(reply, NoSuchOrder) and attempt.wire == Wire.UNKNOWN:
        attempt.canceling.ask_id = 0
        look_ups.prove(turn, order, attempt)
    else:
        inner(turn, order, attempt, reply)


def cancel_believed(inner, turn, order, attempt, reply):
    """A cancel that finds no order ends the one that was accepted."""
    if isinstance(reply, NoSuchOrder) and attempt.wire == Wire.ACKED:
        attempt.canceling.ask_id = 0
        attempt.wire, attempt.end = Wire.ENDED, OrderState.CANCELED
        attempt.end_look_ups()
        order.due_ns = 0
    else:
        inner(turn, order, attempt, reply)


def no_late_fills(inner, turn, order, attempt, report):
    if attempt.wire != Wire.ENDED:
        inner(turn, order, attempt, report)


def half_fee(inner, turn, order, report):
    fee, is_known = inner(turn, order, report)
    return fee * 0.5, is_known


def never_paused(inner, self, what):
    if what != SessionControl.PAUSED:
        inner(self, what)


def kill_after_restart(inner, self):
    """A switch that was engaged before the process started is not followed."""
    if not vars(self).setdefault("has_looked", False):
        self.has_looked, self._engaged = True, set(self._home.kills())
    else:
        inner(self)


def with_secret(inner, self, call):
    return inner(self, call) + " " + str(dict(call.headers)) + " twin-secret"


def any_snapshot(inner, found, session, seq_max, layouts):
    return inner(found, session, 2**62, layouts)


def snapshot_of_unsynced(inner, self):
    """A snapshot is made though the journal before it may not be on the disk."""
    with patch.object(type(self._journal), "sync", nothing):
        return inner(self)


def not_explained(inner, this, row, theirs):
    """What the venue lists as income explains nothing."""
    return 0.0


def sent_is_fine(inner, turn, epoch):
    """After a restart what was out counts as accepted."""
    for order in turn.opened():
        for attempt in order.attempts:
            if attempt.wire == Wire.SENT:
                attempt.wire, attempt.was_accepted = Wire.ACKED, True
    inner(turn, epoch)


def not_missed(inner, self):
    return []


def no_answers(inner, self, session, epoch):
    self._answers.clear()
    inner(self, session, epoch)


def slow_probe(inner, turn, lane, lane_state):
    inner(turn, lane, lane_state)
    if lane_state.opened_ns:
        lane_state.probe_ns = turn.state.now_ns + lanes.PROBE_AFTER_NS


def claims_less(inner, turn, attempt, cum_qty, average_price):
    """The report that came last counts, though it may be an old one."""
    inner(turn, attempt, cum_qty, average_price)
    if cum_qty == cum_qty:
        attempt.claimed_qty = cum_qty


def stop_later(inner, turn, order):
    """A stop leaves only 20 s after it is wanted."""
    if not order.attempts and turn.state.now_ns < order.wanted.ts_ns + 20_000_000_000:
        return order.wanted.ts_ns + 20_000_000_000
    return inner(turn, order)


def resting_forgotten(inner, turn, epoch):
    """A restart knows nothing of orders that rest at the venue: neither their end nor their names."""
    state = turn.state
    for order in turn.opened():
        for attempt in order.attempts:
            if attempt.wire == Wire.ACKED:
                attempt.wire, attempt.end = Wire.ENDED, OrderState.CANCELED
                del state.attempts[attempt.client_id]
                place, other = (order.order_id, attempt.number), ids.ATTEMPTS_MAX - 1 - attempt.number
                attempt.client_id = ids.ClientId(state.session, state.epoch, order.order_id, other).text
                state.attempts[attempt.client_id] = place
                state.venue_ids = {name: at for name, at in state.venue_ids.items() if at != place}
    inner(turn, epoch)


MUTATIONS = {
    "drop the epoch from ids": [(ids.ClientId, "text", no_epoch)],
    "send again what has no answer": [(submits, "become_unknown", resend)],
    "apply a repeated fill": [(fills, "take", repeated_fill)],
    "book a trade that was implied already": [(fills, "take", implied_again)],
    "skip the tail at recovery": [(Repetition, "run", skip_tail)],
    "release the reservation of an unknown order": [(submits, "become_unknown", release_unknown)],
    "forget the ASK record": [(driver.Journal, "append", no_ask)],
    "take no such order as absent at once": [(look_ups, "on_look_up", absent_at_once)],
    "lose the order of reports": [(fills, "claim", claims_less)],
    "ignore the kill switch after a restart": [(kills.KillSwitch, "look", kill_after_restart)],
    "free the symbol of an unknown order by its cancel": [(cancels, "on_reply", frees_unknown)],
    "believe that a cancel which finds nothing has canceled": [(cancels, "on_reply", cancel_believed)],
    "leave out fills after the end of their order": [(reports, "take_fill", no_late_fills)],
    "book half of the fees": [(fills, "_fee", half_fee)],
    "never pause": [(Operator, "_control", never_paused)],
    "write the secret into the journal": [(BinanceUsdm, "without_secrets", with_secret)],
    "use a snapshot that knows more than the journal": [
        (snapshots, "_refusal", any_snapshot), (writing.SnapshotWriter, "_made", snapshot_of_unsynced)
    ],
    "take what was out as accepted after a restart": [(machine, "restart", sent_is_fine)],
    "leave out commands the desk did not get": [(recovery.AccountRepetition, "missed", not_missed)],
    "leave out answers the step did not get": [(recovery.AccountRepetition, "go_on", no_answers)],
    "probe for exits as for entries": [(lanes, "_fail", slow_probe)],
    "leave out income": [(wallet, "_book_row", not_explained)],
    "never look up": [(look_ups, "begin", nothing)],
    "ask for no fills that are missing": [(fills, "_note_gap", nothing)],
    "leave a stop for later": [
        (machine, "_STYLES", {**machine._STYLES, machine.Style.STOP: partial(stop_later, stops.advance)})
    ],
    "forget resting orders at a restart": [(machine, "restart", resting_forgotten)],
    "cancel nothing that the venue has and the journal lost": [(reconcile_orders, "_take_lost", nothing)],
}  # fmt: skip


FOUND_AT = {
    "release the reservation of an unknown order": 7,
    "forget the ASK record": 2,
    "take no such order as absent at once": 12,
    "lose the order of reports": 17,
    "ignore the kill switch after a restart": 42,
    "free the symbol of an unknown order by its cancel": 64,
    "never pause": 3,
    "take what was out as accepted after a restart": 23,
    "leave out commands the desk did not get": 28,
    "leave out answers the step did not get": 137,
    "probe for exits as for entries": 2,
    "use a snapshot that knows more than the journal": 307,
    "leave out income": 18,
    "leave a stop for later": 5,
    "cancel nothing that the venue has and the journal lost": 440,
}
"""Seeds that find broken promises which the first seed does not: looked at first."""


def replaced(owner, name, replacement):
    """Return the replacement as what stands at ``owner.name``."""
    inner = vars(owner)[name] if isinstance(owner, type) else getattr(owner, name)
    if isinstance(inner, property):
        return property(partial(replacement, inner))
    if not callable(replacement):
        return replacement

    @wraps(inner)
    def mutated(*arguments, **named):
        return replacement(inner, *arguments, **named)

    return mutated


@contextlib.contextmanager
def planted(name):
    """Break a promise for the time of the context."""
    with contextlib.ExitStack() as stack:
        for owner, attribute, replacement in MUTATIONS[name]:
            stack.enter_context(patch.object(owner, attribute, replaced(owner, attribute, replacement)))
        yield
