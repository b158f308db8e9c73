"""Tick indicators by their definitions, slow and plain: what the streaming ones are compared with.

``now_ns`` is the reference time T; a window (t1, t2) in seconds covers (T - t1, T - t2]. Rows received up to T are
known, and nothing after it is looked at. A function returns NaN where the value is UNKNOWN. Arrays are ascending
``times_ns`` of one stream and its values.
"""

from itertools import pairwise
from statistics import median

import numpy as np

NS = 1_000_000_000
NAN = float("nan")


def edges(now_ns, t1, t2):
    """The window in nanoseconds: after the first, up to and with the second."""
    return now_ns - round(t1 * NS), now_ns - round(t2 * NS)


def inside(times_ns, now_ns, t1, t2):
    """Which rows lie in the window."""
    begin, end = edges(now_ns, t1, t2)
    return (times_ns > begin) & (times_ns <= end)


def is_warm(times_ns, now_ns, t1):
    """Whether a row was there at or before T - t1: what was in force when the window began."""
    return bool(len(times_ns)) and bool(times_ns[0] <= now_ns - round(t1 * NS))


def time_weighted(times_ns, values, now_ns, t1, t2=0.0):
    """Mean of a value over the time it was in force inside the window."""
    begin, end = edges(now_ns, t1, t2)
    if not is_warm(times_ns, now_ns, t1):
        return NAN
    total = 0.0
    for place in range(len(times_ns)):
        if times_ns[place] > end:
            break
        until = times_ns[place + 1] if place + 1 < len(times_ns) else end
        total += float(values[place]) * max(min(until, end) - max(int(times_ns[place]), begin), 0)
    return total / (end - begin)


def twpa(times_ns, prices, now_ns, t1=300.0, t2=0.0):
    """TWPA."""
    first = max(int(np.searchsorted(times_ns, now_ns - round(t1 * NS), side="right")) - 1, 0)
    return time_weighted(times_ns[first:], prices[first:], now_ns, t1, t2)


def twpa_ratio(times_ns, prices, now_ns, t1=300.0, t2=60.0, t3=1800.0, t4=300.0):
    """TWPA_RATIO."""
    return twpa(times_ns, prices, now_ns, t1, t2) / twpa(times_ns, prices, now_ns, t3, t4)


def pump_magnitude_pct(times_ns, prices, now_ns, t1=10.0, t3=60.0, d=30.0):
    """PUMP_MAGNITUDE_PCT."""
    base = twpa(times_ns, prices, now_ns, t3, t3 - d)
    return 100.0 * (twpa(times_ns, prices, now_ns, t1, 0.0) - base) / base


def price_velocity(times_ns, prices, now_ns, t1=10.0, t3=60.0, d=30.0):
    """PRICE_VELOCITY in percent a second: the magnitude over the distance of the centres of its windows."""
    return pump_magnitude_pct(times_ns, prices, now_ns, t1, t3, d) / ((t3 - d / 2.0) - t1 / 2.0)


def price_momentum(times_ns, prices, now_ns, t1=30.0, t2=0.0, t3=120.0, t4=30.0):
    """PRICE_MOMENTUM: plain means of the prints, however long each was in force."""
    now, base = (prices[inside(times_ns, now_ns, *window)] for window in ((t1, t2), (t3, t4)))
    if not len(now) or not len(base):
        return NAN
    return 100.0 * (now.mean() - base.mean()) / base.mean()


def window_sum(times_ns, values, now_ns, t1, t2=0.0):
    """SUM_VOLUME of any value."""
    return float(values[inside(times_ns, now_ns, t1, t2)].sum())


def buckets(times_ns, quantities, now_ns, t1, t2, t3, t4):
    """Volumes of the base in pieces as long as the current window, latest first, empty ones included."""
    length = t1 - t2
    found = []
    since = t4
    while since + length <= t3 + 1e-9:
        found.append(window_sum(times_ns, quantities, now_ns, since + length, since))
        since += length
    return found


def volume_surge_ratio(times_ns, quantities, now_ns, t1=30.0, t2=0.0, t3=600.0, t4=30.0):
    """VOLUME_SURGE_RATIO: over the median of the buckets; a median of 0 gives way to the mean."""
    if not is_warm(times_ns, now_ns, t3):
        return NAN
    pieces = buckets(times_ns, quantities, now_ns, t1, t2, t3, t4)
    usual = median(pieces) or sum(pieces) / len(pieces)
    return window_sum(times_ns, quantities, now_ns, t1, t2) / usual if usual else NAN


