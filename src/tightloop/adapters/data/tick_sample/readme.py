"""Text of a tick sample's README: contents, and statistics beside those of the real market it imitates."""

import dataclasses
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from tightloop.adapters.data.tick_sample import constants
from tightloop.adapters.data.tick_sample.books import DEPTH, SNAPSHOT_EVERY_S
from tightloop.adapters.data.tick_sample.constants import REAL
from tightloop.adapters.data.tick_sample.measures import Figures

TOLD = {
    "pump": "five coins are pumped, then the whole market moves; the sixth coin only follows the market",
    "dump": "five coins are dumped without a pump before it, then the whole market falls",
    "thin": "few trades and a wide spread: the last price jumps between bid and ask, and nothing happens",
    "gap": "four pumps; one or two minutes of each coin were not recorded, and trade ids jump",
    "halt": "no trades and no quotes for five to ten minutes, then another price; nothing is missing",
    "flat": "trades continue as usual and the price does not move: nothing should be bought or sold",
}
NAMED = {
    "orders_per_s": "orders a second",
    "prints_per_order": "prints of an order",
    "gap_cv": "deviation of the times between orders over their mean",
    "clustering_10": "variance over mean of counts, windows of 10 orders",
    "clustering_100": "the same, windows of 100 orders",
    "size_tail": "tail index of order sizes",
    "size_mean_to_median": "mean order over the median one",
    "sign_memory_1": "autocorrelation of sides, lag 1",
    "sign_memory_10": "autocorrelation of sides, lag 10",
    "spread_ticks": "spread, increments",
    "depth_orders": "best quantity over the mean order",
    "imbalance_rms": "imbalance of the best quantities, root mean square",
    "quotes_per_order": "quotes for each order",
}


def readme(seed: int, figures: Mapping[str, Sequence[Figures]], rows: Sequence[int]) -> str:
    """Return the text.

    ``figures``: by scenario, one entry per coin, over the quiet time. ``rows``: counts of trades, quotes and book rows.
    """
    scenarios = "\n".join(f"- **{name}**: {TOLD[name]}." for name in figures)
    wanted = ["all"] if len(figures) == len(TOLD) else list(figures)
    options = " ".join(f"--scenario {name}" for name in wanted) + (" --books" if rows[2] else "")
    many = f"{rows[0]:,} trades and {rows[1]:,} quotes"
    return f"""# Tick sample

Synthetic: no price here was ever paid. {many}, the same bytes from the same command:

    tightloop data sample {options} --seed {seed}

{scenarios}

`trades`, `quotes`: ticks of 90 minutes; nothing happens in the first 36. `bars`: the same trades as one-minute bars.
`labels.parquet`: instrument, scenario, kind (pump, dump, market_move, none), start_ns, peak_ns, end_ns, magnitude_pct
(from the start to the peak, as the trades have it), retracement_pct (share of it given back at the end), is_pump. In a
halt, peak_ns is when trading resumes.
{_books(rows[2])}
## How close it is to real data

An order is a run of prints of one side at one moment. Times are in units of the mean time between orders, so that a
busy market and a small coin can be compared. Sample: the median of a scenario's coins, over the quiet time.

{_figures(figures)}

Real: {constants.TICK_SOURCE}.

{_assumptions()}
"""


def _books(rows: int) -> str:
    if not rows:
        return ""
    return f"""
`books`: {rows:,} rows of order books, {DEPTH} levels a side. Their best levels are the quotes. The levels behind have
no source: they stand one increment apart and hold quantities like those of the quotes. Snapshots come every
{SNAPSHOT_EVERY_S:g} seconds and soon after every gap.
"""


def _assumptions() -> str:
    lab = constants
    return textwrap.fill(
        f"What has no source is stated: a small coin has 1/{1 / lab.ARRIVAL_FACTOR:g} of the orders a second, "
        f"1/{1 / lab.QUOTE_FACTOR:g} of the quotes for each order, and {lab.SPREAD_FACTOR:g} times the increments of "
        f"spread of a perp; a thin one 1/{1 / lab.THIN_ARRIVAL_FACTOR:g} of those orders and "
        f"{lab.THIN_SPREAD_FACTOR:g} times that spread. Quiet volatility ({lab.QUIET_BPS_5M:g} basis points in five "
        "minutes) and the size, time to the peak, share given back and surge of volume of the moves are quantiles of "
        "36 pumps and 14 dumps (8 % and more within 30 minutes on three times the usual volume) in "
        f"{lab.BAR_SOURCE}. Such bars do not tell what happens inside five minutes: that "
        f"{100 * lab.BURST_SHARE[0]:g} to {100 * lab.BURST_SHARE[1]:g} % of a move come in its last "
        f"{lab.BURST_S[0]:g} to {lab.BURST_S[1]:g} seconds, with {lab.RUSH:g} times the orders of the minutes before "
        "them, is an assumption. The surge is cut at "
        f"{max(lab.EVENT_SURGES):g} times, and what is given back is so after {lab.FADE_S / 60:g} minutes instead of "
        "30. Moves of the whole market, halts and gaps have no source.",
        118,
    )


def _figures(figures: Mapping[str, Sequence[Figures]]) -> str:
    head = [*figures, *REAL]
    lines = [f"| | {' | '.join(head)} |", f"|---|{'---:|' * len(head)}"]
    columns = [_medians(coins) for coins in figures.values()] + [dataclasses.asdict(real) for real in REAL.values()]
    lines += [f"| {NAMED[name]} | {' | '.join(_said(column[name]) for column in columns)} |" for name in NAMED]
    return "\n".join(lines)


def _medians(coins: Sequence[Figures]) -> dict[str, float]:
    every = [dataclasses.asdict(figures) for figures in coins]
    return {name: float(np.median([figures[name] for figures in every])) for name in NAMED}


def _said(value: float) -> str:
    return "too few" if np.isnan(value) else f"{value:.3g}"
