"""A carry run read back: its instants, and what each asset and each unit of a balance was worth at every one of them.

Columns of instants are as long as the run went. A leg, a balance and a holding are known by the number the plan gave.
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
    """What a run started from, read, and left behind. ``snapshots``: a row for each instant that was finished."""

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
        """The record of the step's state at the end."""
        return self.plan.states[0]["carry"]

    @property
    def books(self) -> Any:
        """The books of the step at the end."""
        return self.carry["books"]

    def fixed(self, name: str) -> Floats:
        """One of the first columns of a snapshot, by its name."""
        return self.snapshots[:, FIXED.index(name)]

    @property
    def unit_price(self) -> Floats:
        """What a unit was worth, issued at 1."""
        return self.fixed("unit_price")

    @property
    def buckets(self) -> Floats:
        """(instants, buckets), summed up since the beginning."""
        return self.snapshots[:, len(FIXED) : len(FIXED) + BUCKETS]

    @property
    def amounts(self) -> Floats:
        """(instants, balances); what is owed is negative."""
        return self._pairs(0)

    @property
    def values(self) -> Floats:
        """(instants, balances) in the share class."""
        return self._pairs(1)

    @property
    def quantities(self) -> Floats:
        """(instants, holdings), signed."""
        return self._holdings(0)

    @property
    def results(self) -> Floats:
        """(instants, holdings): not yet realised, in the share class."""
        return self._holdings(1)

    def _pairs(self, part: int) -> Floats:
        first = len(FIXED) + BUCKETS
        return self.snapshots[:, first + part : first + 2 * len(self.plan.balances) : 2]

    def _holdings(self, part: int) -> Floats:
        return self.snapshots[:, len(FIXED) + BUCKETS + 2 * len(self.plan.balances) + part :: 2]

    def place(self, ts_ns: Ints) -> Ints:
        """The instant at which something of that time was taken in."""
        return np.searchsorted(self.ts_ns, ts_ns).astype(np.int64)

    def rows(self, kind: RowKind) -> Columns:
        """Rows of the log of one kind."""
        return self.recorder.columns(kind)

    # Prices

    def series(self, at: int) -> Floats:
        """The value in force of one of the plan's series; 1 where there is none to follow."""
        if at not in self._series:
            if at < 0:
                found = np.ones(len(self.snapshots))
            else:
                kind, name = self.plan.series[at]
                told = self.feed.values[: len(self.snapshots), self.feed.column(kind, name)]
                found = told
                if np.isnan(told).any():
                    last = np.maximum.accumulate(np.where(np.isnan(told), 0, np.arange(len(told))))
                    found = told[last]
            self._series[at] = found
        return self._series[at]

    def dollars(self, asset: int) -> Floats | float:
        """What an asset cost in dollars."""
        own = self.books["assets"][asset]
        return self.series(int(own["price_series"])) if own["price_series"] >= 0 else float(own["usd"])

    def price(self, asset: int) -> Floats | float:
        """Of an asset, in the share class."""
        share = int(self.books["share"])
        return 1.0 if asset == share else self.dollars(asset) / self.dollars(share)

    def unit_value(self, balance: int) -> Floats | float:
        """Of one unit of a balance, in the share class, without sign."""
        own = self.books["balances"][balance]
        return self.underlying(balance) * self.price(int(own["asset"]))

    def underlying(self, balance: int) -> Floats | float:
        """Units of the priced asset in one unit of a balance."""
        own = self.books["balances"][balance]
        index, rate = int(own["index_series"]), int(own["rate_series"])
        if index < 0 and rate < 0:
            return 1.0
        return self.series(index) * self.series(rate)

    # Groups

    def kind_of(self, balance: int) -> BalanceKind:
        """Where a balance is."""
        return BalanceKind(int(self.books["balances"][balance]["kind"]))

    def cash(self) -> Floats:
        """What lies idle or as margin in the asset of the share class, or in dollars: wallet, exchanges, on its way."""
        total = np.zeros(len(self.snapshots))
        held = (BalanceKind.WALLET, BalanceKind.VENUE, BalanceKind.TRANSIT)
        for at, name in enumerate(self.plan.balances):
            if self.kind_of(at) in held and name.asset in (self.plan.strategy.share_class, "USDT"):
                total += self.values[:, at]
        return total

    def on_chain(self) -> Floats:
        """What is at work on chain less what is owed there; the cash that capital comes into is not at work."""
        total = np.zeros(len(self.snapshots))
        for at in range(len(self.plan.balances)):
            if self.kind_of(at) in ON_CHAIN and at != self.plan.cash:
                total += self.values[:, at]
        return total

    def asset_value(self, asset: int) -> Floats:
        """What all balances of an asset are worth together, without gas that is owed."""
        total = np.zeros(len(self.snapshots))
        for at in range(len(self.plan.balances)):
            own = self.books["balances"][at]
            if int(own["asset"]) == asset and own["kind"] != BalanceKind.GAS:
                total += self.values[:, at]
        return total

    def exposure(self) -> Floats:
        """Value that moves with any price but the dollar's and the share class's own, as a share of equity."""
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
        """Whether anything but cash was held."""
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
        """Margin equity over notional of each exchange with a perpetual; unknown while it holds none."""
        found: dict[str, Floats] = {}
        for venue in dict.fromkeys(instrument.venue for instrument in self.plan.holdings):
            own = [at for at, instrument in enumerate(self.plan.holdings) if instrument.venue == venue]
            cash = {int(self.books["holdings"][at]["margin_account"]) for at in own}
            margin = sum(self.values[:, at] for at in cash) + self.results[:, own].sum(axis=1)
            notional = np.zeros(len(self.snapshots))
            for at in own:
                notional += np.abs(self.quantities[:, at]) * self.mark(at) * self.quote_price(at)
            with np.errstate(divide="ignore", invalid="ignore"):
                found[venue] = np.where(notional > 0.0, margin / notional, np.nan)
        return found

    def mark(self, holding: int) -> Floats:
        """The mark of a perpetual, in its quote."""
        return self.series(int(self.books["holdings"][holding]["mark_series"]))

    def quote_price(self, holding: int) -> Floats | float:
        """What one of the quote of a perpetual is worth, in the share class."""
        return self.price(int(self.books["holdings"][holding]["quote"]))

    def funding(self, holding: int) -> tuple[Ints, Floats]:
        """Settlements of a holding: the instant of each, and what was received, in the share class."""
        own = self.feed.settlements.get(str(self.plan.holdings[holding]))
        if own is None or not len(self.snapshots):
            return np.zeros(0, np.int64), np.zeros(0)
        at = self.place(own.ts_ns)
        inside = (at > 0) & (at < len(self.snapshots))
        at, mark = at[inside], own.mark[inside]
        if self.plan.venues[0]["funding_on_entry"]:
            mark = np.full(len(at), float(self.books["holdings"][holding]["entry_price"]))
        amount = -self.quantities[at - 1, holding] * mark * own.rate[inside]
        price = self.quote_price(holding)
        return at, amount * (price[at] if isinstance(price, np.ndarray) else price)

    def spot_legs(self) -> dict[str, int]:
        """Spot legs by instrument; legs of one instrument are one position."""
        found: dict[str, int] = {}
        for at, leg in enumerate(self.plan.strategy.legs):
            if leg.kind == "spot":
                found.setdefault(str(leg.instrument), at)
        return found

    def paid_in(self, leg: int) -> Floats | float:
        """The price of what a spot leg is paid with."""
        return self.price(int(self.books["balances"][int(self.carry["legs"][leg]["venue_cash"])]["asset"]))
