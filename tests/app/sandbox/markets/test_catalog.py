"""A catalog is played: its prints, quotes and bars at their distances in time, its rules, and what lay before."""

import pytest

from tightloop.adapters.data import sample, tick_sample
from tightloop.adapters.data.catalog import Catalog
from tightloop.app.sandbox.engine import Exchange
from tightloop.app.sandbox.markets.catalog import RATE_UNSAID, CatalogMarket
from tightloop.model.errors import InputError
from tightloop.model.times import MINUTE_NS, SECOND_NS

NOW_NS = 1_790_000_040_000_000_000


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """Return a catalog of one-minute bars."""
    root = tmp_path_factory.mktemp("bars")
    sample.write_sample(root, days=2)
    return root


@pytest.fixture(scope="module")
def ticks(tmp_path_factory):
    """Return a catalog of trades and quotes."""
    root = tmp_path_factory.mktemp("ticks")
    tick_sample.write_tick_sample(root, ["flat"])
    return root


def test_trades_and_quotes_are_played_as_they_were_recorded(ticks):
    market = CatalogMarket(ticks, NOW_NS, "2024-01-01T12:40:00Z")
    assert [listing.symbol for listing in market.listings] == [f"FLAT{letter}USDT" for letter in "ABCDEF"]
    first = Catalog(ticks).instruments()[0]
    recorded = Catalog(ticks).ticks("trades", first).columns
    begin = int((recorded["ts_init_ns"] < 1_704_110_400_000_000_000 + 10 * MINUTE_NS).sum())
    played = [row for row in market._rows_of(market.listings[0], market.begin_ns, None) if not row.is_quote]
    assert len(played) == len(recorded["price"]) - begin
    shift = {row.ts_ns - int(ts_ns) for row, ts_ns in zip(played, recorded["ts_init_ns"][begin:], strict=True)}
    assert len(shift) == 1, "distances in time have changed"
    assert [row.price for row in played[:50]] == recorded["price"][begin : begin + 50].tolist()
    exchange = Exchange(market, 1)
    exchange.advance(NOW_NS + 30 * SECOND_NS)
    assert all(board.bid < board.ask for board in exchange.boards.values())
    listing = market.listings[0]
    assert market.is_synthetic
    assert (listing.tick, listing.notional_min, listing.tiers[0].leverage_max) == (0.001, 5.0, 20)


def test_bars_become_prints_that_make_them_up(bars):
    market = CatalogMarket(bars, NOW_NS, "2024-01-02T00:00:00Z")
    assert market.is_synthetic
    exchange = Exchange(market, 1)
    exchange.advance(NOW_NS + 10 * MINUTE_NS)
    board = exchange.boards["BTCUSDT"]
    found = Catalog(bars)
    instrument = next(name for name in found.instruments() if name.symbol == "BTCUSDT")
    stored = found.bars(instrument, "1m").bars
    at = int((stored["open_ns"] < 1_704_153_600_000_000_000).sum())
    minutes = [minute for minute in board.minutes if NOW_NS <= minute.open_ns < NOW_NS + 10 * MINUTE_NS]
    assert len(minutes) == 10
    for minute, bar in zip(minutes, stored[at : at + 10], strict=True):
        assert (minute.open, minute.high, minute.low, minute.close) == (
            bar["open"], bar["high"], bar["low"], bar["close"],
        )  # fmt: skip
    past = [minute.open_ns for minute in board.minutes]
    assert past == list(range(past[0], past[-1] + 1, MINUTE_NS)), "a minute is missing"
    assert len(past) > 1_400


def test_funding_is_that_of_the_catalog(bars, ticks):
    market = CatalogMarket(bars, NOW_NS, "2024-01-02T00:00:00Z")
    assert market.rate("BTCUSDT", NOW_NS) != RATE_UNSAID
    assert market.rate("BTCUSDT", NOW_NS - 10**17) == RATE_UNSAID


def test_what_cannot_be_played_is_said(bars, tmp_path):
    with pytest.raises(InputError, match="outside of the catalog"):
        CatalogMarket(bars, NOW_NS, "2030-01-01")
    with pytest.raises(InputError, match="is not a time"):
        CatalogMarket(bars, NOW_NS, "soon")
    with pytest.raises(InputError, match="there is no such folder"):
        CatalogMarket(tmp_path / "absent", NOW_NS, None)
    with pytest.raises(InputError, match="no perp"):
        CatalogMarket(tmp_path, NOW_NS, None)
