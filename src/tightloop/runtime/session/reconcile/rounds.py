"""``reconcile``: one round."""

from tightloop.runtime.session.reconcile import orders, positions, wallet
from tightloop.runtime.session.reconcile.comparison import Comparison
from tightloop.runtime.session.reconcile.records import OurView, Reconciled, Suspicions, VenueRound

KEYS_MAX = 4_096


def reconcile(view: OurView, venue: VenueRound, before: Suspicions) -> Reconciled:
    """Hold our view against the venue's answers of one round; ``before``: what the last round left."""
    this = Comparison(view, venue, before, keys=dict.fromkeys(before.keys))
    orders.compare(this)
    for position in view.positions:
        positions.compare(this, position)
    wallet.compare(this)
    agreed_ns = before.agreed_ns if this.differs else view.now_ns
    suspicions = Suspicions(agreed_ns, this.since_ns, tuple(this.keys)[-KEYS_MAX:], this.near)
    return Reconciled(
        tuple(this.answers),
        tuple(this.reports),
        tuple(this.doubts),
        tuple(this.requests),
        tuple(this.findings),
        suspicions,
        not this.differs,
        tuple(this.trades),
    )
