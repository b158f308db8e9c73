"""A carry run read back: snapshots by name, and the price of every asset and balance at every instant.

Columns have a row for each finished instant. A leg, a balance and a holding are identified by their index in the plan.
"A float or a column" is a float where a price never changes.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core.domain.carry import BUCKETS, BalanceKind, PnlComponent
from tightloop.core.domain.enums import RowKind
from tightloop.core.replay.carry import FIXED
from tightloop.model.carry.plan import CarryPlan
from tightloop.runtime.feeds.carry import CarryFeed, Floats, Ints
from tightloop.runtime.results.recorder import Columns, Recorder

BUCKET_NAMES = tuple(PnlComponent(k).name.lower() for k in range(BUCKETS))
ON_CHAIN = (
    BalanceKind.WALLET, BalanceKind.SUPPLIED, BalanceKind.DEBT, BalanceKind.LST, BalanceKind.REWARD, BalanceKind.QUEUE,
    BalanceKind.FLASH,
)  # fmt: skip


@dataclass(slots=True)
class CarryRecord:
    """Plan, feed, snapshots (a row for each finished instant) and log of a carry run."""

    plan: CarryPlan
    feed: CarryFeed
    snapshots: Floats
    recorder: Recorder
    _series: dict[int, Floats] = field(default_factory=dict)

    @property
    def ts_ns(self) -> Ints:
        """Times of the instants that were finished."""
        return self.feed.instants[: len(self.snapshots)]

    @property
    def carry(self) -> Any:
        """The carry record of State at the end of the run."""
        return self.plan.states[0]["carry"]

    @property
    def books(self) -> Any:
        """The books (balances, holdings, assets) at the end of the run."""
        return self.carry["books"]

    def fixed(self, name: str) -> Floats:
        """Return one of the first columns of the snapshots (``FIXED`` of the replay) by its name."""
        return self.snapshots[:, FIXED.index(name)]

    @property
    def unit_price(self) -> Floats:
        """Price of a unit in the share class; units are first issued at 1."""
        return self.fixed("unit_price")

    @property
    def buckets(self) -> Floats:
        """P&L components since the beginning, ``(n_instants, BUCKETS)``, in the share class."""
        return self.snapshots[:, len(FIXED) : len(FIXED) + BUCKETS]

    @property
    def amounts(self) -> Floats:
        """Amounts of the balances, ``(n_instants, n_balances)``, in their tokens; debt is negative."""
        return self._pairs(0)

    @property
    def values(self) -> Floats:
        """Values of the balances, ``(n_instants, n_balances)``, in the share class."""
        return self._pairs(1)

    @property
    def quantities(self) -> Floats:
        """Quantities of the perpetuals, ``(n_instants, n_holdings)``; short is negative."""
        return self._holdings(0)

    @property
    def results(self) -> Floats:
        """Unrealised P&L of the perpetuals, ``(n_instants, n_holdings)``, in the share class."""
        return self._holdings(1)

    def _pairs(self, part: int) -> Floats:
        first = len(FIXED) + BUCKETS
        return self.snapshots[:, first + part : first + 2 * len(self.plan.balances) : 2]

    def _holdings(self, part: int) -> Floats:
        return self.snapshots[:, len(FIXED) + BUCKETS + 2 * len(self.plan.balances) + part :: 2]

    def place(self, ts_ns: Ints) -> Ints:
        """Return the instants (indices) at which events of those times were applied."""
        return np.searchsorted(self.ts_ns, ts_ns).astype(np.int64)

    def rows(self, kind: RowKind) -> Columns:
        """Return the log's rows of one kind as columns."""
        return self.recorder.columns(kind)

    # Prices

    def series(self, number: int) -> Floats:
        """Return the value in force of one of the plan's series (index); 1 for -1, no series."""
        if number not in self._series:
            if number < 0:
                column = np.ones(len(self.snapshots))
            else:
                kind, name = self.plan.series[number]
                # The feed is NaN where a series did not change: carry the last value forward.
                told = self.feed.values[: len(self.snapshots), self.feed.column(kind, name)]
                column = told
                if np.isnan(told).any():
                    last = np.maximum.accumulate(np.where(np.isnan(told), 0, np.arange(len(told))))
                    column = told[last]
            self._series[number] = column
        return self._series[number]

    def dollars(self, asset: int) -> Floats | float:
        """Return the price of an asset in dollars: a float or a column."""
        row = self.books["assets"][asset]
        return self.series(int(row["price_series"])) if row["price_series"] >= 0 else float(row["usd"])

    def price(self, asset: int) -> Floats | float:
        """Return the price of an asset in the share class: a float or a column."""
        share = int(self.books["share"])
        return 1.0 if asset == share else self.dollars(asset) / self.dollars(share)

    def unit_value(self, balance: int) -> Floats | float:
        """Return the value of one unit of a balance in the share class, without sign: a float or a column."""
        row = self.books["balances"][balance]
        return self.underlying(balance) * self.price(int(row["asset"]))

    def underlying(self, balance: int) -> Floats | float:
        """Return units of the priced asset per unit of a balance: accrued index times exchange rate."""
        row = self.books["balances"][balance]
        index, rate = int(row["index_series"]), int(row["rate_series"])
        if index < 0 and rate < 0:
            return 1.0
        return self.series(index) * self.series(rate)

    # Groups

    def kind_of(self, balance: int) -> BalanceKind:
        """Return where a balance is held."""
        return BalanceKind(int(self.books["balances"][balance]["kind"]))

    def cash(self) -> Floats:
        """Sum what is idle, margin or in transit in the share class's asset or in USDT, in the share class."""
        total = np.zeros(len(self.snapshots))
        held = (BalanceKind.WALLET, BalanceKind.VENUE, BalanceKind.TRANSIT)
        for at, name in enumerate(self.plan.balances):
            if self.kind_of(at) in held and name.asset in (self.plan.strategy.share_class, "USDT"):
                total += self.values[:, at]
        return total

    def on_chain(self) -> Floats:
        """Sum on-chain balances less debt, without the cash balance that capital flows go through."""
        total = np.zeros(len(self.snapshots))
        for at in range(len(self.plan.balances)):
            if self.kind_of(at) in ON_CHAIN and at != self.plan.cash:
                total += self.values[:, at]
        return total

    def asset_value(self, asset: int) -> Floats:
        """Sum the values of all balances of an asset, without gas that is owed."""
        total = np.zeros(len(self.snapshots))
        for at in range(len(self.plan.balances)):
            row = self.books["balances"][at]
            if int(row["asset"]) == asset and row["kind"] != BalanceKind.GAS:
                total += self.values[:, at]
        return total

    def exposure(self) -> Floats:
        """Return the net value that moves with any price but the dollar's and the share class's, over equity."""
        total = np.zeros(len(self.snapshots))
        books, share = self.books, int(self.books["share"])
        dollar_free = [
            asset
            for asset in range(int(books["asset_count"]))
            if asset != share and books["assets"][asset]["price_series"] >= 0
        ]
        for asset in dollar_free:
            for at in range(len(self.plan.balances)):
                if int(books["balances"][at]["asset"]) == asset:
                    total += self.values[:, at]
            for at in range(len(self.plan.holdings)):
                if int(books["holdings"][at]["base"]) == asset:
                    total += self.quantities[:, at] * self.price(asset)
        return total / self.fixed("equity")

    def is_invested(self) -> npt.NDArray[np.bool_]:
        """Return for each instant whether anything but cash was held."""
        busy = np.zeros(len(self.snapshots), bool)
        for at, name in enumerate(self.plan.balances):
            is_cash = self.kind_of(at) in (BalanceKind.WALLET, BalanceKind.VENUE, BalanceKind.TRANSIT, BalanceKind.GAS)
            if not (is_cash and name.asset in (self.plan.strategy.share_class, "USDT", "ETH")) or (
                self.kind_of(at) == BalanceKind.VENUE and name.asset not in (self.plan.strategy.share_class, "USDT")
            ):
                busy |= self.amounts[:, at] != 0.0
        for at in range(len(self.plan.holdings)):
            busy |= self.quantities[:, at] != 0.0
        return busy

    # Margin

    def venue_margins(self) -> dict[str, Floats]:
        """Return margin equity over notional of each exchange with a perpetual; NaN while it holds none."""
        ratios: dict[str, Floats] = {}
        for venue in dict.fromkeys(instrument.venue for instrument in self.plan.holdings):
            holdings = [at for at, instrument in enumerate(self.plan.holdings) if instrument.venue == venue]
            cash = {int(self.books["holdings"][at]["margin_account"]) for at in holdings}
            margin = sum(self.values[:, at] for at in cash) + self.results[:, holdings].sum(axis=1)
            notional = np.zeros(len(self.snapshots))
            for at in holdings:
                notional += np.abs(self.quantities[:, at]) * self.mark(at) * self.quote_price(at)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios[venue] = np.where(notional > 0.0, margin / notional, np.nan)
        return ratios

    def mark(self, holding: int) -> Floats:
        """Return the mark price of a perpetual, in its quote asset."""
        return self.series(int(self.books["holdings"][holding]["mark_series"]))

    def quote_price(self, holding: int) -> Floats | float:
        """Return the price of a perpetual's quote asset in the share class: a float or a column."""
        return self.price(int(self.books["holdings"][holding]["quote"]))

    def funding(self, holding: int) -> tuple[Ints, Floats]:
        """Return a holding's settlements: instants (indices), amounts received in the share class (negative: paid)."""
        settlements = self.feed.settlements.get(str(self.plan.holdings[holding]))
        if settlements is None or not len(self.snapshots):
            return np.zeros(0, np.int64), np.zeros(0)
        at = self.place(settlements.ts_ns)
        inside = (at > 0) & (at < len(self.snapshots))
        at, mark = at[inside], settlements.mark[inside]
        if self.plan.venues[0]["funding_on_entry"]:
            mark = np.full(len(at), float(self.books["holdings"][holding]["entry_price"]))
        # Funding is due on what was held before the instant, so on the quantity of the snapshot before.
        amount = -self.quantities[at - 1, holding] * mark * settlements.rate[inside]
        price = self.quote_price(holding)
        return at, amount * (price[at] if isinstance(price, np.ndarray) else price)

    def spot_legs(self) -> dict[str, int]:
        """Return the first spot leg (index) of each instrument; legs of one instrument are one position."""
        legs: dict[str, int] = {}
        for at, leg in enumerate(self.plan.strategy.legs):
            if leg.kind == "spot":
                legs.setdefault(str(leg.instrument), at)
        return legs

    def paid_in(self, leg: int) -> Floats | float:
        """Return the price, in the share class, of the asset that a spot leg pays with."""
        return self.price(int(self.books["balances"][int(self.carry["legs"][leg]["venue_cash"])]["asset"]))
