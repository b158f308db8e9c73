"""A round while it is compared, and when a difference is believed."""

import math
from dataclasses import dataclass, field
from enum import IntEnum

from tightloop.ports.execution import FillOrigin, FillReport, OrderReport, Report, Request
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.records import SECOND_NS, Urgency, VenueAnswer
from tightloop.runtime.session.reconcile.margin import Nearness
from tightloop.runtime.session.reconcile.records import Finding, FindingKind, OurView, Suspicions, VenueRound

APART_NS = 10 * SECOND_NS
AFTER_FILL_NS = 15 * SECOND_NS
LATE_NS = 6 * SECOND_NS
"""What an earlier life sent may arrive so long after this one began: the receive window, and 1 s."""
BEFORE_NS = 60 * SECOND_NS
"""Evidence is asked from so long before the last agreement."""


class Whose(IntEnum):
    """Who made an order that is not known here."""

    OTHERS = 0  # a person, another program, a session of before
    LOST = 1  # an earlier life of this session, and the journal lost it
    ENGINE = 2  # a process that runs beside this one: another session, or a copy of this one's home


@dataclass(slots=True)
class Comparison:
    """A round that is being compared: its inputs, and what it has led to so far."""

    view: OurView
    venue: VenueRound
    before: Suspicions
    since_ns: dict[str, int] = field(default_factory=dict)
    keys: dict[int, None] = field(default_factory=dict)
    answers: list[VenueAnswer] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    trades: list[FillReport] = field(default_factory=list)
    near: dict[str, Nearness] = field(default_factory=dict)
    differs: bool = False
    has_moved: bool = False  # a position differs or was booked: what that brought and cost is not in our wallet yet

    def is_ripe(self, difference: str, last_fill_ns: int = 0) -> bool:
        """Note a difference; return whether it has been seen for long enough to be believed."""
        now_ns = self.view.now_ns
        first_ns = self.before.since_ns.get(difference, now_ns)
        self.since_ns[difference] = first_ns
        self.differs = True
        return now_ns - first_ns >= APART_NS and now_ns - last_fill_ns >= AFTER_FILL_NS

    def find(self, kind: FindingKind, urgency: Urgency, subject: str, text: str, **more: float) -> None:
        """Add a finding."""
        ours, theirs = more.pop("ours", math.nan), more.pop("theirs", math.nan)
        flags = {name: bool(value) for name, value in more.items()}
        self.findings.append(Finding(kind, urgency, subject, ours, theirs, text, **flags))

    def key_of(self, trade_id: str, symbol: str = "") -> int:
        """Return the key of a trade on a symbol, or of a row of income."""
        return ids.fill_key(self.view.venue, self.view.account, symbol, trade_id)

    @property
    def since(self) -> int:
        """From when evidence is asked for."""
        return (self.before.agreed_ns or self.view.started_ns) - BEFORE_NS

    def origin_of(self, fill: FillReport) -> FillOrigin:
        """Return who asked for a fill; lists of fills do not say it, those of orders do."""
        if fill.origin != FillOrigin.ORDER:
            return fill.origin
        listed: tuple[FillReport | OrderReport, ...] = (*self.venue.reported, *self.venue.history.get(fill.symbol, ()))
        return next((one.origin for one in listed if one.venue_order_id == fill.venue_order_id), fill.origin)

    def order_of(self, fill: FillReport) -> OrderReport | None:
        """Return the order of a fill, if the venue listed it."""
        listed = self.venue.history.get(fill.symbol, ())
        return next((one for one in listed if one.venue_order_id == fill.venue_order_id), None)

    def name_of(self, fill: FillReport) -> str:
        """Return the client id of a fill's order, which venues leave out of lists of fills; "": not known."""
        order = self.order_of(fill)
        return fill.client_id or ("" if order is None else order.client_id)

    def whose(self, client_id: str, made_ns: int) -> Whose:
        """Return who made an order that is not known here. ``made_ns``: by the venue's clock, 0: not said."""
        view, name = self.view, ids.decode(client_id)
        if name is None or client_id in view.elders:
            return Whose.OTHERS
        is_of_this_life = made_ns > view.life_ns + LATE_NS if made_ns and view.life_ns else name.epoch >= view.epoch
        if name.session == view.session and name.epoch <= view.epoch and not is_of_this_life:
            return Whose.LOST
        is_new = name.session == view.session or made_ns >= max(view.started_ns, 1)
        return Whose.ENGINE if is_new else Whose.OTHERS
