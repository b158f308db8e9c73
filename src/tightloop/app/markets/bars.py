"""Market of a run on bars: bars and funding of each instrument through the quality gate, and rules of the venue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters import data as market_data
from tightloop.adapters.data.catalog import Catalog, LoadedBars
from tightloop.app.markets import notes as markets_notes
from tightloop.core.limits import PRICE_MAX
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId, InstrumentRules, default_rules
from tightloop.model.signal.plan import Plan
from tightloop.model.signal.portfolio import rules_of
from tightloop.model.signal.read import Strategy
from tightloop.runtime.feeds.bars import Feed, make_feed
from tightloop.runtime.results.result import data_hash

Times = npt.NDArray[np.int64]


@dataclass(slots=True)
class Market:
    """Input of a run on bars: rows of BAR and, where recorded, funding by instrument; gate reports and warnings.

    ``funding``: settlement times (ns UTC) and rates (fraction of the notional). ``unfunded``: perps whose strategy asks
    for funding that the catalog does not have.
    """

    bars: dict[InstrumentId, npt.NDArray[np.void]]
    funding: dict[InstrumentId, tuple[Times, npt.NDArray[np.float64]]]
    rules: dict[InstrumentId, InstrumentRules]
    reports: list[Any]
    warnings: list[str]
    unfunded: list[InstrumentId] = field(default_factory=list)

    def feed(self, plan: Plan) -> Feed:
        """Make the feed of a plan: bars in the order of its instruments, and funding where the plan applies it."""
        funding = {
            number: self.funding[instrument]
            for number, instrument in enumerate(plan.instruments)
            if instrument in self.funding and plan.funding[instrument]
        }
        return make_feed([self.bars[instrument] for instrument in plan.instruments], funding)

    def digest(self, feed: Feed) -> str:
        """Return the data hash of a feed's rows."""
        return data_hash([feed.bars, feed.rates])

    def split(self, share: float) -> "tuple[Market, Market]":
        """Split into the bars that open within the first ``share`` of the time and the rest; funding goes to both.

        Raises InputError when an instrument has no bars on one side.
        """
        begin_ns = min(int(rows["open_ns"][0]) for rows in self.bars.values())
        end_ns = max(int(rows["close_ns"][-1]) for rows in self.bars.values())
        cut_ns = begin_ns + int((end_ns - begin_ns) * share)
        parts = []
        for is_before in (True, False):
            bars = {name: rows[(rows["open_ns"] < cut_ns) == is_before] for name, rows in self.bars.items()}
            if any(not len(rows) for rows in bars.values()):
                name = next(str(instrument) for instrument, rows in bars.items() if not len(rows))
                message = f"{share:g} leaves {name} without bars on one side"
                raise InputError.one("command line", None, "--split", message, "write another share of the time")
            parts.append(Market(bars, self.funding, self.rules, [], []))
        return parts[0], parts[1]


def load_market(
    strategies: Sequence[Strategy],
    data: Any,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    accepted: frozenset[str] = frozenset(),
) -> Market:
    """Load bars, funding and rules of all instruments from a catalog's folder or from a mapping of frames.

    ``accepted``: datasets that run although the gate refuses them. Raises InputError for missing or invalid data,
    UnfitDataError for data that the gate refuses.
    """
    frames = data if isinstance(data, Mapping) else None
    catalog = None if frames is not None else Catalog(Path(data))
    market = Market({}, {}, {}, [], [])
    wants_funding = {i for s in strategies if s.read.costs.funding == "on" for i in s.instruments}
    for instrument in rules_of(strategies):
        timeframe = strategies[0].read.timeframe
        assert timeframe is not None, "a run on bars has a timeframe"
        loaded: LoadedBars
        if catalog is None:
            assert frames is not None
            loaded = _frame_bars(frames, instrument, timeframe, start_ns, end_ns, accepted)
            market.rules[instrument] = default_rules(instrument)
        else:
            market.rules[instrument] = catalog.rules(instrument)
            loaded = catalog.bars(instrument, timeframe, start_ns, end_ns, accepted)
        market.bars[instrument] = _tradable(loaded, instrument, market.warnings)
        market.reports.append(loaded.report)
        if instrument.market == "perp" and instrument in wants_funding:
            _load_funding(market, catalog, instrument, accepted)
    _add_warnings(market, strategies)
    return market