def volume_surge(times_ns, quantities, now_ns, t1=30.0, t2=0.0, t3=600.0, t4=30.0):
    """VOLUME_SURGE: volume a second over that of the base."""
    base = window_sum(times_ns, quantities, now_ns, t3, t4) / (t3 - t4)
    return window_sum(times_ns, quantities, now_ns, t1, t2) / (t1 - t2) / base if base else NAN


def bid_ask_imbalance(times_ns, bid_qty, ask_qty, now_ns, t1=30.0, t2=0.0):
    """BID_ASK_IMBALANCE in percent, weighted by time."""
    return time_weighted(times_ns, 100.0 * (bid_qty - ask_qty) / (bid_qty + ask_qty), now_ns, t1, t2)


def spread_pct(times_ns, bid, ask, now_ns):
    """SPREAD_PCT of the quote in force at T."""
    place = int(np.searchsorted(times_ns, now_ns, side="right")) - 1
    return NAN if place < 0 else float(100.0 * (ask[place] - bid[place]) / ((ask[place] + bid[place]) / 2.0))


def support_level_proximity(times_ns, prices, now_ns, t1=10.0, start=3600.0, end=600.0):
    """SUPPORT_LEVEL_PROXIMITY."""
    base = twpa(times_ns, prices, now_ns, start, end)
    return 100.0 * (twpa(times_ns, prices, now_ns, t1, 0.0) - base) / base


def liquidity_drain_index(times_ns, value, now_ns, t1=30.0, t2=0.0, t3=600.0, t4=30.0):
    """LIQUIDITY_DRAIN_INDEX; ``value`` is what stands at both best prices, in the settle asset. A mean of quotes."""
    now, base = (value[inside(times_ns, now_ns, *window)] for window in ((t1, t2), (t3, t4)))
    if not len(now) or not len(base) or not base.mean():
        return NAN
    return 100.0 * (base.mean() - now.mean()) / base.mean()


def velocity_cascade(times_ns, prices, now_ns, windows=((5, 15, 5), (10, 40, 10), (20, 80, 20)), least=0.01):
    """VELOCITY_CASCADE: how much faster each shorter velocity is than the next, the shortest pair weighing most."""
    speeds = [price_velocity(times_ns, prices, now_ns, *window) for window in windows]
    if any(np.isnan(speeds)):
        return NAN
    ratios = [(a - b) / max(abs(b), least) for a, b in pairwise(speeds)]
    weights = [2.0 ** (len(ratios) - 1 - place) for place in range(len(ratios))]
    score = sum(w * r for w, r in zip(weights, ratios, strict=True)) / sum(weights)
    if len({np.sign(speed) for speed in speeds}) == 1 and speeds[0] != 0:
        score *= 1.2
    return float(np.tanh(score / 2.0))


def momentum_decay(times_ns, prices, now_ns, t1, t2=0.0):
    """MOMENTUM_DECAY: how far the last price lies below the highest of the window, in percent."""
    seen = prices[inside(times_ns, now_ns, t1, t2)]
    return NAN if not len(seen) else float(100.0 * (seen.max() - seen[-1]) / seen.max())


def order_flow_imbalance(times_ns, quantities, buyer_is_maker, now_ns, t1, t2=0.0):
    """ORDER_FLOW_IMBALANCE in percent: bought less sold by takers, over both."""
    rows = inside(times_ns, now_ns, t1, t2)
    sold = float(quantities[rows & buyer_is_maker].sum())
    bought = float(quantities[rows & ~buyer_is_maker].sum())
    return 100.0 * (bought - sold) / (bought + sold) if bought + sold else NAN


def trade_frequency(times_ns, now_ns, t1, t2=0.0):
    """TRADE_FREQUENCY: trades a minute."""
    return 60.0 * int(inside(times_ns, now_ns, t1, t2).sum()) / (t1 - t2)


def trade_clustering_coefficient(times_ns, now_ns, t1, t2=0.0):
    """TRADE_CLUSTERING_COEFFICIENT: variance of the times between trades over their squared mean; five or more."""
    gaps = np.diff(times_ns[inside(times_ns, now_ns, t1, t2)]) / NS
    return NAN if len(gaps) < 5 or not gaps.mean() else float(gaps.var() / gaps.mean() ** 2)
