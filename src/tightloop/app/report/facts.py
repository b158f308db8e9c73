"""Figures behind the tables of the report: months, exits, distribution, costs, refusals. No HTML."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tightloop.app.markets.notes import SYNTHETIC, denials, is_synthetic
from tightloop.app.text.numbers import nanoseconds

HISTOGRAM_BINS = 31
OPEN = "open"
ENDED = ("DENIED", "REJECTED", "EXPIRED", "CANCELED")
"""Final states of an order that was not filled completely; any other state but FILLED is open."""
LOSSES_IN_A_ROW = "losses in a row"

EXIT_NAMES = {
    "ZE1": "ZE1 close rule",
    "E1": "E1 emergency",
    "stop_loss": "stop loss",
    "take_profit": "take profit",
    "trailing": "trailing stop",
    "time": "time limit",
    "liquidation": "liquidation",
    "manual": "manual",
    "strategy": "strategy's exit",
    OPEN: "still open",
}


@dataclass(frozen=True, slots=True)
class Month:
    """The return of a month; ``whole`` is False for a first or last month that the run covers only in part."""

    year: int
    month: int
    return_pct: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Bin:
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Closed trades of one exit reason or one instrument."""

    name: str
    trades: int
    wins: int
    pnl: float
    pnl_avg: float
    hold_s_avg: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason why something did not happen: how often, first and last time."""

    where: str
    reason: str
    count: int
    first_ns: int
    last_ns: int


def monthly_returns(
    ts: npt.NDArray[np.int64], equity: npt.NDArray[np.float64], initial_equity: float, start_ns: int, end_ns: int
) -> list[Month]:
    """Compute returns between month ends, compounding to the total return.

    A record stamped at midnight closes the day before.
    """
    if len(ts) == 0:
        return []
    start_month = _month_number(np.array([start_ns]))[0]
    months = np.maximum(_month_number(ts - 1), start_month)
    last = np.append(np.flatnonzero(np.diff(months)), len(months) - 1)
    base, found = initial_equity, []
    for row in last:
        year, month = divmod(int(months[row]), 12)
        year += 1970
        begin, end = (
            int(np.datetime64(f"{y:04d}-{m + 1:02d}", "ns").astype(np.int64)) for y, m in _and_next(year, month)
        )
        growth = (float(equity[row]) / base - 1.0) * 100.0 if base > 0 else float("nan")
        found.append(Month(year, month + 1, growth, start_ns <= begin and end_ns >= end))
        base = float(equity[row])
    return found


def year_return(months: list[Month]) -> float:
    return float((np.prod([1.0 + m.return_pct / 100.0 for m in months]) - 1.0) * 100.0)


def closed(trades: pl.DataFrame) -> pl.DataFrame:
    return trades.filter(pl.col("exit_ts").is_not_null())


def histogram(pnl: npt.NDArray[np.float64]) -> list[Bin]:
    """Bin results at equal width with an edge at zero; the outermost bins hold the tails beyond 1 % and 99 %."""
    if len(pnl) == 0:
        return []
    low, high = (float(v) for v in np.quantile(pnl, (0.01, 0.99)))
    low, high = min(low, 0.0), max(high, 0.0)
    if high == low:
        return [Bin(low, high, len(pnl))]
    width = _round_width((high - low) / HISTOGRAM_BINS)
    first, last = int(np.floor(low / width)), int(np.ceil(high / width))
    place = np.clip(np.floor(pnl / width).astype(np.int64), first, max(first, last - 1))
    counts = np.bincount(place - first, minlength=max(1, last - first))
    return [Bin((first + i) * width, (first + i + 1) * width, int(c)) for i, c in enumerate(counts)]


def outcomes(trades: pl.DataFrame, column: str) -> list[Outcome]:
    """Aggregate closed trades by ``column``, most frequent first."""
    seconds = (pl.col("exit_ts") - pl.col("entry_ts")).cast(pl.Float64) / 1e9
    table = (
        closed(trades)
        .group_by(column, maintain_order=True)
        .agg(
            pl.len().alias("trades"),
            (pl.col("pnl") > 0).sum().alias("wins"),
            pl.col("pnl").sum().alias("total"),
            pl.col("pnl").mean().alias("average"),
            seconds.mean().alias("hold"),
        )
        .sort(["trades", column], descending=[True, False])
    )
    return [
        Outcome(str(r[column]), r["trades"], r["wins"], r["total"], r["average"], r["hold"])
        for r in table.iter_rows(named=True)
    ]


def extremes(pnl: npt.NDArray[np.float64]) -> dict[str, float | None]:
    """Compute median, best, worst, average win and loss, and the longest losing streak."""
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]
    row = longest = 0
    for result in pnl:
        row = row + 1 if result < 0 else 0
        longest = max(longest, row)
    return {
        "average win": float(wins.mean()) if len(wins) else None,
        "average loss": float(losses.mean()) if len(losses) else None,
        "median": float(np.median(pnl)) if len(pnl) else None,
        "best": float(pnl.max()) if len(pnl) else None,
        "worst": float(pnl.min()) if len(pnl) else None,
        LOSSES_IN_A_ROW: float(longest) if len(pnl) else None,
    }


def suppressed(signals: pl.DataFrame) -> list[Refusal]:
    """Count sections that fired and were suppressed, by section and reason; the file has a row per change of reason."""
    return _refusals(signals.filter(pl.col("event") == "suppressed"), "section", "ts")


def refused_orders(orders: pl.DataFrame) -> list[Refusal]:
    """Count entry orders not filled completely: denied, rejected, ended partly filled or unfilled, or still open.

    By state and reason. A stop or a target that was canceled kept nothing from happening: its position was closed by
    another order.
    """
    rows = orders.filter((pl.col("state") != "FILLED") & ~pl.col("reduce_only"))
    part = pl.when(pl.col("filled_qty").fill_null(0.0) > 0.0).then(pl.lit(", filled in part")).otherwise(pl.lit(""))
    waiting = ~pl.col("state").is_in(ENDED)
    state = pl.when(waiting).then(pl.lit("WAITING")).otherwise(pl.col("state"))
    reason = pl.when(waiting & pl.col("reason").is_null()).then(pl.lit("the run ended")).otherwise(pl.col("reason"))
    named = rows.with_columns((state + " " + pl.col("role") + part).alias("where"), reason.alias("reason"))
    return _refusals(named, "where", "submitted_ts")


def none_refused(orders: pl.DataFrame) -> str:
    """Return the sentence shown where ``refused_orders`` is empty."""
    made = orders.filter(~pl.col("reduce_only")).height
    return "Every entry order was filled." if made else "No entry order was made."


def path_to_trades(signals: pl.DataFrame, orders: pl.DataFrame, trades: pl.DataFrame) -> list[tuple[str, int]]:
    """Count the stages from detection to a trade."""
    fired = firings(signals)["section"].to_list()
    held_back = signals.filter((pl.col("event") == "suppressed") & pl.col("section").is_in(["S1", "Z1"])).height
    entries = orders.filter(~pl.col("reduce_only"))
    return [
        ("S1 signals detected", fired.count("S1")),
        ("S1 or Z1 suppressed", held_back),
        ("cancelled by O1", fired.count("O1")),
        ("Z1 entries decided", fired.count("Z1")),
        ("entry orders made", entries.height),
        ("denied by our checks", entries.filter(pl.col("state") == "DENIED").height),
        ("filled, whole or in part", entries.filter(pl.col("filled_qty").fill_null(0.0) > 0.0).height),
        ("trades", trades.height),
    ]


def liquidity(fills: pl.DataFrame) -> list[tuple[str, int, float, float]]:
    """Return (maker or taker, fills, turnover, fees); turnover is price times quantity."""
    table = (
        fills.group_by("liquidity", maintain_order=True)
        .agg(
            pl.len().alias("n"),
            (pl.col("price") * pl.col("qty").abs()).sum().alias("turnover"),
            pl.col("fee").sum().alias("fees"),
        )
        .sort("liquidity", descending=True)
    )
    return [(str(r["liquidity"]), r["n"], r["turnover"], r["fees"]) for r in table.iter_rows(named=True)]


def said_first(result: Mapping[str, Any]) -> list[str]:
    """Return the notices at the top of the page: synthetic data, denied entries and their remedy."""
    return [SYNTHETIC] * is_synthetic(result) + denials(result)


def firings(signals: pl.DataFrame) -> pl.DataFrame:
    return signals.filter(pl.col("event") == "fired")


def conditions_of(text: str | None) -> list[Mapping[str, Any]]:
    """Parse the conditions of one firing, as the engine wrote them."""
    found = json.loads(text) if text else []
    assert isinstance(found, list), f"signals.conditions is a JSON list, not {text!r:.80}"
    return found


def run_span(result: Mapping[str, Any]) -> tuple[int, int]:
    start, end = nanoseconds(result["from"]), nanoseconds(result["to"])
    assert start is not None, "result.json has no from"
    assert end is not None, "result.json has no to"
    return start, end


def _refusals(rows: pl.DataFrame, where: str, stamp: str) -> list[Refusal]:
    table = (
        rows.with_columns(pl.col("reason").fill_null("no reason given"))
        .group_by([where, "reason"], maintain_order=True)
        .agg(pl.len().alias("n"), pl.col(stamp).min().alias("first"), pl.col(stamp).max().alias("last"))
        .sort(["n", where, "reason"], descending=[True, False, False])
    )
    return [Refusal(r[where], r["reason"], r["n"], r["first"], r["last"]) for r in table.iter_rows(named=True)]


def _month_number(stamps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return months since January 1970."""
    return stamps.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)


def _and_next(year: int, month: int) -> tuple[tuple[int, int], tuple[int, int]]:
    return (year, month), (year + (month + 1) // 12, (month + 1) % 12)


def _round_width(width: float) -> float:
    """Round up to the next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(next(step * power for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * power >= width * (1 - 1e-12)))
