"""Parameters of the pools' interest-rate model at each instant, for runs with market impact."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tightloop.app.markets.carry.rows import CarryRows, as_of
from tightloop.model.carry.plan import MODEL
from tightloop.model.carry.rates import Regime, packaged_rates
from tightloop.model.carry.strategy import CarryStrategy
from tightloop.model.errors import InputError
from tightloop.model.times import iso
from tightloop.runtime.feeds.carry import SeriesKey

Floats = npt.NDArray[np.float64]
REMEDY = "write --from and --to within what is known, or costs.market_impact: false"


def rate_columns(
    strategy: CarryStrategy, rows: CarryRows, reserves: Sequence[tuple[str, str]]
) -> Iterator[tuple[SeriesKey, Floats, bool]]:
    """Yield the model parameters in force at each instant, by pool and asset.

    Raises InputError where one is unknown at an instant that needs it: always for a borrowed asset, otherwise where the
    recorded utilisation lies above the optimal one.
    """
    borrowed = {(leg.pool, asset) for leg in strategy.legs for asset in (leg.borrow, leg.debt) if asset is not None}
    for pool, asset in reserves:
        regimes = _regimes(strategy, rows, pool, asset)
        times = np.array([regime.since for regime in regimes], np.int64)
        columns = {
            kind: as_of(times, np.array([_or_nan(getattr(regime, field)) for regime in regimes]), rows.instants)
            for kind, field in MODEL.items()
        }
        used = _utilisation(rows, pool, asset)
        beyond = np.isnan(columns["rate_above"]) & ((used > columns["rate_optimal"]) | ((pool, asset) in borrowed))
        if beyond.any():
            message = (
                f"the rate of {asset} on {pool} above its optimal utilisation is not known at "
                f"{iso(int(rows.instants[np.argmax(beyond)]))}"
            )
            raise _refusal(strategy, message, "borrow another asset, or write costs.market_impact: false")
        for kind, values in columns.items():
            yield SeriesKey(kind, f"{pool}/{asset}"), values, False


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _refusal(strategy: CarryStrategy, message: str, remedy: str) -> InputError:
    return InputError.one(strategy.file, None, "costs.market_impact", message, remedy)


def _regimes(strategy: CarryStrategy, rows: CarryRows, pool: str, asset: str) -> list[Regime]:
    """Return the rate regimes of an asset; raises InputError unless they cover every instant."""
    known = packaged_rates().pools.get(pool)
    regimes = [] if known is None else known.assets.get(asset, [])
    if known is None or not regimes:
        message = f"the interest rate model of {pool} for {asset} is not known at {iso(rows.start_ns)}"
        raise _refusal(strategy, message, "write costs.market_impact: false")
    row = np.searchsorted([regime.since for regime in regimes], rows.instants, side="right") - 1
    is_known = np.array([regime.is_known for regime in regimes])[np.maximum(row, 0)]
    unknown = (row < 0) | ~is_known | (rows.instants >= known.until)
    if unknown.any():
        when = iso(int(rows.instants[np.argmax(unknown)]))
        raise _refusal(strategy, f"the interest rate model of {pool} for {asset} is not known at {when}", REMEDY)
    return regimes


def _utilisation(rows: CarryRows, pool: str, asset: str) -> Floats:
    """Return borrowed / supplied as recorded (fraction); raises InputError where either is missing."""
    path = f"lending/{pool}/{asset}"
    times, columns = rows.series(path)
    totals = []
    for name in ("total_borrowed", "total_supplied"):
        if name not in columns or not np.isfinite(columns[name]).all():
            message = f"{name} is missing in some rows, and costs.market_impact needs it"
            raise InputError.one(rows.catalog.root / path, None, name, message, "write costs.market_impact: false")
        totals.append(as_of(times, columns[name], rows.instants))
    return totals[0] / totals[1]
