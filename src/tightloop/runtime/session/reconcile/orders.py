"""Orders: what the venue lists as open against what the desk knows."""

from tightloop.ports.execution import CancelOrder, OrderReport
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.records import Urgency
from tightloop.runtime.session.reconcile.comparison import Comparison, Whose
from tightloop.runtime.session.reconcile.records import FindingKind


def compare(this: Comparison) -> None:
    """Compare open orders of both sides by client id."""
    view = this.view
    for listed in this.venue.history.values():
        for report in listed:
            if _is_of_another_engine(this, report):
                _find_engine(this, report)
    there = {report.client_id for report in this.venue.orders}
    for report in this.venue.orders:
        known = view.orders.get(report.client_id)
        if known is None:
            _take_unknown(this, report)
        elif not known.is_open and this.is_ripe(f"stray {report.client_id}"):
            this.reports.append(report)
            this.requests.append(_cancel(report))
            text = f"ended here, open there: {report.cum_qty} of {report.qty} filled"
            this.find(FindingKind.STRAY, Urgency.WARNING, report.client_id, text)
    for known in view.orders.values():
        if known.is_open and known.is_acked and known.client_id not in there:
            label = f"ended {known.client_id}"
            if view.is_first or label in this.before.since_ns:
                this.doubts.append(known.client_id)  # a look-up changes nothing
            if this.is_ripe(label):
                this.find(FindingKind.ENDED_THERE, Urgency.INFO, known.client_id, "open here, not there: looked up")


def _take_unknown(this: Comparison, report: OrderReport) -> None:
    """Judge an order at the venue that is not known here."""
    whose = this.whose(report.client_id, report.made_ns or report.ts_ns)
    if whose == Whose.LOST:
        _take_lost(this, report)
    elif whose == Whose.ENGINE:
        _find_engine(this, report)


def _is_of_another_engine(this: Comparison, report: OrderReport) -> bool:
    """Return whether an order that may have ended is of a process beside this one.

    What this life has sent is not: of its orders the oldest that ended are not known any more.
    """
    view, name = this.view, ids.decode(report.client_id)
    if name is None or (name.session, name.epoch) == (view.session, view.epoch) or report.client_id in view.orders:
        return False
    return this.whose(report.client_id, report.made_ns or report.ts_ns) == Whose.ENGINE


def _find_engine(this: Comparison, report: OrderReport) -> None:
    """Tell of an order of another engine. The venue names its maker, so one round is proof enough."""
    this.differs = True
    if all(one.subject != report.client_id for one in this.findings):
        text = "an order of another engine on this account: no entries until it is gone and `session resume` was said"
        kind = FindingKind.SECOND_ENGINE
        this.find(kind, Urgency.CRITICAL, report.client_id, text, is_not_ready=True, pauses=True)


def _take_lost(this: Comparison, report: OrderReport) -> None:
    """Cancel an order that an earlier life sent and the journal lost, once every position has its stop.

    That life has ended, so nothing that is on its way can explain the order: one round is proof enough.
    """
    this.differs = True
    if not all(position.is_protected for position in this.view.positions if position.qty != 0.0):
        return
    this.requests.append(_cancel(report))
    text = f"sent in an earlier life and not in the journal: canceled, {report.cum_qty} of {report.qty} filled"
    this.find(FindingKind.LOST_TAIL, Urgency.WARNING, report.client_id, text)


def _cancel(report: OrderReport) -> CancelOrder:
    return CancelOrder(report.client_id, report.symbol, report.is_conditional)
