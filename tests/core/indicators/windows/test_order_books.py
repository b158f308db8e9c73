"""What is computed on order books, by hand and by its definition on a plain replay of random ones."""

import math

import numpy as np
import pytest
from tests.core.indicators.windows.harness import START_NS, cells_of, ns, plan_of

from tightloop.core import limits
from tightloop.core.domain.enums import EventKind
from tightloop.core.domain.ticks import TICK, BookRow, Clock
from tightloop.core.replay import ticks as replay_ticks
from tightloop.model.errors import InputError
from tightloop.model.signal import read as signal_read
from tightloop.runtime.backtest.one_by_one import ticks as ticks_one_by_one
from tightloop.runtime.feeds.ticks import TickFeed, TickSource
from tightloop.runtime.results.recorder import Recorder

FEED = ("trades", "book")
VARIANTS = {
    "deep": {"type": "BID_ASK_IMBALANCE", "t1": 4, "levels": 3},
    "top": {"type": "BID_ASK_IMBALANCE", "t1": 4},
    "both": {"type": "BOOK_DEPTH", "within_pct": 0.15},
    "bids": {"type": "BOOK_DEPTH", "within_pct": 0.15, "side": "bid"},
    "asks": {"type": "BOOK_DEPTH", "within_pct": 100, "side": "ask"},
    "bid": {"type": "BEST_BID"},
    "spread": {"type": "SPREAD_PCT"},
}


def rows_of(updates):
    """Rows from (seconds, seq, is a snapshot, [(side, price, quantity)])."""
    rows = []
    for seconds, seq, is_snapshot, levels in updates:
        for k, (side, price, qty) in enumerate(levels):
            flags = (BookRow.IS_BID if side > 0 else 0) | (BookRow.IS_SNAPSHOT if is_snapshot else 0)
            flags |= (BookRow.IS_FIRST if k == 0 else 0) | (BookRow.IS_LAST if k == len(levels) - 1 else 0)
            at = START_NS + ns(seconds)
            rows.append((at, at, seq, int(flags), price, qty, 0.0, 0.0))
    return np.array(rows, TICK)


def watch(updates, variants=VARIANTS, prints=()):
    """Time, kind and what every variant was after every event that ends an update, tells of a gap or is a grid's."""
    plan = plan_of(variants, FEED)
    cells, seen = cells_of(plan), []
    trades = np.zeros(len(prints), TICK)
    for row, (seconds, price) in zip(trades, prints, strict=True):
        row["ts_event_ns"] = row["ts_init_ns"] = START_NS + ns(seconds)
        row["trade_id"], row["price"], row["qty"] = 1 + len(seen), price, 1.0
    sources = [TickSource(0, "trades", iter([trades])), TickSource(0, "book", iter([rows_of(updates)]))]
    feed = TickFeed([(source, Clock.BOTH) for source in sources], {}, plan.grids_ns)

    def observe(plan):
        at_s = (int(plan.states[0]["ts_ns"]) - START_NS) / 1e9
        seen.append((at_s, {name: float(plan.arena[a]) for name, (a, _) in cells.items()}))

    ticks_one_by_one.run(plan, feed, Recorder(), observe)
    return seen, plan


SNAPSHOT = [(1, 100.0, 5), (1, 99.9, 6), (1, 99.8, 7), (1, 99.0, 50), (-1, 100.2, 4), (-1, 100.3, 3), (-1, 100.4, 2)]


def test_figures_are_those_computed_by_hand():
    seen, _ = watch([(0, 1, True, SNAPSHOT), (2, 2, False, [(1, 100.0, 0)]), (4, 3, False, [(1, 90.0, 1)])])
    at, last = seen[-1]
    assert at == 4
    # Two seconds with 18 against 9 in the three best levels, two with 6 + 7 + 50 against 9.
    assert last["deep"] == pytest.approx((2 * 100 * 9 / 27 + 2 * 100 * 54 / 72) / 4)
    assert last["top"] == pytest.approx((2 * 100 * 1 / 9 + 2 * 100 * 2 / 10) / 4)
    # The middle is 100.05; 0.15 % of it reaches from 99.899925 to 100.200075.
    assert last["bids"] == pytest.approx(6 * 99.9)
    assert last["both"] == pytest.approx(6 * 99.9 + 4 * 100.2)
    assert last["asks"] == pytest.approx(4 * 100.2 + 3 * 100.3 + 2 * 100.4)
    assert last["bid"] == 99.9
    assert last["spread"] == pytest.approx(100 * 0.3 / 100.05)


