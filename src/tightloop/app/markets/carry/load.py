"""Market data of a carry run: prices, indices, rates, funding, rewards and signals, through the quality gate."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.adapters.data.catalog import Catalog, LoadedSeries
from tightloop.app.markets import notes as markets_notes
from tightloop.app.markets.carry.rates import rate_columns
from tightloop.app.markets.carry.rewards import payouts_of, price_columns
from tightloop.app.markets.carry.rows import CarryRows, as_of, interpolate
from tightloop.app.markets.carry.signals import BASELINE_BARS, predictions_of
from tightloop.model.carry.plan import reserves_of
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.model.carry.venues import packaged
from tightloop.model.errors import InputError, UnfitDataError
from tightloop.model.instruments import TIMEFRAMES, InstrumentId
from tightloop.model.times import HOUR_NS, iso
from tightloop.runtime.feeds.carry import CarryFeed, Payout, Prediction, SeriesKey, Settlement

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Column = tuple[SeriesKey, Floats, bool]
"""(key, value at each instant, whether it is interpolated)."""

INTERPOLATED = ("liquidity_index", "borrow_index")
RESERVE_COLUMNS = {
    "liquidity_index": "liquidity_index", "borrow_index": "borrow_index", "supplied": "total_supplied",
    "borrowed": "total_borrowed", "liquidity_rate": "liquidity_rate", "borrow_rate": "borrow_rate",
}  # fmt: skip
"""Kind of series of a pool's asset -> column of the lending dataset."""
RAW_STAMPS = "-raw-stamps"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a strategy must be priced with: instruments, reserves, tokens, chains; each once, in file order."""

    instruments: tuple[InstrumentId, ...]
    signalled: tuple[InstrumentId, ...]
    reserves: tuple[tuple[str, str], ...]
    lsts: tuple[str, ...]
    exits: tuple[str, ...]
    gas: tuple[str, ...]
    has_impact: bool

    @property
    def perps(self) -> tuple[InstrumentId, ...]:
        return tuple(instrument for instrument in self.instruments if instrument.market == "perp")


def load_carry_feed(
    strategy: CarryStrategy,
    data: Any,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    accepted: frozenset[str] = frozenset(),
) -> CarryFeed:
    """Load the feed at the instants from ``start_ns`` to ``end_ns``, both included.

    None means as far as every dataset reaches, which a warning states. Raises InputError when a dataset is missing or
    does not cover the instants, UnfitDataError when the quality gate finds faults that are not in ``accepted``.
    """
    if isinstance(data, Mapping):
        raise InputError.one("data", None, "", "carry strategies read a catalog", "give the folder of a catalog")
    catalog, needs, notes = Catalog(data), needs_of(strategy), list[str]()
    instants = _instants(strategy, catalog, needs, (start_ns, end_ns), notes)
    rows = CarryRows(
        catalog,
        strategy.timeframe,
        instants,
        accepted,
        strategy.marks.holes,
        strategy.marks.proxies,
        _lookback(strategy),
    )
    rows.warnings += notes
    columns = [*_price_columns(rows, needs), *_reserve_columns(rows, needs, _shifts(strategy, rows))]
    columns += [*rate_columns(strategy, rows, needs.reserves)] if needs.has_impact else []
    columns += [*_lst_columns(rows, needs, strategy), *_gas_columns(rows, needs)]
    columns += price_columns(strategy.legs, rows, strategy.marks.usd)
    settlements = {str(perp): _settlement(rows, strategy, perp) for perp in needs.perps}
    payouts = {leg.name: payouts_of(leg, rows, strategy.marks.usd) for leg in strategy.legs if leg.rewards}
    predictions = {leg.name: predictions_of(leg, strategy, rows) for leg in strategy.legs if leg.signal is not None}
    values = np.column_stack([values for _, values, _ in columns]) if columns else np.empty((len(instants), 0))
    _add_warnings(rows, strategy)
    return CarryFeed(
        instants,
        tuple(key for key, _, _ in columns),
        values,
        settlements,
        payouts,
        predictions,
        tuple(key for key, _, is_interpolated in columns if is_interpolated),
        _digest(instants, columns, settlements, payouts, predictions),
        rows.reports,
        rows.warnings,
    )


def needs_of(strategy: CarryStrategy) -> Needs:
    """Collect what a strategy must read; equal needs mean that two strategies can share a feed."""
    instruments: dict[InstrumentId, None] = {}
    signalled: dict[InstrumentId, None] = {}
    reserves: dict[tuple[str, str], None] = {}
    lsts: dict[str, None] = {}
    exits: dict[str, None] = {}
    for leg in strategy.legs:
        if leg.instrument is not None:
            instruments[leg.instrument] = None
        instruments.update((venue, None) for venue, _ in leg.venues)
        if leg.signal is not None:
            signalled.update((venue, None) for venue, _ in leg.venues)
        if leg.lst is not None:
            lsts[leg.lst] = None
            if leg.exit == "market" or leg.kind == "loop":
                exits[leg.lst] = None
        if leg.borrow is not None and leg.borrow in packaged().lsts:
            lsts[leg.borrow] = None
        reserves.update((reserve, None) for reserve in reserves_of(leg))
    instruments.update((instrument, None) for instrument in strategy.marks.usd.values())
    gas = () if strategy.costs.gas is None else (strategy.costs.gas.chain,)
    return Needs(
        tuple(instruments), tuple(signalled), tuple(reserves), tuple(lsts), tuple(exits), gas,
        strategy.costs.market_impact,
    )  # fmt: skip


def _lookback(strategy: CarryStrategy) -> dict[InstrumentId, int]:
    """Return the number of bars needed before the first instant, by instrument of a signal."""
    counts: dict[InstrumentId, int] = {}
    for leg in strategy.legs:
        if leg.signal is not None:
            bars = BASELINE_BARS if leg.signal.source == "baseline" else 1
            counts.update((venue, max(counts.get(venue, 0), bars)) for venue, _ in leg.venues)
    return counts


# --- instants ---------------------------------------------------------------------------------------------------------


def _instants(
    strategy: CarryStrategy, catalog: Catalog, needs: Needs, window: tuple[int | None, int | None], notes: list[str]
) -> Ints:
    step_ns = TIMEFRAMES[strategy.timeframe]
    start_ns, end_ns = window
    if start_ns is None or end_ns is None:
        spans = list(_spans(strategy, catalog, needs))
        if not spans:
            raise InputError.one(strategy.file, None, "legs", "read no series that has an end", "write --from and --to")
        if start_ns is None:
            start_ns, path = max((first, path) for path, first, _ in spans)
            notes.append(f"no --from: the run begins where {path} does, at {iso(-(-start_ns // step_ns) * step_ns)}")
        if end_ns is None:
            end_ns, path = min((last, path) for path, _, last in spans)
            notes.append(f"no --to: the run ends where {path} does, at {iso(end_ns // step_ns * step_ns)}")
    first, last = -(-start_ns // step_ns), end_ns // step_ns
    if first > last:
        message = f"no instant of {strategy.timeframe} lies between {iso(start_ns)} and {iso(end_ns)}"
        raise InputError.one("command line", None, "--from", message, "write an earlier --from or a later --to")
    for option, given, used in (("--from", window[0], first * step_ns), ("--to", window[1], last * step_ns)):
        if given is not None and given != used:
            notes.append(f"{option} is not a multiple of {strategy.timeframe}: the run uses {iso(used)}")
    return np.arange(first, last + 1, dtype=np.int64) * step_ns


def _spans(strategy: CarryStrategy, catalog: Catalog, needs: Needs) -> Iterator[tuple[str, int, int]]:
    """Yield (path, first ns, last ns) of every dataset the run cannot do without."""
    proxies = strategy.marks.proxies
    for instrument in needs.instruments:
        path = catalog.bars_path(proxies.get(instrument, instrument), strategy.timeframe)
        yield path, *catalog.span(path)[:2]
    paths = [f"lending/{pool}/{asset}" for pool, asset in needs.reserves]
    paths += [*(f"staking/{lst}-rate" for lst in needs.lsts), *(f"gas/{chain}" for chain in needs.gas)]
    for path in paths:
        yield path, *catalog.span(path)[:2]
    for perp in needs.perps:
        path = f"funding/{perp.venue}/{perp.symbol}"
        if catalog.has(path) and perp not in proxies:
            first, last, step_ns = catalog.span(path)
            yield path, first - step_ns, last + step_ns - 1


# --- columns ----------------------------------------------------------------------------------------------------------


def _price_columns(rows: CarryRows, needs: Needs) -> Iterator[Column]:
    for instrument in needs.instruments:
        kind = "mark" if instrument.market == "perp" else "price"
        yield SeriesKey(kind, str(instrument)), rows.opens(instrument), False
    for instrument in needs.signalled:
        yield SeriesKey("high", str(instrument)), rows.ended(instrument, "high"), False
        yield SeriesKey("low", str(instrument)), rows.ended(instrument, "low"), False


def _shifts(strategy: CarryStrategy, rows: CarryRows) -> dict[str, int]:
    """Return, by LST, the time of a first rate that is used for an instant up to one hour earlier (legacy mode)."""
    shifts: dict[str, int] = {}
    if strategy.legacy.is_on and strategy.legacy.first_rows:
        for leg in strategy.legs:
            if leg.lst is not None:
                first = rows.catalog.span(f"staking/{leg.lst}-rate")[0]
                if rows.start_ns < first <= rows.start_ns + HOUR_NS:
                    shifts[leg.lst] = first
    for lst, first in shifts.items():
        rows.warnings.append(f"legacy.first_rows: the rate of {lst} at {iso(first)} is used from {iso(rows.start_ns)}")
    return shifts


def _reserve_columns(rows: CarryRows, needs: Needs, shifts: Mapping[str, int]) -> Iterator[Column]:
    for pool, asset in needs.reserves:
        times, columns = rows.series(f"lending/{pool}/{asset}")
        instants = np.maximum(rows.instants, shifts.get(asset, rows.start_ns))
        for kind, column in RESERVE_COLUMNS.items():
            if column not in columns:
                values = np.full(len(instants), np.nan)
            elif kind in INTERPOLATED:
                values = interpolate(times, columns[column], instants)
            else:
                values = as_of(times, columns[column], rows.instants)
            yield SeriesKey(kind, f"{pool}/{asset}"), values, kind in INTERPOLATED


def _lst_columns(rows: CarryRows, needs: Needs, strategy: CarryStrategy) -> Iterator[Column]:
    late_ns = HOUR_NS if strategy.legacy.is_on and strategy.legacy.first_rows else 0
    for lst in needs.lsts:
        times, columns = rows.series(f"staking/{lst}-rate", late_ns)
        instants = np.maximum(rows.instants, times[0])
        yield SeriesKey("rate", lst), interpolate(times, columns["rate_eth"], instants), True
    for lst in needs.exits:
        yield SeriesKey("market_rate", lst), _market_rate(rows, lst), False


def _market_rate(rows: CarryRows, lst: str) -> Floats:
    """Return the market rate of an LST; NaN outside its rows, because only an exit needs it."""
    path = f"staking/{lst}-market"
    if not rows.catalog.has(path):
        rows.warnings.append(f"no {path} in the data: {lst} cannot be sold on the market")
        return np.full(len(rows.instants), np.nan)
    first, last, step_ns = rows.catalog.span(path)
    inside = (rows.instants >= first) & (rows.instants < last + step_ns)
    rates = np.full(len(rows.instants), np.nan)
    if not inside.all():
        rows.warnings.append(
            f"the rate of {lst} on the market is known from {iso(first)} to {iso(last)} only: "
            f"not at {int((~inside).sum())} of {len(inside)} instants"
        )
    if inside.any():
        window = int(rows.instants[inside][0]), min(int(rows.instants[inside][-1]), last)
        loaded: LoadedSeries = rows.catalog.series_around(path, *window, rows.accepted)
        rows.keep(path, loaded.report)
        name = "market_rate_median_24h" if "market_rate_median_24h" in loaded.columns else "market_rate"
        rates[inside] = as_of(loaded.ts_ns, loaded.columns[name], rows.instants[inside])
    return rates


def _gas_columns(rows: CarryRows, needs: Needs) -> Iterator[Column]:
    for chain in needs.gas:
        times, columns = rows.series(f"gas/{chain}")
        yield SeriesKey("gas", chain), as_of(times, columns["gwei"], rows.instants), False


# --- funding ----------------------------------------------------------------------------------------------------------


def _settlement(rows: CarryRows, strategy: CarryStrategy, perp: InstrumentId) -> Settlement:
    """Return the settlements in (first instant, last instant], each at the open in force then."""
    loaded, source = _funding(rows, perp)
    inside = (loaded.ts_ns > rows.start_ns) & (loaded.ts_ns <= rows.end_ns)
    ts_ns, rate = loaded.ts_ns[inside], loaded.columns["rate"][inside]
    if strategy.legacy.is_on and strategy.legacy.stale_funding:
        path = f"funding/{source.venue}/{source.symbol}"
        path += RAW_STAMPS if rows.catalog.has(path + RAW_STAMPS) else ""
        times, columns = rows.catalog.as_stamped(path)
        stale = as_of(times, columns["rate"], ts_ns)
        rows.warnings.append(
            f"legacy.stale_funding: {int((stale != rate).sum())} of {len(rate)} settlements of {perp} pay an older rate"
        )
        rate = stale
    return Settlement(ts_ns, rate, rows.opens(perp, ts_ns))


def _funding(rows: CarryRows, perp: InstrumentId) -> tuple[LoadedSeries, InstrumentId]:
    """Return funding of the perp, or of its proxy when the perp's is missing or unfit; and which of the two it is."""
    proxy = rows.stand_in(perp)
    for source in dict.fromkeys((perp, proxy)):
        path = f"funding/{source.venue}/{source.symbol}"
        try:
            step_ns = rows.catalog.span(path)[2]
            loaded = rows.catalog.series_around(path, rows.start_ns, rows.end_ns, rows.accepted, step_ns)
            rows.keep(path, loaded.report)
        except InputError as error:
            if source == proxy:
                raise
            why = "unfit" if isinstance(error, UnfitDataError) else "not available for this time"
            rows.warnings.append(f"the funding of {perp} is {why}: that of {proxy} is used instead")
        else:
            return loaded, source
    raise AssertionError("the last source is returned or refused")


