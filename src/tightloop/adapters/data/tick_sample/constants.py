"""Every number that the tick sample takes from real markets, its source, and what makes a small coin of it.

``benches/calibrate_lab.py`` measures them again on the rows they come from.
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
"""Order sizes over their median at SHARES: the middle one of the three streams at each. Source: TICK_SOURCE."""
ORDER_PRINTS = (1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 7.0, 12.0, 34.9, 149.0, 348.0)
"""Prints of an order at SHARES, likewise. Source: TICK_SOURCE."""
DELAYS_MS = (0.0, 1.53, 1.81, 2.55, 3.69, 9.34, 16.8, 22.4, 39.9, 51.6, 57.6)
"""Time from the venue to us over its least, at SHARES, likewise. Source: TICK_SOURCE."""

EVENT_SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
PUMP_SIZES_PCT = (8.1, 8.4, 8.7, 10.8, 13.5, 17.7, 23.3)
PUMP_RISE_MIN = (5.0, 17.5, 20.0, 30.0, 30.0, 30.0, 30.0)
PUMP_GIVEN_BACK = (0.13, 0.20, 0.38, 0.47, 0.66, 0.92, 1.0)
"""36 moves up by 8 % and more within 30 minutes on three times the usual volume. Source: BAR_SOURCE."""
DUMP_SIZES_PCT = (8.2, 8.7, 9.0, 10.2, 13.1, 16.3, 19.1)
DUMP_GIVEN_BACK = (0.09, 0.22, 0.45, 0.74, 0.92, 1.0, 1.0)
"""14 moves down, likewise. Source: BAR_SOURCE."""
EVENT_SURGES = (3.4, 3.9, 5.3, 9.1, 12.0, 12.0, 12.0)
"""Volume of such a move over the usual. Source: BAR_SOURCE, whose upper quarter (19 and more) is cut so that files stay
small."""
QUIET_BPS_5M = 45.0
"""How far a small coin's price goes in five quiet minutes: 28, 50, 66 and 40 basis points. Source: BAR_SOURCE."""

# What makes a small coin of the large ones. No source: the factors are stated, and the README of a sample repeats them.
ARRIVAL_FACTOR = 1 / 25
"""Orders a second, of those of the middle one of the three streams."""
QUOTE_FACTOR = 1 / 4
"""Quotes per order: so much fewer that files stay small."""
SPREAD_FACTOR = 2.0
"""Mean spread in increments, of that of the perps."""
THIN_ARRIVAL_FACTOR = 1 / 8
"""Orders a second of a thin coin, of those of a small one."""
THIN_SPREAD_FACTOR = 12.0
"""Mean spread of a thin coin, of that of a small one."""
BURST_SHARE = (0.60, 0.85)
BURST_S = (20.0, 45.0)
"""What part of a move comes in its last seconds, and in how many: five-minute bars do not tell."""
FADE_S = 840.0
"""Seconds from the peak until the share is given back; the bars tell where the price is after 1,800."""

# How the tape is driven, so that the figures above come out: self-exciting arrivals, sides that copy earlier ones.
BRANCHING = 0.82
"""Orders that an order sets off, on average."""
KERNEL = ((0.40, 0.07), (0.60, 8.0))
"""When they come: shares of exponential delays, in mean gaps between orders."""
COPY_SHARE = 0.78
COPY_LAGS = 60
COPY_DECAY = 1.2
"""How often an order takes the side of an earlier one, at most so many orders back, with odds lag ** -COPY_DECAY."""
DEPTH_ORDERS = 8.0
"""Mean quantity at the best price over the mean order: that of the perps. Source: TICK_SOURCE."""
BOOK_DEVIATION = 1.5
"""Of the logarithm of a best quantity."""


RUSH = 6.0
"""Orders a second in the last seconds of a move, of those just before them."""


def quantile(uniform: Floats, shares: tuple[float, ...], values: tuple[float, ...]) -> Floats:
    """Values of a table of quantiles, straight lines between them on a logarithmic scale where all are positive."""
    table = np.array(values)
    if (table > 0).all():
        return np.asarray(np.exp(np.interp(uniform, shares, np.log(table))))
    return np.asarray(np.interp(uniform, shares, table))


def drawn(uniform: float, values: tuple[float, ...]) -> float:
    """One value of a table over EVENT_SHARES, straight lines between them."""
    return float(np.interp(uniform, EVENT_SHARES, values))
