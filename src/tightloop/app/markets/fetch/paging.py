"""Walks through a venue's history page by page, past what the catalog has already.

A page is columns as the catalog has them, and how far the walk has come. Nothing is asked for twice that is there:
bars are asked for where the grid has none, trades where their ids, which a venue counts one by one, have none.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tightloop.app.markets.fetch.asking import Asker
from tightloop.model.instruments import TIMEFRAMES
from tightloop.model.times import HOUR_NS, SECOND_NS
from tightloop.ports.market_data import ListAggregates, ListBars, ListFundingRates, Print, SettledRate, VenueBar

BARS_PER_PAGE = 1_000
TRADES_PER_PAGE = 1_000
RATES_PER_PAGE = 1_000
_MILLISECOND_NS = 1_000_000

Columns = dict[str, npt.NDArray[Any]]
Keys = npt.NDArray[np.int64]
_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of a symbol in [start_ns, end_ns)."""

    symbol: str
    is_spot: bool
    start_ns: int
    end_ns: int


class Page(NamedTuple):
    """Rows, and up to when the walk has come. ``lacking``: (first, last) of ids that the venue left out."""

    columns: Columns
    reached_ns: int
    lacking: tuple[tuple[int, int], ...] = ()


async def bar_pages(asker: Asker, span: Span, timeframe: str, known: Keys) -> AsyncIterator[Page]:
    """Yield bars that had ended at ``end_ns``, where none are known."""
    step_ns = TIMEFRAMES[timeframe]
    first_ns = -(-span.start_ns // step_ns) * step_ns
    missing = np.setdiff1d(np.arange(first_ns, span.end_ns - step_ns + 1, step_ns, dtype=np.int64), known)
    for start_ns, last_ns in runs(missing, step_ns):
        at_ns = start_ns
        while at_ns <= last_ns:
            request = ListBars(span.symbol, timeframe, at_ns, last_ns + 1, BARS_PER_PAGE, span.is_spot)
            bars = _of(VenueBar, await asker.ask(request))
            bars = [bar for bar in bars if at_ns <= bar.open_ns <= last_ns]
            if not bars:
                break
            at_ns = bars[-1].open_ns + step_ns
            columns = {"ts": np.array([bar.open_ns for bar in bars], np.int64)}
            for name in ("open", "high", "low", "close", "volume"):
                columns[name] = np.array([getattr(bar, name) for bar in bars])
            yield Page(columns, at_ns)


async def trade_pages(asker: Asker, span: Span, known: Keys) -> AsyncIterator[Page]:
    """Yield aggregate trades whose ids are not known."""
    next_id = await _first_id(asker, span)
    known_runs = runs(known, 1)
    while next_id is not None:
        next_id = next((last + 1 for first, last in known_runs if first <= next_id <= last), next_id)
        request = ListAggregates(span.symbol, next_id, 0, 0, TRADES_PER_PAGE, span.is_spot)
        page = _of(Print, await asker.ask(request))
        rows = [row for row in page if row.trade_id >= next_id and row.ts_event_ns < span.end_ns]
        if not rows:
            return
        ids = np.array([row.trade_id for row in rows], np.int64)
        before = np.concatenate(([next_id - 1], ids[:-1]))
        holes = np.flatnonzero(ids > before + 1)
        lacking = tuple(zip((before[holes] + 1).tolist(), (ids[holes] - 1).tolist(), strict=True))
        times = np.array([row.ts_event_ns for row in rows], np.int64)
        columns = {
            "ts_event_ns": times,
            "ts_init_ns": times,
            "trade_id": ids,
            "price": np.array([row.price for row in rows]),
            "qty": np.array([row.qty for row in rows]),
            "buyer_is_maker": np.array([row.is_buyer_maker for row in rows]),
        }
        fresh = ~np.isin(ids, known)
        yield Page({name: column[fresh] for name, column in columns.items()}, int(times[-1]), lacking)
        next_id = int(ids[-1]) + 1 if len(rows) == len(page) else None


async def _first_id(asker: Asker, span: Span) -> int | None:
    """Return the id of the first trade in the window, hour by hour as the venue allows; None if there is none."""
    at_ns = span.start_ns
    while at_ns < span.end_ns:
        end_ns = min(span.end_ns, at_ns + HOUR_NS)
        request = ListAggregates(span.symbol, -1, at_ns, end_ns, 1, span.is_spot)
        rows = _of(Print, await asker.ask(request))
        if rows:
            return rows[0].trade_id
        at_ns = end_ns
    return None


async def funding_pages(asker: Asker, span: Span, known: Keys) -> AsyncIterator[Page]:
    """Yield settled rates that are not known; a thousand of them are most of a year, so all are asked for.

    Sources differ by milliseconds in the stamp of a settlement, so stamps are compared to the second.
    """
    at_ns = span.start_ns
    while at_ns < span.end_ns:
        request = ListFundingRates(span.symbol, at_ns, span.end_ns, RATES_PER_PAGE)
        rates = _of(SettledRate, await asker.ask(request))
        if not rates:
            return
        times = np.array([rate.ts_event_ns for rate in rates], np.int64)
        fresh = ~np.isin(_seconds(times), _seconds(known))
        values = np.array([rate.rate for rate in rates])
        yield Page({"ts": times[fresh], "rate": values[fresh]}, int(times[-1]))
        if len(rates) < RATES_PER_PAGE:
            return
        at_ns = int(times[-1]) + _MILLISECOND_NS


def _seconds(times: Keys) -> Keys:
    return (times + SECOND_NS // 2) // SECOND_NS


def runs(keys: Keys, step: int) -> list[tuple[int, int]]:
    """Return (first, last) of each group of ascending keys that are ``step`` apart."""
    if not len(keys):
        return []
    ends = np.flatnonzero(np.diff(keys) != step)
    firsts = keys[np.concatenate(([0], ends + 1))].tolist()
    lasts = keys[np.concatenate((ends, [len(keys) - 1]))].tolist()
    return list(zip(firsts, lasts, strict=True))


def _of(kind: type[_Record], records: list[Any]) -> list[_Record]:
    return [record for record in records if isinstance(record, kind)]
