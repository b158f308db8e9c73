"""A feed that repeats itself, names other symbols or says what cannot be invents no fact and ends nothing."""

import asyncio
import json

import pytest

from tightloop.adapters.venues.binance_usdm import HOSTS, BinanceUsdm
from tightloop.core.domain.enums import EventKind
from tightloop.ports.transport import HttpAnswer
from tightloop.runtime.session.market import feed as market_feed
from tightloop.runtime.session.market.feed import MarketFeed
from tightloop.runtime.session.market.intake import Intake

T_MS = 1_700_000_000_000
NOW_NS = (T_MS + 5_000) * 1_000_000
DIALECT = BinanceUsdm(HOSTS)


class Settled:
    """A transport whose venue has settled these rates: (symbol, time in ms)."""

    def __init__(self, *rates):
        rows = [{"symbol": s, "fundingTime": t, "fundingRate": "0.0001", "markPrice": "1"} for s, t in rates]
        self.answer = HttpAnswer(200, {}, json.dumps(rows).encode())
        self.count = 0

    async def call(self, _call, _timeout_s):
        self.count += 1
        return self.answer


def feed_of(transport=None):
    intake = Intake(lambda: NOW_NS)
    return MarketFeed(DIALECT, transport, lambda: NOW_NS, intake, {"BTCUSDT": 0})


def told(feed, **frame):
    feed.take(DIALECT.decode_frame(json.dumps({"E": T_MS, "T": T_MS, "s": "BTCUSDT", **frame}).encode()))


def told_mark(feed, symbol="BTCUSDT", next_ms=T_MS):
    told(feed, e="markPriceUpdate", s=symbol, p="1", i="1", P="1", r="0.1", T=next_ms)


def settled(feed, monkeypatch, while_s=0.1):
    monkeypatch.setattr(market_feed, "FUNDING_ASKED_EVERY_S", 0.005)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(feed.settle(), while_s))
    return int((feed.intake.rows["kind"] == int(EventKind.FUNDING_RATE)).sum())


def test_a_rate_is_told_once_though_the_venue_goes_on_to_announce_its_time(monkeypatch):
    feed = feed_of(Settled(("BTCUSDT", T_MS)))
    told_mark(feed)
    assert settled(feed, monkeypatch) == 1
    told_mark(feed, next_ms=T_MS - 28_800_000)  # a mark of before
    assert settled(feed, monkeypatch) == 1


def test_marks_and_rates_of_other_symbols_are_ignored(monkeypatch):
    feed = feed_of(Settled(("XXXUSDT", T_MS)))
    told_mark(feed, "XXXUSDT")
    told_mark(feed)
    assert settled(feed, monkeypatch) == 0
    assert feed.transport.count > 1, "it asks on"


@pytest.mark.parametrize(
    "wrong", [{"p": "0"}, {"p": "-5"}, {"p": "1e300"}, {"q": "-1"}, {"q": "1e300"}, {"p": "NaN"}, {"t": -4}]
)
def test_a_print_that_cannot_be_is_no_fact(wrong):
    feed = feed_of()
    told(feed, **{"e": "trade", "t": 7, "p": "100.0", "q": "1", "X": "MARKET", "m": True, **wrong})
    assert (len(feed.intake), feed.malformed_count) == (0, 1)
    told(feed, e="trade", t=7, p="100.0", q="1", X="MARKET", m=True)
    assert len(feed.intake) == 1, "the same id, as it should be"


@pytest.mark.parametrize(
    "wrong", [{"b": "0", "B": "0"}, {"b": "-1"}, {"a": "1e308"}, {"B": "-1"}, {"A": "1e300"}, {"a": "NaN"}]
)
def test_a_quote_that_cannot_be_is_no_fact(wrong):
    feed = feed_of()
    told(feed, **{"e": "bookTicker", "u": 4, "b": "99", "B": "1", "a": "100", "A": "1", **wrong})
    assert (len(feed.intake), feed.malformed_count) == (0, 1)
