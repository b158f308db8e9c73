"""A feed that repeats itself, names other symbols or says what cannot be invents no fact and ends nothing."""

import asyncio
import json

import pytest

from tightloop.adapters.venues.binance_usdm import HOSTS, BinanceUsdm
from tightloop.core.domain.enums import EventKind, FeedState
from tightloop.ports.transport import HttpAnswer, NoAnswer
from tightloop.runtime.session.market import feed as market_feed
from tightloop.runtime.session.market.bars import MadeBars
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


def test_a_rate_is_asked_for_when_the_venue_says_that_its_time_has_come(monkeypatch):
    due_ms = T_MS + 3_600_000  # by a clock that is ahead of ours, as that of a sandbox is that plays ten times as fast
    feed = feed_of(Settled(("BTCUSDT", due_ms)))
    told_mark(feed, next_ms=due_ms)
    assert settled(feed, monkeypatch) == 0
    told(feed, E=due_ms + 1_000, e="markPriceUpdate", p="1", i="1", P="1", r="0.1", T=due_ms + 28_800_000)
    assert settled(feed, monkeypatch) == 1


# Losses ---------------------------------------------------------------------------------------------------------------


class Recent:
    """A transport whose venue has these prints, by id."""

    def __init__(self, *ids):
        self.ids = ids

    async def call(self, _call, _timeout_s):
        if self.ids is None:
            raise NoAnswer("gone")
        rows = [{"id": n, "price": "100.0", "qty": "1", "time": T_MS, "isBuyerMaker": True} for n in self.ids]
        return HttpAnswer(200, {}, json.dumps(rows).encode())


def printed(feed, trade_id):
    told(feed, e="trade", t=trade_id, p="100.0", q="1", X="MARKET", m=True)


def facts(feed):
    """Return what waits: ids of prints, and states of the feed."""
    rows = feed.intake.rows[: len(feed.intake)]
    return [
        int(row["order_id"])
        if row["kind"] == int(EventKind.TRADE)
        else "GAP"
        if row["kind"] == int(EventKind.DATA_GAP)
        else FeedState(int(row["reason"])).name
        for row in rows
    ]


def test_prints_that_were_missed_stand_before_those_that_came_meanwhile():
    feed = feed_of(Recent(*range(5, 11)))
    printed(feed, 7)
    feed.lost()
    printed(feed, 11)
    assert facts(feed) == [7, "DOWN"], "what is new waits"
    asyncio.run(feed.catch_up())
    assert facts(feed) == [7, "DOWN", "GAP", 8, 9, 10, "GAP", "UP", 11], "no window holds what comes late"
    assert feed.repeated_count == 3


def test_what_the_venue_has_no_more_stays_a_jump_of_ids():
    feed = feed_of(Recent(20, 21))
    printed(feed, 7)
    feed.lost()
    asyncio.run(feed.catch_up())
    printed(feed, 22)
    assert facts(feed) == [7, "DOWN", "GAP", 20, 21, "GAP", "UP", 22]


def test_a_question_without_an_answer_holds_nothing_back():
    feed = feed_of(Recent())
    feed.transport.ids = None
    printed(feed, 7)
    feed.lost()
    printed(feed, 12)
    with pytest.raises(NoAnswer):
        asyncio.run(feed.catch_up())
    assert facts(feed) == [7, "DOWN", "UP", 12]


def test_each_loss_is_told_once_also_before_the_first_print_and_of_sockets_without_prints():
    feed = feed_of(Recent())
    for _ in range(3):
        feed.lost()
    asyncio.run(feed.catch_up())
    for _ in range(3):
        feed.lost(has_prints=False)
    feed.regained()
    feed.regained()
    assert facts(feed) == ["DOWN", "UP", "DOWN", "UP"]


def test_a_socket_without_prints_that_comes_back_does_not_end_the_loss_of_another():
    feed = feed_of(Recent())
    feed.lost()
    feed.lost(has_prints=False)
    feed.regained()
    assert facts(feed) == ["DOWN", "DOWN"]
    asyncio.run(feed.catch_up())
    assert facts(feed)[2:] == ["UP"]


def test_silence_is_a_loss_where_the_venue_has_prints_that_did_not_come():
    feed = feed_of(Recent(9))
    assert asyncio.run(feed.has_missed()), "nothing ever came"
    printed(feed, 8)
    assert asyncio.run(feed.has_missed())
    printed(feed, 9)
    assert not asyncio.run(feed.has_missed()), "a quiet market"


def test_a_bar_in_which_prints_were_missing_is_none_however_long_the_loss_lasts():
    feed = feed_of(Recent())
    feed.bars = bars = MadeBars(1, 60_000_000_000, NOW_NS)
    bars.begin(0, 100.0)
    feed.lost()
    assert [len(bars.close()[0]) for _ in range(3)] == [0, 0, 0]
    asyncio.run(feed.catch_up())
    assert [len(bars.close()[0]) for _ in range(2)] == [0, 1]
