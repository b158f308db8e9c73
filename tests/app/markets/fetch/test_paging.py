"""Whatever is known already, a walk brings exactly what is lacking: nothing twice, and every hole is said."""

import asyncio
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tightloop.app.markets.fetch.paging import Span, bar_pages, funding_pages, runs, trade_pages
from tightloop.ports.market_data import ListAggregates, Print, SettledRate, VenueBar

MINUTE_NS, HOUR_NS = 60 * 10**9, 3_600 * 10**9


class History:
    """A venue's history; asked as the venue is."""

    def __init__(self, trades=(), opens=(), rates=(), page=7):
        self.trades, self.opens, self.rates, self.page, self.requests = trades, opens, rates, page, []

    async def ask(self, request):
        self.requests.append(request)
        if isinstance(request, ListAggregates):
            if request.from_id >= 0:
                rows = [row for row in self.trades if row.trade_id >= request.from_id]
            else:
                assert request.end_ns - request.start_ns <= HOUR_NS
                rows = [row for row in self.trades if request.start_ns <= row.ts_event_ns < request.end_ns]
            return rows[: min(self.page, request.count)]
        source = self.rates or self.opens
        rows = [at_ns for at_ns in source if request.start_ns <= at_ns < request.end_ns][: self.page]
        if self.rates:
            return [SettledRate("X", at_ns / 1e20, 1.0, at_ns) for at_ns in rows]
        return [VenueBar("X", at_ns, at_ns + MINUTE_NS, 1.0, 2.0, 0.5, 1.5, float(at_ns), True) for at_ns in rows]


def walked(pages):
    async def collect():
        return [page async for page in pages]

    return asyncio.run(collect())


def keys(pages, name):
    return [key for page in pages for key in page.columns[name].tolist()]


@given(st.sets(st.integers(0, 60)), st.integers(1, 5))
def test_runs_are_the_groups_of_what_is_a_step_apart(drawn, step):
    ascending = np.array(sorted(drawn), np.int64) * step
    found = runs(ascending, step)
    assert [key for first, last in found for key in range(first, last + 1, step)] == ascending.tolist()
    assert all(later[0] - earlier[1] > step for earlier, later in itertools.pairwise(found))


@settings(max_examples=150, deadline=None)
@given(
    lost=st.sets(st.integers(0, 39)), known=st.sets(st.integers(0, 49)), first=st.integers(0, 45),
    length=st.integers(1, 50),
)  # fmt: skip
def test_trades_are_brought_once_and_holes_are_said(lost, known, first, length):
    trades = [Print("X", 1.0, 1.0, n, False, n * 10 * MINUTE_NS + 1) for n in range(50) if n not in lost]
    known = sorted(known - lost)
    span = Span("X", False, first * 10 * MINUTE_NS, (first + length) * 10 * MINUTE_NS)
    inside = [row.trade_id for row in trades if span.start_ns <= row.ts_event_ns < span.end_ns]
    pages = walked(trade_pages(History(trades), span, np.array(known, np.int64)))
    assert keys(pages, "trade_id") == [trade_id for trade_id in inside if trade_id not in known]
    if inside:
        said = [n for page in pages for first, last in page.lacking for n in range(first, last + 1)]
        assert len(said) == len(set(said))
        assert set(said) == {n for n in lost if inside[0] < n < inside[-1]}


@settings(max_examples=150, deadline=None)
@given(
    lost=st.sets(st.integers(0, 39)), known=st.sets(st.integers(0, 49)), start_ns=st.integers(0, 10 * MINUTE_NS),
    length=st.integers(1, 45 * MINUTE_NS),
)  # fmt: skip
def test_bars_are_brought_once_and_only_those_that_ended(lost, known, start_ns, length):
    opens = [n * MINUTE_NS for n in range(50) if n not in lost]
    known_ns = np.array(sorted(n * MINUTE_NS for n in known - lost), np.int64)
    span = Span("X", False, start_ns, start_ns + length)
    history = History(opens=opens)
    pages = walked(bar_pages(history, span, "1m", known_ns))
    expected = [at for at in opens if span.start_ns <= at <= span.end_ns - MINUTE_NS and at not in known_ns]
    assert keys(pages, "ts") == expected
    asked = [(request.start_ns, request.end_ns) for request in history.requests]
    assert not any(start <= at < end for start, end in asked for at in known_ns.tolist() if at >= start_ns)


def test_nothing_is_asked_for_when_all_is_there():
    history = History(opens=[n * MINUTE_NS for n in range(10)])
    walked(bar_pages(history, Span("X", False, 0, 10 * MINUTE_NS), "1m", np.arange(10) * MINUTE_NS))
    assert not history.requests


def test_rates_are_walked_through_to_the_last(monkeypatch):
    monkeypatch.setattr("tightloop.app.markets.fetch.paging.RATES_PER_PAGE", 7)
    rates = [n * 8 * HOUR_NS + 3_000_000 for n in range(20)]
    known = np.array([rates[3] - 3_000_000, rates[9]], np.int64)
    pages = walked(funding_pages(History(rates=rates), Span("X", False, 0, 21 * 8 * HOUR_NS), known))
    assert keys(pages, "ts") == [*rates[:3], *rates[4:9], *rates[10:]]
    assert len(pages) == 3
