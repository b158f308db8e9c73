"""Published rewards of liquid staking: tokens per ETH staked, paid once per period, valued at the market price."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tightloop.app.markets.carry.rows import CarryRows, as_of, at
from tightloop.model.carry.strategy import Leg
from tightloop.model.errors import InputError
from tightloop.model.instruments import InstrumentId
from tightloop.model.times import DAY_NS, HOUR_NS, iso_ns
from tightloop.runtime.feeds.carry import Payout, SeriesKey

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class _Program:
    """Where a reward is published, for which LST, and the pool that prices its token in ETH."""

    path: str
    lst: str
    token: str
    market: InstrumentId


PROGRAMS: Mapping[str, _Program] = {
    "eigen": _Program(
        "rewards/etherfi-eigen-weekly", "weETH", "EIGEN", InstrumentId("uniswap_v3", "EIGENWETH", "spot")
    ),
    "ethfi": _Program(
        "rewards/etherfi-ethfi-topups", "weETH", "ETHFI", InstrumentId("uniswap_v3", "ETHFIWETH", "spot")
    ),
}
"""Reward programs by their name in strategy files."""


def payouts_of(leg: Leg, rows: CarryRows, usd: Mapping[str, InstrumentId]) -> tuple[Payout, ...]:
    """Return payouts of a leg's rewards in (first instant, last instant], in time order.

    Weekly EIGEN is paid at the end of the week's last day, an ETHFI top-up one hour into the day it names; each is
    valued at the close of the hourly bar that ends then.
    """
    payouts: list[Payout] = []
    for name in leg.rewards:
        if name not in PROGRAMS or PROGRAMS[name].lst != leg.lst:
            there = ", ".join(known for known, program in PROGRAMS.items() if program.lst == leg.lst) or "none"
            message = f"there is no reward {name} for {leg.lst}"
            raise InputError.one("strategy", None, f"legs.{leg.name}.rewards", message, f"there are {there}")
        program = PROGRAMS[name]
        published = rows.catalog.table(program.path)
        rows.reports.append(published.report)
        periods = [period for period in _periods(published.columns) if rows.start_ns < period.ts_ns <= rows.end_ns]
        payouts += _priced(periods, program, rows, usd)
    return tuple(sorted(payouts, key=lambda payout: (payout.ts_ns, payout.token)))


@dataclass(frozen=True, slots=True)
class _Period:
    ts_ns: int
    per_unit: float
    from_ns: int
    to_ns: int


def _periods(columns: Mapping[str, tuple[Any, ...]]) -> list[_Period]:
    from_ns, last_day = (_days(columns[name], name) for name in ("staking_period_start", "staking_period_end"))
    to_ns = last_day + DAY_NS
    if "top_up_date" in columns:
        paid, per_unit = (
            _days(columns["top_up_date"], "top_up_date") + HOUR_NS,
            np.array(columns["ethfi_per_eeth_distributed"], float),
        )
    else:
        staked = np.array(columns["eth_restaked"], float) + np.array(columns["eth_not_restaked"], float)
        paid, per_unit = to_ns, np.array(columns["eigen_earned"], float) / staked
    return [
        _Period(*row) for row in zip(paid.tolist(), per_unit.tolist(), from_ns.tolist(), to_ns.tolist(), strict=True)
    ]


def _days(values: tuple[Any, ...], column: str) -> Ints:
    days = [iso_ns(str(value)[:10]) if _DAY.match(str(value)) else None for value in values]
    wrong = next((row for row, day in enumerate(days) if day is None), None)
    if wrong is not None:
        message = f"{values[wrong]!r} (row {wrong + 1}) is not a day"
        raise InputError.one("rewards", None, column, message, "write it as 2024-01-31")
    return np.array(days, np.int64)


def _priced(
    periods: list[_Period], program: _Program, rows: CarryRows, usd: Mapping[str, InstrumentId]
) -> list[Payout]:
    if not periods:
        rows.warnings.append(f"no payout of {program.token} is published for this time")
        return []
    paid = np.array([period.ts_ns for period in periods])
    in_eth = _closes(program.market, rows, paid)
    eth_usd = rows.opens(usd["ETH"], paid) if "ETH" in usd else np.full(len(paid), np.nan)
    unpriced = int(np.isnan(in_eth).sum())
    if unpriced:
        rows.warnings.append(
            f"{unpriced} of {len(periods)} payouts of {program.token} have no market price: reported, not valued"
        )
    return [
        Payout(period.ts_ns, program.token, period.per_unit, price * eth, period.from_ns, period.to_ns, price)
        for period, price, eth in zip(periods, in_eth.tolist(), eth_usd.tolist(), strict=True)
    ]


def price_columns(
    legs: Sequence[Leg], rows: CarryRows, usd: Mapping[str, InstrumentId]
) -> Iterator[tuple[SeriesKey, Floats, bool]]:
    """Yield the price of each reward token: the last hourly close known at an instant, times the price of ETH.

    Without a price of ETH it stays in ETH: the share class is then ETH, and so is the unit of all prices.
    """
    for name in dict.fromkeys(name for leg in legs for name in leg.rewards if name in PROGRAMS):
        program = PROGRAMS[name]
        prices = np.full(len(rows.instants), np.nan)
        path = f"bars/{program.market.venue}/{program.market.stem}-1h"
        if rows.catalog.has(path):
            first, last, _ = rows.catalog.span(path)
            window = max(rows.start_ns - DAY_NS, first), min(rows.end_ns, last)
            if window[0] <= window[1]:
                loaded = rows.catalog.bars_around(program.market, "1h", *window, rows.accepted)
                prices = as_of(loaded.bars["close_ns"], loaded.bars["close"], rows.instants)
        if "ETH" in usd:
            prices = prices * rows.opens(usd["ETH"])
        yield SeriesKey("price", program.token), prices, False


def _closes(market: InstrumentId, rows: CarryRows, paid: Ints) -> Floats:
    """Return the close of the hourly bar that ends at each time; NaN without one."""
    path = f"bars/{market.venue}/{market.stem}-1h"
    if not rows.catalog.has(path):
        return np.full(len(paid), np.nan)
    first, last, _ = rows.catalog.span(path)
    window = max(int(paid.min()) - HOUR_NS, first), min(int(paid.max()), last)
    if window[0] > window[1]:
        return np.full(len(paid), np.nan)
    loaded = rows.catalog.bars_around(market, "1h", *window, rows.accepted)
    rows.reports.append(loaded.report)
    return at(loaded.bars["close_ns"], loaded.bars["close"], paid)
