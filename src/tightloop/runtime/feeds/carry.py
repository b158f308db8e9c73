"""What a carry run is fed with: the instants it looks at the world, and what is known of every series at each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """A series by what it is and whose it is.

    ``kind`` and ``name``: price and mark, the open of a spot instrument and of a perp (``bybit:ETHUSDT-perp``); high
    and low of the bar that ended at the instant (perps of legs that follow a signal); liquidity_index, borrow_index,
    supplied, borrowed, liquidity_rate and borrow_rate of a pool's asset (``aave_v3/WETH``); rate and market_rate of an
    LST (``weETH``) in ETH; gas in gwei (``ethereum``).
    """

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """Funding of one perp: times rounded to the second, rates per interval, the open in force at each."""

    ts_ns: Ints
    rate: Floats
    mark: Floats


@dataclass(frozen=True, slots=True)
class Payout:
    """Rewards of an LST paid at ``ts_ns``: ``per_unit`` tokens for each ETH staked on average over [from_ns, to_ns],
    ``price_usd`` and ``price_eth`` of the token at the market then (NaN: no market price, reported and not valued)."""

    ts_ns: int
    token: str
    per_unit: float
    price_usd: float
    from_ns: int
    to_ns: int
    price_eth: float = float("nan")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a signal provider said: ``side`` 1 long, -1 short, 0 neutral (close), ``sd`` a fraction of the price."""

    ts_ns: int
    side: int
    confidence: float
    sd: float


@dataclass(slots=True)
class CarryFeed:
    """``values[i, k]`` is series k at ``instants[i]``; what was read at most at that time, but for series named in
    ``interpolated``, which lie on a straight line between the rows around it. NaN is unknown: a market rate before the
    first there is, a bar that is missing where high and low are asked for, a column the catalog does not have.

    ``settlements`` by instrument as it is written, the times in (first instant, last instant]; ``payouts`` and
    ``predictions`` by the name of the leg, in order of time, the same for payouts, from the first instant on for
    predictions. ``reports`` are what the quality gate found in the rows that were read.
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
        """The column of a series; KeyError names it when there is none."""
        key = SeriesKey(kind, name)
        if key not in self.series:
            raise KeyError(f"{kind} of {name}")
        return self.series.index(key)
