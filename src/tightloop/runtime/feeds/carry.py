"""Input of a carry run: its decision instants, and the value of every series at each of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Identifies a series by kind and by the instrument, pool asset, token or chain it belongs to.

    ``kind`` and ``name``: price and mark, the open of a spot instrument and of a perp (``bybit:ETHUSDT-perp``); high
    and low of the bar that ended at the instant (perps of legs that follow a signal); liquidity_index, borrow_index,
    supplied, borrowed, liquidity_rate and borrow_rate of a pool's asset (``aave_v3/WETH``); rate and market_rate of an
    LST (``weETH``) in ETH; gas in gwei (``ethereum``).
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """Funding settlements of one perp: times rounded to the second, rate per interval, mark (open in force)."""

    ts_ns: Ints
    rate: Floats
    mark: Floats


@dataclass(frozen=True, slots=True)
class Payout:
    """Rewards paid to holders of an LST at ``ts_ns``.

    ``per_unit``: tokens per ETH staked on average over [from_ns, to_ns]. ``price_usd``, ``price_eth``: market price of
    the token then; NaN when unknown, in which case the reward is reported but not valued.
    """

    ts_ns: int
    token: str
    per_unit: float
    price_usd: float
    from_ns: int
    to_ns: int
    price_eth: float = float("nan")


@dataclass(frozen=True, slots=True)
class Prediction:
    """A signal provider's forecast: ``side`` 1 long, -1 short, 0 neutral (close); ``sd`` a fraction of the price."""

    ts_ns: int
    side: int
    confidence: float
    sd: float


@dataclass(slots=True)
class CarryFeed:
    """``values[i, k]`` (n_instants, n_series float64) is series k as known at ``instants[i]`` (ns UTC).

    A value is the last one published at or before the instant, except for series in ``interpolated``, which are
    interpolated linearly between the neighbouring rows. NaN is unknown: before the first market rate, where a bar
    needed for high and low is missing, or where the catalog lacks the column.

    ``settlements``: by instrument name, in (first instant, last instant]. ``payouts`` and ``predictions``: by leg name,
    in time order; payouts in the same interval, predictions from the first instant on. ``reports``: findings of the
    quality gate about the rows read.
    """

    instants: Ints
    series: tuple[SeriesKey, ...]
    values: Floats
    settlements: Mapping[str, Settlement]
    payouts: Mapping[str, tuple[Payout, ...]]
    predictions: Mapping[str, tuple[Prediction, ...]]
    interpolated: tuple[SeriesKey, ...]
    data_hash: str
    reports: list[object]
    warnings: list[str]

    def column(self, kind: str, name: str) -> int:
        """Return the column index of a series in ``values``; raises KeyError that names a missing series."""
        key = SeriesKey(kind, name)
        if key not in self.series:
            raise KeyError(f"{kind} of {name}")
        return self.series.index(key)