# --- warnings and data hash -------------------------------------------------------------------------------------------


def _add_warnings(rows: CarryRows, strategy: CarryStrategy) -> None:
    for instrument, proxy in strategy.marks.proxies.items():
        rows.warnings.append(f"the prices of {proxy} are used for {instrument}")
    if rows.carried:
        parts = [f"{count} of {name}" for name, count in rows.carried.items()]
        rows.warnings.append(f"no bar at some instants, where the last open stays in force: {', '.join(parts)}")
    rows.warnings += markets_notes.faults(rows.reports)


def _digest(
    instants: Ints,
    columns: list[Column],
    settlements: Mapping[str, Settlement],
    payouts: Mapping[str, tuple[Payout, ...]],
    predictions: Mapping[str, tuple[Prediction, ...]],
) -> str:
    """Return the data hash of everything read."""
    digest = hashlib.blake2b(instants.tobytes(), digest_size=16)
    for key, values, _ in columns:
        digest.update(f"{key.kind} {key.name}".encode() + np.ascontiguousarray(values).tobytes())
    for name, settlement in settlements.items():
        digest.update(
            name.encode() + settlement.ts_ns.tobytes() + settlement.rate.tobytes() + settlement.mark.tobytes()
        )
    for kind in (payouts, predictions):
        for name, rows in kind.items():
            digest.update(f"{name} {rows!r}".encode())
    return digest.hexdigest()
