"""Constants of the tick sample: figures measured on real markets, with sources, and factors for a small coin.

``benches/calibrate_lab.py`` measures them again on the source data.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from tightloop.adapters.data.tick_sample.measures import Figures
from tightloop.core.domain.types import Floats

TICK_SOURCE = "every trade and best quote of Binance BTCUSDT-perp, ETHUSDT-perp and BTCUSDT-spot, 345 s of 2024-08-08"
BAR_SOURCE = "five-minute bars of ADA, NXT, TRX and XLM in BTC on Binance, 2018-01-10 to 2018-01-30"

REAL: Mapping[str, Figures] = MappingProxyType(
    {
        "BTCUSDT-perp": Figures(
            15.83, 3.921, 1.475, 20.03, 47.67, 1.046, 14.90, 0.1988, 0.1182, 1.142, 8.405, 0.6069, 12.16,
        ),
        "ETHUSDT-perp": Figures(
            10.22, 4.008, 1.524, 8.813, 13.49, 1.099, 12.55, 0.3183, 0.0944, 1.040, 7.651, 0.6748, 15.37,
        ),
        "BTCUSDT-spot": Figures(
            9.366, 3.010, 1.684, 13.37, 27.20, 1.052, 18.85, 0.3611, 0.1752, 3.569, 34.69, 0.6719, 8.652,
        ),
    }
)  # fmt: skip
"""Figures of the three real streams. Source: TICK_SOURCE."""

SHARES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
ORDER_SIZES = (0.0144, 0.0288, 0.0519, 0.197, 1.0, 5.44, 21.75, 49.1, 237.0, 1_242.0, 2_324.0)
"""Order size over the median order, at the quantiles SHARES; median of the three streams. Source: TICK_SOURCE."""
ORDER_PRINTS = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 7.0, 12.0, 34.9, 149.0, 348.0)
"""Prints per order at SHARES, likewise. Source: TICK_SOURCE."""
DELAYS_MS = (0.0, 1.53, 1.81, 2.55, 3.69, 9.34, 16.8, 22.4, 39.9, 51.6, 57.6)
"""Latency from venue to receiver over its minimum, at SHARES, likewise. Source: TICK_SOURCE."""

EVENT_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
PUMP_SIZES_PCT = (8.1, 8.4, 8.7, 10.8, 13.5, 17.7, 23.3)
PUMP_RISE_MIN = (5.0, 17.5, 20.0, 30.0, 30.0, 30.0, 30.0)
PUMP_GIVEN_BACK = (0.13, 0.20, 0.38, 0.47, 0.66, 0.92, 1.0)
"""Quantiles at EVENT_SHARES of 36 rises of 8 % or more within 30 minutes on triple volume. Source: BAR_SOURCE."""
DUMP_SIZES_PCT = (8.2, 8.7, 9.0, 10.2, 13.1, 16.3, 19.1)
DUMP_GIVEN_BACK = (0.09, 0.22, 0.45, 0.74, 0.92, 1.0, 1.0)
"""Quantiles at EVENT_SHARES of 14 such falls. Source: BAR_SOURCE."""
EVENT_SURGES = (3.4, 3.9, 5.3, 9.1, 12.0, 12.0, 12.0)
"""Volume during such a move over normal volume. Source: BAR_SOURCE.

Its upper quarter (19 and more) is capped, to keep files small.
"""
QUIET_BPS_5M = 45.0
"""Move of a small coin's price in five quiet minutes: measured 28, 50, 66 and 40 bps. Source: BAR_SOURCE."""

# Scaling of large coins to small ones. Assumptions without a source; the README of a sample states them too.
ARRIVAL_FACTOR = 1 / 25
"""Orders per second, as a share of the median of the three streams."""
QUOTE_FACTOR = 1 / 4
"""Quotes per order, as a share of the measured ones; reduced to keep files small."""
SPREAD_FACTOR = 2.0
"""Mean spread in increments, as a multiple of the perps'."""
THIN_ARRIVAL_FACTOR = 1 / 8
"""Orders per second of a thin coin, as a share of a small coin's."""
THIN_SPREAD_FACTOR = 12.0
"""Mean spread of a thin coin, as a multiple of a small coin's."""
BURST_SHARE = (0.60, 0.85)
BURST_S = (20.0, 45.0)
"""Share of a move that comes in its last seconds, and how many: assumed, five-minute bars do not tell."""
FADE_S = 840.0
"""Seconds from the peak until the share is given back; the bars tell the price after 1,800 s."""

# Parameters of the generator, fitted to the figures above: self-exciting arrivals, sides that copy earlier ones.
BRANCHING = 0.82
"""Mean number of orders that an order triggers."""
KERNEL = ((0.40, 0.07), (0.60, 8.0))
"""Mixture of exponential delays of triggered orders: (share, mean in mean gaps between orders)."""
COPY_SHARE = 0.78
COPY_LAGS = 60
COPY_DECAY = 1.2
"""COPY_SHARE of orders copy the side of one at most COPY_LAGS orders back, with odds lag ** -COPY_DECAY."""
DEPTH_ORDERS = 8.0
"""Mean quantity at the best price over the mean order, as of the perps. Source: TICK_SOURCE."""
BOOK_DEVIATION = 1.5
"""Standard deviation of the logarithm of a best quantity."""


RUSH = 6.0
"""Order rate in the last seconds of a move over the rate just before."""


def quantile(uniform: Floats, shares: tuple[float, ...], values: tuple[float, ...]) -> Floats:
    """Interpolate a table of quantiles at ``uniform``, in logarithms where all values are positive."""
    table = np.array(values)
    if (table > 0).all():
        return np.asarray(np.exp(np.interp(uniform, shares, np.log(table))))
    return np.asarray(np.interp(uniform, shares, table))


def drawn(uniform: float, values: tuple[float, ...]) -> float:
    """Interpolate a table over EVENT_SHARES at one number in [0, 1)."""
    return float(np.interp(uniform, EVENT_SHARES, values))
