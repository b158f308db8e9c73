"""What a leg that follows a signal hears, from each of its sources."""

import math
import statistics

import numpy as np
import pytest

from adapters.data import planted
from adapters.data.planted import HOUR_NS, START_NS
from app.carry_strategies import BYBIT_PERP, perp, strategy
from tightloop.app.markets.carry.load import load_carry_feed
from tightloop.app.markets.carry.signals import TOKEN
from tightloop.model.carry.strategy import Signal
from tightloop.model.errors import InputError, ProviderError


@pytest.fixture
def catalog(tmp_path):
    planted.write(tmp_path / "bars/bybit/ETHUSDT-perp-1h.parquet", planted.bars(500, "1h"))
    rates = planted.series({"rate": np.full(70, 1e-4)}, 8 * HOUR_NS)
    planted.write(tmp_path / "funding/bybit/ETHUSDT.parquet", rates)
    return tmp_path


def heard(catalog, source, where=None, start=0, end=499):
    own = strategy(perp(BYBIT_PERP, signal=Signal(source, where, 0.7, 2, 2)), file=str(catalog / "own.yaml"))
    feed = load_carry_feed(own, catalog, start_ns=START_NS + start * HOUR_NS, end_ns=START_NS + end * HOUR_NS)
    return feed.predictions["hedge"], feed.warnings


def expected_at(closes, hour):
    """The baseline by hand: the move of the bar that ended, in deviations of the 24 returns before it."""
    if hour < 26:
        return None
    returns = [closes[row] / closes[row - 1] - 1 for row in range(hour - 25, hour)]
    sd, move = statistics.stdev(returns[:-1]), returns[-1]
    if abs(move) <= sd:
        return None
    return START_NS + hour * HOUR_NS, 1 if move > 0 else -1, math.erf(abs(move) / sd / 2**0.5), sd


def test_the_baseline_is_a_breakout_of_the_bars_that_have_ended(catalog):
    closes = planted.bars(500, "1h")["close"].tolist()
    expected = [own for hour in range(500) if (own := expected_at(closes, hour)) is not None]
    said, _ = heard(catalog, "baseline")
    assert len(said) == len(expected) > 100
    for own, (ts_ns, side, confidence, sd) in zip(said, expected, strict=True):
        assert (own.ts_ns, own.side) == (ts_ns, side)
        assert (own.confidence, own.sd) == pytest.approx((confidence, sd), rel=1e-9)
    assert {own.side for own in said} == {1, -1}


def test_the_baseline_of_a_later_start_looks_at_the_bars_before_it(catalog):
    whole, _ = heard(catalog, "baseline")
    later, _ = heard(catalog, "baseline", start=100, end=200)
    assert later == tuple(own for own in whole if 100 <= (own.ts_ns - START_NS) // HOUR_NS <= 200)


def test_the_baseline_says_nothing_for_a_day_after_a_hole(catalog):
    planted.write(catalog / "bars/bybit/ETHUSDT-perp-1h.parquet", planted.without(planted.bars(500, "1h"), 200))
    said, _ = heard(catalog, "baseline")
    hours = {(own.ts_ns - START_NS) // HOUR_NS for own in said}
    assert not hours & set(range(201, 227))
    assert hours & set(range(227, 260))


def test_a_file_is_found_beside_the_strategy_and_only_the_time_of_the_run_is_heard(catalog):
    (catalog / "said.csv").write_text(
        "ts,signal,confidence,sd\n2024-01-01T01:00:00Z,long,0.9,0.01\n2024-01-05T00:00:00Z,neutral,0.9,\n"
    )
    both, _ = heard(catalog, "file", "said.csv")
    assert [own.side for own in both] == [1, 0]
    late, _ = heard(catalog, "file", "said.csv", start=2)
    assert [own.side for own in late] == [0]
    none, warnings = heard(catalog, "file", "said.csv", start=100)
    assert none == ()
    assert "the signal of hedge has no prediction during the run" in warnings


def test_a_provider_is_asked_with_the_token_of_the_environment_or_not_at_all(catalog, monkeypatch):
    monkeypatch.delenv(TOKEN, raising=False)
    with pytest.raises(InputError, match=r"legs.hedge.signal: TIGHTLOOP_SIGNAL_TOKEN is not set"):
        heard(catalog, "http", "https://signals.example")
    monkeypatch.setenv(TOKEN, "secret")
    with pytest.raises(ProviderError, match="not an address to which a token may be sent"):
        heard(catalog, "http", "http://signals.example")
    with pytest.raises(InputError, match=r"legs.hedge.signal: does not say where its http is"):
        heard(catalog, "http")