def _tradable(loaded: LoadedBars, instrument: InstrumentId, warnings: list[str]) -> npt.NDArray[np.void]:
    """Return bars that meet the core's assertions: at least one, bounded prices, low <= open, close <= high.

    Only data that were accepted against the gate's verdict need the mending of high and low.
    """
    bars = loaded.bars
    if not len(bars):
        raise InputError.one(loaded.report.path, None, "", "no bar has a price", "repair the data")
    if bars["high"].max() > PRICE_MAX or bars["close"].max() > PRICE_MAX:
        message = f"{instrument} has a price above {PRICE_MAX:g}"
        raise InputError.one(loaded.report.path, None, "high", message, "write the data in another unit")
    body_high, body_low = np.maximum(bars["open"], bars["close"]), np.minimum(bars["open"], bars["close"])
    torn = (bars["high"] < body_high) | (bars["low"] > body_low)
    if torn.any():
        bars = bars.copy()
        bars["high"], bars["low"] = np.maximum(bars["high"], body_high), np.minimum(bars["low"], body_low)
        warnings.append(f"{instrument}: the range of {int(torn.sum())} bars was widened to hold their open and close")
    return bars


def _frame_bars(
    frames: Mapping[Any, Any],
    instrument: InstrumentId,
    timeframe: str,
    start_ns: int | None,
    end_ns: int | None,
    accepted: frozenset[str],
) -> LoadedBars:
    """Read an instrument's bars from a frame; the window includes bars with start_ns <= open_ns < end_ns."""
    by_name = {str(name): frame for name, frame in frames.items()}
    if str(instrument) not in by_name:
        there = ", ".join(by_name) or "none"
        raise InputError.one("data", None, str(instrument), "there is no frame of this name", f"there are {there}")
    loaded = LoadedBars(*market_data.frames.bars_of(by_name[str(instrument)], instrument, timeframe, accepted))
    inside = np.ones(len(loaded.bars), bool)
    if start_ns is not None:
        inside &= loaded.bars["open_ns"] >= start_ns
    if end_ns is not None:
        inside &= loaded.bars["open_ns"] < end_ns
    if not inside.any():
        raise InputError.one("data", None, str(instrument), "has no bars in the window", "widen --from and --to")
    return LoadedBars(loaded.bars[inside], loaded.report)


def _load_funding(market: Market, catalog: Catalog | None, instrument: InstrumentId, accepted: frozenset[str]) -> None:
    """Add an instrument's funding over the time of its bars; without any it is listed as unfunded.

    Absent funding (a plain InputError) is a warning; UnfitDataError, its subclass, still refuses the run.
    """
    bars = market.bars[instrument]
    funding = None
    if catalog is not None:
        window = int(bars["open_ns"][0]), int(bars["close_ns"][-1]) + 1
        try:
            funding = catalog.funding(instrument.venue, instrument.symbol, *window, accepted)
        except InputError as error:
            if type(error) is not InputError:
                raise
            funding = None
    if funding is None:
        market.unfunded.append(instrument)
        return
    market.funding[instrument] = funding.ts_ns, funding.rate
    market.reports.append(funding.report)


def _add_warnings(market: Market, strategies: Sequence[Strategy]) -> None:
    """Add warnings: faults in the data, perps without funding, venue rules that are defaults."""
    costs = [strategy.read.costs for strategy in strategies]
    are_stated = all(each.taker_bps is not None and each.maker_bps is not None for each in costs)
    market.warnings += markets_notes.faults(market.reports)
    market.warnings += markets_notes.without_funding(market.unfunded)
    market.warnings += markets_notes.defaults(market.rules, are_stated)
