"""Indicators in plain Python, one value for each bar, None where nothing is known: TA-Lib's formulas, written out.

A series over a longer timeframe is put together from the same bars; its value changes at the close of a period only.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Series = list[float | None]


@dataclass(frozen=True)
class Bar:
    """One bar; ``ts_ns`` is its open."""

    ts_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def sma(values: Sequence[float], period: int) -> Series:
    return [
        None if k + 1 < period else sum(values[k + 1 - period : k + 1]) / period for k in range(len(values))
    ]  # fmt: skip


def ema(values: Sequence[float], period: int) -> Series:
    out: Series = []
    last = 0.0
    for k, value in enumerate(values):
        if k + 1 < period:
            out.append(None)
            continue
        last = sum(values[:period]) / period if k + 1 == period else last + 2.0 / (period + 1) * (value - last)
        out.append(last)
    return out


def rsi(values: Sequence[float], period: int) -> Series:
    out: Series = [None] * min(period, len(values))
    rises = [max(b - a, 0.0) for a, b in itertools.pairwise(values)]
    falls = [max(a - b, 0.0) for a, b in itertools.pairwise(values)]
    gain = loss = 0.0
    for k in range(period - 1, len(rises)):
        if k == period - 1:
            gain, loss = sum(rises[:period]) / period, sum(falls[:period]) / period
        else:
            gain = (gain * (period - 1) + rises[k]) / period
            loss = (loss * (period - 1) + falls[k]) / period
        out.append(100.0 * gain / (gain + loss) if gain + loss > 0 else 0.0)
    return out


def roc(values: Sequence[float], period: int) -> Series:
    out: Series = []
    for k, value in enumerate(values):
        if k < period:
            out.append(None)
        else:
            base = values[k - period]
            out.append((value / base - 1.0) * 100.0 if base else 0.0)
    return out


def atr(bars: Sequence[Bar], period: int) -> Series:
    out: Series = []
    ranges: list[float] = []
    last = 0.0
    for k, bar in enumerate(bars):
        if k:
            before = bars[k - 1].close
            ranges.append(max(bar.high - bar.low, abs(bar.high - before), abs(bar.low - before)))
        if len(ranges) < period:
            out.append(None)
            continue
        last = sum(ranges) / period if len(ranges) == period else (last * (period - 1) + ranges[-1]) / period
        out.append(last)
    return out


def donchian(bars: Sequence[Bar], period: int, output: str) -> Series:
    out: Series = []
    for k in range(len(bars)):
        if k < period:
            out.append(None)
            continue
        window = bars[k - period : k]
        upper, lower = max(bar.high for bar in window), min(bar.low for bar in window)
        out.append({"upper": upper, "lower": lower, "middle": (upper + lower) / 2.0}[output])
    return out


def of_bars(variant: dict[str, Any], bars: Sequence[Bar]) -> Series:
    """The series of a variant over these bars, whatever their timeframe."""
    kind, period = variant["type"], variant.get("period", 0)
    if kind == "PRICE":
        return [getattr(bar, variant.get("output", "close")) for bar in bars]
    if kind == "ATR":
        return atr(bars, period)
    if kind == "DONCHIAN":
        return donchian(bars, period, variant.get("output", "upper"))
    values = [getattr(bar, variant.get("source", "close")) for bar in bars]
    return {"SMA": sma, "EMA": ema, "RSI": rsi, "ROC": roc}[kind](values, period)


def grouped(bars: Sequence[Bar], step_ns: int) -> list[Bar]:
    """Bars of a longer timeframe, multiples of it in UTC, put together from these."""
    periods: dict[int, list[Bar]] = {}
    for bar in bars:
        periods.setdefault(bar.ts_ns - bar.ts_ns % step_ns, []).append(bar)
    return [
        Bar(
            ts_ns,
            own[0].open,
            max(bar.high for bar in own),
            min(bar.low for bar in own),
            own[-1].close,
            sum(bar.volume for bar in own),
        )
        for ts_ns, own in periods.items()
    ]


def series_of(variant: dict[str, Any], bars: Sequence[Bar], step_ns: int, own_step_ns: int) -> Series:
    """The values of a variant at the close of each bar. ``own_step_ns`` is the variant's timeframe in nanoseconds."""
    if own_step_ns == step_ns:
        return of_bars(variant, bars)
    long = grouped(bars, own_step_ns)
    values = of_bars(variant, long)
    out: Series = []
    at = -1
    for bar in bars:
        while at + 1 < len(long) and long[at + 1].ts_ns + own_step_ns <= bar.ts_ns + step_ns:
            at += 1
        out.append(values[at] if at >= 0 else None)
    return out
