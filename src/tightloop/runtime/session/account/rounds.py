"""Rounds of comparison with the venue: asked here, judged by ``runtime/session/reconcile``, told to desk and step.

All times are of the venue's clock, because its records are: on a venue whose clock runs faster than ours a difference
has to stand for 10 s of that clock. What a round wants as evidence is asked for with the next one. Before the first
round of a session, what the wallet has beyond its capital is told to be outside.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from tightloop.core.domain.enums import Correction, EventKind
from tightloop.core.domain.types import Record
from tightloop.core.trading import ledger
from tightloop.model.signal.plan import Plan
from tightloop.ports import execution as ex
from tightloop.runtime.session.account.driver import AccountDriver
from tightloop.runtime.session.account.inputs import Compared
from tightloop.runtime.session.account.ready import is_protected
from tightloop.runtime.session.account.view import outside_of
from tightloop.runtime.session.desk import ids
from tightloop.runtime.session.desk.records import VenueAnswer
from tightloop.runtime.session.driver.view import View, number
from tightloop.runtime.session.market.feed import VenueRefused
from tightloop.runtime.session.reconcile import records, rounds
from tightloop.runtime.session.reconcile.comparison import BEFORE_NS
from tightloop.runtime.session.reconcile.margin import Nearness
from tightloop.runtime.session.reconcile.records import Finding, OurPosition, OurView, Suspicions, VenueRound

EVIDENCE = (ex.ListFills, ex.ListOrders, ex.ListIncome)
STANDING: tuple[ex.Request, ...] = (
    ex.ListOpenOrders(is_conditional=False), ex.ListOpenOrders(is_conditional=True), ex.ListPositions(),
    ex.ReadWallet(),
)  # fmt: skip
Ask = Callable[[ex.Request], Awaitable[list[ex.Report]]]


@dataclass(slots=True)
class Rounds:
    """Compares a session with its account. ``symbols``: number of an instrument by the venue's symbol.

    ``now_ns``: by the venue's clock. ``settle``: takes all facts that wait, so that the books are of now. ``begun_ns``:
    when the session began, ``life_ns``: when this process did. ``is_new``: nothing was compared yet.
    """

    plan: Plan
    driver: AccountDriver
    ask: Ask
    symbols: dict[str, int]
    now_ns: Callable[[], int]
    settle: Callable[[], None]
    on_finding: Callable[[Finding], None]
    begun_ns: int
    is_new: bool
    life_ns: int = 0
    elsewhere: list[View] = field(default_factory=list)
    filled_ns: dict[int, int] = field(default_factory=dict)
    wanted: list[ex.Request] = field(default_factory=list)
    had_foreign: bool = False
    since_ns: dict[str, int] = field(default_factory=dict)
    near: dict[str, Nearness] = field(default_factory=dict)
    reported: list[ex.FillReport] = field(default_factory=list)
    """Fills of no order here that the private stream has told of, until they are booked."""
    is_first: bool = True

    def want_fills(self) -> None:
        """Ask for fills and orders of all symbols with the next round: reports may have been missed."""
        since_ns = (self.driver.fold.agreed_ns or self.begun_ns) - BEFORE_NS
        for symbol in self.symbols:
            self._want(ex.ListFills(symbol, since_ns))
            self._want(ex.ListOrders(symbol, since_ns))
        self.want_income()

    def want_income(self) -> None:
        """Ask with the next round for what moved the wallet, other than fills."""
        self._want(ex.ListIncome((self.driver.fold.agreed_ns or self.begun_ns) - BEFORE_NS))

    def _want(self, request: ex.Request) -> None:
        if request not in self.wanted:
            self.wanted.append(request)

    def hold(self) -> None:
        """Tell the desk the positions of the books, ours and foreign; a correction may have changed them."""
        self.settle()
        state = self.plan.states[0]
        for symbol, at in self.symbols.items():
            position = self._position(state, symbol, at)
            self.driver.hold(at, position.qty, position.foreign)

    async def round(self) -> bool:
        """Compare once; return whether all agrees. Raises what ``ask`` does."""
        theirs = await self._ask()
        self.settle()
        if self.is_new:
            self._begin(theirs)
            self.is_new = False
            self.settle()
        fold = self.driver.fold
        elders = self._new_elders(theirs)
        if self.is_first and (fold.elders or elders):
            self.had_foreign = True  # what they did while there was no process
        self._forget_booked()
        theirs = replace(theirs, reported=tuple(self.reported))
        view = self._view(elders)
        before = Suspicions(fold.agreed_ns, self.since_ns, tuple(fold.keys), self.near)
        found = rounds.reconcile(view, theirs, before)
        self.since_ns, self.is_first = dict(found.suspicions.since_ns), False
        self.near = dict(found.suspicions.near)
        keys = tuple(key for key in found.suspicions.keys if key not in fold.keys)
        agreed_ns = found.suspicions.agreed_ns if found.is_agreed else 0
        if found.answers or found.reports or found.doubts or keys or agreed_ns or elders:
            told = Compared(found.answers, found.reports, found.doubts, keys, agreed_ns, found.trades, elders)
            self.driver.compared(told)
        if any(answer.kind == EventKind.FILL_FOUND for answer in found.answers) or self._is_foreign_held():
            self.had_foreign = True
        elif found.is_agreed:
            self.had_foreign = False
        for finding in found.findings:
            self.on_finding(finding)
        self.hold()
        await self._carry_out(found.requests)
        return found.is_agreed

    def _new_elders(self, theirs: VenueRound) -> tuple[str, ...]:
        """Return the client ids of orders that sessions before this one left, and that no comparison has seen yet."""
        session, known, found = self.driver.fold.desk.state.session, self.driver.fold.elders, set[str]()
        for report in theirs.orders:
            name, made_ns = ids.decode(report.client_id), report.made_ns or report.ts_ns
            if name is not None and name.session != session and made_ns < self.begun_ns:
                found.add(report.client_id)
        return tuple(sorted(found - known))

    def _forget_booked(self) -> None:
        """Forget reported fills that are booked, that are old, or that are of other symbols."""
        since_ns, keys, key_of = self.now_ns() - BEFORE_NS, self.driver.fold.keys, self.driver.fold.key_of
        self.reported = [
            one
            for one in self.reported
            if one.symbol in self.symbols and one.ts_ns >= since_ns and key_of(one.symbol, one.trade_id) not in keys
        ]

    async def _ask(self) -> VenueRound:
        """Ask one round, with the evidence that the last one wanted."""
        fills: dict[str, tuple[ex.FillReport, ...]] = {}
        history: dict[str, tuple[ex.OrderReport, ...]] = {}
        income: tuple[ex.IncomeReport, ...] | None = None
        wanted, self.wanted = self.wanted, []  # what is wanted meanwhile happened too late for these answers
        is_answered = False
        try:
            answers = await asyncio.gather(*map(self.ask, wanted))
            plain, conditional, positions, balances = await asyncio.gather(*map(self.ask, STANDING))
            is_answered = True
        finally:
            if not is_answered:
                self.wanted = wanted + [one for one in self.wanted if one not in wanted]
        for request, got in zip(wanted, answers, strict=True):
            if isinstance(request, ex.ListFills):
                fills[request.symbol] = tuple(one for one in got if isinstance(one, ex.FillReport))
            elif isinstance(request, ex.ListOrders):
                history[request.symbol] = tuple(one for one in got if isinstance(one, ex.OrderReport))
            elif isinstance(request, ex.ListIncome):
                income = tuple(one for one in got if isinstance(one, ex.IncomeReport))
        held = [one for one in positions if isinstance(one, ex.PositionReport)]
        wallets = [one for one in balances if isinstance(one, ex.WalletReport)]
        self.elsewhere = [
            {"symbol": one.symbol, "qty": one.qty, "entry": number(one.entry_price)}
            for one in held
            if one.qty != 0.0 and one.symbol not in self.symbols
        ]
        orders = tuple(one for one in (*plain, *conditional) if isinstance(one, ex.OrderReport))
        begun_ns = self.begun_ns
        late = {symbol: tuple(one for one in rows if one.ts_ns >= begun_ns) for symbol, rows in fills.items()}
        return VenueRound(orders, tuple(held), tuple(wallets), late, history, income)

    async def _carry_out(self, requests: tuple[ex.Request, ...]) -> None:
        """Send cancels; evidence is asked for with the next round."""
        for request in requests:
            if isinstance(request, EVIDENCE):
                self._want(request)
                continue
            try:
                await self.ask(request)
            except VenueRefused:
                continue  # it has ended: the next round shows it

    # The first round

    def _begin(self, theirs: VenueRound) -> None:
        """Book what the account has beyond the capital of the session as outside."""
        asset = self.plan.settle_asset
        wallet = next((one.wallet for one in theirs.wallets if one.asset == asset), math.nan)
        amount = wallet - self._wallet()
        if amount == amount and amount != 0.0:
            answer = VenueAnswer(
                EventKind.BALANCE_CORRECTED, instance=-1, instrument=-1, reason=int(Correction.TRANSFER), amount=amount
            )
            self.driver.compared(Compared((answer,)))

    # Our side

    def _wallet(self) -> float:
        state = self.plan.states[0]
        return float(state["balances"][ledger.WALLET]) + outside_of(state)

    def _is_foreign_held(self) -> bool:
        rows = self.plan.states[0]["instruments"][: len(self.plan.instruments)]
        return bool(self.elsewhere) or bool((rows["foreign_qty"] != 0.0).any())

    def _view(self, elders: Sequence[str]) -> OurView:
        state, desk = self.plan.states[0], self.driver.fold.desk
        return OurView(
            now_ns=self.now_ns(),
            venue=desk.state.terms.venue,
            account=desk.state.terms.account,
            asset=self.plan.settle_asset,
            session=desk.state.session,
            epoch=desk.state.epoch,
            started_ns=self.begun_ns,
            wallet=self._wallet(),
            equity=float(state["equity"]),
            orders=records.known_orders(desk.state),
            positions=tuple(self._position(state, symbol, at) for symbol, at in self.symbols.items()),
            is_ours=self._is_ours,
            has_foreign=self.had_foreign,
            life_ns=self.life_ns,
            is_first=self.is_first,
            elders=self.driver.fold.elders.union(elders),
        )

    def _position(self, state: Record, symbol: str, at: int) -> OurPosition:
        """Return what is held on an instrument: by several instances of the signal family, at their average entry."""
        row = state["instruments"][at]
        size = float(row["multiplier"])
        first = instance = int(row["instance_first"])
        qty = value = 0.0
        protected = True
        while instance >= 0:
            position = state["positions"][instance]
            if position["qty"] != 0.0:
                first = instance if qty == 0.0 else first
                qty += float(position["qty"])
                value += float(position["qty"]) * float(position["entry_price"])
                protected = protected and is_protected(self.plan, self.driver.fold.desk, instance)
            instance = int(state["instances"][instance]["next"])
        entry = value / qty if qty != 0.0 else math.nan
        return OurPosition(
            symbol, at, first, qty * size, entry, float(row["foreign_qty"]) * size, float(row["lot_size"]) * size,
            dict(self.filled_ns).pop(at, 0), protected,
        )  # fmt: skip

    def _is_ours(self, client_id: str, venue_order_id: str) -> bool:
        """Return whether the desk knows an order by either name."""
        desk = self.driver.fold.desk.state
        return client_id in desk.attempts or venue_order_id in desk.venue_ids
