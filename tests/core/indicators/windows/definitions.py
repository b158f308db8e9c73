"""Definitions over windows of time as their formulas say them, on lists of ticks: slow, and without any running sum."""

import math
from itertools import pairwise
from statistics import fmean, median, pstdev

import numpy as np
from tests.core.indicators.windows.harness import GRID, ns

NAN = math.nan


def ratio(part, whole):
    return part / whole if whole > 0 else NAN


def volume(past, t1, t2):
    return math.fsum(tick.qty for tick in past.window(t1, t2)) if past.is_warm(t1) else NAN


def deals(past, t1, t2):
    return len(past.window(t1, t2)) if past.is_warm(t1) else NAN


def surge(past, t1, t2, t3, t4):
    return ratio(volume(past, t1, t2) / (t1 - t2), volume(past, t3, t4) / (t3 - t4))


def frequency_spike(past, t1, t2, t3, t4):
    return ratio(deals(past, t1, t2) / (t1 - t2), deals(past, t3, t4) / (t3 - t4))


def deal_size(past, t1, t2):
    return ratio(volume(past, t1, t2), deals(past, t1, t2))


def flow_imbalance(past, t1, t2):
    signed = math.fsum(tick.sign * tick.qty for tick in past.window(t1, t2))
    return 100 * ratio(signed, volume(past, t1, t2))


def steps(past, t1, t2):
    """(print before, print) of every print of a window; None when it is not warm."""
    if not past.is_warm(t1):
        return None
    ticks = [past.in_force(t1), *past.window(t1, t2)]
    return list(pairwise(ticks))


def intervals(past, t1, t2):
    """Seconds from print to print, both of them in the window; None when it is not warm."""
    if not past.is_warm(t1):
        return None
    return [(new.ts_ns - old.ts_ns) / 1e9 for old, new in pairwise(past.window(t1, t2))]


def mean_interval(past, t1, t2):
    found = intervals(past, t1, t2)
    return fmean(found) if found else NAN


def clustering(past, t1, t2):
    found = intervals(past, t1, t2)
    if found is None or len(found) < 5 or not sum(found) > 0:
        return NAN
    return pstdev(found) ** 2 / fmean(found) ** 2


def density(past, t1, t2, t3, t4):
    cur, base = intervals(past, t1, t2), intervals(past, t3, t4)
    return ratio(median(base), median(cur)) if cur and base else NAN


def price_volatility(past, t1, t2):
    pairs = steps(past, t1, t2)
    if pairs is None or len(pairs) < 2:
        return NAN
    return 100 * pstdev([new.price / old.price - 1 for old, new in pairs])


def size_volatility(past, t1, t2):
    found = [tick.qty for tick in past.window(t1, t2)]
    if not past.is_warm(t1) or len(found) < 2 or not sum(found) > 0:
        return NAN
    return pstdev(found) / fmean(found)


def correlation(past, t1, t2):
    pairs = steps(past, t1, t2)
    if pairs is None or len(pairs) < 10:
        return NAN
    changes = np.array([new.price - old.price for old, new in pairs])
    sizes = np.array([new.qty for _, new in pairs])
    if not (changes.std() > 0 and sizes.std() > 0):
        return NAN
    return float(np.corrcoef(changes, sizes)[0, 1])


def quote_mean(past, t1, t2, name):
    return past.time_mean(t1, t2, lambda tick: getattr(tick, name), "quotes")


def spread_volatility(past, t1, t2):
    found = [tick.spread for tick in past.window(t1, t2, "quotes")]
    return pstdev(found) if past.is_warm(t1, "quotes") and len(found) >= 5 else NAN


def move_pct(now, base):
    return 100 * (now - base) / base


def velocity(past, t1, t3, d):
    return move_pct(past.twpa(t1, 0), past.twpa(t3, t3 - d))


def seconds_means(past, t1):
    """TWPA of every second of the window, the oldest first."""
    return np.array([past.twpa(k + 1, k) for k in reversed(range(t1))]) if past.is_warm(t1) else None


def acceleration(past, t1):
    """(acceleration, velocity) by numpy's fit of a line."""
    means = seconds_means(past, t1)
    if means is None:
        return NAN, NAN
    velocities = 100 * np.diff(means) / means[:-1]
    of_velocities = np.polyfit(np.arange(t1 - 1), velocities, 1)[0] if t1 > 2 else NAN
    return float(of_velocities), float(100 * np.polyfit(np.arange(t1), means, 1)[0] / means.mean())


def peaks(seen, grid_s, lookback, velocities):
    """At every event the greatest velocity now and at the lookback's points of the grid; NaN unless all are known."""
    count, samples, found = math.ceil(ns(lookback) / ns(grid_s)), [], []
    for one, now in zip(seen, velocities, strict=True):
        if math.isnan(now):
            samples.clear()
        if one.kind == GRID and one.ts_ns % ns(grid_s) == 0:
            samples.append(now)
        last = samples[-count:]
        known = len(last) == count and not math.isnan(now) and not any(map(math.isnan, last))
        found.append(max(*last, now) if known else NAN)
    return found


def death(now, peak, floor_rel=1e-5):
    return (peak - now) / peak if peak > 100 * floor_rel else NAN


def held(share):
    return share if math.isnan(share) else min(max(share, 0.0), 1.0)
