"""The wallet: its balance at the venue against ours and outside, explained by the venue's history of income."""

import math

from tightloop.core.domain.enums import Correction, EventKind
from tightloop.ports.execution import IncomeKind, IncomeReport, ListIncome
from tightloop.runtime.session.desk.records import Urgency, VenueAnswer
from tightloop.runtime.session.reconcile.comparison import BEFORE_NS, Comparison
from tightloop.runtime.session.reconcile.records import FindingKind

WALLET_MIN = 0.01
WALLET_SHARE = 1e-6
PAUSE_SHARE = 0.001  # of equity

_CORRECTIONS = {
    IncomeKind.TRANSFER: Correction.TRANSFER,
    IncomeKind.DEPOSIT: Correction.DEPOSIT,
    IncomeKind.WITHDRAWAL: Correction.WITHDRAWAL,
}
"""What income is to us. Funding has an event of its own; results and fees of ours are in fills."""


def compare(this: Comparison) -> None:
    """Compare the wallet, and book what the history of income explains of the difference.

    Not in a round that finds a position to differ: its fills, once they are booked, move our side too.
    """
    view = this.view
    wallets = [one.wallet for one in this.venue.wallets if one.asset == view.asset]
    if not wallets or math.isnan(view.wallet):
        return
    difference = wallets[0] - view.wallet - _book_recorded(this, wallets[0])
    if abs(difference) <= max(WALLET_MIN, WALLET_SHARE * abs(view.wallet)):
        return
    if this.trades or this.reports:
        this.differs = True
        return  # what was found in this round moves our wallet, too
    this.differs = True
    last_ns = max((one.last_fill_ns for one in view.positions), default=0)
    is_ripe = not this.has_moved and this.is_ripe(f"wallet {difference:.9g}", last_ns)
    if this.venue.income is None:
        this.requests.append(ListIncome(this.since))
        return
    if is_ripe:
        _explain_wallet(this, difference, wallets[0])


def _book_recorded(this: Comparison, theirs: float) -> float:
    """Book the rows of income since shortly before the last agreement, whose record at the venue is proof enough.

    Return their sum. A row may be listed later than it moved the wallet; what was booked before has its key.
    """
    since_ns = max(this.view.started_ns, this.before.agreed_ns - BEFORE_NS)
    return sum(_book_row(this, row, theirs) for row in this.venue.income or () if row.ts_ns > since_ns)


def _book_row(this: Comparison, row: IncomeReport, theirs: float) -> float:
    """Book a row of income, unless it was or is of a fill here; return what it explains of a difference."""
    key = this.key_of(f"income {row.word} {row.transaction_id}")
    is_elsewhere = all(one.symbol != row.symbol for one in this.view.positions)
    is_of_others = row.kind == IncomeKind.OF_FILLS and is_elsewhere  # of a symbol that the session does not trade
    why = Correction.FOREIGN if is_of_others else _CORRECTIONS.get(row.kind)
    if key in this.keys or row.asset != this.view.asset or (why is None and row.kind != IncomeKind.FUNDING):
        return 0.0
    this.keys[key] = None
    if why is None:
        this.answers += _funding(this, row, key)
    else:
        this.answers.append(_balance(row.amount, why, key, row.ts_ns))
    this.find(FindingKind.WALLET, Urgency.INFO, row.asset, f"{row.word}: {row.amount}", theirs=theirs)
    return row.amount


def _funding(this: Comparison, row: IncomeReport, key: int) -> list[VenueAnswer]:
    """Split funding of a symbol by quantity: ours is paid to the position, what is foreign is outside."""
    position = next((one for one in this.view.positions if one.symbol == row.symbol), None)
    if position is None or (position.qty == 0.0 and position.foreign != 0.0):
        return [_balance(row.amount, Correction.FOREIGN, key, row.ts_ns)]
    total = position.qty + position.foreign
    share = position.qty / total if total != 0.0 and position.foreign != 0.0 else 1.0
    paid = VenueAnswer(
        EventKind.FUNDING_PAID,
        instance=position.instance,
        instrument=position.instrument,
        amount=row.amount * share,
        fill_key=key,
        ts_event_ns=row.ts_ns,
    )
    if share == 1.0:
        return [paid]
    rest = this.key_of(f"foreign part of {row.word} {row.transaction_id}")
    return [paid, _balance(row.amount * (1.0 - share), Correction.FOREIGN, rest, row.ts_ns)]


def _explain_wallet(this: Comparison, difference: float, theirs: float) -> None:
    """Book rows of income that are not booked yet, the newest first while they fit; the rest is unexplained."""
    left = difference
    for row in sorted(this.venue.income or (), key=lambda one: one.ts_ns, reverse=True):
        if row.ts_ns < (this.before.agreed_ns or this.view.started_ns) and abs(left - row.amount) > abs(left):
            continue  # of before the last agreement, and no part of this difference
        left -= _book_row(this, row, theirs)
    if abs(left) > max(WALLET_MIN, WALLET_SHARE * abs(theirs)):
        key = this.key_of(f"unexplained {this.view.now_ns}")
        if this.view.has_foreign:
            this.answers.append(_balance(left, Correction.FOREIGN, key, this.view.now_ns))
            text = f"{left} of what others hold"
            this.find(FindingKind.WALLET, Urgency.INFO, this.view.asset, text, ours=this.view.wallet, theirs=theirs)
            return
        this.answers.append(_balance(left, Correction.UNEXPLAINED, key, this.view.now_ns))
        pauses = abs(left) > PAUSE_SHARE * abs(this.view.equity)
        text = f"{left} that no income explains"
        ours = this.view.wallet
        this.find(FindingKind.WALLET, Urgency.WARNING, this.view.asset, text, ours=ours, theirs=theirs, pauses=pauses)


def _balance(amount: float, why: Correction, key: int, ts_ns: int) -> VenueAnswer:
    """Build a BALANCE_CORRECTED of no instance."""
    return VenueAnswer(
        EventKind.BALANCE_CORRECTED,
        instance=-1,
        instrument=-1,
        reason=int(why),
        amount=amount,
        fill_key=key,
        ts_event_ns=ts_ns,
    )
