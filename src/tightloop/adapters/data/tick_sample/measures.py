"""Figures of a stream of trades and quotes in units of its own pace, to compare busy and thin markets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.core.domain.types import Floats

Columns = Mapping[str, npt.NDArray[Any]]

ORDERS_MIN, WINDOWS_MIN = 40, 5
TAIL_SHARE = 0.05
"""Share of the largest orders used for the tail index."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Statistics of arrivals, sizes, sides and best quotes. An order is a run of prints of one side at one time.

    ``gap_cv``: standard deviation over mean of the times between orders; 1 for independent arrivals. ``clustering_10``,
    ``clustering_100``: variance over mean of order counts in windows that hold 10 and 100 orders on average; 1 for
    independent arrivals. ``size_tail``: Hill index of the largest twentieth of orders, smaller for heavier tails.
    ``sign_memory_1``, ``sign_memory_10``: autocorrelation of the sides at lags 1 and 10. ``spread_ticks``,
    ``depth_orders``, ``imbalance_rms``: weighted by time; depth is the mean best quantity over the mean order,
    imbalance is in -1 to 1.
    """

    orders_per_s: float
    prints_per_order: float
    gap_cv: float
    clustering_10: float
    clustering_100: float
    size_tail: float
    size_mean_to_median: float
    sign_memory_1: float
    sign_memory_10: float
    spread_ticks: float
    depth_orders: float
    imbalance_rms: float
    quotes_per_order: float


def measure(trades: Columns, quotes: Columns, price_increment: float) -> Figures:
    """Measure one instrument with more than ORDERS_MIN orders; columns as in the catalog."""
    happened = np.asarray(trades["ts_event_ns"])
    sides = np.where(np.asarray(trades["buyer_is_maker"]).astype(bool), -1.0, 1.0)
    first = np.concatenate(([True], (np.diff(happened) != 0) | (np.diff(sides) != 0)))
    times, signs = (happened[first] - happened[0]) / 1e9, sides[first]
    sizes = np.bincount(np.cumsum(first) - 1, np.asarray(trades["qty"])).astype(np.float64)
    assert len(times) > ORDERS_MIN, "too few orders to measure"
    gaps = np.diff(times)
    received = np.asarray(quotes["ts_init_ns"]) / 1e9
    lasted = np.diff(received)
    spread = ((quotes["ask"] - quotes["bid"]) / price_increment)[:-1]
    total = quotes["bid_qty"] + quotes["ask_qty"]
    imbalance = ((quotes["bid_qty"] - quotes["ask_qty"]) / total)[:-1]
    return Figures(
        orders_per_s=len(gaps) / float(times[-1]),
        prints_per_order=len(happened) / len(times),
        gap_cv=float(gaps.std() / gaps.mean()),
        clustering_10=_clustering(times, 10),
        clustering_100=_clustering(times, 100),
        size_tail=_tail(sizes),
        size_mean_to_median=float(sizes.mean() / np.median(sizes)),
        sign_memory_1=_memory(signs, 1),
        sign_memory_10=_memory(signs, 10),
        spread_ticks=float((spread * lasted).sum() / lasted.sum()),
        depth_orders=float((total[:-1] * lasted).sum() / lasted.sum() / 2 / sizes.mean()),
        imbalance_rms=float(np.sqrt((imbalance**2 * lasted).sum() / lasted.sum())),
        quotes_per_order=len(received) / len(times),
    )


def _clustering(times: Floats, orders: int) -> float:
    """Return variance over mean of the counts in windows of ``orders`` mean gaps; NaN for too few windows."""
    if len(times) < WINDOWS_MIN * orders:
        return float("nan")
    window = orders * times[-1] / (len(times) - 1)
    counts = np.bincount((times / window).astype(np.int64))[: int(times[-1] / window)]
    return float(counts.var() / counts.mean())


def _tail(sizes: Floats) -> float:
    largest = np.sort(sizes)[::-1]
    count = int(len(largest) * TAIL_SHARE)
    return float(1.0 / np.log(largest[:count] / largest[count]).mean())


def _memory(signs: Floats, lag: int) -> float:
    return float(np.corrcoef(signs[lag:], signs[:-lag])[0, 1])