@pytest.mark.parametrize(
    "wrong",
    [
        (5, 9, False, [(1, 99.5, 1)]),  # updates are missing
        (5, 3, False, [(1, 100.2, 1)]),  # locked
        (5, 3, False, [(1, 100.5, 1)]),  # crossed
        (5, 3, False, [(-1, 100.2, 0), (-1, 100.3, 0), (-1, 100.4, 0)]),  # one side is empty
    ],
)
def test_what_can_not_be_known_is_unknown_until_a_snapshot_and_windows_until_they_begin_after_it(wrong):
    after = [(7, 20, True, SNAPSHOT), (10.5, 21, False, [(1, 90.0, 1)]), (11, 22, False, [(1, 90.0, 2)])]
    seen, _ = watch([(0, 1, True, SNAPSHOT), (4.5, 2, False, [(1, 90.0, 1)]), wrong, *after])
    known = dict(seen)
    assert not any(math.isnan(value) for value in known[4.5].values())
    assert all(math.isnan(value) for value in known[5].values())
    assert all(math.isnan(value) for value in known[6].values())
    assert {name for name, value in known[7].items() if math.isnan(value)} == {"deep", "top"}
    assert math.isnan(known[10.5]["deep"])
    assert known[11]["deep"] == pytest.approx(100 * 9 / 27)


def test_before_the_first_snapshot_nothing_is_known():
    seen, plan = watch([(0, 1, False, SNAPSHOT), (1, 2, False, SNAPSHOT), (2, 9, True, SNAPSHOT)])
    assert all(math.isnan(value) for at, values in seen for value in values.values() if at < 2)
    assert seen[-1][1]["bid"] == 100.0
    assert plan.states[0]["instruments"][0]["mark"] == 100.1


def test_depth_that_may_reach_beyond_what_is_kept_is_unknown():
    many = [(1, 100.0 - k / 1e4, 1.0) for k in range(limits.LEVELS_MAX + 10)]
    seen, _ = watch([(0, 1, True, [*many, (-1, 100.1, 1)])], {"whole": {"type": "BOOK_DEPTH", "within_pct": 50},
                    "near": {"type": "BOOK_DEPTH", "within_pct": 0.06}})  # fmt: skip
    assert math.isnan(seen[-1][1]["whole"])
    # 0.06 % of 100.05 reaches down to 99.98997: 101 levels from 100.0 to 99.99, and the ask.
    assert seen[-1][1]["near"] == pytest.approx(sum(100.0 - k / 1e4 for k in range(101)) + 100.1)


@pytest.mark.parametrize("seed", range(5))
def test_on_random_books_they_are_as_defined(seed):
    rng = np.random.default_rng(seed)
    updates, books, book, seq, at = [], [], None, 0, 0.0
    for _ in range(300):
        at = round(at + float(rng.exponential(0.4)), 3)
        seq += 1
        roll = rng.random()
        middle = 1_000 + int(rng.integers(-3, 4))
        if book is None or roll < 0.1:
            levels = [(1, middle - k, int(rng.integers(1, 50))) for k in range(1, 6)]
            levels += [(-1, middle + k, int(rng.integers(1, 50))) for k in range(1, 6)]
            book = {}
        elif roll < 0.15:
            seq, book = seq + 3, None
            levels = [(1, 5, 1)]
        else:
            side = int(rng.choice([-1, 1]))
            edge = max((p for (s, p) in book if s == -side), default=1_000, key=lambda p: -side * p)
            levels = [(side, edge - side * int(rng.integers(1, 8)), int(rng.integers(0, 3) * rng.integers(1, 40)))]
        if book is not None:
            for side, price, qty in levels:
                book.pop((side, price), None)
                if qty:
                    book[(side, price)] = qty
        updates.append((at, seq, bool(book is not None and len(levels) > 1), [(s, p / 10, q) for s, p, q in levels]))
        books.append((at, None if book is None else dict(book)))
    seen, _ = watch(updates)
    at_time = dict(seen)
    for when, now in books:
        if books[-1][0] == when or sum(own == when for own, _ in books) > 1:
            continue
        bids, asks = _sides(now)
        got = at_time[when]
        if not bids or not asks:
            assert all(math.isnan(value) for value in got.values())
            continue
        middle = (bids[0][0] + asks[0][0]) / 2
        near = sum(p * q for p, q in [*bids, *asks] if abs(p - middle) <= middle * 0.0015)
        assert got["both"] == pytest.approx(near)
        assert got["bid"] == pytest.approx(bids[0][0])
        expected = _mean_imbalance(books, when, 4.0)
        assert got["deep"] == pytest.approx(expected, nan_ok=True)


