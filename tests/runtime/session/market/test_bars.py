"""Bars made of prints: closed by the grid, flat without prints, none while prints were missing."""

import math

from tightloop.core.domain.enums import EventKind, Phase
from tightloop.runtime.session.market.bars import GRACE_NS, MadeBars

MINUTE_NS = 60_000_000_000
START_NS = 1_767_225_600_000_000_000


def made(count=1, now_ns=START_NS - 20_000_000_000):
    return MadeBars(count, MINUTE_NS, now_ns)


def ohlcv(event):
    return tuple(float(event[0][name]) for name in ("open", "high", "low", "price", "qty"))


def test_the_first_bar_is_the_next_full_one():
    bars = made()
    assert bars.open_ns == START_NS
    assert bars.due_ns == START_NS + MINUTE_NS + GRACE_NS


def test_prints_make_a_bar_which_opens_with_the_first():
    bars = made()
    prints = ((10.0, 1.0), (12.0, 2.0), (9.0, 3.0), (11.0, 4.0))
    firsts = [bars.take(0, price, qty, START_NS + k) for k, (price, qty) in enumerate(prints)]
    assert firsts == [True, False, False, False]
    (closed,), opened = bars.close()
    assert ohlcv(closed) == (10.0, 12.0, 9.0, 11.0, 10.0)
    assert closed[0]["ts_event_ns"] == START_NS
    assert not opened


def test_what_is_printed_after_the_end_belongs_to_the_next_bar():
    bars = made()
    bars.take(0, 10.0, 1.0, START_NS)
    assert not bars.take(0, 20.0, 1.0, START_NS + MINUTE_NS)
    (closed,), (opened,) = bars.close()
    assert ohlcv(closed) == (10.0, 10.0, 10.0, 10.0, 1.0)
    assert (opened[0]["kind"], opened[0]["price"]) == (int(EventKind.BAR_OPENED), 20.0)
    (closed,), _ = bars.close()
    assert ohlcv(closed) == (20.0, 20.0, 20.0, 20.0, 1.0)


def test_a_late_print_counts_in_the_bar_it_comes_in():
    bars = made()
    bars.take(0, 10.0, 1.0, START_NS)
    bars.close()
    bars.take(0, 7.0, 2.0, START_NS + MINUTE_NS - 1)
    assert bars.late_count == 1
    (closed,), _ = bars.close()
    assert ohlcv(closed) == (7.0, 7.0, 7.0, 7.0, 2.0)


def test_without_prints_a_bar_is_flat_and_without_a_price_there_is_none():
    bars = made(2)
    bars.begin(0, 10.0)
    closed, _ = bars.close()
    assert [int(event[0]["instrument"]) for event in closed] == [0]
    assert ohlcv(closed[0]) == (10.0, 10.0, 10.0, 10.0, 0.0)


def test_there_is_no_bar_while_prints_are_missing():
    bars = made()
    bars.take(0, 10.0, 1.0, START_NS)
    bars.lose(0)
    assert bars.close() == ([], [])
    assert bars.close() == ([], []), "as long as they are missing"
    bars.take(0, 10.0, 1.0, START_NS + 2 * MINUTE_NS)
    bars.regain(0)
    assert bars.close() == ([], []), "it has a part of its prints"
    (closed,), _ = bars.close()
    assert ohlcv(closed)[:4] == (10.0, 10.0, 10.0, 10.0)


def test_the_last_of_an_instant_decides():
    bars = made(3)
    for at in range(3):
        bars.take(at, 10.0, 1.0, START_NS)
    closed, _ = bars.close()
    decides = [bool(event[0]["phase"] & Phase.DECIDE_ON_CLOSE) for event in closed]
    assert decides == [False, False, True]


def test_a_print_before_the_first_bar_is_its_close_before():
    bars = made()
    bars.take(0, 5.0, 1.0, START_NS - 1)
    (closed,), _ = bars.close()
    assert ohlcv(closed) == (5.0, 5.0, 5.0, 5.0, 0.0)
    assert not math.isnan(closed[0]["price"])
