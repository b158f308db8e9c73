"""The synthetic market: its past joins what is played, rounds join each other, and seeds decide all."""

from tightloop.adapters.data import tick_sample
from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.markets.sample import SampleMarket
from tightloop.model.times import MINUTE_NS, SECOND_NS

START_NS = 1_790_000_040_000_000_000
ONE = ("PUMPAUSDT",)


def test_the_past_ends_where_the_play_begins_at_its_price():
    market = SampleMarket("pump", 4, START_NS, symbols=ONE)
    past = market.past("PUMPAUSDT")
    first = next(row for row in market.rows() if not row.is_quote)
    assert past[-1].open_ns + MINUTE_NS == market.begin_ns
    assert abs(first.price / past[-1].close - 1.0) < 0.01
    assert [candle.open_ns for candle in past] == list(range(past[0].open_ns, market.begin_ns, MINUTE_NS))
    assert all(candle.low <= min(candle.open, candle.close) for candle in past)
    assert all(candle.high >= max(candle.open, candle.close) for candle in past)


def test_a_pump_comes_soon_after_the_start():
    exchange = Exchange(SampleMarket("pump", 4, START_NS, symbols=ONE), 4)
    before = exchange.boards["PUMPAUSDT"].last
    highest = before
    for minute in range(1, 35):
        exchange.advance(START_NS + minute * MINUTE_NS)
        highest = max(highest, exchange.boards["PUMPAUSDT"].last)
    assert highest / before > 1.07


def test_a_round_begins_at_the_price_the_last_one_ended_with():
    market = SampleMarket("flat", 4, START_NS, symbols=("FLATAUSDT",), headstart_s=int(tick_sample.FIRST_EVENT_S))
    assert START_NS - market.begin_ns < MINUTE_NS, "there was something to play before the start"
    edge_ns = market.begin_ns + tick_sample.ROUND_S * SECOND_NS
    before = after = None
    for row in market.rows():
        if row.is_quote:
            continue
        if row.ts_ns >= edge_ns:
            after = row.price
            break
        before = row.price
    assert abs(after / before - 1.0) < 0.01


def test_seeds_decide_rows_and_rates():
    def drawn(seed):
        market = SampleMarket("pump", seed, START_NS, symbols=ONE)
        rows = market.rows()
        return [next(rows) for _ in range(50)], market.rate("PUMPAUSDT", START_NS), market.past("PUMPAUSDT")[0]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