def _sides(book):
    if book is None:
        return [], []
    bids = sorted(((p / 10, q) for (s, p), q in book.items() if s > 0), reverse=True)
    return bids, sorted((p / 10, q) for (s, p), q in book.items() if s < 0)


def _mean_imbalance(books, now, span):
    """By its definition: over time, of three levels; NaN when the book was not known all the time."""
    total, edges = 0.0, [*(at for at, _ in books), math.inf]
    covered = 0.0
    for (at, book), end in zip(books, edges[1:], strict=True):
        begin, until = max(at, now - span), min(end, now)
        if until <= begin:
            continue
        bids, asks = _sides(book)
        if not bids or not asks:
            return math.nan
        b, a = sum(q for _, q in bids[:3]), sum(q for _, q in asks[:3])
        total += 100 * (b - a) / (b + a) * (until - begin)
        covered += until - begin
    return total / covered if covered == pytest.approx(span) else math.nan


def test_a_book_stands_in_for_quotes_and_depth_needs_a_book():
    text = (
        "name: own\nfamily: signal\ndirection: LONG\ninstruments: ['test:AAAUSDT-perp']\nfeed: [trades, {feed}]\n"
        "variants: {{own: {{type: {type}}}}}\nsections:\n  S1: {{all: [{{own: '> 0'}}]}}\n"
        "  Z1: {{immediate: true, size: {{type: fixed, value: 100}}, order: {{type: limit, price: best_bid}}}}\n"
    )
    signal_read.loads(text.format(feed="book", type="SPREAD_PCT"))
    with pytest.raises(InputError, match="BOOK_DEPTH needs book"):
        signal_read.loads(text.format(feed="quotes", type="BOOK_DEPTH"))
    with pytest.raises(InputError, match="BID_ASK_IMBALANCE needs book"):
        signal_read.loads(text.format(feed="quotes", type="BID_ASK_IMBALANCE, levels: 3"))
    with pytest.raises(InputError, match="2 is neither 1 nor 3"):
        signal_read.loads(text.format(feed="book", type="BID_ASK_IMBALANCE, levels: 2"))


def test_a_gap_of_a_book_is_told_before_what_shows_it():
    kinds = []
    plan = plan_of({"bid": {"type": "BEST_BID"}}, FEED)
    updates = [(0, 1, True, SNAPSHOT), (1, 5, False, [(1, 99.0, 1)]), (2, 6, False, [(1, 99.0, 1)])]
    feed = TickFeed([(TickSource(0, "book", iter([rows_of(updates)])), Clock.BOTH)], {}, {})
    events = np.zeros(1, plan.venues["inbox"].dtype)
    while (
        what := replay_ticks.run_next_occurrence(
            plan.states, plan.venues, feed.streams, feed.heap, feed.ticks, feed.rates, events, limits.NEVER_NS
        )
    ) != replay_ticks.NOTHING:
        if what == replay_ticks.MISSING:
            feed.refill()
        else:
            kinds.append((EventKind(int(events[0]["kind"])).name, what // 8))
    assert kinds == [("BOOK_LEVEL", 3)] * len(SNAPSHOT) + [("DATA_GAP", 1), ("BOOK_LEVEL", 3), ("BOOK_LEVEL", 3)]
